//! Messages go: their UIDs are remembered for those who were away (RFC 7162 §3.2), their octets stay until nobody can be reading them.

use store::{Row, Sql, StoreError};

use crate::{
    EmailId, Flags, Mailbox, MailboxId, Mailstore, MailstoreError, ModSeq, Uid, UidSet, account,
    changing::{Changing, Touched},
    mailboxes,
    number::{count, count_at, short_at},
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
    /// Removes messages with `\Deleted`: those of these UIDs (UIDPLUS, RFC 4315), or all.
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

    /// Removes messages, whatever their flags.
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
        self.change(move |sql, touched| {
            let mut changing = Changing::begin(sql, mailbox)?;
            let gone = remove(sql, &mut changing, &uids, having, now)?;
            let modseq = changing.finish(sql, touched)?.highest_modseq;
            Ok(Vanished { uids: gone, modseq })
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
    let mailbox = changing.mailbox.id;
    let mut gone = UidSet::default();
    for range in uids.ranges() {
        let select = "SELECT uid, flags, octets, email FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid";
        let line = |row: &Row<'_>| {
            let flags = Flags::from_bits(row.integer(1)?);
            Ok((short_at(row, 0)?, flags, count_at(row, 2)?, EmailId(row.integer(3)?)))
        };
        let lines: Vec<(Uid, Flags, u64, EmailId)> = sql.query(select, &within(mailbox, &range), line)?;
        for (uid, flags, octets, email) in lines.into_iter().filter(|line| line.1.contains(having)) {
            let delete = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2";
            sql.execute(delete, &[mailbox.into(), i64::from(uid).into()])?;
            release(sql, email, now)?;
            changing.count_out(flags, octets);
            gone.insert(uid);
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

/// Removes a mailbox with all its messages.
pub(crate) fn clear(
    sql: &Sql<'_>,
    touched: &mut Touched,
    mailbox: MailboxId,
    now: i64,
) -> Result<(), MailstoreError> {
    let found = Mailbox::by_id(sql, mailbox)?;
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
    touched.mailbox(&found);
    Ok(())
}
