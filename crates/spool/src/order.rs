//! Orders on what a selection takes. They are carried out piece by piece, so that accepting and delivering go on meanwhile: nothing
//! waits for more than a piece, in memory or on the disk.

use std::sync::{Arc, atomic::Ordering};

use events::{Event, Kind};
use mail::{QueueId, Timestamp};
use tokio::sync::oneshot;

use crate::{
    Changed, Selection, Spool, SpoolError,
    frame::{Class, Frame},
    index::{Entry, Index, Message, Standing},
    payload::{Control, Outcome, RecipientState},
    selection::Taken,
    spool::{settle, synced},
    state::State,
    view::address,
};

/// A frame is handed on once it has so many octets: it must fit into a segment, and others wait for its sync.
const FRAME_OCTETS: usize = 256 * 1024;
/// Messages changed while the queue stands still.
const AT_ONCE: usize = 200;

/// What is to happen to recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing; they are only counted.
    Count,
    /// Those that wait for later are due now. Not durable: after a restart they wait as before. What is held stays so, and what is in
    /// flight is only counted.
    Retry,
    /// They are put on hold: nothing is tried until a release, and their lifetime stands still (mail-rules 12). With a `held` event for each
    /// message. An attempt under way goes on; if it fails for now, the hold takes effect then.
    Hold,
    /// They are taken off hold, and due when they were. With a `released` event for each message.
    Release,
    /// They are to be given up with these words, on hold or not: whoever delivers takes the orders up ([`Spool::take_bounces`]), and
    /// reports. An attempt under way goes on; if it fails for now, the order is taken up then.
    Bounce(Box<str>),
    /// They are taken out of the queue without a report. With a `removed` event for each message. An attempt under way may still deliver.
    Remove,
}

/// How far an order came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// What it did.
    pub changed: Changed,
    /// Messages that were looked at.
    pub looked_at: u64,
    /// It goes on behind this message; none: all is done.
    pub next: Option<QueueId>,
}

/// Tells when a frame is synced.
type Receiver = oneshot::Receiver<Result<(), SpoolError>>;

impl Spool {
    /// Carries an order out on the next part of what a selection takes, behind the message `after`, until `messages` or some more were
    /// looked at. What it did is durable when this returns, if it ever is; dropped before, what it did so far stands, and some of it may
    /// not be durable yet.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn carry_out(
        &self,
        order: &Order,
        selection: &Arc<Selection>,
        now: Timestamp,
        after: Option<QueueId>,
        messages: u64,
    ) -> Result<Part, SpoolError> {
        let mut part = Part { next: after, ..Part::default() };
        if *order == Order::Retry {
            // First, so that no site is still at rest for what becomes due.
            self.shared.retries.fetch_add(1, Ordering::SeqCst);
        }
        let mut waiting = Vec::new();
        loop {
            let look = self.look(selection, part.next).await?;
            part.looked_at += look.looked_at;
            part.next = look.next;
            let mut pushed = Vec::new();
            for taken in look.taken.chunks(AT_ONCE) {
                self.act(order, taken, now, &mut part.changed, &mut pushed)?;
            }
            // The disk works on one piece while the next is looked at.
            for receiver in std::mem::replace(&mut waiting, pushed) {
                synced(receiver).await?;
            }
            if part.next.is_none() || part.looked_at >= messages {
                break;
            }
        }
        for receiver in waiting {
            synced(receiver).await?;
        }
        Ok(part)
    }

    /// Carries an order out on all that a selection takes.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn carry_out_all(
        &self,
        order: &Order,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Changed, SpoolError> {
        let selection = Arc::new(selection);
        Ok(self.carry_out(order, &selection, now, None, u64::MAX).await?.changed)
    }

    /// Does to some messages what is ordered.
    fn act(
        &self,
        order: &Order,
        some: &[Taken],
        now: Timestamp,
        changed: &mut Changed,
        pushed: &mut Vec<Receiver>,
    ) -> Result<(), SpoolError> {
        let mut state = self.shared.state();
        let mut frame = Frame::new(Class::Completion);
        for taken in some {
            match order {
                Order::Count => count(&state.index, changed, taken),
                Order::Retry => make_due(&mut state.index, changed, taken, now),
                _ => change(&mut state, &mut frame, changed, taken, (order, now)),
            }
            if frame.len() > FRAME_OCTETS {
                let full = std::mem::replace(&mut frame, Frame::new(Class::Completion));
                pushed.push(self.shared.push_urgent(full)?);
            }
        }
        // Handed on while the state stands still: records of a message are in the order in which they came to hold.
        if !frame.records.is_empty() {
            pushed.push(self.shared.push_urgent(frame)?);
        }
        self.shared.notify_if_earlier(&mut state);
        Ok(())
    }
}

