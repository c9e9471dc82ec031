//! When the next attempt is due, and when there is none (mail-rules 11 and 12).

use std::time::Duration;

use mail::{Envelope, Recipient, Timestamp};

use crate::config::{Config, SUSPENSION_MAX};

/// No rest is longer, with all its jitter.
pub(crate) const REST_MAX: Duration = Duration::from_secs(SUSPENSION_MAX.as_secs() / 10 * 11);

/// The randomness that makes an interval longest.
const JITTER_MAX: u64 = 200;

/// The retry list and the lifetimes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    intervals: Box<[Duration]>,
    expire: Duration,
    expire_null: Duration,
    delay_notice: Option<Duration>,
}

impl RetryPolicy {
    /// As the settings say. An empty list means one hour, for to try again at once would be an attack.
    pub(crate) fn new(config: &Config) -> Self {
        let mut intervals = config.retry.clone();
        intervals.retain(|interval| !interval.is_zero());
        if intervals.is_empty() {
            intervals.push(Duration::from_hours(1));
        }
        Self {
            intervals: intervals.into(),
            expire: config.expire,
            expire_null: config.expire_null,
            delay_notice: config.delay_notice,
        }
    }

    /// When a recipient has been in the queue long enough. Its lifetime runs from the message's release (RFC 4865), else
    /// from its receipt, and stands still while it is on hold (mail-rules 12).
    pub(crate) fn expires_at(&self, envelope: &Envelope, recipient: &Recipient) -> Timestamp {
        let lifetime = if envelope.reverse_path.is_null() { self.expire_null } else { self.expire };
        let end = begun(envelope, recipient).after(lifetime);
        match envelope.deliver_by {
            Some(by) if by.return_then => by.deadline.min(end),
            _ => end,
        }
    }

    /// When a recipient is so late that its sender is to hear of it, if ever. Counted as its lifetime is.
    pub(crate) fn late_at(&self, envelope: &Envelope, recipient: &Recipient) -> Option<Timestamp> {
        match envelope.deliver_by {
            // RFC 2852 §4: the mode N asks for a notice then, whatever we do for others.
            Some(by) if !by.return_then => Some(by.deadline),
            _ => self.delay_notice.map(|patience| begun(envelope, recipient).after(patience)),
        }
    }

    /// When to try again after the failure of attempt number `attempt` (the first is 1) at `now`; none when the
    /// lifetime is over. The last attempt is made when the lifetime ends, not an interval later.
    ///
    /// `random` spreads the interval by a tenth to both sides: what failed together need not return together.
    pub(crate) fn next_attempt(
        &self,
        attempt: u32,
        now: Timestamp,
        expires_at: Timestamp,
        random: u64,
    ) -> Option<Timestamp> {
        if now >= expires_at {
            return None;
        }
        Some(now.after(jittered(self.interval(attempt), random)).min(expires_at))
    }

    /// Nothing that was tried waits longer for its next attempt.
    pub(crate) fn wait_max(&self) -> Duration {
        let longest = self.intervals.iter().max().copied().unwrap_or_default();
        jittered(longest, JITTER_MAX).max(REST_MAX)
    }

    /// How long a site rests after so many rounds in a row in which no host could be reached.
    pub(crate) fn rest(&self, failures: u32) -> Duration {
        self.interval(failures).min(SUSPENSION_MAX)
    }

    /// The interval after attempt number `attempt`.
    fn interval(&self, attempt: u32) -> Duration {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.intervals.get(place).or(self.intervals.last()).copied().unwrap_or(Duration::from_hours(1))
    }
}

/// Whether its sender wants it returned rather than delivered this late (RFC 2852 §4).
pub(crate) fn is_too_late(envelope: &Envelope, now: Timestamp) -> bool {
    envelope.deliver_by.is_some_and(|by| by.return_then && by.deadline <= now)
}

/// Where a recipient's time in the queue is counted from: the message's release (RFC 4865), else its receipt, and as much
/// later as it was on hold.
fn begun(envelope: &Envelope, recipient: &Recipient) -> Timestamp {
    let released = envelope.hold_until.map_or(envelope.received, |until| until.max(envelope.received));
    released.after(recipient.paused)
}

