//! The payloads of envelope, outcome and done records.

use std::time::Duration;

use mail::{Envelope, QueueId, Recipient, Reply, Timestamp};

use crate::{
    codec,
    format::Tag,
    octets::{Octets, number, put_field, put_number, text},
};

pub(crate) use crate::codec::Stored as StoredEnvelope;

/// Where the content of an envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the segment of the envelope, at the offset that its header tells.
    Here,
    /// In another segment, at an offset.
    Elsewhere(u32, u32),
    /// In a file of its own whose records carry this tag.
    Own(Tag),
}

/// What leads the fields of an envelope record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    pub(crate) place: Place,
    /// Octets of content.
    pub(crate) content_len: u64,
    /// Octets that content takes in its segment, headers and padding included.
    pub(crate) stored_len: u32,
}

impl EnvelopeHead {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut place = [0; 16];
        let kind = match self.place {
            Place::Here => 1,
            Place::Elsewhere(segment, offset) => {
                place = (u128::from(segment) | u128::from(offset) << 32).to_le_bytes();
                2
            }
            Place::Own(tag) => {
                place = tag;
                3
            }
        };
        out.extend_from_slice(&[kind, 0]);
        out.extend_from_slice(&place);
        out.extend_from_slice(&self.content_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
    }

    /// The head, and whether the whole message is on hold: older records say it here.
    fn decode(cursor: &mut Octets<'_>) -> Option<(Self, bool)> {
        let (kind, held, tag) = (cursor.u8()?, cursor.u8()? == 1, cursor.array::<16>()?);
        let mut numbers = Octets(&tag);
        let place = match kind {
            1 => Place::Here,
            2 => Place::Elsewhere(numbers.u32()?, numbers.u32()?),
            3 => Place::Own(tag),
            _ => return None,
        };
        Some((Self { place, content_len: cursor.u64()?, stored_len: cursor.u32()? }, held))
    }
}

pub(crate) fn encode_fresh_envelope(head: &EnvelopeHead, envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 64 * envelope.recipients.len());
    head.encode(&mut out);
    codec::encode_fresh(envelope, &mut out);
    out
}

pub(crate) fn encode_envelope(head: &EnvelopeHead, stored: &StoredEnvelope) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 64 * stored.envelope.recipients.len());
    head.encode(&mut out);
    stored.encode(&mut out);
    out
}

/// The head of an envelope record, whether the whole message is on hold, and its fields.
pub(crate) fn decode_head(octets: &[u8]) -> Option<(EnvelopeHead, bool, &[u8])> {
    let mut cursor = Octets(octets);
    let (head, held) = EnvelopeHead::decode(&mut cursor)?;
    Some((head, held, cursor.0))
}

pub(crate) fn decode_envelope(id: QueueId, octets: &[u8]) -> Option<(EnvelopeHead, StoredEnvelope)> {
    let (head, held, fields) = decode_head(octets)?;
    let mut stored = StoredEnvelope::decode(id, fields)?;
    stored.envelope.recipients.iter_mut().for_each(|recipient| recipient.held |= held);
    Some((head, stored))
}

/// An outcome record: what changed for some recipients of a message. Values are absolute, so that a record may be
/// applied twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// The whole message was put on hold, or was taken off it. Read from older records; [`Control`] says it now.
    pub(crate) held: Option<bool>,
    /// Taken out of the queue whole.
    pub(crate) removed: bool,
    pub(crate) recipients: Vec<RecipientState>,
    /// What was ordered for recipients, by number.
    pub(crate) controls: Vec<(u32, Control)>,
}

/// What somebody ordered for a recipient, whatever becomes of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Control {
    /// On hold since then.
    pub(crate) held_since: Option<Timestamp>,
    /// How long it was on hold before, in all.
    pub(crate) paused: Duration,
    /// To be given up with these words, on hold or not.
    pub(crate) bounce: Option<Box<str>>,
}

impl Control {
    /// What a recipient's envelope says, if anything was ever ordered.
    pub(crate) fn of(recipient: &Recipient, received: Timestamp) -> Option<Box<Self>> {
        let held_since = recipient.held.then(|| recipient.held_at.unwrap_or(received));
        Self { held_since, paused: recipient.paused, bounce: recipient.bounce.clone() }.if_any()
    }

