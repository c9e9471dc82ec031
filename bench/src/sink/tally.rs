//! What the sink has counted, shared with whoever waits for it.

use crate::clock::monotonic_ns;
use crate::secure::Handshakes;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Counters of a sink. Times are monotonic nanoseconds, 0 until something came.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    messages: AtomicU64,
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    cpu_ns: AtomicU64,
    stop: AtomicBool,
    stop_at_count: Option<u64>,
    stop_at_ns: Option<u64>,
    arrivals: Mutex<Vec<(u64, u64)>>,
    handshakes: Mutex<Handshakes>,
}

impl Tally {
    /// A tally that says stop by itself, after `count` messages or when `limit` has passed.
    pub(crate) fn until(count: Option<u64>, limit: Option<Duration>) -> Self {
        let stop_at_ns = limit
            .map(|limit| monotonic_ns().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)));
        Self { stop_at_count: count, stop_at_ns, ..Self::default() }
    }

    /// Counts messages whose end of data came at `now_ns`.
    pub(crate) fn add(&self, messages: u64, now_ns: u64) {
        // Only the sink's thread writes: the count goes last, so who sees it sees the time as well.
        if self.first_ns() == 0 {
            self.first_ns.store(now_ns, Ordering::Relaxed);
        }
        self.last_ns.store(now_ns, Ordering::Relaxed);
        self.messages.fetch_add(messages, Ordering::Release);
    }

    /// As [`Tally::add`], for a sink of many threads: only the count is exact.
    pub(super) fn add_from_many(&self, messages: u64, now_ns: u64) {
        self.last_ns.store(now_ns, Ordering::Relaxed);
        self.messages.fetch_add(messages, Ordering::Release);
    }

    /// Notes that the message of this number came at `now_ns`.
    pub(crate) fn arrived(&self, number: u64, now_ns: u64) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push((number, now_ns));
    }

    /// The numbers of messages, and when each came.
    pub(crate) fn arrivals(&self) -> Vec<(u64, u64)> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a handshake.
    pub(super) fn shook_hands(&self, resumed: bool) {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner).count(resumed);
    }

    /// Handshakes so far.
    pub(crate) fn handshakes(&self) -> Handshakes {
        *self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    /// When the first end of data came.
    pub(crate) fn first_ns(&self) -> u64 {
        self.first_ns.load(Ordering::Relaxed)
    }

    /// When the latest end of data came.
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns.load(Ordering::Relaxed)
    }

    pub(super) fn set_cpu(&self, cpu_ns: u64) {
        self.cpu_ns.store(cpu_ns, Ordering::Relaxed);
    }

    /// CPU of the sink's thread.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.stop_at_count.is_some_and(|count| self.messages() >= count)
            || self.stop_at_ns.is_some_and(|at| monotonic_ns() >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_stop_at_its_count_or_its_time() {
        let tally = Tally::until(Some(3), None);
        tally.add(2, 10);
        assert!(!tally.stopped());
        tally.add(1, 20);
        assert!(tally.stopped());
        assert_eq!((tally.first_ns(), tally.last_ns(), tally.messages()), (10, 20, 3));
        assert!(Tally::until(None, Some(Duration::ZERO)).stopped());
        assert!(!Tally::default().stopped());
    }
}
