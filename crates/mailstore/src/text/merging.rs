//! Segments are put together when there are many of a size, so that a search reads few, and each email is written again few times.

use super::{
    index::TextIndex,
    kept::{self, IndexError, Line},
    segment::{Builder, Segment},
};
use crate::{AccountId, Mailstore, MailstoreError};

/// So many of a size become one of the next.
const TOGETHER: usize = 8;
/// A segment of so many octets, or of one part in eight of it, and so on, is of the next size; the greatest are left as they are.
const GREATEST: u64 = 1 << 20;

/// The size of a segment: 0 for the greatest.
fn size(octets: u64) -> u32 {
    let mut bound = GREATEST;
    for size in 0..3 {
        if octets >= bound {
            return size;
        }
        bound /= 8;
    }
    3
}

impl Mailstore {
    /// Puts segments of an account together as long as there are many of a size.
    pub(super) fn merge_segments(&self, index: &TextIndex, account: AccountId) -> Result<(), IndexError> {
        while let Some(some) = index.look(|sql| Ok(many_alike(&kept::lines(sql, Some(account))?)))? {
            self.rewrite(index, account, some)?;
        }
        Ok(())
    }

    /// Writes segments as one, without the emails that are gone.
    fn rewrite(&self, index: &TextIndex, account: AccountId, lines: Vec<Line>) -> Result<(), IndexError> {
        let mut builder = Builder::default();
        for line in &lines {
            let segment = index.look(|sql| kept::segment(sql, line.id, true))?;
            let emails = segment.emails().ok_or(IndexError::Damaged)?;
            let there = self.there(&emails).map_err(|_| IndexError::None)?;
            let merged = builder.merge(&segment, |email| there.binary_search(&email).is_ok());
            merged.ok_or_else(|| index.damage())?;
        }
        let segment = if builder.is_empty() { Segment::default() } else { builder.finish() };
        index.change(move |sql| {
            lines.iter().try_for_each(|line| kept::remove(sql, line.id))?;
            kept::insert(sql, account, &segment)
        })
    }

    /// Those of some emails that are there.
    fn there(&self, emails: &[i64]) -> Result<Vec<i64>, MailstoreError> {
        self.look(|sql| {
            let select = "SELECT id FROM email WHERE id = ?1";
            let mut there = Vec::with_capacity(emails.len());
            for email in emails {
                there.extend(sql.query(select, &[(*email).into()], |row| row.integer(0))?);
            }
            Ok(there)
        })
    }

    /// Removes from the index what is gone from the mailboxes: accounts, mailboxes, and emails where they are an eighth of a segment.
    /// Waits for the disk.
    ///
    /// # Errors
    /// The store failed. What is wrong with the index is told in the log, and mended by [`Self::index_some`].
    pub fn tidy_index(&self) -> Result<(), MailstoreError> {
        let Some(index) = self.index() else { return Ok(()) };
        let _one = index.begin();
        let lines = index.look(|sql| Ok(kept::lines(sql, None)?));
        for line in lines.unwrap_or_default() {
            let Ok(emails) = index.look(|sql| kept::emails(sql, line.id)) else { return Ok(()) };
            let there = self.there(&emails)?.len();
            if (emails.len() - there) * 8 >= emails.len() && there < emails.len() {
                // What is wrong is in the log.
                let _ = self.rewrite(index, line.account, vec![line]);
            }
        }
        Ok(())
    }
}

/// Some that are of one size, if there are many.
fn many_alike(lines: &[Line]) -> Option<Vec<Line>> {
    (1..=3).rev().find_map(|wanted| {
        let alike: Vec<Line> = lines.iter().copied().filter(|line| size(line.octets) == wanted).collect();
        (alike.len() >= TOGETHER).then_some(alike)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_grow_and_the_greatest_stay() {
        assert_eq!([0, 16 << 10, 128 << 10, 1 << 20, 9 << 20].map(size), [3, 2, 1, 0, 0]);
        let line = |id, octets| Line { id, account: AccountId(1), octets };
        let mut lines: Vec<_> =
            (0..7).map(|id| line(id, 100)).chain((10..30).map(|id| line(id, 2 << 20))).collect();
        assert!(many_alike(&lines).is_none());
        lines.push(line(40, 200));
        assert_eq!(many_alike(&lines).unwrap().len(), 8);
    }
}
