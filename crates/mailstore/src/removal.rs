//! Messages go: their UIDs are remembered for those who were away (RFC 7162 §3.2), their octets stay until nobody can be reading them.

use store::{Row, Sql, StoreError};

use crate::{
    EmailId, Flags, Mailbox, MailboxId, Mailstore, MailstoreError, ModSeq, Uid, UidSet, account,
    changing::{Changing, Touched},
    mailboxes,
    number::{count, count_at, difference, short_at},
    parts::{PART_MESSAGES, Part},
    view::within,
};

/// So many ranges of expunged UIDs are kept of a mailbox, and up to `PRUNE_EVERY` changes' more.
const EXPUNGED_KEPT: i64 = 10_000;
/// How often it is looked for more than that, in changes of the mailbox.
const PRUNE_EVERY: u64 = 64;

/// Messages that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vanished {
    /// Which.
    pub uids: UidSet,
    /// The mailbox' highest mod-sequence: that of this change, if any went.
    pub modseq: ModSeq,
}

impl Mailstore {
    /// Removes messages with `\Deleted`: those of these UIDs (UIDPLUS, RFC 4315), or all. Of many some thousand go at a time, each time with a mod-sequence of
    /// its own; with an error those before are gone.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub async fn expunge(
        &self,
        mailbox: MailboxId,
        uids: Option<UidSet>,
        now: i64,
    ) -> Result<Vanished, MailstoreError> {
        self.go(mailbox, uids.unwrap_or_else(UidSet::all), Flags::DELETED, now).await
    }

    /// Removes messages, whatever their flags; many in parts as [`Self::expunge`] does.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub async fn remove(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        now: i64,
    ) -> Result<Vanished, MailstoreError> {
        self.go(mailbox, uids, Flags::none(), now).await
    }

    async fn go(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        having: Flags,
        now: i64,
    ) -> Result<Vanished, MailstoreError> {
        let (mut vanished, mut rest) = self.some_go(mailbox, uids, having, now).await?;
        while !rest.is_empty() {
            let (some, left) = self.some_go(mailbox, rest, having, now).await?;
            (vanished.modseq, rest) = (some.modseq, left);
            vanished.uids.extend(some.uids.iter());
        }
        Ok(vanished)
    }

    /// The first of them, and which are left.
    async fn some_go(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        having: Flags,
        now: i64,
    ) -> Result<(Vanished, UidSet), MailstoreError> {
        self.change(move |sql, touched| {
            let mut changing = Changing::begin(sql, mailbox)?;
            let mut part = Part::of(&changing.mailbox);
            let gone = remove_some(sql, &mut changing, &uids, having, now, &mut part)?;
            let modseq = changing.finish(sql, touched)?.highest_modseq;
            Ok((Vanished { uids: gone, modseq }, part.rest(&uids)))
        })
        .await
    }
}

/// Removes messages that have these flags; which they were.
pub(crate) fn remove(
    sql: &Sql<'_>,
    changing: &mut Changing,
    uids: &UidSet,
    having: Flags,
    now: i64,
) -> Result<UidSet, MailstoreError> {
    remove_some(sql, changing, uids, having, now, &mut Part::whole())
}

/// The same with as many as a part may have.
fn remove_some(
    sql: &Sql<'_>,
    changing: &mut Changing,
    uids: &UidSet,
    having: Flags,
    now: i64,
    part: &mut Part,
) -> Result<UidSet, MailstoreError> {
    let mailbox = changing.mailbox.id;
    let mut gone = UidSet::default();
    for range in uids.ranges() {
        let select = "SELECT uid, flags, octets, email FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 \
                      AND (flags & ?4) = ?4 ORDER BY uid LIMIT ?5";
        let line = |row: &Row<'_>| {
            let flags = Flags::from_bits(row.integer(1)?);
            Ok((short_at(row, 0)?, flags, count_at(row, 2)?, EmailId(row.integer(3)?)))
        };
        let [mailbox_value, first, last] = within(mailbox, &range);
        let values = [mailbox_value, first, last, having.to_value(), part.limit().into()];
        let lines: Vec<(Uid, Flags, u64, EmailId)> = sql.query(select, &values, line)?;
        let more = part.took(lines.len(), lines.last().map(|line| line.0));
        for (uid, flags, octets, email) in lines {
            let delete = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2";
            sql.execute(delete, &[mailbox.into(), i64::from(uid).into()])?;
            release(sql, email, now)?;
            changing.count_out(flags, octets);
            gone.insert(uid);
        }
        if !more {
            break;
        }
    }
    if !gone.is_empty() {
        remember(sql, changing, &gone)?;
    }
    Ok(gone)
}

/// One message less has this email.
pub(crate) fn release(sql: &Sql<'_>, email: EmailId, now: i64) -> Result<(), StoreError> {
    let update = "UPDATE email SET references_held = references_held - 1, \
                  garbage_since = CASE WHEN references_held = 1 THEN ?1 ELSE NULL END WHERE id = ?2";
    sql.execute(update, &[now.into(), email.into()])?;
    Ok(())
}

