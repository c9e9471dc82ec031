//! Accounts: whose mailboxes, how much they may hold, and which folders a new one has.

use store::{Sql, StoreError, Value};

use crate::{
    AccountId, Mailbox, Mailstore, MailstoreError, SpecialUse, acl,
    changing::Touched,
    mailboxes, metadata,
    name::INBOX,
    number::{count, count_at},
    removal,
};

/// What a new account has. All are subscribed.
const FOLDERS: [(&str, Option<SpecialUse>); 6] = [
    (INBOX, None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
    ("Archive", Some(SpecialUse::Archive)),
];

/// What an account holds, and may hold (RFC 9208). A message counts once in each mailbox that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all messages.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
    /// The most octets; none: as many as there is room for.
    pub octets_max: Option<u64>,
    /// The most messages.
    pub messages_max: Option<u64>,
}

impl Mailstore {
    /// The account of this name; made with its folders if it is not there.
    ///
    /// # Errors
    /// See [`MailstoreError`].
    pub async fn account(&self, name: &str, now: i64) -> Result<AccountId, MailstoreError> {
        let name = name.to_owned();
        self.change(move |sql, touched| found_or_made(sql, touched, &name, now)).await
    }

    /// The account of this name. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn find_account(&self, name: &str) -> Result<Option<AccountId>, MailstoreError> {
        self.look(|sql| found(sql, name))
    }

    /// All accounts, by name. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn accounts(&self) -> Result<Vec<(AccountId, String)>, MailstoreError> {
        self.look(|sql| {
            let all = "SELECT id, name FROM account ORDER BY id";
            let mut all = sql.query(all, &[], |row| Ok((AccountId(row.integer(0)?), row.text(1)?)))?;
            all.sort_by(|one, other| one.1.cmp(&other.1));
            Ok(all)
        })
    }

    /// Removes an account with all its mail.
    ///
    /// # Errors
    /// There is none; see [`MailstoreError`].
    pub async fn remove_account(&self, account: AccountId, now: i64) -> Result<(), MailstoreError> {
        self.change(move |sql, touched| {
            quota(sql, account)?;
            for mailbox in Mailbox::all(sql, account)? {
                removal::clear(sql, touched, mailbox.id, now)?;
            }
            acl::forget_account(sql, account)?;
            metadata::forget_account(sql, account)?;
            for statement in [
                "DELETE FROM past_name WHERE account = ?1",
                "DELETE FROM subscription WHERE account = ?1",
                "DELETE FROM message_id WHERE account = ?1",
                "DELETE FROM imported WHERE account = ?1",
                "DELETE FROM account WHERE id = ?1",
            ] {
                sql.execute(statement, &[account.into()])?;
            }
            touched.account(account);
            Ok(())
        })
        .await
    }

    /// What an account holds, and may hold. Waits for the disk.
    ///
    /// # Errors
    /// There is none; see [`MailstoreError`].
    pub fn quota(&self, account: AccountId) -> Result<Quota, MailstoreError> {
        self.look(|sql| quota(sql, account))
    }

    /// Sets what an account may hold. What it holds beyond stays.
    ///
    /// # Errors
    /// There is none; see [`MailstoreError`].
    pub async fn set_quota(
        &self,
        account: AccountId,
        octets_max: Option<u64>,
        messages_max: Option<u64>,
    ) -> Result<(), MailstoreError> {
        self.change(move |sql, touched| {
            let most = |most: Option<u64>| most.map_or(Value::Null, count);
            let update = "UPDATE account SET octets_max = ?1, messages_max = ?2, warned = 0, told_full = 0 WHERE id = ?3";
            let changed = sql.execute(update, &[most(octets_max), most(messages_max), account.into()])?;
            touched.account(account);
            if changed == 1 { Ok(()) } else { Err(MailstoreError::NoAccount) }
        })
        .await
    }
}

pub(crate) fn found(sql: &Sql<'_>, name: &str) -> Result<Option<AccountId>, MailstoreError> {
    let find = "SELECT id FROM account WHERE name = ?1";
    Ok(sql.query(find, &[name.into()], |row| Ok(AccountId(row.integer(0)?)))?.into_iter().next())
}

