//! The octets of messages, as they came.

use std::fmt;

use store::{Row, Sql};

use crate::{
    EmailId, Mailstore, MailstoreError,
    content::{self, PIECE_OCTETS},
    number::{count_at, octets},
};

/// What an email consists of.
pub(crate) struct Parts {
    pub(crate) head: Vec<u8>,
    pub(crate) content: i64,
    content_octets: u64,
}

impl Parts {
    pub(crate) fn of(sql: &Sql<'_>, email: EmailId) -> Result<Self, MailstoreError> {
        let select = "SELECT e.head, e.content, c.octets FROM email e JOIN content c ON c.id = e.content WHERE e.id = ?1";
        let parts = |row: &Row<'_>| {
            Ok(Self { head: row.octets(0)?, content: row.integer(1)?, content_octets: count_at(row, 2)? })
        };
        sql.query(select, &[email.into()], parts)?.into_iter().next().ok_or(MailstoreError::Gone)
    }

    fn octets(&self) -> u64 {
        octets(self.head.len()).saturating_add(self.content_octets)
    }

    /// Octets from `at` on, `most` at most.
    fn read(&self, sql: &Sql<'_>, at: u64, most: usize) -> Result<Vec<u8>, MailstoreError> {
        let left = usize::try_from(self.octets().saturating_sub(at)).unwrap_or(usize::MAX).min(most);
        let mut out = Vec::with_capacity(left);
        let skipped = usize::try_from(at).unwrap_or(usize::MAX);
        let head = self.head.get(skipped..).unwrap_or_default();
        out.extend_from_slice(head.get(..left).unwrap_or(head));
        let rest = left - out.len();
        content::read(sql, self.content, at.saturating_sub(octets(self.head.len())), rest, &mut out)?;
        Ok(out)
    }
}

/// A message, read piece by piece. Its octets stay for an hour at least after the last message that has them went.
pub struct Reader {
    mailstore: Mailstore,
    parts: Parts,
    at: u64,
    /// What was read already.
    next: Option<Vec<u8>>,
}

impl Mailstore {
    /// Octets of a message from `at` on: as many as there are, `most` at most. Waits for the disk.
    ///
    /// # Errors
    /// It is gone, or damaged; see [`MailstoreError`].
    pub fn read(&self, email: EmailId, at: u64, most: usize) -> Result<Vec<u8>, MailstoreError> {
        self.look(|sql| Parts::of(sql, email)?.read(sql, at, most))
    }

    /// Begins to read a message. Waits for the disk.
    ///
    /// # Errors
    /// It is gone, or damaged; see [`MailstoreError`].
    pub fn reader(&self, email: EmailId) -> Result<Reader, MailstoreError> {
        self.look(|sql| {
            let parts = Parts::of(sql, email)?;
            let first = parts.read(sql, 0, PIECE_OCTETS)?;
            let next = (!first.is_empty()).then_some(first);
            Ok(Reader { mailstore: self.clone(), parts, at: 0, next })
        })
    }
}

impl Reader {
    /// All octets of the message.
    pub fn octets(&self) -> u64 {
        self.parts.octets()
    }

    /// The next octets, 64 KiB at most. `None`: that was all. Waits for the disk.
    ///
    /// # Errors
    /// They are gone, or damaged; see [`MailstoreError`].
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, MailstoreError> {
        let piece = match self.next.take() {
            Some(piece) => piece,
            None if self.at >= self.octets() => return Ok(None),
            // Reads end where a piece of the content does, so that each is fetched once.
            None => {
                let within = self.at.saturating_sub(octets(self.parts.head.len())) % octets(PIECE_OCTETS);
                let most = PIECE_OCTETS - usize::try_from(within).unwrap_or(0).min(PIECE_OCTETS - 1);
                self.mailstore.look(|sql| self.parts.read(sql, self.at, most))?
            }
        };
        self.at += octets(piece.len());
        Ok(Some(piece))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} of {} octets)", self.at, self.octets())
    }
}
