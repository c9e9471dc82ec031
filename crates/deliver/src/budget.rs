//! How many recipients an account at a relay was used for within a day: a window that rolls.

use std::{collections::VecDeque, time::Duration};

use mail::Timestamp;

/// How exactly it is known when something was sent.
const STEP: Duration = Duration::from_mins(10);
/// Steps of a day. What was sent in a step counts until a day after its end, so that nothing is free too early.
const STEPS: u64 = 144;

/// What was sent, by steps, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Window {
    steps: VecDeque<(u64, u32)>,
}

/// A part of a window that was taken for something that may yet come to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    step: u64,
    pub(crate) recipients: u32,
}

impl Window {
    /// One with these numbers by steps. What a clock ahead of ours has written counts as of now.
    pub(crate) fn of(steps: impl IntoIterator<Item = (u64, u32)>, now: Timestamp) -> Self {
        let mut window = Self::default();
        let mut steps: Vec<_> =
            steps.into_iter().map(|(step, sent)| (step.min(step_of(now)), sent)).collect();
        steps.sort_unstable();
        for (step, sent) in steps {
            window.add(step, sent);
        }
        window.prune(now);
        window
    }

    /// The numbers by steps.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.steps.iter().copied()
    }

    /// How many recipients there were within the last day.
    pub(crate) fn used(&self, now: Timestamp) -> u32 {
        let oldest = oldest(now);
        self.steps
            .iter()
            .filter(|(step, _)| *step >= oldest)
            .fold(0, |sum, (_, sent)| sum.saturating_add(*sent))
    }

    /// Takes room for so many, if it is there.
    pub(crate) fn take(&mut self, now: Timestamp, recipients: u32, most: u32) -> Option<Taken> {
        self.prune(now);
        if self.used(now).saturating_add(recipients) > most {
            return None;
        }
        let step = step_of(now).max(self.steps.back().map_or(0, |(step, _)| *step));
        self.add(step, recipients);
        Some(Taken { step, recipients })
    }

    /// So many of what was taken were not used.
    pub(crate) fn give_back(&mut self, taken: &Taken, recipients: u32) {
        if let Some((_, sent)) = self.steps.iter_mut().find(|(step, _)| *step == taken.step) {
            *sent = sent.saturating_sub(recipients);
        }
    }

    /// When there is room for at least one; `now` if there is.
    pub(crate) fn room_at(&self, now: Timestamp, most: u32) -> Timestamp {
        let mut used = self.used(now);
        let oldest = oldest(now);
        for (step, sent) in self.steps.iter().filter(|(step, _)| *step >= oldest) {
            if used < most {
                break;
            }
            used = used.saturating_sub(*sent);
            if used < most {
                return Timestamp::from_millis((step + 1 + STEPS).saturating_mul(step_millis()));
            }
        }
        // A budget of nothing has room tomorrow, when somebody may have changed it.
        if used < most { now } else { now.after(Duration::from_hours(24)) }
    }

    fn add(&mut self, step: u64, recipients: u32) {
        match self.steps.back_mut() {
            Some((last, sent)) if *last == step => *sent = sent.saturating_add(recipients),
            _ => self.steps.push_back((step, recipients)),
        }
    }

    fn prune(&mut self, now: Timestamp) {
        let oldest = oldest(now);
        while self.steps.front().is_some_and(|(step, _)| *step < oldest) {
            self.steps.pop_front();
        }
    }
}

fn step_millis() -> u64 {
    u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX)
}

fn step_of(at: Timestamp) -> u64 {
    at.as_millis() / step_millis()
}

fn oldest(now: Timestamp) -> u64 {
    step_of(now).saturating_sub(STEPS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_millis(1_795_456_800_000 + minutes * 60_000)
    }

    #[test]
    fn a_day_rolls_and_nothing_is_free_before_a_day_is_over() {
        let mut window = Window::default();
        for minutes in [0, 60, 120] {
            assert!(window.take(at(minutes), 100, 300).is_some());
        }
        assert_eq!(window.used(at(121)), 300);
        assert!(window.take(at(122), 1, 300).is_none());
        let free = window.room_at(at(122), 300);
        assert!(free > at(24 * 60) && free <= at(24 * 60 + 10), "{free}");
        assert!(window.take(free, 100, 300).is_some() && window.take(free, 1, 300).is_none());
    }

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let mut window = Window::default();
        let taken = window.take(at(0), 10, 10).unwrap();
        window.give_back(&taken, 7);
        assert_eq!((window.used(at(1)), window.room_at(at(1), 10)), (3, at(1)));
        assert!(window.take(at(1), 8, 10).is_none() && window.take(at(1), 7, 10).is_some());
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nothing_for_ever() {
        let mut window = Window::default();
        window.take(at(100 * 24 * 60), 10, 10).unwrap();
        let again = Window::of(window.steps().collect::<Vec<_>>(), at(0));
        assert_eq!((again.used(at(0)), again.used(at(25 * 60))), (10, 0));
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget_within_any_day(
            sends in prop::collection::vec((0_u64..200, 1_u32..20), 1..200), most in 1_u32..60,
        ) {
            let (mut window, mut minutes, mut sent) = (Window::default(), 0, Vec::new());
            for (pause, recipients) in sends {
                minutes += pause;
                if window.take(at(minutes), recipients, most).is_some() {
                    sent.push((minutes, recipients));
                }
                let within: u32 = sent.iter().filter(|(then, _)| *then + 24 * 60 > minutes).map(|(_, n)| n).sum();
                prop_assert!(within <= most);
                prop_assert!(window.room_at(at(minutes), most) <= at(minutes + 24 * 60 + 10));
            }
        }
    }
}
