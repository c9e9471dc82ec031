//! From the spool's words to the API's.

use mail::{Envelope, QueueId, Recipient, Timestamp};
use spool::{Changed, Part, RecipientSummary, Shown, State, Stats, Summary};

use crate::api;

pub(crate) fn totals(stats: &Stats) -> api::Totals {
    api::Totals {
        messages: stats.messages,
        recipients: stats.recipients,
        queued: stats.queued,
        active: stats.in_flight,
        deferred: stats.deferred,
        held_messages: stats.held,
        oldest: stats.oldest.map(|at| at.to_string()),
        content_octets: stats.content_octets,
        full: stats.full,
        poisoned: stats.poisoned,
    }
}

pub(crate) fn message(shown: &Shown) -> api::Message {
    let envelope = shown.envelope.as_ref();
    let owed = |summary: &RecipientSummary| {
        let place = usize::try_from(summary.recipient).unwrap_or(usize::MAX);
        recipient(summary, envelope.recipients.get(place))
    };
    api::Message {
        reverse_path: Some(envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default()),
        hold_until: envelope.hold_until.map(|until| until.to_string()),
        deliver_by: envelope
            .deliver_by
            .map(|by| api::DeliverBy { at: by.deadline.to_string(), return_then: by.return_then }),
        client: Some(client(envelope)),
        recipients: shown.summary.recipients.iter().map(owed).collect(),
        ..summary(&shown.summary)
    }
}

pub(crate) fn summary(summary: &Summary) -> api::Message {
    api::Message {
        id: summary.id.to_string(),
        received_at: summary.received.to_string(),
        reverse_path: None,
        size: summary.size,
        held: summary.held,
        priority: summary.priority,
        hold_until: None,
        deliver_by: None,
        recipients: summary.recipients.iter().map(|owed| recipient(owed, None)).collect(),
        client: None,
    }
}

fn recipient(summary: &RecipientSummary, recipient: Option<&Recipient>) -> api::Recipient {
    api::Recipient {
        address: summary.forward_path.clone(),
        state: state(summary.state),
        attempts: summary.attempts,
        due: summary.due.to_string(),
        last_reply: recipient.and_then(|known| known.last_reply.as_ref()).map(ToString::to_string),
        last_mx: recipient.and_then(|known| known.last_mx.as_deref()).map(str::to_owned),
        last_site: recipient.and_then(|known| known.last_site.as_deref()).map(str::to_owned),
        held_since: recipient.and_then(|known| known.held_at.filter(|_| known.held)).map(|at| at.to_string()),
    }
}

fn client(envelope: &Envelope) -> api::Client {
    api::Client {
        address: envelope.client.address.map(|address| address.to_string()),
        hello: envelope.client.hello.as_deref().map(str::to_owned),
        listener: envelope.listener.to_string(),
    }
}

/// `begun` is when the first part was asked for.
pub(crate) fn changed(part: &Part, in_queue: u64, unknown: &[QueueId], begun: Timestamp) -> api::Changed {
    let Changed { messages, recipients, in_flight } = part.changed;
    api::Changed {
        messages,
        recipients,
        active: in_flight,
        unknown: unknown.iter().map(ToString::to_string).collect(),
        looked_at: part.looked_at,
        in_queue,
        next_cursor: part.next.map(|next| format!("{next}.{}", begun.as_millis())),
    }
}

pub(crate) fn state(state: State) -> api::State {
    match state {
        State::Queued => api::State::Queued,
        State::Deferred => api::State::Deferred,
        State::InFlight => api::State::Active,
        State::Held => api::State::Held,
    }
}
