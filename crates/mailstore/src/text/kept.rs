//! Segments as they are kept: four pieces each, with checksums.

use store::{Row, Sql, StoreError};

use super::segment::Segment;
use crate::{AccountId, number::octets};

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// The file, or what is in it, cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something is not what was written.
    #[error("the index of texts is damaged")]
    Damaged,
    /// There is none, for the moment.
    #[error("there is no index of texts")]
    None,
}

const EMAILS: i64 = 0;
const TERMS: i64 = 1;
const POSTINGS: i64 = 2;
const TEXTS: i64 = 3;
const PIECES: i64 = 4;

/// A segment's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) account: AccountId,
    pub(super) octets: u64,
}

/// The segments of an account, or of all.
pub(super) fn lines(sql: &Sql<'_>, account: Option<AccountId>) -> Result<Vec<Line>, StoreError> {
    let line = |row: &Row<'_>| {
        Ok(Line {
            id: row.integer(0)?,
            account: AccountId(row.integer(1)?),
            octets: crate::number::count_at(row, 2)?,
        })
    };
    match account {
        Some(account) => sql.query(
            "SELECT id, account, octets FROM segment WHERE account = ?1 ORDER BY id",
            &[account.into()],
            line,
        ),
        None => sql.query("SELECT id, account, octets FROM segment ORDER BY id", &[], line),
    }
}

/// The segments of an account that may have an email.
pub(super) fn lines_around(sql: &Sql<'_>, account: AccountId, email: i64) -> Result<Vec<i64>, StoreError> {
    let select = "SELECT id FROM segment WHERE account = ?1 AND email_first <= ?2 AND email_last >= ?3";
    sql.query(select, &[account.into(), email.into(), email.into()], |row| row.integer(0))
}

/// The emails of a segment, and nothing else of it.
pub(super) fn emails(sql: &Sql<'_>, segment: i64) -> Result<Vec<i64>, IndexError> {
    let emails = piece(sql, segment, EMAILS)?;
    Segment { emails, ..Segment::default() }.emails().ok_or(IndexError::Damaged)
}

/// A segment; without its texts if they are not asked for.
pub(super) fn segment(sql: &Sql<'_>, segment: i64, texts: bool) -> Result<Segment, IndexError> {
    let piece = |kind| piece(sql, segment, kind);
    let texts = if texts { piece(TEXTS)? } else { Vec::new() };
    Ok(Segment { emails: piece(EMAILS)?, terms: piece(TERMS)?, postings: piece(POSTINGS)?, texts })
}

fn piece(sql: &Sql<'_>, segment: i64, kind: i64) -> Result<Vec<u8>, IndexError> {
    let select = "SELECT octets, checksum FROM piece WHERE id = ?1";
    let id = segment.checked_mul(PIECES).ok_or(IndexError::Damaged)? + kind;
    let mut sum = 0;
    let found = sql.query(select, &[id.into()], |row| {
        sum = row.integer(1)?;
        row.octets(0)
    })?;
    let octets = found.into_iter().next().ok_or(IndexError::Damaged)?;
    if checksum(&octets) == sum { Ok(octets) } else { Err(IndexError::Damaged) }
}

fn checksum(octets: &[u8]) -> i64 {
    i64::from(crc32c::crc32c(octets))
}

/// Keeps a segment that has an email at least.
pub(super) fn insert(sql: &Sql<'_>, account: AccountId, segment: &Segment) -> Result<(), StoreError> {
    let emails = segment.emails().unwrap_or_default();
    let (Some(first), Some(last)) = (emails.first(), emails.last()) else { return Ok(()) };
    let insert =
        "INSERT INTO segment (account, octets, email_first, email_last) VALUES (?1, ?2, ?3, ?4) RETURNING id";
    let length = crate::number::count(octets(segment.octets()));
    let made =
        sql.query(insert, &[account.into(), length, (*first).into(), (*last).into()], |row| row.integer(0))?;
    let Segment { emails, terms, postings, texts } = segment;
    for id in made {
        for (kind, octets) in [(EMAILS, emails), (TERMS, terms), (POSTINGS, postings), (TEXTS, texts)] {
            let insert = "INSERT INTO piece (id, checksum, octets) VALUES (?1, ?2, ?3)";
            sql.execute(
                insert,
                &[(id * PIECES + kind).into(), checksum(octets).into(), octets.as_slice().into()],
            )?;
        }
    }
    Ok(())
}

pub(super) fn remove(sql: &Sql<'_>, segment: i64) -> Result<(), StoreError> {
    sql.execute("DELETE FROM segment WHERE id = ?1", &[segment.into()])?;
    let first = segment.saturating_mul(PIECES);
    sql.execute(
        "DELETE FROM piece WHERE id >= ?1 AND id < ?2",
        &[first.into(), first.saturating_add(PIECES).into()],
    )?;
    Ok(())
}

/// The UID up to which a mailbox is in the index.
pub(super) fn mark(sql: &Sql<'_>, mailbox: crate::MailboxId) -> Result<u32, StoreError> {
    let select = "SELECT uid FROM mark WHERE mailbox = ?1";
    let uid = sql.query(select, &[mailbox.into()], |row| crate::number::short_at(row, 0))?;
    Ok(uid.into_iter().next().unwrap_or(0))
}

pub(super) fn set_mark(sql: &Sql<'_>, mailbox: crate::MailboxId, uid: u32) -> Result<(), StoreError> {
    let insert = "INSERT INTO mark (mailbox, uid) VALUES (?1, ?2) ON CONFLICT (mailbox) DO UPDATE SET uid = excluded.uid";
    sql.execute(insert, &[mailbox.into(), i64::from(uid).into()])?;
    Ok(())
}
