//! Clocks that tests set.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use disk::Clock;
use mail::Timestamp;

/// A clock that stands still until it is told.
#[derive(Debug)]
pub struct FakeClock(Mutex<(Timestamp, Duration)>);

impl FakeClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Shows `now` from here on, be it earlier or later, as if somebody had set it: no time has passed.
    pub fn set(&self, now: Timestamp) {
        self.hands().0 = now;
    }

    /// Time passes.
    pub fn advance(&self, duration: Duration) {
        let mut hands = self.hands();
        *hands = (hands.0.after(duration), hands.1.saturating_add(duration));
    }

    fn hands(&self) -> MutexGuard<'_, (Timestamp, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 2026-11-23T18:02:14Z.
impl Default for FakeClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_795_456_934_000))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.hands().0
    }

    fn now_and_passed(&self) -> (Timestamp, Duration) {
        *self.hands()
    }
}

/// A clock that goes with tokio's: where a test pauses that one and advances it, this one follows.
#[derive(Debug)]
pub struct TokioClock {
    base: Timestamp,
    start: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `base` now.
    pub fn new(base: Timestamp) -> Self {
        Self { base, start: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.base.after(self.start.elapsed())
    }

    fn now_and_passed(&self) -> (Timestamp, Duration) {
        (self.now(), self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_only_when_told() {
        let clock = FakeClock::default();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().since(before), Duration::from_secs(5));
        clock.set(before);
        assert_eq!(clock.now_and_passed(), (before, Duration::from_secs(5)), "set, not gone");
    }
}
