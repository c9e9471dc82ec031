//! What is told of a message: failures, delays and arrivals, once and never in circles (RFC 3461 §5.2, RFC 3464,
//! RFC 5321 §6.1, mail-rules 13).

use events::{Event, Kind};
use mail::{Envelope, QueueId, Recipient, Reply, ReversePath, Timestamp};
use message::{Action, Report, ReportedRecipient, Topic};
use spool::{Disposition, Submission};

use crate::outcome::{Finding, Success, Verdict, cause, status};

/// The listener of our own reports.
pub use message::dsn::DSN_LISTENER;
/// The listener of a report that goes to the postmaster because it could not go to anybody else. If that fails too
/// it is only an event: nothing goes in circles.
pub const POSTMASTER_LISTENER: &str = "dsn-postmaster";
/// The station of reports in events and logs.
pub(crate) const STATION: &str = "report";

/// The recipients of an attempt that one report tells of.
#[derive(Debug)]
pub(crate) struct Notice<'a> {
    topic: Topic,
    recipients: Vec<ReportedRecipient<'a>>,
}

impl<'a> Notice<'a> {
    /// What is to be told of an attempt: a notice for each topic that concerns somebody who is to hear of it. Of whom an
    /// operator has removed meanwhile (`is_owed` says who was not) nothing is told.
    pub(crate) fn gather(
        envelope: &'a Envelope,
        ended: &[(&'a Finding, Verdict)],
        is_owed: impl Fn(u32) -> bool,
    ) -> Vec<Self> {
        let mut notices: Vec<Self> = Vec::new();
        for (finding, verdict) in ended.iter().filter(|(finding, _)| is_owed(finding.recipient)) {
            let Some((recipient, action)) = told(envelope, finding, verdict) else { continue };
            let topic = action.topic();
            let reported = reported(finding, recipient, action, verdict.event.at);
            match notices.iter_mut().find(|notice| notice.topic == topic) {
                Some(notice) => notice.recipients.push(reported),
                None => notices.push(Self { topic, recipients: vec![reported] }),
            }
        }
        notices
    }

    /// Without those who would hear of a delay of bulk mail, for nobody waits for that: but whoever asked by NOTIFY
    /// does. None if nobody is left (mail-rules 13).
    pub(crate) fn worth_telling(mut self, is_bulk: bool) -> Option<Self> {
        if self.topic == Topic::Delay && is_bulk {
            self.recipients.retain(|reported| reported.recipient.notify.given);
        }
        (!self.recipients.is_empty()).then_some(self)
    }
}

/// Whether the outcome waits for others of its message, to be told of with them. A success does not: should the server
/// die before it is on record, the message would come twice.
pub(crate) fn waits(envelope: &Envelope, finding: &Finding, verdict: &Verdict) -> bool {
    told(envelope, finding, verdict).is_some_and(|(_, action)| action.topic() != Topic::Success)
}

/// The recipient of a finding and what is to be told of it, if anybody is to hear.
fn told<'a>(envelope: &'a Envelope, finding: &Finding, verdict: &Verdict) -> Option<(&'a Recipient, Action)> {
    let recipient = envelope.recipients.get(usize::try_from(finding.recipient).ok()?)?;
    let by = envelope.deliver_by;
    let unheeded = finding.without_deadline && by.is_some_and(|by| !by.return_then);
    let action = action(finding, verdict, unheeded)?;
    // RFC 2852 §4: who asked for a trace hears of each relay, and who asked for a notice hears of the one from which on nobody would
    // give it; unless it wants to hear nothing.
    let notify = recipient.notify;
    let hears = (notify.success || notify.failure || notify.delay) && !recipient.junk;
    let traced = (unheeded || by.is_some_and(|by| by.trace)) && action == Action::Relayed;
    if traced && hears && envelope.may_bounce && !envelope.reverse_path.is_null() {
        return Some((recipient, action));
    }
    // RFC 3461 §5.2.8: nothing is said of those whose sender did not want to hear.
    is_told(envelope, recipient, action.topic()).then_some((recipient, action))
}

/// Whether somebody hears of such a thing.
pub(crate) fn is_told(envelope: &Envelope, recipient: &Recipient, topic: Topic) -> bool {
    if envelope.reverse_path.is_null() {
        return topic == Topic::Failure && goes_to_postmaster(envelope);
    }
    let notify = recipient.notify;
    let wanted = match topic {
        Topic::Failure => notify.failure,
        Topic::Delay => notify.delay,
        Topic::Success => notify.success,
    };
    envelope.may_bounce && !recipient.junk && wanted
}

/// A report never causes another one (RFC 5321 §4.5.5, §6.1), but the postmaster gets a copy of ours.
pub(crate) fn goes_to_postmaster(envelope: &Envelope) -> bool {
    envelope.reverse_path.is_null() && &*envelope.listener == DSN_LISTENER
}

/// What a report would say of a recipient; `unheeded`: its host does not know by when the message is to be there.
fn action(finding: &Finding, verdict: &Verdict, unheeded: bool) -> Option<Action> {
    match verdict.outcome.disposition {
        Disposition::Delivered => match finding.success {
            Success::Delivered => Some(Action::Delivered),
            Success::Relayed => Some(Action::Relayed),
            Success::PassedOn if unheeded => Some(Action::Relayed),
            // RFC 3461 §5.2.2: whoever took the parameters takes the duty with them.
            Success::PassedOn => None,
        },
        Disposition::Deferred { .. } => verdict.late_until.map(|until| Action::Delayed { until }),
        disposition => cause(disposition).map(Action::Failed),
    }
}

fn reported<'a>(
    finding: &'a Finding,
    recipient: &'a Recipient,
    action: Action,
    ended_at: Timestamp,
) -> ReportedRecipient<'a> {
    let host = finding.endpoint.as_deref().map(|endpoint| &*endpoint.host);
    ReportedRecipient {
        recipient,
        action,
        status: status(action, &finding.reply),
        remote_mta: host.filter(|_| finding.peer_words),
        // Of a mailbox of ours there is nothing to say but that the message is there.
        reply: Some(&finding.reply).filter(|_| host.is_some() || action != Action::Delivered),
        last_attempt: (!finding.ordered).then(|| finding.rested.map_or(ended_at, |rest| rest.failed_at)),
    }
}

