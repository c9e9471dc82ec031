//! A clock and a source of chance that panic where a test says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use disk::{Clock, OsRandom, Random};
use mail::Timestamp;
use testkit::clock::FakeClock;

/// Panics once for each time it is armed.
pub(crate) struct Trap {
    clock: Arc<FakeClock>,
    time: AtomicBool,
    chance: AtomicBool,
}

impl Trap {
    pub(crate) fn new(clock: Arc<FakeClock>) -> Self {
        Self { clock, time: AtomicBool::new(false), chance: AtomicBool::new(false) }
    }

    /// Whoever asks for the time next panics.
    pub(crate) fn arm_time(&self) {
        self.time.store(true, Ordering::SeqCst);
    }

    /// Whoever asks for chance next panics.
    pub(crate) fn arm_chance(&self) {
        self.chance.store(true, Ordering::SeqCst);
    }
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        self.now_and_passed().0
    }

    fn now_and_passed(&self) -> (Timestamp, Duration) {
        assert!(!self.time.swap(false, Ordering::SeqCst), "it was to panic");
        self.clock.now_and_passed()
    }
}

impl Random for Trap {
    fn fill(&self, buffer: &mut [u8]) {
        assert!(!self.chance.swap(false, Ordering::SeqCst), "it was to panic");
        OsRandom.fill(buffer);
    }
}
