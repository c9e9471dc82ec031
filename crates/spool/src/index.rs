//! What is in the queue, in memory: messages, recipients and where their records are.

use std::{collections::BTreeMap, ops::Bound};

use mail::{Domain, Envelope, QueueId, Timestamp};

pub(crate) use crate::entry::{Content, Entry, History, Loc, Message, Standing};
use crate::{
    entry::Recipients,
    message::State,
    payload::{Control, Outcome},
    queue::{At, Queue},
    slots::Slots,
};

/// All messages and the queue over them.
#[derive(Default)]
pub(crate) struct Index {
    slots: Slots<Message>,
    /// In the order of age.
    by_id: BTreeMap<QueueId, u32>,
    pub(crate) queue: Queue,
    entries: usize,
}

impl Index {
    /// Recipients of all messages, done or not: what takes memory.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    pub(crate) fn slot(&self, id: QueueId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, id: QueueId) -> Option<&Message> {
        self.at(self.slot(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut Message> {
        let slot = self.slot(id)?;
        self.at_mut(slot)
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&Message> {
        self.slots.get(slot)
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Message> {
        self.slots.get_mut(slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.slots.iter().map(|(_, message)| message)
    }

    /// Messages younger than `after`, the oldest first.
    pub(crate) fn younger(&self, after: Option<QueueId>) -> impl Iterator<Item = &Message> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range((from, Bound::Unbounded)).filter_map(|(_, slot)| self.at(*slot))
    }

    /// Some messages from a slot on, and the slot to go on with: a long count need not hold the lock throughout.
    pub(crate) fn some(&self, from: usize, max: usize) -> (impl Iterator<Item = &Message>, Option<usize>) {
        self.slots.some(from, max)
    }

    /// A message as it stands in its envelope record. It is not yet in the queue.
    pub(crate) fn message(&mut self, envelope: &Envelope, done: &[bool], size: u64) -> Message {
        let recipients: Recipients = envelope
            .recipients
            .iter()
            .enumerate()
            .map(|(place, recipient)| {
                let is_done = done.get(place).copied().unwrap_or(false);
                Entry {
                    local: recipient.forward_path.local_part().into(),
                    due: recipient.due,
                    domain: self.queue.domain(recipient.forward_path.domain()),
                    attempts: u16::try_from(recipient.attempts).unwrap_or(u16::MAX),
                    standing: if is_done { Standing::Done } else { Standing::Waiting },
                    delay_told: recipient.delay_told,
                    control: Control::of(recipient, envelope.received),
                }
            })
            .collect();
        let mut message = Message::new(envelope.id, envelope.received, envelope.priority, recipients);
        message.size = size;
        message.waits_for_release = envelope.hold_until.is_some_and(|until| until > envelope.received);
        message
    }

    /// An index that is filled first, and whose queue is opened then: see [`Index::open_queue`].
    pub(crate) fn with_queue_shut() -> Self {
        let mut index = Self::default();
        index.queue.is_shut = true;
        index
    }

    /// Puts all recipients that wait into the queue.
    pub(crate) fn open_queue(&mut self) {
        let Self { slots, queue, by_id, .. } = self;
        pack(by_id);
        let entries = || {
            slots.iter().flat_map(|(slot, message)| {
                (0..).zip(message.recipients.iter()).map(move |(place, entry)| (slot, place, entry))
            })
        };
        let bounces = entries().filter(|(.., entry)| entry.is_owed() && entry.is_to_bounce());
        let bounces = bounces.map(|(slot, place, _)| (slot, place)).collect();
        let scheduled = slots.iter().flat_map(|(slot, message)| {
            let entries = (0..).zip(message.recipients.iter()).filter(|(_, entry)| entry.is_scheduled());
            entries.map(move |(place, entry)| (entry.domain, entry.due, at(message.priority, slot, place)))
        });
        queue.fill(scheduled, bounces);
    }

    /// Takes a message in and puts its recipients into the queue.
    pub(crate) fn insert(&mut self, message: Message) {
        let id = message.id;
        debug_assert!(self.slot(id).is_none(), "queue ids are never reused");
        self.entries += message.recipients.len();
        let slot = self.slots.insert(message);
        let Self { slots, queue, .. } = self;
        if let Some(message) = slots.get(slot) {
            for (place, entry) in (0..).zip(message.recipients.iter()) {
                queue.hold_domain(entry.domain);
                enqueue(queue, entry, at(message.priority, slot, place));
            }
        }
        self.by_id.insert(id, slot);
    }

    /// Takes a message out of queue and index.
    pub(crate) fn remove(&mut self, id: QueueId) -> Option<Message> {
        let slot = self.by_id.remove(&id)?;
        let message = self.slots.remove(slot)?;
        self.entries = self.entries.saturating_sub(message.recipients.len());
        for (place, entry) in (0..).zip(message.recipients.iter()) {
            dequeue(&mut self.queue, entry, at(message.priority, slot, place));
            self.queue.drop_domain(entry.domain);
        }
        Some(message)
    }

    /// Brings recipients to the state of an outcome. Returns how many recipients are left, none if it is not here.
    pub(crate) fn apply(&mut self, id: QueueId, outcome: &Outcome) -> Option<u32> {
        let slot = self.slot(id)?;
        let Self { slots, queue, .. } = self;
        let message = slots.get_mut(slot)?;
        if let Some(held) = outcome.held {
            hold_all(queue, message, slot, held);
        }
        for (place, ordered) in &outcome.controls {
            control(queue, message, slot, *place, ordered.clone());
        }
        // From its first attempt on it waits for nothing but the next.
        message.waits_for_release &= outcome.recipients.is_empty();
        for state in &outcome.recipients {
            let standing = if state.done { Standing::Done } else { Standing::Waiting };
            set(queue, message, slot, state.recipient, standing, Some((state.due, state.attempts)));
            if let Some(entry) = message.recipients.get_mut(state.recipient as usize) {
                entry.delay_told |= state.delay_told;
            }
        }
        if outcome.removed {
            for place in 0..u32::try_from(message.recipients.len()).unwrap_or(u32::MAX) {
                set(queue, message, slot, place, Standing::Done, None);
            }
        }
        Some(message.left)
    }

    /// Takes due recipients of a domain out of the queue and marks them in flight.
    pub(crate) fn take(&mut self, domain: u32, now: Timestamp, max: usize) -> Vec<(u32, u32)> {
        let taken = self.queue.take(domain, now, max);
        for (slot, place) in &taken {
            if let Some(message) = self.at_mut(*slot)
                && let Some(entry) = message.recipients.get_mut(*place as usize)
            {
                entry.standing = Standing::InFlight;
            }
        }
        taken
    }

    /// Takes recipients that are to be given up and marks them in flight.
    pub(crate) fn take_bounces(&mut self, max: usize) -> Vec<(u32, u32)> {
        let taken = self.queue.take_bounces(max);
        for (slot, place) in &taken {
            let Self { slots, queue, .. } = self;
            let message = slots.get_mut(*slot);
            if let Some(entry) = message.and_then(|message| message.recipients.get_mut(*place as usize)) {
                entry.standing = Standing::InFlight;
                queue.take_off(entry.domain);
            }
        }
        taken
    }

    /// Puts a recipient that is in flight back as it was.
    pub(crate) fn put_back(&mut self, id: QueueId, place: u32) {
        let Some(slot) = self.slot(id) else { return };
        let Self { slots, queue, .. } = self;
        let Some(message) = slots.get_mut(slot) else { return };
        if message.recipients.get(place as usize).is_some_and(|entry| entry.standing == Standing::InFlight) {
            set(queue, message, slot, place, Standing::Waiting, None);
        }
    }

    /// Makes a waiting recipient due at `now`, if it is due later.
    pub(crate) fn make_due(&mut self, slot: u32, place: u32, now: Timestamp) -> bool {
        let Self { slots, queue, .. } = self;
        let Some(message) = slots.get_mut(slot) else { return false };
        let Some(entry) = message.recipients.get(place as usize) else { return false };
        // RFC 4865 §4: nobody but its sender says when it may go.
        let waits = entry.is_scheduled() && entry.due > now && !message.waits_for_release;
        let attempts = entry.attempts.into();
        if waits {
            set(queue, message, slot, place, Standing::Waiting, Some((now, attempts)));
        }
        waits
    }

    pub(crate) fn state(entry: &Entry) -> State {
        match entry.standing {
            Standing::InFlight => State::InFlight,
            _ if entry.is_held() => State::Held,
            _ if entry.attempts > 0 => State::Deferred,
            _ => State::Queued,
        }
    }

    pub(crate) fn domain_name(&self, domain: u32) -> Option<&Domain> {
        self.queue.name(domain)
    }
}

/// Makes the nodes of a map full, which grew to a half of it one by one. Nodes are made and given back by turns.
fn pack(map: &mut BTreeMap<QueueId, u32>) {
    let mut rest = std::mem::take(map);
    // To append to an empty map only exchanges the two.
    map.extend(rest.pop_first());
    map.append(&mut rest);
}

/// Puts all recipients on hold or takes them off it, as an older record says.
fn hold_all(queue: &mut Queue, message: &mut Message, slot: u32, held: bool) {
    let held_since = held.then_some(message.received);
    for place in 0..u32::try_from(message.recipients.len()).unwrap_or(u32::MAX) {
        control(queue, message, slot, place, Control { held_since, ..Control::default() });
    }
}

/// Takes in what was ordered for a recipient, and puts it where it belongs then.
fn control(queue: &mut Queue, message: &mut Message, slot: u32, place: u32, ordered: Control) {
    let Some(entry) = message.recipients.get_mut(place as usize) else { return };
    let in_flight = entry.standing == Standing::InFlight;
    let at = at(message.priority, slot, place);
    if !in_flight {
        dequeue(queue, entry, at);
    }
    entry.control = Some(Box::new(ordered));
    if !in_flight {
        enqueue(queue, entry, at);
    }
}

fn at(priority: i8, slot: u32, place: u32) -> At {
    At { priority, slot, place }
}

/// Puts a recipient into the queue where it belongs.
fn enqueue(queue: &mut Queue, entry: &Entry, at: At) {
    if entry.standing == Standing::Waiting && entry.is_to_bounce() {
        queue.insert_bounce(at.slot, at.place);
    } else if entry.is_scheduled() {
        queue.insert(entry.domain, entry.due, at);
    }
}

/// Takes a recipient out of the queue where it is, in flight too.
fn dequeue(queue: &mut Queue, entry: &Entry, at: At) {
    match entry.standing {
        Standing::InFlight => queue.landed(entry.domain),
        Standing::Waiting if entry.is_to_bounce() => queue.remove_bounce(at.slot, at.place),
        Standing::Waiting if entry.is_scheduled() => queue.remove(entry.domain, entry.due, at),
        Standing::Waiting | Standing::Done => {}
    }
}

/// Moves a recipient from where it stands to where it shall stand.
fn set(
    queue: &mut Queue,
    message: &mut Message,
    slot: u32,
    place: u32,
    standing: Standing,
    due: Option<(Timestamp, u32)>,
) {
    let Some(entry) = message.recipients.get_mut(place as usize) else { return };
    if entry.standing == Standing::Done {
        // What is done stays done: completions win whatever the order.
        return;
    }
    let at = at(message.priority, slot, place);
    dequeue(queue, entry, at);
    if let Some((due, attempts)) = due {
        entry.due = due;
        entry.attempts = u16::try_from(attempts).unwrap_or(u16::MAX);
    }
    entry.standing = standing;
    if standing == Standing::Done {
        message.left = message.left.saturating_sub(1);
    } else {
        enqueue(queue, entry, at);
    }
}