/// What a report is made from, beside the notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter<'a> {
    /// Our host name.
    pub(crate) hostname: &'a str,
    /// Where a report goes that has nowhere else to go.
    pub(crate) postmaster: &'a mail::Address,
    /// The time.
    pub(crate) now: Timestamp,
}

impl Reporter<'_> {
    /// Writes the report under the name `id`, and the event that tells of it. `content` is the beginning of the
    /// message's content, with the length of all of it.
    pub(crate) fn report(
        &self,
        id: QueueId,
        envelope: &Envelope,
        notice: &Notice<'_>,
        (content, content_octets): (&[u8], u64),
    ) -> Option<(Submission, Event)> {
        let to_postmaster = goes_to_postmaster(envelope);
        let addressed;
        let envelope = if to_postmaster {
            let reverse_path = ReversePath::Address(self.postmaster.clone());
            addressed = Envelope { reverse_path, ..envelope.clone() };
            &addressed
        } else {
            envelope
        };
        let report = Report {
            reporting_mta: self.hostname,
            id,
            at: self.now,
            envelope,
            recipients: &notice.recipients,
            content,
            content_octets,
            for_postmaster: to_postmaster,
        };
        let dsn = report.build()?;
        let to = dsn.to.to_string();
        let mut event = Event::report_sent(self.now, envelope.id, STATION, id, &to, &report.actions());
        if to_postmaster {
            event.reason = Some("a report could not be delivered; the postmaster gets a copy".to_owned());
        }
        let sent = dsn.envelope(id, self.now, envelope.stream);
        let mut submission = Submission::own(sent, dsn.content, STATION);
        if to_postmaster {
            submission.envelope.listener = POSTMASTER_LISTENER.into();
        }
        Some((submission, event))
    }
}

/// The event of a failure that nobody hears about though a report would be due: an undeliverable report.
pub(crate) fn discarded(envelope: &Envelope, verdict: &Verdict, now: Timestamp) -> Option<Event> {
    let is_failure = cause(verdict.outcome.disposition).is_some();
    if !is_failure || !envelope.reverse_path.is_null() {
        return None;
    }
    let mut event = Event::new(now, envelope.id, Kind::DiscardedReport, STATION);
    event.recipient.clone_from(&verdict.event.recipient);
    event.reply = verdict.outcome.reply.as_ref().map(Reply::to_string);
    event.reason = Some("mail from <> that cannot be delivered causes no report (RFC 5321 §6.1)".to_owned());
    Some(event)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
