//! The words of a report for people.

use std::{fmt::Write, time::Duration};

use super::{Action, Cause, Report, ReportedRecipient, Topic, date, returned::What};
use crate::clean;

pub(super) fn subject(report: &Report<'_>, topic: Topic) -> String {
    let mut subject = match topic {
        Topic::Failure if report.for_postmaster => "A report could not be delivered",
        Topic::Failure => "Your message could not be delivered",
        Topic::Delay => "Your message is delayed",
        Topic::Success if all(report, Action::Delivered) => "Your message was delivered",
        Topic::Success => "Your message was sent on",
    }
    .to_owned();
    if let Some((some, of)) = part(report) {
        let preposition = if topic == Topic::Delay { "for" } else { "to" };
        // Writing to a String cannot fail.
        let _ = write!(subject, " {preposition} {some} of {of} recipients");
    }
    subject
}

/// Where to turn.
pub(super) fn help(report: &Report<'_>) -> String {
    let (host, id) = (report.host(), report.envelope.id);
    if report.for_postmaster {
        format!("The event log tells its way: postrider trace {id}")
    } else {
        format!("If you need help, write to postmaster@{host} and name this message: {id}")
    }
}

/// How many of all recipients it tells of, if not of all. An alias of several is itself none of those that the envelope
/// counts.
pub(super) fn part(report: &Report<'_>) -> Option<(usize, usize)> {
    let (some, of) = (report.recipients.len(), report.envelope.recipients.len());
    let expanded = report.recipients.iter().any(|reported| reported.action == Action::Expanded);
    (some < of && !expanded).then_some((some, of))
}

fn all(report: &Report<'_>, action: Action) -> bool {
    report.recipients.iter().all(|reported| reported.action == action)
}

/// The first sentence about the message.
pub(super) fn beginning(report: &Report<'_>, topic: Topic) -> String {
    let what = match topic {
        Topic::Failure => "could not be delivered to",
        Topic::Delay => "could not be delivered yet to",
        Topic::Success if all(report, Action::Delivered) => "was delivered to",
        Topic::Success => "was sent on to",
    };
    let whom = match report.recipients.len() {
        1 => "this recipient:".to_owned(),
        many => format!("these {many} recipients:"),
    };
    let which = if report.for_postmaster { "The report" } else { "Your message" };
    format!("{which} of {} {what} {whom}", date(report.envelope.received))
}

/// What happened to a recipient, as the beginning of a sentence.
pub(super) fn happened(report: &Report<'_>, reported: &ReportedRecipient<'_>) -> String {
    let mta = reported.remote_mta.map(|mta| clean::host(mta, false));
    match (reported.action, mta) {
        (Action::Failed(Cause::Bounced), Some(mta)) => format!("The server {mta} refused it"),
        (Action::Failed(Cause::Bounced), None) => "It could not be handed on".to_owned(),
        (Action::Failed(Cause::Expired), Some(mta)) => {
            format!("It was tried again and again for {}, last at {mta}", lasted(report))
        }
        (Action::Failed(Cause::Expired), None) => {
            format!("It was tried again and again for {}", lasted(report))
        }
        (Action::Delayed { .. }, Some(mta)) => format!("It was tried for {}, last at {mta}", lasted(report)),
        (Action::Delayed { .. }, None) => format!("It was tried for {}", lasted(report)),
        (Action::Delivered, _) => "It is in the mailbox".to_owned(),
        (Action::Relayed, Some(mta)) => {
            format!("The server {mta} has taken it. That server tells of failures only, so no more will come")
        }
        (Action::Relayed, None) => "It was handed on to a server that tells of failures only".to_owned(),
        (Action::Expanded, _) => {
            "This address stands for several others, and it goes on to each of them. What follows is told only if \
             it fails"
                .to_owned()
        }
    }
}

