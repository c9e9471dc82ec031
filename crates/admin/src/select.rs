//! Which part of the queue a request means.

use mail::{QueueId, Timestamp};
use spool::{Pattern, PatternError, Selection, State};

use crate::{Problem, api};

impl api::Selection {
    /// Takes a parameter of a query string; false if there is none of that name.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, Problem> {
        let seconds = || value.parse().map_err(|_| bad(name, value, "is no number of seconds"));
        match name {
            "id" => self.ids.push(value.to_owned()),
            "to" => self.to.push(value.to_owned()),
            "from" => self.from.push(value.to_owned()),
            "domain" => self.domain.push(value.to_owned()),
            "site" => self.site.push(value.to_owned()),
            "older_than" => self.older_than = Some(seconds()?),
            "younger_than" => self.younger_than = Some(seconds()?),
            "reason" => self.reason.push(value.to_owned()),
            "state" => self.state.push(state(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether it takes everything.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// In the spool's words.
    pub(crate) fn resolve(&self, now: Timestamp) -> Result<Selection, Problem> {
        if let Some(empty) = self.reason.iter().find(|reason| reason.trim().is_empty()) {
            return Err(bad("reason", empty, "is empty"));
        }
        let before = |seconds: u64| {
            Timestamp::from_millis(now.as_millis().saturating_sub(seconds.saturating_mul(1000)))
        };
        Ok(Selection {
            ids: self.ids.iter().map(|text| id(text)).collect::<Result<_, _>>()?,
            to: patterns("to", &self.to, Pattern::address)?,
            from: patterns("from", &self.from, Pattern::address)?,
            domains: patterns("domain", &self.domain, Pattern::domain)?,
            sites: patterns("site", &self.site, Pattern::domain)?,
            received_until: self.older_than.map(before),
            received_from: self.younger_than.map(before),
            reasons: self.reason.clone(),
            states: self.state.iter().map(|state| (*state).into()).collect(),
        })
    }
}

impl From<api::State> for State {
    fn from(state: api::State) -> Self {
        match state {
            api::State::Queued => Self::Queued,
            api::State::Active => Self::InFlight,
            api::State::Deferred => Self::Deferred,
            api::State::Held => Self::Held,
        }
    }
}

/// A queue id, or what is wrong with it.
pub(crate) fn id(text: &str) -> Result<QueueId, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("`{text}` is not a queue id: {error}")))
}

fn state(text: &str) -> Result<api::State, Problem> {
    let all = [api::State::Queued, api::State::Active, api::State::Deferred, api::State::Held];
    let found = all.into_iter().find(|state| state.word() == text);
    found.ok_or_else(|| bad("state", text, "is none of queued, active, deferred, held"))
}

fn patterns(
    name: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<Pattern, PatternError>,
) -> Result<Vec<Pattern>, Problem> {
    let parse = |text: &String| parse(text).map_err(|error| bad(name, text, &error.to_string()));
    texts.iter().map(parse).collect()
}

fn bad(name: &str, value: &str, why: &str) -> Problem {
    Problem::bad_request(format!("{name}: `{value}` {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_counted_back_from_now() {
        let now = Timestamp::from_millis(100_000);
        let selection =
            api::Selection { older_than: Some(60), younger_than: Some(u64::MAX), ..Default::default() };
        let resolved = selection.resolve(now).unwrap();
        assert_eq!(resolved.received_until, Some(Timestamp::from_millis(40_000)));
        assert_eq!(resolved.received_from, Some(Timestamp::from_millis(0)));
    }

    #[test]
    fn what_could_match_nothing_is_refused_by_name() {
        let texts = |text: &str| vec![text.to_owned()];
        let now = Timestamp::from_millis(0);
        for (selection, detail) in [
            (api::Selection { ids: texts("x"), ..Default::default() }, "`x` is not a queue id"),
            (api::Selection { to: texts("anna"), ..Default::default() }, "to: `anna` is no address"),
            (api::Selection { domain: texts("a..b"), ..Default::default() }, "domain: `a..b` is no domain"),
            (api::Selection { reason: texts(" "), ..Default::default() }, "reason: ` ` is empty"),
        ] {
            let problem = selection.resolve(now).unwrap_err();
            assert!(problem.detail.as_deref().unwrap().starts_with(detail), "{problem:?}");
        }
    }
}
