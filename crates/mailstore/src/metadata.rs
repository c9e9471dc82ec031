//! Annotations: what clients keep with mailboxes, and with the account (RFC 5464).

use store::{Migration, Sql, Value};

use crate::{
    AccountId, Mailbox, MailboxId, Mailstore, MailstoreError, account,
    number::{count, count_at, octets},
};

/// The most octets of a value.
pub const ANNOTATION_OCTETS_MAX: usize = 16 * 1024;
/// The most entries of a mailbox: so many for all together, and so many for each account.
pub const ANNOTATIONS_MAX: usize = 100;
/// The most octets of all that an account keeps for itself, and of all that is kept for everybody in its mailboxes.
const ACCOUNT_OCTETS_MAX: u64 = 1 << 20;
/// What begins so is seen by the one account alone.
const PRIVATE: &str = "/private/";

/// `mailbox` 0: the server itself. `account` 0: for everybody. No value: it was removed, which others may not have heard yet.
pub(crate) const TABLES: Migration = Migration {
    name: "annotations of mailboxes",
    sql: "
        CREATE TABLE metadata (
            mailbox BIGINT NOT NULL, account BIGINT NOT NULL, entry TEXT NOT NULL, value BLOB, changed BIGINT NOT NULL,
            PRIMARY KEY (mailbox, account, entry));
        CREATE INDEX metadata_account ON metadata (account);
        CREATE INDEX metadata_changed ON metadata (changed);
        CREATE TABLE metadata_last (changed BIGINT NOT NULL);
        INSERT INTO metadata_last (changed) VALUES (0);",
};

/// What an annotation belongs to: a mailbox, or with none the server.
pub type Annotated = Option<MailboxId>;

/// Annotations that became different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnnotationChanges {
    /// The number of the last change of all.
    pub last: u64,
    /// Which entries of which mailbox, each once.
    pub entries: Vec<(Annotated, String)>,
}

impl Mailstore {
    /// What an account sees of annotations: names in lower case and values, by name. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn annotations(
        &self,
        of: Annotated,
        account: AccountId,
    ) -> Result<Vec<(String, Vec<u8>)>, MailstoreError> {
        self.look(|sql| {
            let select = "SELECT entry, value FROM metadata \
                          WHERE mailbox = ?1 AND account IN (0, ?2) AND value IS NOT NULL ORDER BY entry";
            Ok(sql.query(select, &[key(of), account.into()], |row| Ok((row.text(0)?, row.octets(1)?)))?)
        })
    }

    /// Sets annotations, or removes those without a value: all or none. The number of this change. Names are in lower case; what begins with
    /// `/private/` is the account's alone.
    ///
    /// # Errors
    /// There is no such mailbox, or there are too many entries or octets; see [`MailstoreError`].
    pub async fn annotate(
        &self,
        of: Annotated,
        account: AccountId,
        entries: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<u64, MailstoreError> {
        self.change(move |sql, touched| {
            account::quota(sql, account)?;
            let owner = match of {
                Some(mailbox) => {
                    let mailbox = Mailbox::by_id(sql, mailbox)?;
                    touched.mailbox(&mailbox);
                    mailbox.account
                }
                None => account,
            };
            touched.account(account);
            let next = "UPDATE metadata_last SET changed = changed + 1 RETURNING changed";
            let changed = sql.query(next, &[], |row| count_at(row, 0))?.into_iter().next().unwrap_or(1);
            for (entry, value) in entries {
                let whose = if entry.starts_with(PRIVATE) { account.into() } else { Value::Integer(0) };
                set(sql, &Place { of: key(of), whose, entry }, value, changed)?;
            }
            has_room(sql, account, owner)?;
            Ok(changed)
        })
        .await
    }

    /// Which annotations that an account sees became different behind a change. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn annotation_changes(
        &self,
        account: AccountId,
        since: u64,
    ) -> Result<AnnotationChanges, MailstoreError> {
        self.look(|sql| {
            let last = sql.query("SELECT changed FROM metadata_last", &[], |row| count_at(row, 0))?;
            let select = "SELECT mailbox, entry FROM metadata WHERE changed > ?1 AND account IN (0, ?2) ORDER BY mailbox, entry";
            let entries = sql.query(select, &[count(since), account.into()], |row| {
                let mailbox = row.integer(0)?;
                Ok(((mailbox != 0).then_some(MailboxId(mailbox)), row.text(1)?))
            })?;
            Ok(AnnotationChanges { last: last.into_iter().next().unwrap_or(0), entries })
        })
    }
}

