//! What is new in mailboxes is added to the index: some of one mailbox at a time, behind the mark that says up to where it is there.

use std::{collections::HashSet, path::Path};

use store::{Row, Sql, Value};

use super::{
    index::TextIndex,
    kept::{self, IndexError},
    segment::{Builder, Segment},
    units::Units,
};
use crate::{AccountId, EmailId, MailboxId, Mailstore, MailstoreError, Uid, number::short_at};

/// The most messages that are added at once, and the most octets of their texts but for the last one.
const MESSAGES_MAX: i64 = 256;
const OCTETS_MAX: usize = 2 << 20;

/// What is added to the index in one go.
#[derive(Debug)]
struct Batch {
    account: AccountId,
    segment: Segment,
    /// All up to here are in it.
    mark: Uid,
    more: bool,
}

impl Mailstore {
    /// Opens the index of texts in a file, or makes it; one that is damaged, or belongs to other mailboxes, is thrown away and made anew.
    /// Only the program that indexes opens it. Waits for the disk: not for a thread of a runtime.
    ///
    /// # Errors
    /// The file cannot be made, or the mailboxes not read. Mail is served without an index, too.
    pub fn open_index(&self, path: &Path) -> Result<(), MailstoreError> {
        if self.index().is_some() {
            return Ok(());
        }
        let highest = self.look(highest_email)?;
        // The mailboxes never fall behind the index but when an older copy of them was put back: then the same number may be another email.
        let index = TextIndex::open(path, |sql| {
            let last =
                sql.query("SELECT max(email_last) FROM segment", &[], |row| row.optional_integer(0))?;
            Ok(last.into_iter().flatten().all(|last| last <= highest))
        })?;
        self.take_index(index);
        if let Some(index) = self.index() {
            self.all_due(index)?;
        }
        Ok(())
    }

