//! Which events are asked for.

use std::time::Duration;

use events::{Event, Kind, parse_time};
use mail::{QueueId, Timestamp};
use spool::Pattern;

use crate::{Problem, select};

/// Events of which all that is given is true; of a list, one thing has to be true. The default takes all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// About one of these messages, or about its report.
    ids: Vec<QueueId>,
    /// With such a recipient.
    to: Vec<Pattern>,
    /// With such a reverse-path.
    from: Vec<Pattern>,
    /// Of one of these kinds.
    kinds: Vec<Kind>,
    /// What happened at this time or later.
    since: Option<Timestamp>,
}

impl EventFilter {
    /// Takes a parameter of a query string, which is also an option of the command line; false if there is none of that name. `now` is what ages
    /// are counted back from.
    ///
    /// # Errors
    /// The value means nothing.
    pub fn take(&mut self, name: &str, value: &str, now: Timestamp) -> Result<bool, Problem> {
        let bad = |why: &str| Problem::bad_request(format!("{name}: `{value}` {why}"));
        let address = || Pattern::address(value).map_err(|error| bad(&error.to_string()));
        match name {
            "id" => self.ids.push(select::id(value)?),
            "to" => self.to.push(address()?),
            "from" => self.from.push(address()?),
            "kind" => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.word() == value);
                self.kinds.push(kind.ok_or_else(|| bad("is no kind of event"))?);
            }
            "since" => {
                let since = since(value, now);
                self.since =
                    Some(since.ok_or_else(|| bad("is neither a number of seconds nor a time in UTC"))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What happened before is not asked for.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether an event is asked for.
    pub fn takes(&self, event: &Event) -> bool {
        let is_one = |id: QueueId| self.ids.contains(&id);
        let matches =
            |patterns: &[Pattern], text: &String| patterns.iter().any(|pattern| pattern.matches(text));
        (self.ids.is_empty() || is_one(event.id) || event.report.is_some_and(is_one))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.at >= since)
            && (self.to.is_empty()
                || event.recipient.iter().chain(&event.recipients).any(|to| matches(&self.to, to)))
            && (self.from.is_empty() || event.reverse_path.iter().any(|from| matches(&self.from, from)))
    }
}

/// So many seconds ago, or a time.
fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.parse::<u64>() {
        Ok(seconds) => {
            let back = u64::try_from(Duration::from_secs(seconds).as_millis()).unwrap_or(u64::MAX);
            Some(Timestamp::from_millis(now.as_millis().saturating_sub(back)))
        }
        Err(_) => parse_time(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);

    fn filter(pairs: &[(&str, &str)]) -> EventFilter {
        let mut filter = EventFilter::default();
        for (name, value) in pairs {
            assert!(filter.take(name, value, NOW).unwrap(), "{name}");
        }
        filter
    }

    #[test]
    fn all_that_is_given_has_to_be_true() {
        let id = QueueId::new(NOW, 0, 1);
        let mut event = Event::new(NOW, id, Kind::Deferred, "deliver/remote");
        (event.recipient, event.reverse_path) =
            (Some("anna@example.org".into()), Some("bob@example.com".into()));
        let shown = id.to_string();
        for (pairs, takes) in [
            (&[][..], true),
            (&[("id", shown.as_str())], true),
            (&[("id", "00000000000000000000000000")], false),
            (&[("to", "@example.org"), ("from", "bob@*")], true),
            (&[("to", "@example.org"), ("from", "<>")], false),
            (&[("to", "eve@*"), ("to", "anna@*")], true),
            (&[("kind", "bounced"), ("kind", "deferred")], true),
            (&[("kind", "bounced")], false),
            (&[("since", "60")], true),
            (&[("since", "2026-11-23T18:02:15Z")], false),
        ] {
            assert_eq!(filter(pairs).takes(&event), takes, "{pairs:?}");
        }
    }

    #[test]
    fn a_report_belongs_to_what_it_reports() {
        let (message, report) = (QueueId::new(NOW, 0, 1), QueueId::new(NOW, 0, 2));
        let event = Event::report_sent(NOW, message, "report", report, "bob@example.com", &["failed"]);
        for id in [message, report] {
            assert!(filter(&[("id", &id.to_string())]).takes(&event));
        }
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let mut filter = EventFilter::default();
        for (name, value) in
            [("id", "x"), ("to", "anna"), ("kind", "teleported"), ("kind", "unknown"), ("since", "soon")]
        {
            let problem = filter.take(name, value, NOW).unwrap_err();
            assert!(problem.detail.unwrap().contains(&format!("`{value}`")), "{name}");
        }
        assert!(!filter.take("domian", "x", NOW).unwrap());
    }
}