fn remember(sql: &Sql<'_>, changing: &mut Changing, gone: &UidSet) -> Result<(), MailstoreError> {
    let (mailbox, modseq) = (changing.mailbox.id, changing.modseq());
    for range in gone.ranges() {
        let insert = "INSERT INTO expunged (mailbox, modseq, uid_first, uid_last) VALUES (?1, ?2, ?3, ?4)";
        let (first, last) = range.into_inner();
        sql.execute(
            insert,
            &[mailbox.into(), count(modseq), i64::from(first).into(), i64::from(last).into()],
        )?;
    }
    if modseq % PRUNE_EVERY == 0 { prune(sql, mailbox, EXPUNGED_KEPT) } else { Ok(()) }
}

/// Forgets the oldest expunged UIDs. Whoever was away for longer hears of all that are missing.
pub(crate) fn prune(sql: &Sql<'_>, mailbox: MailboxId, kept: i64) -> Result<(), MailstoreError> {
    let oldest = "SELECT modseq FROM expunged WHERE mailbox = ?1 ORDER BY modseq DESC LIMIT 1 OFFSET ?2";
    for floor in sql.query(oldest, &[mailbox.into(), kept.into()], |row| count_at(row, 0))? {
        let delete = "DELETE FROM expunged WHERE mailbox = ?1 AND modseq <= ?2";
        sql.execute(delete, &[mailbox.into(), count(floor)])?;
        let update = "UPDATE mailbox SET expunged_floor = ?1 WHERE id = ?2";
        sql.execute(update, &[count(floor), mailbox.into()])?;
    }
    Ok(())
}

/// Removes a mailbox with all its messages. A large one is only taken away from its account, and goes some messages at a time
/// ([`Mailstore::collect_garbage`]).
pub(crate) fn clear(
    sql: &Sql<'_>,
    touched: &mut Touched,
    mailbox: MailboxId,
    now: i64,
) -> Result<(), MailstoreError> {
    let found = Mailbox::by_id(sql, mailbox)?;
    if found.messages > crate::number::octets(PART_MESSAGES) {
        return abandon(sql, touched, &found, now);
    }
    let select = "SELECT email, octets FROM message WHERE mailbox = ?1";
    let line = |row: &Row<'_>| Ok((EmailId(row.integer(0)?), count_at(row, 1)?));
    let (mut octets, mut messages) = (0_i64, 0_i64);
    for (email, size) in sql.query(select, &[mailbox.into()], line)? {
        release(sql, email, now)?;
        octets = octets.saturating_sub(size.cast_signed());
        messages -= 1;
    }
    account::count_usage(sql, found.account, octets, messages)?;
    mailboxes::remember_name(sql, &found)?;
    erase(sql, mailbox)?;
    touched.mailbox(&found);
    Ok(())
}

/// Takes a mailbox away from its account. It keeps its row, which belongs to nobody, and whose name says since when.
fn abandon(sql: &Sql<'_>, touched: &mut Touched, found: &Mailbox, now: i64) -> Result<(), MailstoreError> {
    let (octets, messages) = (difference(0, found.octets), difference(0, found.messages));
    account::count_usage(sql, found.account, octets, messages)?;
    mailboxes::remember_name(sql, found)?;
    let update = "UPDATE mailbox SET account = -account, name = ?1 WHERE id = ?2";
    sql.execute(update, &[format!("{now}.{}", found.id).as_str().into(), found.id.into()])?;
    touched.mailbox(found);
    Ok(())
}

/// Removes some messages of mailboxes that belong to nobody any more, and at last the mailboxes. Whether there may be more.
pub(crate) fn purge_abandoned(sql: &Sql<'_>, most: i64) -> Result<bool, StoreError> {
    let select = "SELECT id, name FROM mailbox WHERE account < 0 ORDER BY account LIMIT 1";
    let found = sql.query(select, &[], |row| Ok((MailboxId(row.integer(0)?), row.text(1)?)))?;
    let Some((mailbox, name)) = found.into_iter().next() else { return Ok(false) };
    let since = name.split('.').next().and_then(|since| since.parse().ok()).unwrap_or_default();
    let select = "SELECT uid, email FROM message WHERE mailbox = ?1 ORDER BY uid LIMIT ?2";
    let line = |row: &Row<'_>| Ok((row.integer(0)?, EmailId(row.integer(1)?)));
    let some = sql.query(select, &[mailbox.into(), most.into()], line)?;
    let Some((last, _)) = some.last() else {
        erase(sql, mailbox)?;
        return Ok(true);
    };
    sql.execute("DELETE FROM message WHERE mailbox = ?1 AND uid <= ?2", &[mailbox.into(), (*last).into()])?;
    for (_, email) in some {
        release(sql, email, since)?;
    }
    Ok(true)
}

/// Removes a mailbox with all that refers to it, references from messages to emails excepted.
fn erase(sql: &Sql<'_>, mailbox: MailboxId) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM message WHERE mailbox = ?1",
        "DELETE FROM expunged WHERE mailbox = ?1",
        "DELETE FROM keyword WHERE mailbox = ?1",
        "DELETE FROM acl WHERE mailbox = ?1",
        "DELETE FROM metadata WHERE mailbox = ?1",
        "DELETE FROM mailbox WHERE id = ?1",
    ] {
        sql.execute(statement, &[mailbox.into()])?;
    }
    Ok(())
}
