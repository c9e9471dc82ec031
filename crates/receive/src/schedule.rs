//! When a submission is to go, and how urgent it is: what its client asked for, brought to points in time, and bounded.

use std::time::Duration;

use mail::{DeliverBy, EnhancedStatus, Reply, Timestamp};
use smtp::server::{By, Hold, Schedule, Scheduling};

/// RFC 4865 §4.
const NOT_THEN: Reply =
    Reply::fixed(501, (5, 5, 4), "Release time is over, or further ahead than is offered");

/// What the envelope says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Planned {
    pub(crate) hold_until: Option<Timestamp>,
    pub(crate) deliver_by: Option<DeliverBy>,
    pub(crate) priority: i8,
}

/// What is offered to who submits.
pub(crate) fn offered(hold_max: Duration, now: Timestamp) -> Scheduling {
    let hold_seconds_max = u32::try_from(hold_max.as_secs()).unwrap_or(u32::MAX);
    Scheduling { hold_seconds_max, hold_until_max: now.after(hold_max) }
}

impl Planned {
    /// `may_hurry`: whether the client may go before others (mail-rules 15). Who may not is not refused.
    ///
    /// # Errors
    /// The reply for a release that cannot be promised.
    pub(crate) fn new(
        asked: &Schedule,
        may_hurry: bool,
        hold_max: Duration,
        now: Timestamp,
    ) -> Result<Self, Reply> {
        let hold_until = match asked.hold {
            None => None,
            Some(Hold::For(duration)) if duration <= hold_max => Some(now.after(duration)),
            Some(Hold::Until(until)) if until > now && until <= now.after(hold_max) => Some(until),
            Some(_) => return Err(NOT_THEN),
        };
        let asked_for = asked.priority.unwrap_or_default();
        let priority = if may_hurry { asked_for } else { asked_for.min(0) };
        // The time for delivery begins when delivery may.
        let begin = hold_until.unwrap_or(now);
        Ok(Self { hold_until, deliver_by: asked.by.map(|by| deadline(by, begin)), priority })
    }

    /// RFC 6710 §4: a client whose wish was not followed is told so, RFC 3463 X.3.6 of its registry.
    pub(crate) fn reply(&self, asked: &Schedule) -> Option<Reply> {
        let changed = asked.priority.is_some_and(|priority| priority != self.priority);
        let text = || format!("{} is the priority of this message", self.priority);
        changed.then(|| Reply::new(250, EnhancedStatus::new(2, 3, 6), text()))
    }
}

fn deadline(by: By, begin: Timestamp) -> DeliverBy {
    let time = Duration::from_secs(by.seconds.unsigned_abs());
    let deadline = if by.seconds < 0 { begin.before(time) } else { begin.after(time) };
    DeliverBy { deadline, return_then: by.return_then, trace: by.trace }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn wishes_are_bounded() {
        let held =
            |hold| Planned::new(&Schedule { hold: Some(hold), ..Schedule::default() }, false, HOUR, NOW);
        assert_eq!(held(Hold::For(HOUR)).unwrap().hold_until, Some(NOW.after(HOUR)));
        assert_eq!(held(Hold::Until(NOW.after(HOUR))).unwrap().hold_until, Some(NOW.after(HOUR)));
        let over = HOUR + Duration::from_millis(1);
        for hold in [Hold::For(over), Hold::Until(NOW.after(over)), Hold::Until(NOW)] {
            assert_eq!(held(hold), Err(NOT_THEN));
        }
        for (asked, may_hurry, priority) in [(3, true, 3), (3, false, 0), (-3, false, -3), (-3, true, -3)] {
            let asked = Schedule { priority: Some(asked), ..Schedule::default() };
            let planned = Planned::new(&asked, may_hurry, HOUR, NOW).unwrap();
            assert_eq!(planned.priority, priority);
            assert_eq!(planned.reply(&asked).is_some(), asked.priority != Some(priority));
        }
    }

    #[test]
    fn the_time_for_delivery_begins_with_the_release() {
        let by = Some(By { seconds: 60, return_then: true, trace: false });
        let asked = Schedule { hold: Some(Hold::For(HOUR)), by, priority: None };
        let planned = Planned::new(&asked, false, HOUR, NOW).unwrap();
        assert_eq!(planned.deliver_by.unwrap().deadline, NOW.after(HOUR + Duration::from_mins(1)));
        let late = Schedule {
            by: Some(By { seconds: -60, return_then: false, trace: true }),
            ..Schedule::default()
        };
        let planned = Planned::new(&late, false, HOUR, NOW).unwrap();
        assert_eq!(planned.deliver_by.unwrap().deadline, NOW.before(Duration::from_mins(1)));
    }
}