pub(crate) fn found_or_made(
    sql: &Sql<'_>,
    touched: &mut Touched,
    name: &str,
    now: i64,
) -> Result<AccountId, MailstoreError> {
    if let Some(account) = found(sql, name)? {
        return Ok(account);
    }
    let insert =
        "INSERT INTO account (name, uid_validity_last, octets, messages) VALUES (?1, 0, 0, 0) RETURNING id";
    let made = sql.query(insert, &[name.into()], |row| Ok(AccountId(row.integer(0)?)))?;
    let account = made.into_iter().next().ok_or(MailstoreError::NoAccount)?;
    for (folder, special_use) in FOLDERS {
        mailboxes::make(sql, touched, account, folder, special_use, now)?;
        mailboxes::subscribe(sql, account, folder, true)?;
    }
    Ok(account)
}

pub(crate) fn quota(sql: &Sql<'_>, account: AccountId) -> Result<Quota, MailstoreError> {
    let select = "SELECT octets, messages, octets_max, messages_max FROM account WHERE id = ?1";
    let most = |most: Option<i64>, column| {
        most.map(|most| u64::try_from(most).map_err(|_| StoreError::Column(column))).transpose()
    };
    let found = sql.query(select, &[account.into()], |row| {
        Ok(Quota {
            octets: count_at(row, 0)?,
            messages: count_at(row, 1)?,
            octets_max: most(row.optional_integer(2)?, 2)?,
            messages_max: most(row.optional_integer(3)?, 3)?,
        })
    })?;
    found.into_iter().next().ok_or(MailstoreError::NoAccount)
}

/// Counts what came and went. More than there may be is refused, but never that something goes.
pub(crate) fn count_usage(
    sql: &Sql<'_>,
    account: AccountId,
    octets: i64,
    messages: i64,
) -> Result<(), MailstoreError> {
    if octets == 0 && messages == 0 {
        return Ok(());
    }
    if octets < 0 || messages < 0 {
        forget_warnings(sql, account, octets, messages)?;
    }
    let update = "UPDATE account SET octets = octets + ?1, messages = messages + ?2 WHERE id = ?3 \
                  RETURNING octets > coalesce(octets_max, octets), messages > coalesce(messages_max, messages)";
    let over = sql.query(update, &[octets.into(), messages.into(), account.into()], |row| {
        Ok((row.integer(0)? != 0 && octets > 0) || (row.integer(1)? != 0 && messages > 0))
    })?;
    match over.first() {
        None => Err(MailstoreError::NoAccount),
        Some(true) => Err(MailstoreError::OverQuota),
        Some(false) => Ok(()),
    }
}

/// Something goes: of what has room again then, its reader is to be warned another time.
fn forget_warnings(
    sql: &Sql<'_>,
    account: AccountId,
    octets: i64,
    messages: i64,
) -> Result<(), MailstoreError> {
    let update = "UPDATE account SET told_full = 0, warned = CASE \
                  WHEN (octets + ?1) * 100 < coalesce(octets_max * warned, (octets + ?1) * 100 + 1) \
                  AND (messages + ?2) * 100 < coalesce(messages_max * warned, (messages + ?2) * 100 + 1) THEN 0 \
                  ELSE warned END WHERE id = ?3 AND (warned > 0 OR told_full > 0)";
    sql.execute(update, &[octets.into(), messages.into(), account.into()])?;
    Ok(())
}

/// What was told of an account's quota.
pub(crate) struct Told {
    /// The share in hundredths of which it was warned, else 0.
    pub(crate) warned: i64,
    /// That mail waits.
    pub(crate) full: bool,
}

pub(crate) fn told(sql: &Sql<'_>, account: AccountId) -> Result<Told, MailstoreError> {
    let select = "SELECT warned, told_full FROM account WHERE id = ?1";
    let found = sql.query(select, &[account.into()], |row| {
        Ok(Told { warned: row.integer(0)?, full: row.integer(1)? != 0 })
    })?;
    found.into_iter().next().ok_or(MailstoreError::NoAccount)
}

pub(crate) fn set_told(sql: &Sql<'_>, account: AccountId, told: &Told) -> Result<(), MailstoreError> {
    let update = "UPDATE account SET warned = ?1, told_full = ?2 WHERE id = ?3";
    sql.execute(update, &[told.warned.into(), i64::from(told.full).into(), account.into()])?;
    Ok(())
}
