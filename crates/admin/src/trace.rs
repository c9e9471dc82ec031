//! What became of a message: its events, found by whatever a person knows of it.

use events::{Event, EventsError, Order, Query, Reader};
use mail::QueueId;

/// Events looked at to find out which messages are meant.
const HITS_MAX: usize = 10_000;
/// Messages that are traced at a time, the latest ones.
const MESSAGES_MAX: usize = 20;
/// Events of one message; a message with a thousand recipients and many attempts has many.
const EVENTS_MAX: usize = 100_000;

/// The events of the messages that a query means, message by message, the one accepted first coming first.
///
/// An address or a Message-ID stands in some events of a message only, so this finds the messages and then all their events.
/// At most the latest 20 messages.
///
/// # Errors
/// The event log cannot be read.
pub fn trace(reader: &Reader, query: &Query) -> Result<Vec<Event>, EventsError> {
    if let Query::Id(_) = query {
        return reader.search(query, Order::OldestFirst, EVENTS_MAX);
    }
    let mut ids: Vec<QueueId> = Vec::new();
    for event in reader.search(query, Order::NewestFirst, HITS_MAX)? {
        if ids.len() < MESSAGES_MAX && !ids.contains(&event.id) {
            ids.push(event.id);
        }
    }
    ids.sort_unstable();
    let mut events = Vec::new();
    for id in ids {
        events.extend(reader.search(&Query::Id(id), Order::OldestFirst, EVENTS_MAX)?);
    }
    Ok(events)
}