    /// Itself, if anything was ever ordered.
    pub(crate) fn if_any(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    /// Lets a recipient's envelope say it.
    pub(crate) fn write_to(&self, recipient: &mut Recipient) {
        recipient.held = self.held_since.is_some();
        recipient.held_at = self.held_since;
        recipient.paused = self.paused;
        recipient.bounce.clone_from(&self.bounce);
    }

    /// On hold from `now` on, or as before.
    pub(crate) fn held(&self, now: Timestamp) -> Self {
        Self { held_since: self.held_since.or(Some(now)), ..self.clone() }
    }

    /// Off hold: the time spent on it is added up.
    pub(crate) fn released(&self, now: Timestamp) -> Self {
        let spent = self.held_since.map(|since| now.since(since)).unwrap_or_default();
        Self { held_since: None, paused: self.paused.saturating_add(spent), ..self.clone() }
    }

    fn encode(&self, recipient: u32, out: &mut Vec<u8>) {
        put_number(out, 1, recipient.into());
        if let Some(since) = self.held_since {
            put_number(out, 2, since.as_millis());
        }
        if !self.paused.is_zero() {
            put_number(out, 3, codec::millis(self.paused));
        }
        if let Some(words) = &self.bounce {
            put_field(out, 4, words.as_bytes());
        }
    }

    fn decode(octets: &[u8]) -> Option<(u32, Self)> {
        let (mut recipient, mut control) = (u32::MAX, Self::default());
        let mut cursor = Octets(octets);
        while !cursor.is_empty() {
            match cursor.field()? {
                (1, value) => recipient = u32::try_from(number(value)?).ok()?,
                (2, value) => control.held_since = Some(Timestamp::from_millis(number(value)?)),
                (3, value) => control.paused = Duration::from_millis(number(value)?),
                (4, value) => control.bounce = Some(text(value)?.into()),
                _ => {}
            }
        }
        Some((recipient, control))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecipientState {
    pub(crate) recipient: u32,
    pub(crate) done: bool,
    pub(crate) due: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) reply: Option<Reply>,
    pub(crate) mx: Option<Box<str>>,
    pub(crate) site: Option<Box<str>>,
    pub(crate) policy: Option<Box<str>>,
    pub(crate) delay_told: bool,
}

impl Outcome {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * (1 + self.recipients.len()));
        if let Some(held) = self.held {
            put_number(&mut out, 1, held.into());
        }
        if self.removed {
            put_number(&mut out, 3, 1);
        }
        let mut octets = Vec::new();
        for state in &self.recipients {
            octets.clear();
            state.encode(&mut octets);
            put_field(&mut out, 2, &octets);
        }
        for (recipient, control) in &self.controls {
            octets.clear();
            control.encode(*recipient, &mut octets);
            put_field(&mut out, 4, &octets);
        }
        out
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let mut outcome = Self::default();
        let mut cursor = Octets(octets);
        while !cursor.is_empty() {
            match cursor.field()? {
                (1, value) => outcome.held = Some(number(value)? == 1),
                (2, value) => outcome.recipients.push(RecipientState::decode(value)?),
                (3, value) => outcome.removed = number(value)? == 1,
                (4, value) => outcome.controls.push(Control::decode(value)?),
                _ => {}
            }
        }
        Some(outcome)
    }

    /// Brings a stored envelope up to date.
    pub(crate) fn apply(&self, stored: &mut StoredEnvelope) {
        if let Some(held) = self.held {
            stored.envelope.recipients.iter_mut().for_each(|recipient| recipient.held = held);
        }
        for (place, control) in &self.controls {
            if let Some(recipient) = stored.envelope.recipients.get_mut(*place as usize) {
                control.write_to(recipient);
            }
        }
        if self.removed {
            stored.done.fill(true);
        }
        for state in &self.recipients {
            let place = state.recipient as usize;
            if let Some(done) = stored.done.get_mut(place) {
                *done |= state.done;
            }
            let Some(recipient) = stored.envelope.recipients.get_mut(place) else { continue };
            recipient.due = state.due;
            recipient.delay_told |= state.delay_told;
            recipient.attempts = state.attempts;
            if state.reply.is_some() {
                recipient.last_reply.clone_from(&state.reply);
            }
            if state.mx.is_some() {
                recipient.last_mx.clone_from(&state.mx);
            }
            if state.site.is_some() {
                recipient.last_site.clone_from(&state.site);
            }
            if state.policy.is_some() {
                recipient.policy.clone_from(&state.policy);
            }
        }
    }
}

