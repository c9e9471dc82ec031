//! Which mailboxes an account has, and to which names it is subscribed.

use store::{Sql, Value};

use crate::{
    AccountId, Mailbox, MailboxId, Mailstore, MailstoreError, SpecialUse, Uid, acl,
    changing::Touched,
    name::{INBOX, spelling},
    number::short_at,
    removal,
};

/// The most mailboxes of an account, and the most names that it is subscribed to.
pub const MAILBOXES_MAX: usize = 10_000;

impl Mailstore {
    /// All mailboxes of an account, INBOX first, then by name. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, MailstoreError> {
        let mut all = self.look(|sql| Mailbox::all(sql, account))?;
        // Inferiors come right behind their superior: `/` before all else that may be in a name.
        all.sort_by_cached_key(|mailbox| (mailbox.name != INBOX, mailbox.name.replace('/', "\0")));
        Ok(all)
    }

    /// The mailbox of a name in any spelling. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn mailbox(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>, MailstoreError> {
        let Ok(name) = spelling(name) else { return Ok(None) };
        self.look(|sql| Mailbox::by_name(sql, account, &name))
    }

    /// The mailbox of an identifier, whatever it is called now. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn mailbox_by_id(&self, mailbox: MailboxId) -> Result<Option<Mailbox>, MailstoreError> {
        match self.look(|sql| Mailbox::by_id(sql, mailbox)) {
            Err(MailstoreError::NoMailbox) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The nearest mailbox above a name, whether there is one of this name or not. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn nearest_above(&self, account: AccountId, name: &str) -> Result<Option<Mailbox>, MailstoreError> {
        let Ok(name) = spelling(name) else { return Ok(None) };
        self.look(|sql| acl::nearest_above(sql, account, &name))
    }

    /// Makes a mailbox (RFC 9051 §6.3.4). Names above it need no mailbox.
    ///
    /// # Errors
    /// It exists, is no name, or there are too many; see [`MailstoreError`].
    pub async fn create(
        &self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
        now: i64,
    ) -> Result<Mailbox, MailstoreError> {
        let name = spelling(name)?;
        self.change(move |sql, touched| {
            crate::account::quota(sql, account)?;
            if Mailbox::by_name(sql, account, &name)?.is_some() {
                return Err(MailstoreError::Exists);
            }
            let made = make(sql, touched, account, &name, special_use, now)?;
            Mailbox::by_id(sql, made)
        })
        .await
    }

    /// Removes a mailbox with its messages (RFC 9051 §6.3.5). Those below it, and a subscription, stay.
    ///
    /// # Errors
    /// It is INBOX, or not there; see [`MailstoreError`].
    pub async fn delete(&self, account: AccountId, name: &str, now: i64) -> Result<(), MailstoreError> {
        let name = spelling(name).map_err(|_| MailstoreError::NoMailbox)?;
        if name == INBOX {
            return Err(MailstoreError::Inbox);
        }
        self.change(move |sql, touched| {
            let mailbox = Mailbox::by_name(sql, account, &name)?.ok_or(MailstoreError::NoMailbox)?;
            removal::clear(sql, touched, mailbox.id, now)?;
            Ok(())
        })
        .await
    }

    /// The names that an account is subscribed to, by name. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<String>, MailstoreError> {
        let mut names = self.look(|sql| {
            let select = "SELECT name FROM subscription WHERE account = ?1";
            Ok(sql.query(select, &[account.into()], |row| row.text(0))?)
        })?;
        names.sort_unstable();
        Ok(names)
    }

    /// Subscribes to a name, with a mailbox or without, or no longer (RFC 9051 §6.3.7, §6.3.8).
    ///
    /// # Errors
    /// It is no name, or there are too many; see [`MailstoreError`].
    pub async fn subscribe(
        &self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), MailstoreError> {
        let name = spelling(name)?;
        self.change(move |sql, touched| {
            crate::account::quota(sql, account)?;
            touched.account(account);
            subscribe(sql, account, &name, subscribed)
        })
        .await
    }

    /// The first UID that is recent for the session that asks: those before were shown to another one (RFC 3501 §2.3.2).
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub async fn take_recent(&self, mailbox: MailboxId) -> Result<Uid, MailstoreError> {
        let mailstore = self.clone();
        self.change(move |sql, _| {
            let select = "SELECT recent_from FROM mailbox WHERE id = ?1";
            let before = sql.query(select, &[mailbox.into()], |row| short_at(row, 0))?;
            let before = before.into_iter().next().ok_or(MailstoreError::NoMailbox)?;
            sql.execute("UPDATE mailbox SET recent_from = uid_next WHERE id = ?1", &[mailbox.into()])?;
            Ok(before.max(mailstore.forget_told(mailbox)))
        })
        .await
    }
}

