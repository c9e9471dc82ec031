//! What an operator or the admin API asks of the queue, and what delivery asks on their behalf.

use std::{sync::atomic::Ordering, time::Duration};

use mail::{Domain, Timestamp};

use crate::{
    Changed, Order, Selection, Spool, SpoolError, Work,
    frame::{Class, Frame},
    index::{Entry, Index, Message},
    order::{control, make_due, ordered},
    payload::Control,
    selection::Taken,
    spool::settle,
};

/// Messages counted or made due while the queue stands still, and domains looked at.
pub(crate) const AT_ONCE: usize = 10_000;

impl Spool {
    /// What a selection takes now, and how much of it is being delivered.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn count(&self, selection: Selection) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Count, selection, Timestamp::default()).await
    }

    /// [`Order::Retry`] for all that a selection takes.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn retry(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Retry, selection, now).await
    }

    /// [`Order::Hold`] for all that a selection takes.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn hold(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Hold, selection, now).await
    }

    /// [`Order::Release`] for all that a selection takes.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn unhold(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Release, selection, now).await
    }

    /// [`Order::Bounce`] for all that a selection takes.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn bounce(
        &self,
        selection: Selection,
        words: &str,
        now: Timestamp,
    ) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Bounce(words.into()), selection, now).await
    }

    /// [`Order::Remove`] for all that a selection takes.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn remove(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        self.carry_out_all(&Order::Remove, selection, now).await
    }

    /// As [`Spool::retry`] for everything, without a wait.
    pub fn retry_all(&self, now: Timestamp) -> Changed {
        let mut changed = Changed::default();
        let mut from = Some(0);
        while let Some(slot) = from {
            let mut state = self.shared.state();
            let (messages, next) = state.index.some(slot, AT_ONCE);
            let all = |message: &Message| Taken {
                id: message.id,
                recipients: (0..).take(message.recipients.len()).collect(),
                envelope: None,
            };
            let taken: Vec<Taken> = messages.map(all).collect();
            for taken in &taken {
                make_due(&mut state.index, &mut changed, taken, now);
            }
            from = next;
        }
        self.shared.retries.fetch_add(1, Ordering::SeqCst);
        self.shared.notify_if_earlier(&mut self.shared.state());
        changed
    }

    /// Makes these recipients due that were put off: somebody asked for that while they were in flight, where [`Spool::retry`] finds nobody to hasten. Asks
    /// nothing of others.
    pub fn hasten(&self, work: &Work, now: Timestamp) {
        let taken = Taken { id: work.id, recipients: work.recipients.clone(), envelope: None };
        let mut state = self.shared.state();
        make_due(&mut state.index, &mut Changed::default(), &taken, now);
        self.shared.notify_if_earlier(&mut state);
    }

    /// The clock was set back by so much: what waits for another attempt is due so much earlier, and nothing of it later than
    /// `wait_max` from now. What was never tried is due at its receipt, or when its sender wants it released (RFC 4865): that stays. Not
    /// durable, as a retry. Returns how many recipients are due earlier.
    pub fn clock_went_back(&self, by: Duration, now: Timestamp, wait_max: Duration) -> u64 {
        let (mut count, mut from) = (0, Some(0));
        while let Some(slot) = from {
            let mut state = self.shared.state();
            let end = slot + AT_ONCE;
            from = state.index.some(slot, AT_ONCE).1;
            for slot in slot..end {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                count += due_after_leap(&mut state.index, slot, by, (now, now.after(wait_max)));
            }
        }
        self.shared.notify_if_earlier(&mut self.shared.state());
        count
    }

    /// The last time on record before this opening: what was accepted then, or told by the event log.
    pub fn last_recorded(&self) -> Option<Timestamp> {
        self.shared.last_recorded
    }

    /// As [`Spool::retry`] for one domain, without a wait; returns how many recipients were made due. Whoever asks for that
    /// knows of this domain's hosts alone: see [`Spool::take_wanted`].
    pub fn retry_domain(&self, domain: &Domain, now: Timestamp) -> usize {
        let mut count = 0;
        loop {
            let mut state = self.shared.state();
            let Some(domain) = state.index.queue.find(domain) else { break };
            state.index.queue.want(domain);
            let later: Vec<(u32, u32)> = state.index.queue.later(domain, now).take(AT_ONCE).collect();
            count += later.iter().filter(|(slot, place)| state.index.make_due(*slot, *place, now)).count();
            if later.len() < AT_ONCE {
                break;
            }
        }
        self.shared.notify_if_earlier(&mut self.shared.state());
        count
    }

    /// Whether [`Spool::retry_domain`] was called for a domain since this was last asked: somebody wants its mail tried though
    /// its site rests.
    pub fn take_wanted(&self, domain: &Domain) -> bool {
        self.shared.state().index.queue.take_wanted(domain)
    }

    /// How often [`Order::Retry`] or [`Spool::retry_all`] was carried out. When it has risen, somebody wants mail tried though its site
    /// rests.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::SeqCst)
    }

    /// Takes an order to give up back, for the message cannot be read, and so nobody can be told. Its recipients wait as before.
    pub fn revoke_bounce(&self, work: &Work) {
        let mut state = self.shared.state();
        let Some(message) = state.index.get(work.id) else { return };
        let taken = Taken { id: work.id, recipients: work.recipients.clone(), envelope: None };
        let revoke = |entry: &Entry| Some(Control { bounce: None, ..control(entry) });
        let (outcome, _) = ordered(message, &taken, revoke);
        let mut frame = Frame::new(Class::Completion);
        settle(&mut state, &mut frame, work.id, &outcome);
        for place in &work.recipients {
            state.index.put_back(work.id, *place);
        }
        self.shared.notify_if_earlier(&mut state);
        // Closed or poisoned: the order stands again after a restart, as it did before.
        let _ = self.shared.push(frame);
    }
}

/// Makes the recipients of one message due that wait because of a clock that was set back since. Returns how many.
fn due_after_leap(index: &mut Index, slot: u32, by: Duration, (now, latest): (Timestamp, Timestamp)) -> u64 {
    let (mut count, mut place) = (0, 0);
    while let Some(message) = index.at(slot)
        && let Some(entry) = message.recipients.get(place as usize)
    {
        let earlier = entry.due.before(by);
        let due = if earlier > latest { now } else { earlier };
        if entry.attempts > 0 || entry.due <= message.received {
            count += u64::from(index.make_due(slot, place, due));
        }
        place += 1;
    }
    count
}
