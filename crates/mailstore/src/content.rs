//! The octets of messages: each content is kept once, by its hash, in pieces.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use message::mime::Message;
use store::{Sql, StoreError, Value};

use crate::{MailstoreError, derived::Derived, number::octets, upload::Staged};

/// The octets of a piece, but the last one of a content.
pub(crate) const PIECE_OCTETS: usize = 64 * 1024;
/// The most pieces of a content: the number of a piece has so many bits, and what is above them is the content.
const PIECES_BITS: u32 = 20;
pub(crate) const CONTENT_OCTETS_MAX: u64 = (PIECE_OCTETS as u64) << PIECES_BITS;

/// SHA-256 of a content.
pub(crate) type Hash = [u8; 32];

/// Octets of a message to file: as they came, perhaps into several mailboxes. Clones are the same.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    hash: Hash,
    octets: u64,
    derived: Derived,
    held: Held,
}

enum Held {
    Memory(Vec<u8>),
    /// In the database already, where nothing finds it by its hash yet.
    Staged(Staged),
}

impl Content {
    /// Octets in memory. Larger messages come by [`crate::Upload`].
    pub fn new(octets: Vec<u8>) -> Self {
        let mut hash = [0; 32];
        // The length is that of SHA-256 by its definition.
        hash.iter_mut().zip(digest(&SHA256, &octets).as_ref()).for_each(|(to, from)| *to = *from);
        let derived = Derived::of(&Message::parse(&octets));
        let length = crate::number::octets(octets.len());
        Self(Arc::new(Inner { hash, octets: length, derived, held: Held::Memory(octets) }))
    }

    pub(crate) fn staged(hash: Hash, octets: u64, derived: Derived, staged: Staged) -> Self {
        Self(Arc::new(Inner { hash, octets, derived, held: Held::Staged(staged) }))
    }

    /// By which messages it belongs together with others.
    pub(crate) fn message_ids(&self) -> &[i64] {
        &self.0.derived.message_ids
    }

    /// Its SHA-256.
    pub(crate) fn sha256(&self) -> &Hash {
        &self.0.hash
    }

    /// How many octets.
    pub fn len(&self) -> u64 {
        self.0.octets
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds the content in the database, there already or not, for one more email; its identifier there.
    pub(crate) fn hold(&self, sql: &Sql<'_>) -> Result<i64, MailstoreError> {
        let again = "UPDATE content SET references_held = references_held + 1, garbage_since = NULL WHERE hash = ?1 RETURNING id";
        let there = sql.query(again, &[self.hash()], |row| row.integer(0))?;
        if let Some(id) = there.into_iter().next() {
            return Ok(id);
        }
        let id = match &self.0.held {
            Held::Memory(octets) => self.insert(sql, octets)?,
            Held::Staged(staged) => {
                let id = staged.id();
                let take = "UPDATE content SET hash = ?1, octets = ?2, references_held = 1 WHERE id = ?3 AND hash IS NULL";
                let taken = sql.execute(take, &[self.hash(), crate::number::count(self.len()), id.into()])?;
                if taken == 1 { id } else { return Err(MailstoreError::Gone) }
            }
        };
        insert_structure(sql, id, &self.0.derived)?;
        Ok(id)
    }

    fn hash(&self) -> Value {
        Value::Octets(self.0.hash.to_vec())
    }

    fn insert(&self, sql: &Sql<'_>, octets: &[u8]) -> Result<i64, MailstoreError> {
        let insert = "INSERT INTO content (hash, octets, references_held) VALUES (?1, ?2, 1) RETURNING id";
        let made =
            sql.query(insert, &[self.hash(), crate::number::count(self.len())], |row| row.integer(0))?;
        let id = made.into_iter().next().ok_or(MailstoreError::Gone)?;
        for (number, piece) in (0..).zip(octets.chunks(PIECE_OCTETS)) {
            insert_piece(sql, id, number, piece.to_vec())?;
        }
        Ok(id)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} octets)", self.len())
    }
}

/// What a piece is called.
pub(crate) fn piece_id(content: i64, number: u64) -> Result<i64, MailstoreError> {
    let number = i64::try_from(number).ok().filter(|number| number >> PIECES_BITS == 0);
    let above = content.checked_mul(1 << PIECES_BITS);
    let id = above.zip(number).and_then(|(above, number)| above.checked_add(number));
    id.ok_or(MailstoreError::TooMany("octets in a message"))
}

pub(crate) fn insert_piece(
    sql: &Sql<'_>,
    content: i64,
    number: u64,
    piece: Vec<u8>,
) -> Result<(), MailstoreError> {
    let insert = "INSERT INTO piece (id, octets) VALUES (?1, ?2)";
    sql.execute(insert, &[piece_id(content, number)?.into(), piece.into()])?;
    Ok(())
}

/// Keeps the structure of a content, instead of the one that there may be.
pub(crate) fn insert_structure(sql: &Sql<'_>, content: i64, derived: &Derived) -> Result<(), StoreError> {
    let insert = "INSERT INTO structure (content, octets) VALUES (?1, ?2) \
                  ON CONFLICT (content) DO UPDATE SET octets = excluded.octets";
    sql.execute(insert, &[content.into(), derived.structure.as_slice().into()])?;
    Ok(())
}

/// Removes a content with all that is its own.
pub(crate) fn remove(sql: &Sql<'_>, content: i64) -> Result<(), StoreError> {
    sql.execute("DELETE FROM content WHERE id = ?1", &[content.into()])?;
    sql.execute("DELETE FROM structure WHERE content = ?1", &[content.into()])?;
    let pieces = [content << PIECES_BITS, content.saturating_add(1) << PIECES_BITS];
    sql.execute("DELETE FROM piece WHERE id >= ?1 AND id < ?2", &pieces.map(Value::from))?;
    Ok(())
}

/// Adds octets of a content to `out`: those from `at` on, `most` at most. One piece missing or short: damage.
pub(crate) fn read(
    sql: &Sql<'_>,
    content: i64,
    mut at: u64,
    mut most: usize,
    out: &mut Vec<u8>,
) -> Result<(), MailstoreError> {
    while most > 0 {
        let (number, within) = (at / octets(PIECE_OCTETS), at % octets(PIECE_OCTETS));
        let within = usize::try_from(within).unwrap_or(usize::MAX);
        let select = "SELECT octets FROM piece WHERE id = ?1";
        let mut got = 0;
        sql.query(select, &[piece_id(content, number)?.into()], |row| {
            let piece = row.slice(0)?.get(within..).unwrap_or_default();
            let piece = piece.get(..most).unwrap_or(piece);
            got = piece.len();
            out.extend_from_slice(piece);
            Ok(())
        })?;
        if got == 0 {
            return Err(MailstoreError::Damaged(format!("content {content} has no octets at {at}")));
        }
        at += octets(got);
        most -= got;
    }
    Ok(())
}
