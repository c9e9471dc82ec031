//! What the queue looks like: lists, single messages, figures.

use std::sync::{Arc, atomic::Ordering};

use mail::{Domain, QueueId};

use crate::{
    DomainStats, ListFilter, RecipientSummary, Selection, Shown, Spool, SpoolError, Stats, Summary,
    command::AT_ONCE,
    index::{Entry, Index, Message},
    selection::envelope,
};

/// Messages on a page if nothing else is said.
const PAGE: usize = 100;

impl Spool {
    /// A page of the queue, oldest first.
    pub fn list(&self, filter: &ListFilter) -> Vec<Summary> {
        let state = self.shared.state();
        let limit = if filter.limit == 0 { PAGE } else { filter.limit };
        let messages = state.index.younger(filter.after).filter(|message| message.left > 0);
        messages.map(|message| summary(&state.index, message)).take(limit).collect()
    }

    /// The messages behind `after` with a recipient that a selection takes, the oldest first, at most `max`.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn find(
        &self,
        selection: Selection,
        mut after: Option<QueueId>,
        max: usize,
    ) -> Result<Vec<Summary>, SpoolError> {
        let selection = Arc::new(selection);
        let mut found = Vec::new();
        loop {
            let look = self.look(&selection, after).await?;
            {
                let state = self.shared.state();
                let messages = look.taken.iter().filter_map(|taken| state.index.get(taken.id));
                let room = max - found.len();
                found.extend(messages.filter(|m| m.left > 0).take(room).map(|m| summary(&state.index, m)));
            }
            match look.next {
                Some(next) if found.len() < max => after = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// All that is known of a message.
    pub async fn show(&self, id: QueueId) -> Result<Shown, SpoolError> {
        let shared = Arc::clone(&self.shared);
        let show = move || {
            let envelope = envelope(&shared, id)?;
            let state = shared.state();
            let message = state.index.get(id).filter(|message| message.left > 0);
            let summary = summary(&state.index, message.ok_or(SpoolError::Unknown(id))?);
            Ok(Shown { envelope, summary })
        };
        self.shared.io.run(show).await
    }

    /// Whether a recipient is still owed its message: neither done with nor removed.
    pub fn owes(&self, id: QueueId, recipient: u32) -> bool {
        let state = self.shared.state();
        let message = state.index.get(id);
        message.and_then(|message| message.recipients.get(recipient as usize)).is_some_and(Entry::is_owed)
    }

    /// Messages in the queue.
    pub fn messages(&self) -> u64 {
        self.shared.state().index.len() as u64
    }

    /// Those of the ids that are in the queue no more, or never were.
    pub fn unknown(&self, ids: &[QueueId]) -> Vec<QueueId> {
        let state = self.shared.state();
        let known = |id: &QueueId| state.index.get(*id).is_some_and(|message| message.left > 0);
        ids.iter().copied().filter(|id| !known(id)).collect()
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
            let (messages, next) = state.index.some(slot, AT_ONCE);
            messages.filter(|message| message.left > 0).for_each(|message| count(&mut stats, message));
            from = next;
        }
        stats
    }

    /// The domains of the queue that are wanted. However many there are, the queue never stands still for long.
    pub fn waiting_domains(&self, wanted: impl Fn(&Domain) -> bool) -> Vec<Domain> {
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(number) = from {
            let state = self.shared.state();
            let (domains, next) = state.index.queue.some_domains(number, AT_ONCE);
            found.extend(domains.filter(|domain| wanted(domain)).cloned());
            from = next;
        }
        found
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
    for entry in message.recipients.iter().filter(|entry| entry.is_owed()) {
        match Index::state(entry) {
            crate::State::Queued => stats.queued += 1,
            crate::State::Deferred => stats.deferred += 1,
            crate::State::InFlight => stats.in_flight += 1,
            crate::State::Held => {}
        }
    }
}

pub(crate) fn address(index: &Index, entry: &Entry) -> String {
    let domain = index.domain_name(entry.domain).cloned();
    let address = domain.and_then(|domain| mail::Address::new(&entry.local, domain).ok());
    address.map(|address| address.to_string()).unwrap_or_default()
}

pub(crate) fn summary(index: &Index, message: &Message) -> Summary {
    let owed = (0..).zip(message.recipients.iter()).filter(|(_, entry)| entry.is_owed());
    let recipients = owed.map(|(recipient, entry)| RecipientSummary {
        recipient,
        forward_path: address(index, entry),
        state: Index::state(entry),
        due: entry.due,
        attempts: entry.attempts.into(),
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