/// Where a value is.
struct Place {
    of: Value,
    whose: Value,
    entry: String,
}

fn key(of: Annotated) -> Value {
    of.map_or(Value::Integer(0), Into::into)
}

fn set(sql: &Sql<'_>, place: &Place, value: Option<Vec<u8>>, changed: u64) -> Result<(), MailstoreError> {
    let Place { of, whose, entry } = place;
    let there = "SELECT 1 FROM metadata WHERE mailbox = ?1 AND account = ?2 AND entry = ?3";
    let names = [of.clone(), whose.clone(), entry.as_str().into()];
    if sql.query(there, &names, |row| row.integer(0))?.is_empty() {
        if value.is_none() {
            return Ok(());
        }
        make_room(sql, of, whose)?;
    }
    let [of, whose, entry] = names;
    let insert = "INSERT INTO metadata (mailbox, account, entry, value, changed) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT (mailbox, account, entry) DO UPDATE SET value = excluded.value, changed = excluded.changed";
    let value = value.map_or(Value::Null, Value::Octets);
    sql.execute(insert, &[of, whose, entry, value, count(changed)])?;
    Ok(())
}

/// Room for one more entry. What was removed longest ago is forgotten for it.
fn make_room(sql: &Sql<'_>, of: &Value, whose: &Value) -> Result<(), MailstoreError> {
    let how_many = "SELECT count(*) FROM metadata WHERE mailbox = ?1 AND account = ?2";
    let there = sql.query(how_many, &[of.clone(), whose.clone()], |row| count_at(row, 0))?;
    if there.iter().all(|there| *there < octets(ANNOTATIONS_MAX)) {
        return Ok(());
    }
    let forget = "DELETE FROM metadata WHERE mailbox = ?1 AND account = ?2 AND entry = (SELECT entry FROM metadata \
                  WHERE mailbox = ?1 AND account = ?2 AND value IS NULL ORDER BY changed LIMIT 1)";
    match sql.execute(forget, &[of.clone(), whose.clone()])? {
        0 => Err(MailstoreError::TooMany("annotations")),
        _ => Ok(()),
    }
}

fn has_room(sql: &Sql<'_>, account: AccountId, owner: AccountId) -> Result<(), MailstoreError> {
    let own = "SELECT coalesce(sum(length(value)), 0) FROM metadata WHERE account = ?1";
    let shared = "SELECT coalesce(sum(length(d.value)), 0) FROM metadata d JOIN mailbox m ON m.id = d.mailbox \
                  WHERE d.account = 0 AND m.account = ?1";
    for (sum, of) in [(own, account), (shared, owner)] {
        if sql.query(sum, &[of.into()], |row| count_at(row, 0))?.iter().any(|sum| *sum > ACCOUNT_OCTETS_MAX) {
            return Err(MailstoreError::TooMany("octets of annotations"));
        }
    }
    Ok(())
}

/// RFC 5464 §4.1: INBOX keeps its annotations, and what it is renamed to has them too.
pub(crate) fn copy(sql: &Sql<'_>, from: MailboxId, to: MailboxId) -> Result<(), MailstoreError> {
    let copy = "INSERT INTO metadata (mailbox, account, entry, value, changed) \
                SELECT ?1, account, entry, value, changed FROM metadata WHERE mailbox = ?2 AND value IS NOT NULL";
    sql.execute(copy, &[to.into(), from.into()])?;
    Ok(())
}

/// An account goes, and with it what it kept in the mailboxes of others.
pub(crate) fn forget_account(sql: &Sql<'_>, account: AccountId) -> Result<(), MailstoreError> {
    sql.execute("DELETE FROM metadata WHERE account = ?1", &[account.into()])?;
    Ok(())
}
