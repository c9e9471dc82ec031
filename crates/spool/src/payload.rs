//! The payloads of envelope, outcome and done records.

use mail::{Envelope, QueueId, Reply, Timestamp};

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
    pub(crate) held: bool,
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
        out.extend_from_slice(&[kind, u8::from(self.held)]);
        out.extend_from_slice(&place);
        out.extend_from_slice(&self.content_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
    }

    fn decode(cursor: &mut Octets<'_>) -> Option<Self> {
        let (kind, held, tag) = (cursor.u8()?, cursor.u8()? == 1, cursor.array::<16>()?);
        let mut numbers = Octets(&tag);
        let place = match kind {
            1 => Place::Here,
            2 => Place::Elsewhere(numbers.u32()?, numbers.u32()?),
            3 => Place::Own(tag),
            _ => return None,
        };
        Some(Self { place, content_len: cursor.u64()?, stored_len: cursor.u32()?, held })
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

pub(crate) fn decode_envelope(id: QueueId, octets: &[u8]) -> Option<(EnvelopeHead, StoredEnvelope)> {
    let mut cursor = Octets(octets);
    let head = EnvelopeHead::decode(&mut cursor)?;
    Some((head, StoredEnvelope::decode(id, cursor.0)?))
}

/// An outcome record: what changed for some recipients of a message. Values are absolute, so that a record may be
/// applied twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// The whole message was put on hold, or was taken off it with all of its recipients.
    pub(crate) held: Option<bool>,
    /// Taken out of the queue whole.
    pub(crate) removed: bool,
    pub(crate) recipients: Vec<RecipientState>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecipientState {
    pub(crate) recipient: u32,
    pub(crate) done: bool,
    pub(crate) due: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) reply: Option<Reply>,
    pub(crate) mx: Option<Box<str>>,
    pub(crate) policy: Option<Box<str>>,
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
                _ => {}
            }
        }
        Some(outcome)
    }

    /// Brings a stored envelope up to date.
    pub(crate) fn apply(&self, head: &mut EnvelopeHead, stored: &mut StoredEnvelope) {
        head.held = self.held.unwrap_or(head.held);
        if self.held == Some(false) {
            stored.envelope.recipients.iter_mut().for_each(|recipient| recipient.held = false);
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
            recipient.attempts = state.attempts;
            if state.reply.is_some() {
                recipient.last_reply.clone_from(&state.reply);
            }
            if state.mx.is_some() {
                recipient.last_mx.clone_from(&state.mx);
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
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let (recipient, done, due, attempts) = (u32::MAX, false, Timestamp::default(), 0);
        let mut state = Self { recipient, done, due, attempts, reply: None, mx: None, policy: None };
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
            policy: None,
        };
        for (held, removed) in [(None, false), (Some(true), false), (Some(false), true)] {
            let outcome = Outcome { held, removed, recipients: vec![state.clone()] };
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
