//! What may go wrong a thousand times a second and is the same thing each time: told at once, then counted.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mail::Timestamp;

/// How often it is told again while it goes on.
const AGAIN: Duration = Duration::from_mins(1);
/// So long nothing may have gone wrong before it counts as over: at a bound, failures and successes alternate.
const OVER: Duration = Duration::from_secs(10);

/// Something that goes wrong again and again.
#[derive(Debug, Default)]
pub struct Complaint {
    goes_on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it was last told.
    told: Timestamp,
    /// When it last happened.
    last: Timestamp,
    /// How often it happened since it was told.
    untold: u64,
    /// How often it happened since it began.
    all: u64,
}

impl Complaint {
    /// It went wrong. If that is to be told now: how often it did since it was told last, this time included.
    pub fn happened(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.state();
        let is_new = !self.goes_on.swap(true, Ordering::SeqCst);
        state.all = if is_new { 1 } else { state.all + 1 };
        state.untold = if is_new { 1 } else { state.untold + 1 };
        state.last = now;
        // A clock that was set back makes nothing silent for longer.
        let is_due = is_new || now.since(state.told) >= AGAIN || now < state.told;
        is_due.then(|| {
            state.told = now;
            std::mem::take(&mut state.untold)
        })
    }

    /// It went well. If that is worth telling, for it had gone wrong and does no more: how often it did in all. Costs nothing
    /// while all is well.
    pub fn went_well(&self, now: Timestamp) -> Option<u64> {
        if !self.goes_on.load(Ordering::Relaxed) {
            return None;
        }
        let state = self.state();
        let is_over = now.since(state.last) >= OVER && self.goes_on.swap(false, Ordering::SeqCst);
        is_over.then_some(state.all)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis((1_000_000 + seconds) * 1000)
    }

    #[test]
    fn it_is_told_at_once_then_once_a_minute_with_its_number() {
        let complaint = Complaint::default();
        assert_eq!(complaint.happened(at(0)), Some(1));
        let told: Vec<u64> = (1..=120).filter_map(|second| complaint.happened(at(second))).collect();
        assert_eq!(told, [60, 60]);
    }

    #[test]
    fn that_it_is_over_is_told_once() {
        let complaint = Complaint::default();
        assert_eq!(complaint.went_well(at(0)), None, "it never went wrong");
        complaint.happened(at(0));
        complaint.happened(at(5));
        assert_eq!(complaint.went_well(at(6)), None, "a success among failures is no end");
        assert_eq!(complaint.went_well(at(15)), Some(2));
        assert_eq!(complaint.went_well(at(16)), None);
        assert_eq!(complaint.happened(at(17)), Some(1), "it begins anew");
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        let complaint = Complaint::default();
        complaint.happened(at(1000));
        assert_eq!(complaint.happened(at(10)), Some(1));
    }
}