    /// Waits until there may be something to index. Without an index, for ever.
    pub async fn index_due(&self) {
        match self.index() {
            Some(index) => index.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Adds some messages of one mailbox to the index. Whether there may be more to add. An index that is damaged is thrown away. Waits
    /// for the disk: not for a thread of a runtime.
    ///
    /// # Errors
    /// The mailboxes or the index cannot be read or changed.
    pub fn index_some(&self) -> Result<bool, MailstoreError> {
        let Some(index) = self.index() else { return Ok(false) };
        let _one = index.begin();
        if index.is_damaged() {
            index.discard()?;
            self.all_due(index)?;
        }
        let Some(mailbox) = index.next_due() else { return Ok(false) };
        match self.index_mailbox(index, mailbox) {
            Ok(more) => index.due(more.then_some(mailbox)),
            // It is thrown away the next time.
            Err(Trouble::Index(IndexError::Damaged)) => index.due([mailbox]),
            Err(Trouble::Index(IndexError::Store(error))) => {
                index.due([mailbox]);
                return Err(error.into());
            }
            Err(Trouble::Index(IndexError::None)) => return Ok(false),
            Err(Trouble::Mailboxes(error)) => {
                index.due([mailbox]);
                return Err(error);
            }
        }
        Ok(index.is_due())
    }

    /// Throws the index away, if there is one: it is made anew from the messages.
    ///
    /// # Errors
    /// The store failed.
    pub fn rebuild_index(&self) -> Result<(), MailstoreError> {
        let Some(index) = self.index() else { return Ok(()) };
        let _one = index.begin();
        index.discard()?;
        self.all_due(index)
    }

    /// Adds what is new of a mailbox. Whether there may be more.
    fn index_mailbox(&self, index: &TextIndex, mailbox: MailboxId) -> Result<bool, Trouble> {
        let mark = index.look(|sql| Ok(kept::mark(sql, mailbox)?))?;
        let Some(batch) = self.batch(index, mailbox, mark)? else { return Ok(false) };
        let Batch { account, segment, mark, more } = batch;
        index.change(move |sql| {
            kept::insert(sql, account, &segment)?;
            kept::set_mark(sql, mailbox, mark)
        })?;
        self.merge_segments(index, account)?;
        Ok(more)
    }

    /// What comes next of a mailbox. None: nothing, for now.
    fn batch(&self, index: &TextIndex, mailbox: MailboxId, mark: Uid) -> Result<Option<Batch>, Trouble> {
        let Some((account, messages)) = self.look(|sql| behind(sql, mailbox, mark))? else { return Ok(None) };
        let Some((last, _)) = messages.last().copied() else { return Ok(None) };
        let known = index.look(|sql| known(sql, account, &messages))?;
        let (mut builder, mut octets, mut done) = (Builder::default(), 0, mark);
        let mut seen = HashSet::new();
        for (uid, email) in &messages {
            if octets >= OCTETS_MAX {
                break;
            }
            done = *uid;
            // What was copied or moved is there already.
            if known.contains(&email.0) || !seen.insert(email.0) {
                continue;
            }
            if let Some(units) = self.look(|sql| Units::of(sql, *email))? {
                octets += units.octets();
                builder.add(email.0, &units.header, &units.body);
            }
        }
        let more = done < last || i64::try_from(messages.len()) == Ok(MESSAGES_MAX);
        let segment = if builder.is_empty() { Segment::default() } else { builder.finish() };
        Ok(Some(Batch { account, segment, mark: done, more }))
    }

    /// All mailboxes with messages behind their marks are due. Marks of mailboxes that are gone, or that never came so far, go.
    fn all_due(&self, index: &TextIndex) -> Result<(), MailstoreError> {
        let next = self.look(|sql| {
            let row = |row: &Row<'_>| Ok((row.integer(0)?, row.integer(1)?));
            Ok(sql.query("SELECT id, uid_next FROM mailbox WHERE account > 0 ORDER BY id", &[], row)?)
        })?;
        let marks = index.look(|sql| {
            let row = |row: &Row<'_>| Ok((row.integer(0)?, row.integer(1)?));
            Ok(sql.query("SELECT mailbox, uid FROM mark", &[], row)?)
        });
        // What is wrong with the index is in the log.
        let marks = marks.unwrap_or_default();
        let uid_next = |mailbox: i64| {
            let at = next.binary_search_by_key(&mailbox, |(id, _)| *id).ok()?;
            next.get(at).map(|(_, uid)| *uid)
        };
        let void = |(mailbox, uid): &(i64, i64)| uid_next(*mailbox).is_none_or(|next| *uid >= next);
        let (void, valid): (Vec<_>, Vec<_>) = marks.into_iter().partition(void);
        if !void.is_empty() {
            let _ = index.change(move |sql| {
                for (mailbox, _) in void {
                    sql.execute("DELETE FROM mark WHERE mailbox = ?1", &[mailbox.into()])?;
                }
                Ok(())
            });
        }
        let whole: HashSet<i64> =
            valid.into_iter().filter(|(id, uid)| uid_next(*id) == Some(uid + 1)).map(|(id, _)| id).collect();
        let due = next.iter().filter(|(id, uid)| *uid > 1 && !whole.contains(id));
        index.due(due.map(|(id, _)| MailboxId(*id)));
        Ok(())
    }
}

/// Why nothing was indexed.
enum Trouble {
    Mailboxes(MailstoreError),
    Index(IndexError),
}

impl From<MailstoreError> for Trouble {
    fn from(error: MailstoreError) -> Self {
        Self::Mailboxes(error)
    }
}

impl From<IndexError> for Trouble {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// The highest identifier that an email ever had. SQLite's own word for it: the highest that is there may be less.
fn highest_email(sql: &Sql<'_>) -> Result<i64, MailstoreError> {
    let select = "SELECT seq FROM sqlite_sequence WHERE name = 'email'";
    Ok(sql.query(select, &[], |row| row.integer(0))?.into_iter().next().unwrap_or(0))
}

/// Whose mailbox it is, and the next messages behind a UID. None: it is gone.
#[expect(clippy::type_complexity, reason = "the messages of an account")]
fn behind(
    sql: &Sql<'_>,
    mailbox: MailboxId,
    mark: Uid,
) -> Result<Option<(AccountId, Vec<(Uid, EmailId)>)>, MailstoreError> {
    let account =
        sql.query("SELECT account FROM mailbox WHERE id = ?1 AND account > 0", &[mailbox.into()], |row| {
            row.integer(0)
        })?;
    let Some(account) = account.into_iter().next() else { return Ok(None) };
    let select = "SELECT uid, email FROM message WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid LIMIT ?3";
    let values: [Value; 3] = [mailbox.into(), i64::from(mark).into(), MESSAGES_MAX.into()];
    let messages = sql.query(select, &values, |row| Ok((short_at(row, 0)?, EmailId(row.integer(1)?))))?;
    Ok(Some((AccountId(account), messages)))
}

/// Emails that are in the index already, among those of these messages and others.
fn known(sql: &Sql<'_>, account: AccountId, messages: &[(Uid, EmailId)]) -> Result<HashSet<i64>, IndexError> {
    let (mut known, mut read) = (HashSet::new(), HashSet::new());
    for (_, email) in messages {
        for segment in kept::lines_around(sql, account, email.0)? {
            if read.insert(segment) {
                known.extend(kept::emails(sql, segment)?);
            }
        }
    }
    Ok(known)
}
