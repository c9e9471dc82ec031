//! The report that an address was found to stand for several others (RFC 3461 §5.2.7.3).

use events::Event;
use mail::{EnhancedStatus, Envelope, QueueId, Recipient};
use message::{Action, Report, ReportedRecipient};
use spool::Submission;

/// The station of these reports in events.
const STATION: &str = "receive";

/// A report about addresses of a message that were expanded, with the event that tells of it. None if nobody asked for
/// one or may get it.
///
/// `id` is the report's; `beginning` is that of the content as it is kept, at least with its header section.
pub(crate) fn report(
    hostname: &str,
    id: QueueId,
    envelope: &Envelope,
    expanded: &[Recipient],
    beginning: &[u8],
) -> Option<(Submission, Event)> {
    let recipients: Vec<_> = expanded.iter().map(reported).collect();
    let report = Report {
        reporting_mta: hostname,
        id,
        at: envelope.received,
        envelope,
        recipients: &recipients,
        content: beginning,
        content_octets: beginning.len() as u64,
        for_postmaster: false,
    };
    // Of what a rule keeps from all of them nothing is said.
    let is_sent_on = envelope.recipients.iter().any(|recipient| !recipient.held && !recipient.junk);
    let dsn = report.build().filter(|_| envelope.may_bounce && is_sent_on)?;
    let to = dsn.to.to_string();
    let event = Event::report_sent(envelope.received, envelope.id, STATION, id, &to, &report.actions());
    let sent = dsn.envelope(id, envelope.received, envelope.stream);
    Some((Submission::own(sent, dsn.content, STATION), event))
}

fn reported(recipient: &Recipient) -> ReportedRecipient<'_> {
    ReportedRecipient {
        recipient,
        action: Action::Expanded,
        status: EnhancedStatus::new(2, 0, 0),
        remote_mta: None,
        reply: None,
        last_attempt: None,
    }
}
