//! Whether the clock on the wall can be believed (mail-rules 12). Lifetimes and due times stand on it, and it may be set: by a person, by
//! NTP after the start of a machine whose battery is flat, by the host of a virtual machine that was stopped.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use disk::Clock;
use mail::Timestamp;

/// A clock that is off by less was put right, and nobody need hear of it: nothing is tried or given up much too early or late.
const LEAP: Duration = Duration::from_mins(5);
/// So long a server may have been off without a word. Beyond, either it was, or the clock is wrong.
const OFF_MAX: Duration = Duration::from_hours(24);
/// After a leap ahead no lifetime ends for so long: time for a person to see it and to set the clock right.
pub(crate) const DOUBT: Duration = Duration::from_hours(12);

/// What a clock did that no time passing explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leap {
    /// It went ahead by so much.
    Ahead(Duration),
    /// It went back by so much.
    Back(Duration),
}

/// Compares the clock with the time that passes.
#[derive(Debug)]
pub(crate) struct ClockWatch(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    shown: Timestamp,
    passed: Duration,
    /// In time passed: until then the clock is in doubt.
    doubted_until: Duration,
    leaps: u64,
}

impl ClockWatch {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let (shown, passed) = clock.now_and_passed();
        Self(Mutex::new(Seen { shown, passed, doubted_until: Duration::ZERO, leaps: 0 }))
    }

    /// At the start: compares the clock with the last time on record, if anything is there that could be given up.
    pub(crate) fn begin(&self, recorded: Option<Timestamp>, is_empty: bool) -> Option<Leap> {
        let mut seen = self.seen();
        let (recorded, now) = (recorded?, seen.shown);
        if recorded > now.after(LEAP) {
            return Some(seen.leap(Leap::Back(recorded.since(now))));
        }
        let off = now.since(recorded);
        (off > OFF_MAX && !is_empty).then(|| seen.leap(Leap::Ahead(off)))
    }

    /// Looks at the clock: what it did since the last look.
    pub(crate) fn look(&self, clock: &dyn Clock) -> Option<Leap> {
        let mut seen = self.seen();
        let (shown, passed) = clock.now_and_passed();
        let expected = seen.shown.after(passed.saturating_sub(seen.passed));
        (seen.shown, seen.passed) = (shown, passed);
        if shown > expected.after(LEAP) {
            Some(seen.leap(Leap::Ahead(shown.since(expected))))
        } else if expected > shown.after(LEAP) {
            Some(seen.leap(Leap::Back(expected.since(shown))))
        } else {
            None
        }
    }

    /// Whether the clock went ahead not long ago, so that nothing may end by it.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let seen = self.seen();
        seen.passed < seen.doubted_until
    }

    /// How often it leapt.
    pub(crate) fn leaps(&self) -> u64 {
        self.seen().leaps
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn leap(&mut self, leap: Leap) -> Leap {
        self.leaps += 1;
        self.doubted_until = match leap {
            Leap::Ahead(_) => self.passed + DOUBT,
            // Whatever was wrong before, it may be right now.
            Leap::Back(_) => Duration::ZERO,
        };
        leap
    }
}

#[cfg(test)]
mod tests {
    use testkit::clock::FakeClock;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn time_that_passes_is_no_leap() {
        let clock = FakeClock::default();
        let watch = ClockWatch::new(&clock);
        clock.advance(1000 * HOUR);
        assert_eq!(watch.look(&clock), None);
        clock.set(clock.now().after(LEAP));
        assert_eq!((watch.look(&clock), watch.is_in_doubt()), (None, false), "put right");
    }

    #[test]
    fn after_a_leap_ahead_the_clock_is_in_doubt_until_time_has_passed() {
        let clock = FakeClock::default();
        let watch = ClockWatch::new(&clock);
        clock.set(clock.now().after(100 * HOUR));
        assert_eq!(watch.look(&clock), Some(Leap::Ahead(100 * HOUR)));
        assert_eq!((watch.look(&clock), watch.is_in_doubt(), watch.leaps()), (None, true, 1));
        clock.advance(DOUBT);
        assert_eq!((watch.look(&clock), watch.is_in_doubt()), (None, false));
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_longer_in_doubt() {
        let clock = FakeClock::default();
        let (watch, before) = (ClockWatch::new(&clock), clock.now());
        clock.set(before.after(100 * HOUR));
        watch.look(&clock);
        clock.advance(HOUR);
        clock.set(before.after(HOUR));
        assert_eq!((watch.look(&clock), watch.is_in_doubt()), (Some(Leap::Back(100 * HOUR)), false));
    }

    #[test]
    fn at_the_start_the_last_record_is_what_counts() {
        let clock = FakeClock::default();
        let begin = |recorded, is_empty| ClockWatch::new(&clock).begin(recorded, is_empty);
        let (now, before) = (clock.now(), |ago: Duration| {
            Timestamp::from_millis(clock.now().as_millis() - u64::try_from(ago.as_millis()).unwrap())
        });
        assert_eq!(begin(None, false), None, "there is no record");
        assert_eq!(begin(Some(before(24 * HOUR)), false), None, "it was off for a day");
        assert_eq!(begin(Some(before(25 * HOUR)), false), Some(Leap::Ahead(25 * HOUR)));
        assert_eq!(begin(Some(before(25 * HOUR)), true), None, "nothing can be given up");
        assert_eq!(begin(Some(now.after(HOUR)), true), Some(Leap::Back(HOUR)));
        assert_eq!(begin(Some(now.after(LEAP)), false), None);
    }
}