impl RecipientState {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.recipient.into());
        if self.done {
            put_number(out, 2, 1);
        }
        put_number(out, 3, self.due.as_millis());
        put_number(out, 4, self.attempts.into());
        if let Some(reply) = &self.reply {
            codec::put_reply(out, 5, reply);
        }
        if let Some(mx) = &self.mx {
            put_field(out, 6, mx.as_bytes());
        }
        if let Some(policy) = &self.policy {
            put_field(out, 7, policy.as_bytes());
        }
        if let Some(site) = &self.site {
            put_field(out, 8, site.as_bytes());
        }
        if self.delay_told {
            put_number(out, 9, 1);
        }
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let (recipient, done, due, attempts) = (u32::MAX, false, Timestamp::default(), 0);
        let mut state = Self {
            recipient,
            done,
            due,
            attempts,
            reply: None,
            mx: None,
            site: None,
            policy: None,
            delay_told: false,
        };
        let mut cursor = Octets(octets);
        while !cursor.is_empty() {
            match cursor.field()? {
                (1, value) => state.recipient = u32::try_from(number(value)?).ok()?,
                (2, value) => state.done = number(value)? == 1,
                (3, value) => state.due = Timestamp::from_millis(number(value)?),
                (4, value) => state.attempts = u32::try_from(number(value)?).ok()?,
                (5, value) => state.reply = Some(codec::reply(value)?),
                (6, value) => state.mx = Some(text(value)?.into()),
                (7, value) => state.policy = Some(text(value)?.into()),
                (8, value) => state.site = Some(text(value)?.into()),
                (9, value) => state.delay_told = number(value)? == 1,
                _ => {}
            }
        }
        Some(state)
    }
}

/// A done record: queue ids, sixteen octets each.
pub(crate) fn encode_done(ids: &[QueueId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_bytes()).collect()
}

pub(crate) fn decode_done(octets: &[u8]) -> Vec<QueueId> {
    let (ids, _) = octets.as_chunks::<16>();
    ids.iter().map(|id| QueueId::from_bytes(*id)).collect()
}

#[cfg(test)]
mod tests {
    use mail::EnhancedStatus;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn outcomes_round_trip() {
        let state = RecipientState {
            recipient: 3,
            done: false,
            due: Timestamp::from_millis(99),
            attempts: 2,
            reply: Some(Reply::new(450, EnhancedStatus::new(4, 2, 0), "later")),
            mx: Some("mx".into()),
            site: Some("example.org".into()),
            policy: None,
            delay_told: true,
        };
        let held = Control {
            held_since: Some(Timestamp::from_millis(7)),
            paused: Duration::from_millis(8),
            bounce: Some("no".into()),
        };
        for (held, removed, controls) in [
            (None, false, vec![(3, held.clone()), (4, held.released(Timestamp::from_millis(17)))]),
            (Some(true), false, Vec::new()),
            (Some(false), true, Vec::new()),
        ] {
            let outcome = Outcome { held, removed, recipients: vec![state.clone()], controls };
            assert_eq!(Outcome::decode(&outcome.encode()), Some(outcome));
        }
    }

    #[test]
    fn done_lists_round_trip() {
        let ids = [[1; 16], [2; 16]].map(QueueId::from_bytes);
        assert_eq!(decode_done(&encode_done(&ids)), ids);
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let _ = Outcome::decode(&octets);
            let _ = decode_envelope(QueueId::from_bytes([0; 16]), &octets);
            let _ = decode_done(&octets);
        }
    }
}
