//! The time of day.

use std::time::{Duration, SystemTime};

use mail::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Tells the time. Tests set it by hand.
pub trait Clock: Send + Sync {
    /// The time now. Somebody may set it, and it may be wrong.
    fn now(&self) -> Timestamp;
    /// The time now, and at the same moment the time that has passed since some moment before this process began, whatever is done to the
    /// clock: where the two go apart, somebody has set it.
    fn now_and_passed(&self) -> (Timestamp, Duration);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program reads the system's time")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    /// Since the machine was started; a machine that sleeps grows older meanwhile.
    fn now_and_passed(&self) -> (Timestamp, Duration) {
        loop {
            let (before, now, after) = (boottime(), self.now(), boottime());
            // Else this process was stopped in between.
            if after.saturating_sub(before) < Duration::from_secs(1) {
                return (now, after);
            }
        }
    }
}

fn boottime() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}
