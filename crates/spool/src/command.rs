//! What an operator or the admin API asks of the queue.

use std::sync::{Arc, atomic::Ordering};

use mail::{QueueId, Timestamp};

use crate::{
    DomainStats, ListFilter, RecipientSummary, Selection, Shown, Spool, SpoolError, Stats, Summary,
    format::Kind,
    frame::{Class, Frame},
    index::{Index, Message, Standing},
    payload::Outcome,
    spool::{admin_event, load, settle},
    state::State,
};

/// Messages changed by one frame.
const COMMAND_MESSAGES_MAX: usize = 1000;
/// Messages counted while the queue stands still.
const COUNTED_AT_ONCE: usize = 10_000;
/// Messages on a page if nothing else is said.
const PAGE: usize = 100;

impl Spool {
    /// A page of the queue, oldest first.
    pub fn list(&self, filter: &ListFilter) -> Vec<Summary> {
        let state = self.shared.state();
        let limit = if filter.limit == 0 { PAGE } else { filter.limit };
        let messages = state.index.younger(filter.after).filter(|message| message.left > 0);
        messages
            .map(|message| summary(&state.index, message))
            .filter(|s| matches(s, filter))
            .take(limit)
            .collect()
    }

    /// All that is known of a message.
    pub async fn show(&self, id: QueueId) -> Result<Shown, SpoolError> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .io
            .run(move || {
                let loaded = load(&shared, id)?;
                let state = shared.state();
                let message = state.index.get(id).filter(|message| message.left > 0);
                let summary = summary(&state.index, message.ok_or(SpoolError::Unknown(id))?);
                Ok(Shown { envelope: loaded.envelope, summary })
            })
            .await
    }

    /// Makes waiting recipients due now; returns how many. Not durable: after a restart they wait as before.
    pub fn retry(&self, selection: &Selection, now: Timestamp) -> usize {
        let mut state = self.shared.state();
        let targets: Vec<(u32, u32)> = match selection {
            Selection::Message(id) => recipients_of(&state, *id),
            Selection::Domain(domain) => {
                let domain = state.index.queue.find(domain);
                domain.map(|domain| state.index.queue.waiting(domain).collect()).unwrap_or_default()
            }
            Selection::All => {
                let ids: Vec<QueueId> = state.index.messages().map(|message| message.id).collect();
                ids.into_iter().flat_map(|id| recipients_of(&state, id)).collect()
            }
        };
        let count =
            targets.into_iter().filter(|(slot, place)| state.index.make_due(*slot, *place, now)).count();
        self.shared.retries.fetch_add(1, Ordering::SeqCst);
        self.shared.notify_if_earlier(&mut state);
        count
    }

    /// How often [`Spool::retry`] was called. When it has risen, somebody wants mail tried though its site rests.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::SeqCst)
    }

    /// Puts messages on hold; returns how many. Durable. What is in flight goes on.
    pub async fn hold(&self, selection: &Selection, now: Timestamp) -> Result<usize, SpoolError> {
        let outcome = Outcome { held: Some(true), ..Outcome::default() };
        self.change(selection, now, &outcome, events::Kind::Held, |message| !message.held).await
    }

    /// Takes messages off hold, with all of their recipients; returns how many. Durable.
    pub async fn unhold(&self, selection: &Selection, now: Timestamp) -> Result<usize, SpoolError> {
        let outcome = Outcome { held: Some(false), ..Outcome::default() };
        self.change(selection, now, &outcome, events::Kind::Released, Message::holds_any).await
    }

    /// Removes messages without a report; returns how many. Durable, with a `removed` event each. What is in flight
    /// may still be delivered.
    pub async fn remove(&self, selection: &Selection, now: Timestamp) -> Result<usize, SpoolError> {
        let outcome = Outcome { removed: true, ..Outcome::default() };
        self.change(selection, now, &outcome, events::Kind::Removed, |_| true).await
    }

    async fn change(
        &self,
        selection: &Selection,
        now: Timestamp,
        outcome: &Outcome,
        kind: events::Kind,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<usize, SpoolError> {
        let ids = self.selected(selection, wanted);
        for some in ids.chunks(COMMAND_MESSAGES_MAX) {
            let mut frame = Frame::new(Class::Completion);
            {
                let mut state = self.shared.state();
                for id in some {
                    settle(&mut state, &mut frame, *id, outcome);
                    let event = admin_event(now, *id, kind);
                    frame.record(Kind::Event, *id, event.to_line(), None);
                }
                self.shared.notify_if_earlier(&mut state);
            }
            self.append(frame).await?;
        }
        Ok(ids.len())
    }

    /// The queue in figures.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let mut stats = Stats {
            commits_waiting: shared.inbox().frames.len() as u64,
            batches: shared.batches.load(Ordering::Relaxed),
            synced_lsn: shared.synced_lsn.load(Ordering::Relaxed),
            poisoned: shared.is_poisoned(),
            full: shared.full.load(Ordering::SeqCst),
            segments_spare: shared.spares.load(Ordering::Relaxed),
            segments: shared.state().segments.count() as u64,
            ..Stats::default()
        };
        let mut from = Some(0);
        while let Some(slot) = from {
            let state = shared.state();
            let (messages, next) = state.index.some(slot, COUNTED_AT_ONCE);
            messages.filter(|message| message.left > 0).for_each(|message| count(&mut stats, message));
            from = next;
        }
        stats
    }

    fn selected(&self, selection: &Selection, wanted: impl Fn(&Message) -> bool) -> Vec<QueueId> {
        let state = self.shared.state();
        let wanted = |message: &&Message| message.left > 0 && wanted(message);
        match selection {
            Selection::Message(id) => {
                state.index.get(*id).filter(wanted).map(|message| message.id).into_iter().collect()
            }
            Selection::Domain(domain) => {
                let Some(domain) = state.index.queue.find(domain) else { return Vec::new() };
                let has = |message: &&Message| {
                    message.recipients.iter().any(|e| e.domain == domain && e.standing != Standing::Done)
                };
                state.index.messages().filter(wanted).filter(has).map(|message| message.id).collect()
            }
            Selection::All => state.index.messages().filter(wanted).map(|message| message.id).collect(),
        }
    }

    /// The domains of the queue in figures, the largest first, at most `max`.
    pub fn domains(&self, max: usize) -> Vec<DomainStats> {
        let state = self.shared.state();
        let domains = state.index.queue.domains().map(|(domain, waiting, in_flight, next_due)| DomainStats {
            domain: domain.clone(),
            recipients: waiting as u64 + u64::from(in_flight),
            in_flight: in_flight.into(),
            next_due,
        });
        let mut domains: Vec<DomainStats> = domains.filter(|domain| domain.recipients > 0).collect();
        domains.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.domain.cmp(&b.domain)));
        domains.truncate(max);
        domains
    }
}