/// What leads from [`happened`] to the reply, if the reply says anything that the sender can use.
pub(super) fn introduction(reported: &ReportedRecipient<'_>) -> Option<&'static str> {
    let by_peer = reported.remote_mta.is_some();
    match reported.action {
        Action::Failed(Cause::Bounced) if by_peer => Some(" and said"),
        Action::Failed(Cause::Expired) | Action::Delayed { .. } if by_peer => Some(", which said"),
        Action::Failed(_) | Action::Delayed { .. } => Some(", because"),
        Action::Delivered | Action::Relayed | Action::Expanded => None,
    }
}

/// About the recipients that the report does not name.
pub(super) fn others(topic: Topic) -> &'static str {
    match topic {
        Topic::Failure | Topic::Delay => {
            "For the other recipients nothing has to be done: this report is not about them."
        }
        Topic::Success => "This report is not about the other recipients.",
    }
}

/// What comes next, and what is attached.
pub(super) fn ending(report: &Report<'_>, topic: Topic, what: What) -> String {
    let attached = match what {
        What::Message => "The message is attached.".to_owned(),
        What::Headers { why: None } => "The header section of the message is attached.".to_owned(),
        What::Headers { why: Some(why) } => {
            format!("Only the header section of the message is attached, {why}.")
        }
    };
    let next = match topic {
        Topic::Failure if report.for_postmaster => {
            "It will not be tried again, and nobody hears of this but you.".to_owned()
        }
        Topic::Failure => "It will not be tried again.".to_owned(),
        Topic::Delay => {
            let until = report.recipients.iter().filter_map(|reported| match reported.action {
                Action::Delayed { until } => Some(until),
                _ => None,
            });
            let until = until.max().unwrap_or(report.at);
            format!("You need not send it again: it will be tried further until {}.", date(until))
        }
        Topic::Success => "You get this report because your mail program asked for it.".to_owned(),
    };
    format!("{next} {attached}")
}

/// How long the message was with us.
fn lasted(report: &Report<'_>) -> String {
    // The lifetime runs from the release (mail-rules 12).
    let since = report.envelope.hold_until.unwrap_or_default().max(report.envelope.received);
    rounded(report.at.since(since))
}

/// As people say it: in the largest unit of which there are two.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7200.. => (seconds / 3600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => return "a short time".to_owned(),
    };
    format!("{number} {unit}")
}

/// By the enhanced status code (RFC 3463 §3, RFC 7505 §4.2), or else by the reply code.
///
/// None: it did not fail, or there is nothing to do.
pub(super) fn advice(report: &Report<'_>, reported: &ReportedRecipient<'_>) -> Option<&'static str> {
    let Action::Failed(cause) = reported.action else { return None };
    if report.for_postmaster {
        return None;
    }
    Some(match (cause, reported.status.subject, reported.status.detail) {
        (_, 1, 10) => "the domain takes no mail at all. Look for another address.",
        (_, 1, 2) => "check what stands behind the @ for mistakes: there is no such domain.",
        (_, 1, 0 | 1 | 3 | 6) => "check the address for mistakes, and send the message again.",
        (_, 1, 7 | 8) => "the server does not accept your own address. Check it, or ask your postmaster.",
        (_, 2, 1) => "the mailbox is disabled. Ask the recipient in another way.",
        (_, 2, 2) => "the mailbox is full. Ask the recipient in another way, or try again later.",
        (_, 2 | 3, 3 | 4) => "the message is too large. Send less, or a link.",
        (_, 4, 6) => "the message goes round in circles. Tell the postmaster of the recipient's domain.",
        (_, 6, 7) => "the server cannot take addresses that are not plain letters. Look for another address.",
        (_, 6, _) => "the server cannot take a message of this form. Send it in another one.",
        (_, 7, _) => "the server refuses it by its rules. What it says above may tell how to meet them.",
        (Cause::Expired, _, _) => {
            "try again later, or ask the recipient in another way whether their server works."
        }
        (Cause::Bounced, _, _) => "what is said above may tell. Otherwise ask the recipient in another way.",
    })
}