pub(crate) fn make(
    sql: &Sql<'_>,
    touched: &mut Touched,
    account: AccountId,
    name: &str,
    special_use: Option<SpecialUse>,
    now: i64,
) -> Result<MailboxId, MailstoreError> {
    let how_many = "SELECT count(*) FROM mailbox WHERE account = ?1";
    room_for(sql, how_many, account, "mailboxes")?;
    let validity = new_uid_validity(sql, account, now)?;
    let insert = "INSERT INTO mailbox (account, name, special_use, uid_validity, uid_next, highest_modseq, expunged_floor, \
                  recent_from, messages, unseen, deleted, octets, deleted_octets) \
                  VALUES (?1, ?2, ?3, ?4, 1, 1, 0, 1, 0, 0, 0, 0, 0) RETURNING id";
    let values = [account.into(), name.into(), SpecialUse::to_value(special_use), i64::from(validity).into()];
    let made = sql.query(insert, &values, |row| Ok(MailboxId(row.integer(0)?)))?;
    touched.account(account);
    let made = made.into_iter().next().ok_or(MailstoreError::NoMailbox)?;
    acl::inherit(sql, account, name, made)?;
    Ok(made)
}

pub(crate) fn subscribe(
    sql: &Sql<'_>,
    account: AccountId,
    name: &str,
    subscribed: bool,
) -> Result<(), MailstoreError> {
    if subscribed {
        room_for(sql, "SELECT count(*) FROM subscription WHERE account = ?1", account, "subscriptions")?;
    }
    let statement = if subscribed {
        "INSERT INTO subscription (account, name) VALUES (?1, ?2) ON CONFLICT (account, name) DO NOTHING"
    } else {
        "DELETE FROM subscription WHERE account = ?1 AND name = ?2"
    };
    sql.execute(statement, &[account.into(), name.into()])?;
    Ok(())
}

fn room_for(
    sql: &Sql<'_>,
    how_many: &str,
    account: AccountId,
    what: &'static str,
) -> Result<(), MailstoreError> {
    let most = i64::try_from(MAILBOXES_MAX).unwrap_or(i64::MAX);
    let there = sql.query(how_many, &[account.into()], |row| row.integer(0))?;
    if there.iter().any(|there| *there >= most) { Err(MailstoreError::TooMany(what)) } else { Ok(()) }
}

/// A UIDVALIDITY that no mailbox of the account ever had: the time, or what follows the last one (RFC 9051 §2.3.1.1).
pub(crate) fn new_uid_validity(sql: &Sql<'_>, account: AccountId, now: i64) -> Result<u32, MailstoreError> {
    let seconds = Value::Integer((now / 1000).clamp(1, i64::from(u32::MAX)));
    let update = "UPDATE account SET uid_validity_last = \
                  CASE WHEN uid_validity_last < ?1 THEN ?1 ELSE uid_validity_last + 1 END WHERE id = ?2 \
                  RETURNING uid_validity_last";
    let next = sql.query(update, &[seconds, account.into()], |row| row.integer(0))?;
    let next = next.into_iter().next().ok_or(MailstoreError::NoAccount)?;
    u32::try_from(next).map_err(|_| MailstoreError::UidsUsedUp)
}

/// Remembers what UIDVALIDITY a name had, for when another mailbox gets it.
pub(crate) fn remember_name(sql: &Sql<'_>, mailbox: &Mailbox) -> Result<(), MailstoreError> {
    let insert = "INSERT INTO past_name (account, name, uid_validity) VALUES (?1, ?2, ?3) ON CONFLICT (account, name) \
                  DO UPDATE SET uid_validity = excluded.uid_validity WHERE past_name.uid_validity < excluded.uid_validity";
    let values =
        [mailbox.account.into(), mailbox.name.as_str().into(), i64::from(mailbox.uid_validity).into()];
    sql.execute(insert, &values)?;
    Ok(())
}