impl Order {
    /// The event that tells of it, if the order itself does.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Count | Self::Retry | Self::Bounce(_) => None,
            Self::Hold => Some(Kind::Held),
            Self::Release => Some(Kind::Released),
            Self::Remove => Some(Kind::Removed),
        }
    }

    /// What becomes of a message, and which of its recipients that concerns.
    fn outcome(&self, message: &Message, taken: &Taken, now: Timestamp) -> (Outcome, Vec<u32>) {
        match self {
            Self::Count | Self::Retry => Default::default(),
            Self::Hold => {
                ordered(message, taken, |entry| (!entry.is_held()).then(|| control(entry).held(now)))
            }
            Self::Release => {
                ordered(message, taken, |entry| entry.is_held().then(|| control(entry).released(now)))
            }
            Self::Bounce(words) => ordered(message, taken, |entry| {
                (!entry.is_to_bounce()).then(|| Control { bounce: Some(words.clone()), ..control(entry) })
            }),
            Self::Remove => removed(message, taken),
        }
    }
}

impl Changed {
    /// Adds what another part did.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.recipients += other.recipients;
        self.in_flight += other.in_flight;
    }

    /// Counts a message with the recipients of it that are meant.
    fn count<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let (mut recipients, mut in_flight) = (0, 0);
        for entry in entries {
            recipients += 1;
            in_flight += u64::from(entry.standing == Standing::InFlight);
        }
        self.add(Self { messages: u64::from(recipients > 0), recipients, in_flight });
    }
}

fn count(index: &Index, changed: &mut Changed, taken: &Taken) {
    let Some(message) = index.get(taken.id) else { return };
    let meant = taken.recipients.iter().filter_map(|place| message.recipients.get(*place as usize));
    changed.count(meant.filter(|entry| entry.is_owed()));
}

/// Makes those due that wait for later.
pub(crate) fn make_due(index: &mut Index, changed: &mut Changed, taken: &Taken, now: Timestamp) {
    let Some(slot) = index.slot(taken.id) else { return };
    let mut made = 0;
    for place in &taken.recipients {
        made += u64::from(index.make_due(slot, *place, now));
        let entry = index.at(slot).and_then(|message| message.recipients.get(*place as usize));
        changed.in_flight += u64::from(entry.is_some_and(|entry| entry.standing == Standing::InFlight));
    }
    changed.messages += u64::from(made > 0);
    changed.recipients += made;
}

/// Changes a message as it is ordered, if it is still here, and tells of it.
fn change(
    state: &mut State,
    frame: &mut Frame,
    changed: &mut Changed,
    taken: &Taken,
    (order, now): (&Order, Timestamp),
) {
    let Some(message) = state.index.get(taken.id) else { return };
    let (outcome, places) = order.outcome(message, taken, now);
    if places.is_empty() {
        return;
    }
    changed.count(places.iter().filter_map(|place| message.recipients.get(*place as usize)));
    let event = order.kind().map(|kind| {
        let mut event = Event::new(now, taken.id, kind, "admin");
        if places.len() < message.left as usize {
            let entries = places.iter().filter_map(|place| message.recipients.get(*place as usize));
            event.recipients = entries.map(|entry| address(&state.index, entry)).collect();
        }
        event
    });
    settle(state, frame, taken.id, &outcome);
    frame.events(event.as_slice());
}

/// Those of the recipients meant that are still owed.
fn owed(message: &Message, taken: &Taken) -> Vec<u32> {
    let is_owed = |place: &u32| message.recipients.get(*place as usize).is_some_and(Entry::is_owed);
    taken.recipients.iter().copied().filter(is_owed).collect()
}

/// An order for each recipient that needs it.
pub(crate) fn ordered(
    message: &Message,
    taken: &Taken,
    order: impl Fn(&Entry) -> Option<Control>,
) -> (Outcome, Vec<u32>) {
    let controls: Vec<(u32, Control)> = owed(message, taken)
        .into_iter()
        .filter_map(|place| Some((place, order(message.recipients.get(place as usize)?)?)))
        .collect();
    let places = controls.iter().map(|(place, _)| *place).collect();
    (Outcome { controls, ..Outcome::default() }, places)
}

fn removed(message: &Message, taken: &Taken) -> (Outcome, Vec<u32>) {
    let places = owed(message, taken);
    let removed = places.len() == message.left as usize;
    let recipients =
        if removed { Vec::new() } else { places.iter().filter_map(|place| gone(message, *place)).collect() };
    (Outcome { removed, recipients, ..Outcome::default() }, places)
}

pub(crate) fn control(entry: &Entry) -> Control {
    entry.control.as_deref().cloned().unwrap_or_default()
}

/// A recipient's state once it is taken out.
fn gone(message: &Message, recipient: u32) -> Option<RecipientState> {
    let entry = message.recipients.get(recipient as usize)?;
    let (due, attempts) = (entry.due, entry.attempts.into());
    Some(RecipientState {
        recipient,
        done: true,
        due,
        attempts,
        reply: None,
        mx: None,
        site: None,
        policy: None,
        delay_told: entry.delay_told,
    })
}