fn count(stats: &mut Stats, message: &Message) {
    stats.messages += 1;
    stats.recipients += u64::from(message.left);
    stats.held += u64::from(message.holds_any());
    stats.content_octets += message.size;
    stats.oldest = Some(stats.oldest.map_or(message.received, |oldest| oldest.min(message.received)));
    for entry in message.recipients.iter().filter(|entry| entry.standing != Standing::Done) {
        match Index::state(message, entry) {
            crate::State::Queued => stats.queued += 1,
            crate::State::Deferred => stats.deferred += 1,
            crate::State::InFlight => stats.in_flight += 1,
            crate::State::Held => {}
        }
    }
}

fn recipients_of(state: &State, id: QueueId) -> Vec<(u32, u32)> {
    let Some((slot, message)) = state.index.slot(id).and_then(|slot| Some((slot, state.index.at(slot)?)))
    else {
        return Vec::new();
    };
    (0..).zip(&message.recipients).map(|(place, _)| (slot, place)).collect()
}

fn summary(index: &Index, message: &Message) -> Summary {
    let owed = (0..).zip(&message.recipients).filter(|(_, entry)| entry.standing != Standing::Done);
    let recipients = owed.map(|(recipient, entry)| {
        let domain = index.domain_name(entry.domain).cloned();
        let address = domain.and_then(|domain| mail::Address::new(&entry.local, domain).ok());
        RecipientSummary {
            recipient,
            forward_path: address.map(|address| address.to_string()).unwrap_or_default(),
            state: Index::state(message, entry),
            due: entry.due,
            attempts: entry.attempts.into(),
        }
    });
    Summary {
        id: message.id,
        received: message.received,
        size: message.size,
        held: message.holds_any(),
        priority: message.priority,
        recipients: recipients.collect(),
    }
}

fn matches(summary: &Summary, filter: &ListFilter) -> bool {
    let in_domain = |recipient: &RecipientSummary| {
        filter.domain.as_ref().is_none_or(|domain| {
            recipient.forward_path.rsplit_once('@').is_some_and(|(_, found)| found == domain.to_string())
        })
    };
    let in_state = |recipient: &RecipientSummary| filter.state.is_none_or(|state| recipient.state == state);
    summary.recipients.iter().any(|recipient| in_domain(recipient) && in_state(recipient))
}
