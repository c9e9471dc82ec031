//! What memory keeps of an envelope record, taken from its octets without making the rest of the envelope: opening reads a million
//! of them. The fields are those of `codec.rs`.

use std::time::Duration;

use mail::{Domain, QueueId, Timestamp};

use crate::{
    entry::{Entry, Message, Recipients, Standing},
    octets::{Octets, number, text},
    payload::Control,
    queue::Queue,
};

/// Reads the fields of an envelope record. Its places and its size are for the caller to set. `held`: all recipients are on hold,
/// which older records say of the message. None if it cannot be read.
pub(crate) fn message(queue: &mut Queue, id: QueueId, fields: &[u8], held: bool) -> Option<Message> {
    let (mut received, mut priority, mut hold_until) = (Timestamp::default(), 0, None);
    let mut recipients = Gathered::default();
    let mut cursor = Octets(fields);
    while !cursor.is_empty() {
        match cursor.field()? {
            // It comes first.
            (1, value) => received = Timestamp::from_millis(number(value)?),
            (10, value) => priority = i8::from_le_bytes(Octets(value).array()?),
            (12, value) => hold_until = Some(Timestamp::from_millis(number(value)?)),
            (20, value) => recipients.push(entry(queue, value, received, held)?),
            _ => {}
        }
    }
    let mut message = Message::new(id, received, priority, recipients.done());
    message.waits_for_release = hold_until.is_some_and(|until| until > received);
    Some(message)
}

/// Recipients as they come, without a list for the one that mostly is all.
#[derive(Default)]
struct Gathered {
    first: Option<Entry>,
    others: Vec<Entry>,
}

impl Gathered {
    fn push(&mut self, entry: Entry) {
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.others.push(entry),
        }
    }

    fn done(self) -> Recipients {
        self.first.into_iter().chain(self.others).collect()
    }
}

fn entry(queue: &mut Queue, fields: &[u8], received: Timestamp, mut held: bool) -> Option<Entry> {
    let (mut address, mut due, mut attempts) = (None, Timestamp::default(), 0_u64);
    let (mut is_done, mut delay_told) = (false, false);
    let (mut held_at, mut paused, mut bounce) = (None, Duration::ZERO, None);
    let mut cursor = Octets(fields);
    while !cursor.is_empty() {
        match cursor.field()? {
            (1, value) => address = Some(text(value)?.split_once('\0')?),
            (7, value) => due = Timestamp::from_millis(number(value)?),
            (8, value) => attempts = number(value)?,
            (12, value) => is_done = number(value)? == 1,
            (13, value) => held |= number(value)? == 1,
            (14, value) => held_at = Some(Timestamp::from_millis(number(value)?)),
            (15, value) => paused = Duration::from_millis(number(value)?),
            (17, value) => bounce = Some(text(value)?.into()),
            (18, value) => delay_told = number(value)? == 1,
            _ => {}
        }
    }
    let (local, domain) = address?;
    let held_since = held.then(|| held_at.unwrap_or(received));
    Some(Entry {
        local: local.into(),
        due,
        domain: number_of(queue, domain)?,
        attempts: u16::try_from(attempts).unwrap_or(u16::MAX),
        standing: if is_done { Standing::Done } else { Standing::Waiting },
        delay_told,
        control: Control { held_since, paused, bounce }.if_any(),
    })
}

/// The number of a domain. It is only parsed if it is new.
fn number_of(queue: &mut Queue, shown: &str) -> Option<u32> {
    match queue.find_shown(shown) {
        Some(number) => Some(number),
        None => Some(queue.domain(&Domain::parse(shown).ok()?)),
    }
}
