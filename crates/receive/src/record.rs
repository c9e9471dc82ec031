//! What is put on record of a message that was taken: one event for it, and one for each rule or verdict that held, dropped or marked some
//! of its recipients. And of one that was refused for what the checks have found.

mod auth;

use events::{Event, Kind, Tls};
use mail::{Address, Envelope, Reply};

use crate::{
    Rule,
    content::Incoming,
    deciding::Checked,
    reception::STATION,
    rules::{Fate, Ruling},
    transaction::Taken,
};

/// mail-rules 1: what was changed is on record.
const REPAIRED: &str = "bare CR or LF was made CRLF";

/// The events of a message, whatever the number of its recipients only a few.
pub(crate) fn events(
    rules: &[Rule],
    taken: &Taken,
    checked: Option<&Checked>,
    (size, message_id, repaired): (u64, Option<String>, bool),
) -> Vec<Event> {
    let Taken { envelope, ruled, renamed } = taken;
    let name = |rule: usize| rules.get(rule).map(|rule| rule.name.to_string());
    let event = |kind| Event::new(envelope.received, envelope.id, kind, STATION);
    let accepted = Event {
        reverse_path: Some(envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default()),
        recipients: ruled.iter().map(|(address, _)| address.to_string()).collect(),
        original_recipients: renamed.iter().map(ToString::to_string).collect(),
        message_id,
        size: Some(size),
        client: envelope.client.address.map(|address| address.to_string()),
        tls: envelope.client.tls.as_ref().map(Tls::from),
        account: envelope.account.as_deref().map(str::to_owned),
        next_due: envelope.hold_until,
        reason: reason(envelope, repaired),
        rule: sole(ruled).and_then(name),
        ..event(Kind::Accepted)
    };
    let mut all = vec![accepted];
    for (ruling, addresses) in set_aside(ruled) {
        let kind = match ruling.fate {
            Fate::Drop => Kind::Dropped,
            Fate::Hold => Kind::Held,
            Fate::Junk | Fate::Deliver => Kind::Junk,
        };
        let reason = checked.and_then(|checked| checked.reason(ruling.cause));
        let mut recipients: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let recipient = if recipients.len() == 1 { recipients.pop() } else { None };
        all.push(Event { recipient, recipients, reason, rule: ruling.rule.and_then(name), ..event(kind) });
    }
    all
}

/// What was found about who answers for it, and what was decided by it.
pub(crate) fn checked(envelope: &Envelope, checked: &Checked) -> Event {
    Event {
        reason: Some(checked.found.summary()),
        client: envelope.client.address.map(|address| address.to_string()),
        reverse_path: Some(envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default()),
        auth: Some(auth::of(checked)),
        ..Event::new(envelope.received, envelope.id, Kind::Checked, STATION)
    }
}

/// A message that was not taken, for what was found.
pub(crate) fn refused(
    envelope: &Envelope,
    recipients: Vec<String>,
    incoming: &Incoming,
    checked: &Checked,
    reply: &Reply,
) -> Vec<Event> {
    let refused = Event {
        reverse_path: Some(envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default()),
        recipients,
        message_id: incoming.message_id.clone(),
        size: Some(incoming.seen().octets()),
        client: envelope.client.address.map(|address| address.to_string()),
        tls: envelope.client.tls.as_ref().map(Tls::from),
        reply: Some(reply.to_string()),
        ..Event::new(envelope.received, envelope.id, Kind::Refused, STATION)
    };
    vec![self::checked(envelope, checked), refused]
}

/// What else there is to say of it.
fn reason(envelope: &Envelope, repaired: bool) -> Option<String> {
    let by = envelope.deliver_by.map(|by| {
        let then = if by.return_then { "returned after" } else { "told if not delivered by" };
        format!("to be {then} {}", by.deadline)
    });
    let priority = (envelope.priority != 0).then(|| format!("priority {}", envelope.priority));
    let repaired = repaired.then(|| REPAIRED.to_owned());
    let words: Vec<String> = [by, priority, repaired].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// The rule by which all recipients are delivered to, if it is one.
fn sole(ruled: &[(Address, Ruling)]) -> Option<usize> {
    let mut delivered = ruled.iter().filter(|(_, ruling)| ruling.fate == Fate::Deliver).map(|(_, r)| r.rule);
    let first = delivered.next()?;
    first.filter(|_| delivered.all(|rule| rule == first))
}

/// Who is held, dropped or marked, by ruling.
fn set_aside(ruled: &[(Address, Ruling)]) -> Vec<(Ruling, Vec<&Address>)> {
    let mut groups: Vec<(Ruling, Vec<&Address>)> = Vec::new();
    for (address, ruling) in ruled.iter().filter(|(_, ruling)| ruling.fate != Fate::Deliver) {
        match groups.iter_mut().find(|(known, _)| known == ruling) {
            Some((_, addresses)) => addresses.push(address),
            None => groups.push((*ruling, vec![address])),
        }
    }
    groups
}
