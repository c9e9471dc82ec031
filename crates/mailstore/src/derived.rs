//! What is derived from a content once, so that no listing opens it again: its structure, and by which messages it can be found to
//! belong together with others.

use aws_lc_rs::digest::{SHA256, digest};
use message::mime::{Message, message_ids};

/// So many message ids of a message tell its thread: its own, and the last ones that it refers to.
const IDS_MAX: usize = 16;

/// What a content says.
pub(crate) struct Derived {
    /// As [`Message::decode`] reads it.
    pub(crate) structure: Vec<u8>,
    /// Numbers for its own message id, and for those that it refers to, from the nearest on.
    pub(crate) message_ids: Vec<i64>,
}

impl Derived {
    pub(crate) fn of(message: &Message) -> Self {
        let ids = |raw: &Option<Box<[u8]>>| raw.as_deref().map(message_ids).unwrap_or_default();
        let own = ids(&message.envelope.message_id).into_iter().take(1);
        // The nearest stand last (RFC 5322 §3.6.4).
        let referred = ids(&message.references).into_iter().rev();
        let mut numbers = Vec::new();
        for id in own.chain(ids(&message.envelope.in_reply_to).into_iter().take(1)).chain(referred) {
            let number = number(&id);
            if !numbers.contains(&number) && numbers.len() < IDS_MAX {
                numbers.push(number);
            }
        }
        Self { structure: message.encode(), message_ids: numbers }
    }
}

/// A number for a message id. Two of 2^32 messages may have the same by chance: then a thread has a message too many.
fn number(id: &[u8]) -> i64 {
    let mut octets = [0; 8];
    octets.iter_mut().zip(digest(&SHA256, id).as_ref()).for_each(|(to, from)| *to = *from);
    i64::from_be_bytes(octets)
}
