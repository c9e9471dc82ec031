//! Failures reported to the sender, once and never in circles (RFC 3464, RFC 5321 §6.1, mail-rules 13).

use events::{Event, Kind};
use mail::{Client, Envelope, QueueId, Recipient, Reply, ReversePath, Stream, Timestamp, Via};
use message::{Cause, Dsn, FailedRecipient, FailureReport};
use spool::{Content, Submission};

use crate::outcome::{Finding, Verdict, cause, status};

/// The listener of our own reports.
pub const DSN_LISTENER: &str = "dsn";
/// The listener of a report that goes to the postmaster because it could not go to anybody else. If that fails too
/// it is only an event: nothing goes in circles.
pub const POSTMASTER_LISTENER: &str = "dsn-postmaster";
/// The station of reports in events and logs.
pub(crate) const STATION: &str = "bounce";

/// Who hears about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The reverse-path.
    Sender,
    /// The postmaster: what failed was a report of ours.
    Postmaster,
    /// Nobody; the event log has it.
    Nobody,
}

/// Who hears about the failure of a recipient.
pub(crate) fn audience(envelope: &Envelope, recipient: &Recipient) -> Audience {
    if envelope.reverse_path.is_null() {
        // RFC 5321 §4.5.5, §6.1: a report never causes another one.
        return if &*envelope.listener == DSN_LISTENER { Audience::Postmaster } else { Audience::Nobody };
    }
    if envelope.may_bounce && recipient.notify.failure { Audience::Sender } else { Audience::Nobody }
}

/// The recipients of one attempt whose failure is to be told to the same audience.
#[derive(Debug)]
pub(crate) struct Failures<'a> {
    audience: Audience,
    recipients: Vec<FailedRecipient<'a>>,
}

impl<'a> Failures<'a> {
    /// Gathers them; none if nobody is to be told.
    pub(crate) fn gather(
        envelope: &'a Envelope,
        verdicts: &[(&'a Finding, Verdict)],
        now: Timestamp,
    ) -> Option<Self> {
        let mut gathered = Self { audience: Audience::Nobody, recipients: Vec::new() };
        for (finding, verdict) in verdicts {
            let Some(cause) = cause(verdict.outcome.disposition) else { continue };
            let place = usize::try_from(finding.recipient).unwrap_or(usize::MAX);
            let Some(recipient) = envelope.recipients.get(place) else { continue };
            // One message has one audience, but for recipients that are to be passed over.
            match audience(envelope, recipient) {
                Audience::Nobody => {}
                audience => {
                    gathered.audience = audience;
                    gathered.recipients.push(failed(finding, recipient, cause, now));
                }
            }
        }
        (!gathered.recipients.is_empty()).then_some(gathered)
    }

    /// Who is to be told.
    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }
}

fn failed<'a>(
    finding: &'a Finding,
    recipient: &'a Recipient,
    cause: Cause,
    now: Timestamp,
) -> FailedRecipient<'a> {
    let host = finding.endpoint.as_deref().map(|endpoint| &*endpoint.host);
    FailedRecipient {
        recipient,
        cause,
        status: status(cause, &finding.reply),
        remote_mta: host.filter(|_| finding.peer_words),
        reply: Some(&finding.reply),
        last_attempt: finding.rested.map_or(Some(now), |rest| Some(rest.failed_at)),
    }
}

/// What a report is made from, beside the failures.
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
    /// Writes the report under the name `id`. `content` is the beginning of the failed message's content.
    pub(crate) fn report(
        &self,
        id: QueueId,
        envelope: &Envelope,
        failures: &Failures<'_>,
        (content, content_octets): (&[u8], u64),
    ) -> Option<(Submission, Event)> {
        let to_postmaster = failures.audience == Audience::Postmaster;
        let addressed;
        let envelope = if to_postmaster {
            addressed =
                Envelope { reverse_path: ReversePath::Address(self.postmaster.clone()), ..envelope.clone() };
            &addressed
        } else {
            envelope
        };
        let report = FailureReport {
            reporting_mta: self.hostname,
            id,
            at: self.now,
            envelope,
            recipients: &failures.recipients,
            content,
            content_octets,
        };
        let dsn = report.build()?;
        let mut event = Event::new(self.now, envelope.id, Kind::Dsn, STATION);
        event.recipient = Some(dsn.to.to_string());
        event.report = Some(id);
        if to_postmaster {
            event.reason = Some("a report could not be delivered; the postmaster gets a copy".to_owned());
        }
        let listener = if to_postmaster { POSTMASTER_LISTENER } else { DSN_LISTENER };
        Some((self.submission(id, dsn, listener, envelope.stream), event))
    }

    fn submission(&self, id: QueueId, dsn: Dsn, listener: &str, stream: Stream) -> Submission {
        let mut accepted = Event::new(self.now, id, Kind::Accepted, STATION);
        accepted.reverse_path = Some(String::new());
        accepted.recipient = Some(dsn.to.to_string());
        accepted.size = Some(dsn.content.len() as u64);
        let envelope = Envelope {
            id,
            received: self.now,
            client: Client { via: Via::Local, ..Client::default() },
            listener: listener.into(),
            account: None,
            stream,
            priority: 0,
            deliver_by: None,
            hold_until: None,
            reverse_path: ReversePath::Null,
            ret: None,
            envid: None,
            body: dsn.body,
            smtputf8: dsn.smtputf8,
            require_tls: false,
            may_bounce: false,
            recipients: vec![Recipient::new(dsn.to, self.now)],
        };
        Submission { envelope, content: Content::from(dsn.content), events: vec![accepted] }
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
#[path = "bounce_tests.rs"]
mod tests;
