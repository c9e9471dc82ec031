//! The time of day.

use std::time::SystemTime;

use mail::Timestamp;

/// Tells the time. Tests set it by hand.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program reads the system's time")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}
