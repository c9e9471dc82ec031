//! What an operator or the admin API asks of the queue.

use std::sync::{Arc, atomic::Ordering};

use events::{Event, Kind};
use mail::{Domain, Timestamp};

use crate::{
    Changed, Selection, Spool, SpoolError, Work,
    frame::{Class, Frame},
    index::{Entry, Index, Message, Standing},
    payload::{Control, Outcome, RecipientState},
    selection::Taken,
    spool::{settle, synced},
    state::State,
    view::address,
};

/// A frame of commands is handed on once it has so many octets: it must fit into a segment, and others wait for its sync.
const FRAME_OCTETS: usize = 256 * 1024;
/// Messages counted or made due while the queue stands still.
pub(crate) const AT_ONCE: usize = 10_000;
impl Spool {
    /// What a selection takes now, and how much of it is being delivered.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn count(&self, selection: Selection) -> Result<Changed, SpoolError> {
        self.each(selection, |index, changed, taken| {
            let Some(message) = index.get(taken.id) else { return };
            let meant = taken.recipients.iter().filter_map(|place| message.recipients.get(*place as usize));
            changed.add(meant.filter(|entry| entry.is_owed()));
        })
        .await
    }

    /// Makes waiting recipients due now that are due later. Not durable: after a restart they wait as before. What is held stays so, and what
    /// is in flight is only counted.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn retry(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        let changed =
            self.each(selection, |index, changed, taken| make_due(index, changed, taken, now)).await;
        self.retried();
        changed
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
        self.retried();
        changed
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

    fn retried(&self) {
        self.shared.retries.fetch_add(1, Ordering::SeqCst);
        self.shared.notify_if_earlier(&mut self.shared.state());
    }

    /// How often [`Spool::retry`] or [`Spool::retry_all`] was called. When it has risen, somebody wants mail tried though its site rests.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::SeqCst)
    }

    /// Puts recipients on hold: nothing is tried until a release, and their lifetime stands still (mail-rules 12). Durable, with a `held`
    /// event for each message. An attempt under way goes on; if it fails for now, the hold takes effect then.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn hold(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        let order = |entry: &Entry| (!entry.is_held()).then(|| control(entry).held(now));
        self.change(selection, now, Some(Kind::Held), move |message, taken| ordered(message, taken, order))
            .await
    }

    /// Takes recipients off hold; they are due when they were. Durable, with a `released` event for each message.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn unhold(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        let order = |entry: &Entry| entry.is_held().then(|| control(entry).released(now));
        self.change(selection, now, Some(Kind::Released), move |message, taken| {
            ordered(message, taken, order)
        })
        .await
    }

    /// Orders recipients to be given up with these words, on hold or not: whoever delivers takes the orders up ([`Spool::take_bounces`]),
    /// and reports. Durable. An attempt under way goes on; if it fails for now, the order is taken up then.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn bounce(
        &self,
        selection: Selection,
        words: &str,
        now: Timestamp,
    ) -> Result<Changed, SpoolError> {
        let order = |entry: &Entry| {
            (!entry.is_to_bounce()).then(|| Control { bounce: Some(words.into()), ..control(entry) })
        };
        self.change(selection, now, None, move |message, taken| ordered(message, taken, order)).await
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

    /// Takes recipients out of the queue without a report. Durable, with a `removed` event for each message. An attempt under way may still
    /// deliver.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn remove(&self, selection: Selection, now: Timestamp) -> Result<Changed, SpoolError> {
        self.change(selection, now, Some(Kind::Removed), |message, taken| {
            let places = owed(message, taken);
            let removed = places.len() == message.left as usize;
            let recipients = if removed {
                Vec::new()
            } else {
                places.iter().filter_map(|place| gone(message, *place)).collect()
            };
            (Outcome { removed, recipients, ..Outcome::default() }, places)
        })
        .await
    }

    /// Looks at all that a selection takes, part by part.
    async fn each(
        &self,
        selection: Selection,
        mut act: impl FnMut(&mut Index, &mut Changed, &Taken),
    ) -> Result<Changed, SpoolError> {
        let selection = Arc::new(selection);
        let (mut changed, mut after) = (Changed::default(), None);
        loop {
            let look = self.look(&selection, after).await?;
            {
                let mut state = self.shared.state();
                look.taken.iter().for_each(|taken| act(&mut state.index, &mut changed, taken));
            }
            after = look.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }

    /// Changes all that a selection takes, part by part; each part is durable before the next is looked at. `order` says what happens to a
    /// message, and to which of its recipients.
    async fn change(
        &self,
        selection: Selection,
        now: Timestamp,
        kind: Option<Kind>,
        order: impl Fn(&Message, &Taken) -> (Outcome, Vec<u32>),
    ) -> Result<Changed, SpoolError> {
        let selection = Arc::new(selection);
        let (mut changed, mut after) = (Changed::default(), None);
        loop {
            let look = self.look(&selection, after).await?;
            let mut receivers = Vec::new();
            {
                let mut state = self.shared.state();
                let mut frame = Frame::new(Class::Completion);
                for taken in &look.taken {
                    change_one(&mut state, &mut frame, &mut changed, taken, (now, kind), &order);
                    if frame.len() > FRAME_OCTETS {
                        let full = std::mem::replace(&mut frame, Frame::new(Class::Completion));
                        receivers.push(self.shared.push_urgent(full)?);
                    }
                }
                if !frame.records.is_empty() {
                    receivers.push(self.shared.push_urgent(frame)?);
                }
                self.shared.notify_if_earlier(&mut state);
            }
            for receiver in receivers {
                synced(receiver).await?;
            }
            after = look.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }
}

impl Changed {
    /// Counts a message with the recipients of it that are meant.
    fn add<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let (mut recipients, mut in_flight) = (0, 0);
        for entry in entries {
            recipients += 1;
            in_flight += u64::from(entry.standing == Standing::InFlight);
        }
        self.messages += u64::from(recipients > 0);
        self.recipients += recipients;
        self.in_flight += in_flight;
    }
}

/// Makes those due that wait for later.
fn make_due(index: &mut Index, changed: &mut Changed, taken: &Taken, now: Timestamp) {
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

/// Changes a message as `order` says, if it is still here, and tells of it.
fn change_one(
    state: &mut State,
    frame: &mut Frame,
    changed: &mut Changed,
    taken: &Taken,
    (now, kind): (Timestamp, Option<Kind>),
    order: impl Fn(&Message, &Taken) -> (Outcome, Vec<u32>),
) {
    let Some(message) = state.index.get(taken.id) else { return };
    let (outcome, places) = order(message, taken);
    if places.is_empty() {
        return;
    }
    changed.add(places.iter().filter_map(|place| message.recipients.get(*place as usize)));
    let event = kind.map(|kind| {
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
fn ordered(
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

fn control(entry: &Entry) -> Control {
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
