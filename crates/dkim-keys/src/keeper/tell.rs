//! What is said of keys: in the log, and to who asks.

use std::{collections::BTreeMap, time::Duration};

use mail::Timestamp;
use message_auth::DomainName;

use crate::{
    plan::{Key, Plan, Rules, Seen, State, kind},
    ring::{Given, Ring, name},
    status::{KeyStatus, Status},
};

/// How often the same is said again while it is so.
const TROUBLE_EVERY: Duration = Duration::from_hours(1);
const REMINDER_EVERY: Duration = Duration::from_hours(24);

/// What was said, and when.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, (String, Timestamp)>);

impl Told {
    /// Whether it is time to say this of something.
    fn is_due(&mut self, what: &str, text: &str, every: Duration, now: Timestamp) -> bool {
        let said = self.0.get(what).is_some_and(|(said, at)| said == text && now < at.after(every));
        if !said {
            self.0.insert(what.to_owned(), (text.to_owned(), now));
        }
        !said
    }

    pub(super) fn update_failed(&mut self, name: &str, why: &str, now: Timestamp) {
        if self.is_due(&format!("update {name}"), why, TROUBLE_EVERY, now) {
            tracing::error!(station = "dkim", name, "the record cannot be changed: {why}");
        }
    }

    /// Says what somebody should know.
    pub(super) fn tell(&mut self, all: &[Status], now: Timestamp) {
        for status in all {
            self.tell_domain(status, now);
            for key in &status.keys {
                self.tell_key(status, key, now);
            }
        }
    }

    fn tell_domain(&mut self, Status { domain, trouble, .. }: &Status, now: Timestamp) {
        match trouble {
            Some(why) if self.is_due(domain, why, TROUBLE_EVERY, now) => {
                tracing::error!(station = "dkim", domain, "mail cannot be signed: {why}");
            }
            Some(_) => {}
            None => {
                if self.0.remove(domain).is_some() {
                    tracing::info!(station = "dkim", domain, "mail is signed again");
                }
            }
        }
    }

    fn tell_key(&mut self, status: &Status, key: &KeyStatus, now: Timestamp) {
        let (domain, selector, name) = (&status.domain, &key.selector, &key.name);
        if let Some(why) = &key.broken {
            if self.is_due(name, why, REMINDER_EVERY, now) {
                tracing::error!(station = "dkim", domain, %selector, "a key is of no use: {why}");
            }
        } else if key.to_do {
            if self.is_due(name, key.state, REMINDER_EVERY, now) {
                let text = key.text.as_deref().unwrap_or_default();
                tracing::warn!(station = "dkim", domain, %selector, name, text, "to do: {}", key.next);
            }
        } else if !matches!(key.record.as_str(), "right" | "unknown") && key.state != "removing" {
            if self.is_due(name, &key.record, REMINDER_EVERY, now) {
                tracing::error!(station = "dkim", domain, %selector, name, "a record is not as it should be: {}", key.record);
            }
        } else {
            self.0.remove(name);
        }
    }
}

/// Says which keys have got further.
pub(super) fn moved(domain: &DomainName, before: &Plan, after: &Plan) {
    for key in &after.keys {
        let old = before.keys.iter().find(|old| old.selector == key.selector);
        if let Some(old) = old.filter(|old| old.state != key.state) {
            let (from, to, selector) = (old.state.word(), key.state.word(), &key.selector);
            tracing::info!(station = "dkim", %domain, selector, from, to, "a key has got further");
        }
    }
}

/// How a domain's keys fare.
pub(super) fn status(ring: &Ring, rules: &Rules, by_hand: bool) -> Status {
    let standing = ring.standing(rules);
    let signs = |selector: &str| standing.signers.iter().any(|signer| *signer.selector == *selector);
    let given = ring.given.iter().map(|one| given(one, ring, signs(&one.key.selector)));
    let kept = ring.plan.iter().flat_map(|plan| &plan.keys);
    let kept = kept.map(|key| self::kept(key, ring, rules, by_hand, signs(&key.selector)));
    let keys = given.chain(kept).collect();
    Status { domain: ring.domain.to_string(), kept: ring.plan.is_some(), trouble: standing.trouble, keys }
}

fn given(Given { key, seen }: &Given, ring: &Ring, signs: bool) -> KeyStatus {
    let (signer, broken) = match &key.signer {
        Ok(signer) => (Some(signer), None),
        Err(why) => (None, Some(why.clone())),
    };
    let next = match (&broken, seen.trouble()) {
        (Some(_), _) => "mend the file that [[dkim]] names, and reload the configuration",
        (None, Some(_)) => "put this record into the DNS",
        (None, None) => "nothing: it is kept by hand",
    };
    KeyStatus {
        selector: key.selector.to_string(),
        kind: signer.map(|signer| kind(signer.key.algorithm())),
        state: "by hand",
        since: None,
        name: name(&key.selector, &ring.domain),
        text: signer.and_then(|signer| signer.key.record().ok()),
        signs,
        record: record(seen),
        to_do: broken.is_none() && seen.trouble().is_some(),
        broken,
        next: next.to_owned(),
    }
}

fn kept(key: &Key, ring: &Ring, rules: &Rules, by_hand: bool, signs: bool) -> KeyStatus {
    let at = |wait: Duration| key.since.after(wait);
    let next = match key.state {
        State::Made if by_hand => "put this record into the DNS".to_owned(),
        State::Made => "its record is put into the DNS".to_owned(),
        State::Published => format!("it signs from {} on", at(rules.publish_wait)),
        State::Signing if by_hand && key.seen.trouble().is_some() => {
            "put this record into the DNS".to_owned()
        }
        State::Signing => match rules.rotate {
            Some(rotate) => format!("the next key is made at {}", at(rotate)),
            None => "it signs until somebody asks for another".to_owned(),
        },
        State::Retired => format!("its record stays until {}", at(rules.retire_wait)),
        State::Removing if by_hand => "take this record out of the DNS".to_owned(),
        State::Removing => "its record is taken out of the DNS".to_owned(),
    };
    let to_do = by_hand
        && match key.state {
            State::Made | State::Removing => true,
            State::Signing => key.seen.trouble().is_some(),
            State::Published | State::Retired => false,
        };
    KeyStatus {
        selector: key.selector.clone(),
        kind: Some(kind(key.algorithm)),
        state: key.state.word(),
        since: Some(key.since),
        name: name(&key.selector, &ring.domain),
        text: Some(key.record.clone()),
        signs,
        record: record(&key.seen),
        broken: key.broken.clone(),
        next,
        to_do: to_do && key.broken.is_none(),
    }
}

fn record(seen: &Seen) -> String {
    match seen {
        Seen::Never | Seen::NoAnswer => "unknown".to_owned(),
        Seen::Right => "right".to_owned(),
        Seen::Missing => "missing".to_owned(),
        Seen::Wrong(why) => why.clone(),
    }
}
