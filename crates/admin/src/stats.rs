//! The queue in figures, by what an operator asks for: who waits, since when, and why.

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State as Shared};
use mail::Timestamp;
use spool::{RecipientSummary, State, Surveyed};

use crate::{
    Control, Problem, api,
    gist::gist,
    query::{self, Params},
    queue::{Pairs, refusal},
    routes::Answer,
};

/// Groups told unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;
/// The most groups that a request can ask for.
const LIMIT_MAX: usize = 10_000;
/// Groups that are kept apart; what comes beyond is counted together.
const GROUPS_MAX: usize = 100_000;
/// Reasons of a group that are kept apart.
const REASONS_MAX: usize = 200;
/// Reasons of a group that are told.
const REASONS_TOLD: usize = 3;
/// The name of what cannot be kept apart any more.
const OTHERS: &str = "(others)";

/// Bounds of ages, in seconds, and what lies between them and the next one.
const AGES: [(u64, &str); 7] = [
    (0, "under 5m"),
    (300, "5m to 30m"),
    (1800, "30m to 2h"),
    (7200, "2h to 12h"),
    (43_200, "12h to 1d"),
    (86_400, "1d to 3d"),
    (259_200, "3d or more"),
];

/// What the groups are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Domain,
    Site,
    State,
    Age,
    Reason,
    Sender,
}

#[derive(Debug, Default)]
struct Group {
    messages: u64,
    /// Recipients by state: queued, active, deferred, held.
    states: [u64; 4],
    oldest: Option<Timestamp>,
    next_due: Option<Timestamp>,
    reasons: HashMap<String, u64>,
}

#[derive(Debug, Default)]
struct Tally {
    total: Group,
    groups: HashMap<String, Group>,
}

/// `GET /v1/queue/stats`: the parameters of a selection, `by` and `limit`.
pub(crate) async fn stats(Shared(control): Shared<Control>, params: Params<Pairs>) -> Answer<api::Stats> {
    let (mut by, mut limit, mut selection) = (By::Domain, LIMIT_DEFAULT, api::Selection::default());
    for (name, value) in &query::params(params)? {
        match name.as_str() {
            "by" => by = By::parse(value)?,
            "limit" => limit = query::limit(value, LIMIT_MAX)?,
            _ if selection.take(name, value)? => {}
            _ => return Err(Problem::bad_request(format!("there is no parameter `{name}`"))),
        }
    }
    let now = control.clock.now();
    let selection = Arc::new(selection.resolve(now)?);
    let (mut tally, mut after) = (Tally::default(), None);
    loop {
        let part = control.spool.survey(&selection, by == By::Sender, after).await;
        let part = part.map_err(|error| refusal(&error))?;
        part.messages.iter().for_each(|message| tally.add(message, by, now));
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    let sites = if by == By::Site { (control.sites)() } else { Vec::new() };
    Ok(Json(tally.told(by, limit, &sites)))
}

impl By {
    const ALL: [Self; 6] = [Self::Domain, Self::Site, Self::State, Self::Age, Self::Reason, Self::Sender];

    fn parse(text: &str) -> Result<Self, Problem> {
        let known = Self::ALL.into_iter().find(|by| by.word() == text);
        known.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            Problem::bad_request(format!("by: `{text}` is none of {words}"))
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Site => "site",
            Self::State => "state",
            Self::Age => "age",
            Self::Reason => "reason",
            Self::Sender => "sender",
        }
    }

    /// The group of a recipient.
    fn of(self, message: &Surveyed, owed: &RecipientSummary, reason: Option<&str>, now: Timestamp) -> String {
        let envelope = message.envelope.as_deref();
        match self {
            Self::Domain => owed.forward_path.rsplit_once('@').map_or("?", |(_, domain)| domain).to_owned(),
            Self::Site => {
                let known = envelope.and_then(|envelope| envelope.recipients.get(owed.recipient as usize));
                known.and_then(|known| known.last_site.as_deref()).unwrap_or("(none so far)").to_owned()
            }
            Self::State => crate::convert::state(owed.state).word().to_owned(),
            Self::Age => {
                let age = now.since(message.received).as_secs();
                AGES.iter().rev().find(|(from, _)| age >= *from).map_or("?", |(_, name)| name).to_owned()
            }
            Self::Reason => reason.unwrap_or("(none so far)").to_owned(),
            Self::Sender => match envelope {
                Some(envelope) => {
                    envelope.reverse_path.address().map_or_else(|| "<>".to_owned(), ToString::to_string)
                }
                None => "(cannot be read)".to_owned(),
            },
        }
    }
}

impl Tally {
    fn add(&mut self, message: &Surveyed, by: By, now: Timestamp) {
        self.total.messages += 1;
        let mut seen: Vec<String> = Vec::new();
        for owed in &message.recipients {
            let known =
                message.envelope.as_ref().and_then(|known| known.recipients.get(owed.recipient as usize));
            let reason = known.and_then(|known| known.last_reply.as_ref()).map(gist);
            let mut name = by.of(message, owed, reason.as_deref(), now);
            if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&name) {
                OTHERS.clone_into(&mut name);
            }
            let group = self.groups.entry(name.clone()).or_default();
            group.add(message, owed, reason.as_deref());
            self.total.add(message, owed, reason.as_deref());
            if !seen.contains(&name) {
                group.messages += 1;
                seen.push(name);
            }
        }
    }

    fn told(self, by: By, limit: usize, sites: &[api::Site]) -> api::Stats {
        let mut groups: Vec<api::StatsGroup> =
            self.groups.into_iter().map(|(name, group)| group.told(name, sites)).collect();
        let place = |name: &str| AGES.iter().position(|(_, age)| *age == name);
        match by {
            By::Age => groups.sort_by_key(|group| place(&group.name)),
            _ => groups.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.name.cmp(&b.name))),
        }
        let more = groups.len().saturating_sub(limit) as u64;
        groups.truncate(limit);
        api::Stats { by: by.word().to_owned(), total: self.total.told("total".to_owned(), &[]), groups, more }
    }
}

impl Group {
    fn add(&mut self, message: &Surveyed, owed: &RecipientSummary, reason: Option<&str>) {
        let [queued, active, deferred, held] = &mut self.states;
        *match owed.state {
            State::Queued => queued,
            State::InFlight => active,
            State::Deferred => deferred,
            State::Held => held,
        } += 1;
        self.oldest = Some(self.oldest.map_or(message.received, |oldest| oldest.min(message.received)));
        if owed.state != State::Held {
            self.next_due = Some(self.next_due.map_or(owed.due, |due| due.min(owed.due)));
        }
        if let Some(reason) = reason {
            let full = self.reasons.len() >= REASONS_MAX && !self.reasons.contains_key(reason);
            *self.reasons.entry(if full { OTHERS } else { reason }.to_owned()).or_default() += 1;
        }
    }

    fn told(self, name: String, sites: &[api::Site]) -> api::StatsGroup {
        let [queued, active, deferred, held] = self.states;
        let mut reasons: Vec<api::Reason> =
            self.reasons.into_iter().map(|(text, recipients)| api::Reason { text, recipients }).collect();
        reasons.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.text.cmp(&b.text)));
        reasons.truncate(REASONS_TOLD);
        api::StatsGroup {
            site: sites.iter().find(|site| site.name == name).cloned(),
            name,
            messages: self.messages,
            recipients: queued + active + deferred + held,
            queued,
            active,
            deferred,
            held,
            oldest: self.oldest.map(|at| at.to_string()),
            next_due: self.next_due.map(|at| at.to_string()),
            reasons,
        }
    }
}