/// 90 to 110 per cent of an interval.
pub(crate) fn jittered(interval: Duration, random: u64) -> Duration {
    let permille = 900 + random % 201;
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(
        (millis / 1000).saturating_mul(permille).saturating_add(millis % 1000 * permille / 1000),
    )
}

#[cfg(test)]
mod tests {
    use mail::{Address, DeliverBy, ReversePath};

    use super::*;
    use crate::fixtures;

    const NO_JITTER: u64 = 100;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn intervals_grow_as_listed_and_the_last_one_repeats() {
        let policy = RetryPolicy::new(&Config::default());
        let waits = (1..=9).map(|attempt| {
            policy.next_attempt(attempt, at(0), at(999_999), NO_JITTER).unwrap().as_secs() / 60
        });
        assert_eq!(waits.collect::<Vec<_>>(), [1, 5, 15, 30, 60, 120, 240, 240, 240]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for (random, secs) in [(0, 54), (100, 60), (200, 66), (201, 54)] {
            assert_eq!(jittered(Duration::from_mins(1), random), Duration::from_secs(secs));
        }
        assert_eq!(jittered(Duration::from_millis(1500), 200), Duration::from_millis(1650));
        assert!(jittered(Duration::MAX, u64::MAX) > Duration::from_secs(1));
    }

    #[test]
    fn the_last_attempt_is_made_when_the_lifetime_ends_and_not_after() {
        let policy = RetryPolicy::new(&Config::default());
        assert_eq!(policy.next_attempt(7, at(1000), at(1100), NO_JITTER), Some(at(1100)));
        assert_eq!(policy.next_attempt(8, at(1099), at(1100), NO_JITTER), Some(at(1100)));
        assert_eq!(policy.next_attempt(9, at(1100), at(1100), NO_JITTER), None);
    }

    #[test]
    fn lifetime_runs_from_release_and_is_short_for_the_null_reverse_path() {
        let policy = RetryPolicy::new(&Config::default());
        let mut envelope = fixtures::envelope(&["anna@example.org"]);
        envelope.received = at(1000);
        envelope.reverse_path = ReversePath::Address(Address::parse("otto@example.net").unwrap());
        let expires_at = |envelope: &Envelope| policy.expires_at(envelope, &envelope.recipients[0]);
        assert_eq!(expires_at(&envelope), at(1000 + 5 * 86_400));
        envelope.recipients[0].paused = Duration::from_mins(1);
        assert_eq!(expires_at(&envelope), at(1060 + 5 * 86_400), "the lifetime stands still on hold");
        envelope.recipients[0].paused = Duration::ZERO;
        envelope.hold_until = Some(at(5000));
        assert_eq!(expires_at(&envelope), at(5000 + 5 * 86_400));
        envelope.hold_until = Some(at(500));
        envelope.reverse_path = ReversePath::Null;
        assert_eq!(expires_at(&envelope), at(1000 + 86_400));
    }

    #[test]
    fn a_deadline_of_the_sender_ends_a_lifetime_or_is_told() {
        let policy = RetryPolicy::new(&Config::default());
        let mut envelope = fixtures::envelope(&["anna@example.org"]);
        envelope.received = at(1000);
        envelope.reverse_path = ReversePath::Address(Address::parse("otto@example.net").unwrap());
        let by = |return_then| Some(DeliverBy { deadline: at(1600), return_then, trace: false });
        let times = |envelope: &Envelope| {
            let recipient = &envelope.recipients[0];
            (policy.expires_at(envelope, recipient), policy.late_at(envelope, recipient))
        };
        let (end, late) = times(&envelope);
        envelope.deliver_by = by(true);
        assert_eq!(times(&envelope), (at(1600), late));
        assert!(!is_too_late(&envelope, at(1599)) && is_too_late(&envelope, at(1600)));
        envelope.deliver_by = by(false);
        assert_eq!(times(&envelope), (end, Some(at(1600))));
        assert!(!is_too_late(&envelope, at(9999)), "the mode N gives nothing up");
    }

    #[test]
    fn a_list_without_waits_does_not_make_a_busy_loop() {
        let policy = RetryPolicy::new(&Config { retry: vec![Duration::ZERO], ..Config::default() });
        assert_eq!(policy.next_attempt(1, at(0), at(999_999), NO_JITTER), Some(at(3600)));
    }
}
