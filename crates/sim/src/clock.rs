//! The clock on the wall: it goes with tokio's paused one, survives restarts, and can jump.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use disk::Clock;
use mail::Timestamp;
use tokio::time::Instant;

/// 2026-11-23T18:02:14Z.
const BEGIN: i64 = 1_795_456_934_000;

/// Two times: the true one, which only goes on, and what the clock shows.
#[derive(Debug)]
pub(crate) struct SimClock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// True milliseconds when the runtime of this life began.
    before: u64,
    /// When that was; none between two lives, when time stands still.
    begun: Option<Instant>,
    /// How far the shown time is off.
    offset: i64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { before: 0, begun: None, offset: BEGIN }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True milliseconds since the simulation began.
    pub(crate) fn elapsed(&self) -> u64 {
        self.state().elapsed()
    }

    /// Goes on with the clock of this runtime.
    pub(crate) fn start(&self) {
        self.state().begun = Some(Instant::now());
    }

    /// Stands still until the next runtime.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.before = state.elapsed();
        state.begun = None;
    }

    /// Shows so many milliseconds more or less from here on.
    pub(crate) fn jump(&self, millis: i64) {
        self.state().offset += millis;
    }
}

impl State {
    fn elapsed(&self) -> u64 {
        let now = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        self.before + u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let state = self.state();
        let shown = i64::try_from(state.elapsed()).unwrap_or(i64::MAX).saturating_add(state.offset);
        Timestamp::from_millis(u64::try_from(shown).unwrap_or(0))
    }

    fn now_and_passed(&self) -> (Timestamp, Duration) {
        (self.now(), Duration::from_millis(self.elapsed()))
    }
}
