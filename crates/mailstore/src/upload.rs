//! Messages that come piece by piece: small ones wait in memory, of large ones only what is not on disk yet.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use message::mime::Parser;
use store::{Sql, StoreError};

use crate::{
    Content, Mailstore, MailstoreError,
    content::{self, CONTENT_OCTETS_MAX, PIECE_OCTETS},
    derived::Derived,
    number::octets,
};

/// More than this goes to the disk before it is complete.
const MEMORY_OCTETS_MAX: usize = 1 << 20;

/// Octets that are in the database, but belong to no message yet. When it is dropped, and none has taken them, they go.
pub(crate) struct Staged {
    mailstore: Mailstore,
    id: i64,
}

impl Staged {
    pub(crate) fn id(&self) -> i64 {
        self.id
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let id = self.id;
        self.mailstore.change_later(move |sql| {
            let mine = "SELECT id FROM content WHERE id = ?1 AND hash IS NULL";
            for content in sql.query(mine, &[id.into()], |row| row.integer(0))? {
                content::remove(sql, content)?;
            }
            Ok(())
        });
    }
}

/// Removes all that was never completed.
pub(crate) fn discard_all(sql: &Sql<'_>) -> Result<(), StoreError> {
    let staged = "SELECT id FROM content WHERE hash IS NULL";
    for content in sql.query(staged, &[], |row| row.integer(0))? {
        content::remove(sql, content)?;
    }
    Ok(())
}

/// A message on its way in. Holds 1 MiB at most; dropped before its end it leaves nothing.
pub struct Upload {
    mailstore: Mailstore,
    hash: Context,
    parser: Parser,
    octets: u64,
    /// What is not on disk: behind `pieces` pieces that are.
    waiting: Vec<u8>,
    pieces: u64,
    staged: Option<Staged>,
}

impl Mailstore {
    /// Begins a message that comes piece by piece.
    pub fn upload(&self) -> Upload {
        Upload {
            mailstore: self.clone(),
            hash: Context::new(&SHA256),
            parser: Parser::new(),
            octets: 0,
            waiting: Vec::new(),
            pieces: 0,
            staged: None,
        }
    }
}

impl Upload {
    /// Takes further octets.
    ///
    /// # Errors
    /// The store failed, or the message is larger than any can be; see [`MailstoreError`].
    pub async fn write(&mut self, mut octets: &[u8]) -> Result<(), MailstoreError> {
        self.octets += crate::number::octets(octets.len());
        if self.octets > CONTENT_OCTETS_MAX {
            return Err(MailstoreError::TooMany("octets in a message"));
        }
        while !octets.is_empty() {
            let room = MEMORY_OCTETS_MAX.saturating_sub(self.waiting.len());
            let (now, later) = octets.split_at_checked(room).unwrap_or((octets, &[]));
            self.waiting.extend_from_slice(now);
            octets = later;
            if self.waiting.len() >= MEMORY_OCTETS_MAX && !octets.is_empty() {
                self.spill().await?;
            }
        }
        Ok(())
    }

    /// Octets that its content would hold in memory, if these were all.
    pub fn held(&self) -> u64 {
        if self.staged.is_some() { 0 } else { octets(self.waiting.len()) }
    }

    /// All octets came.
    ///
    /// # Errors
    /// The store failed; see [`MailstoreError`].
    pub async fn finish(self) -> Result<Content, MailstoreError> {
        if self.staged.is_none() { Ok(Content::new(self.waiting)) } else { self.finish_on_disk().await }
    }

    /// The same, and none of them stays in memory, however few they are: for one of many.
    ///
    /// # Errors
    /// The store failed; see [`MailstoreError`].
    pub async fn finish_on_disk(mut self) -> Result<Content, MailstoreError> {
        self.spill().await?;
        let mut hash = [0; 32];
        let digest = self.hash.clone().finish();
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        let staged = self.staged.take().ok_or(MailstoreError::Gone)?;
        let derived = Derived::of(&std::mem::take(&mut self.parser).finish());
        Ok(Content::staged(hash, self.octets, derived, staged))
    }

    /// Puts what waits on the disk. Durability comes with the message: the commit that takes it stands behind this one.
    async fn spill(&mut self) -> Result<(), MailstoreError> {
        self.hash.update(&self.waiting);
        self.parser.push(&self.waiting);
        let id = match &self.staged {
            Some(staged) => staged.id,
            None => self.stage().await?,
        };
        let (first, waiting) = (self.pieces, std::mem::take(&mut self.waiting));
        self.pieces += octets(waiting.len().div_ceil(PIECE_OCTETS));
        let filed = self.mailstore.change(move |sql, _| {
            for (number, piece) in (first..).zip(waiting.chunks(PIECE_OCTETS)) {
                content::insert_piece(sql, id, number, piece.to_vec())?;
            }
            Ok(())
        });
        filed.await
    }

    async fn stage(&mut self) -> Result<i64, MailstoreError> {
        let made = self.mailstore.change(|sql, _| {
            let insert = "INSERT INTO content (octets, references_held) VALUES (0, 0) RETURNING id";
            let made = sql.query(insert, &[], |row| row.integer(0))?;
            made.into_iter().next().ok_or(MailstoreError::Gone)
        });
        let id = made.await?;
        self.staged = Some(Staged { mailstore: self.mailstore.clone(), id });
        Ok(id)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} octets)", self.octets)
    }
}
