//! Access lists: who has which rights to a mailbox beside its owner (RFC 4314).

use std::collections::{BTreeMap, BTreeSet};

use store::{Migration, Row, Sql, StoreError};

use crate::{AccountId, Mailbox, MailboxId, Mailstore, MailstoreError, Rights, name};

/// The most entries of one list.
pub const ACL_ENTRIES_MAX: usize = 1000;
/// The most mailboxes of others that one is shown.
const SHARED_MAX: usize = 10_000;
/// Everybody who has logged in; nobody else comes here.
pub const ANYONE: [&str; 2] = ["anyone", "authenticated"];

pub(crate) const TABLES: Migration = Migration {
    name: "who may do what with a mailbox",
    sql: "
        CREATE TABLE acl (
            mailbox BIGINT NOT NULL, identifier TEXT NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (mailbox, identifier))
            WITHOUT ROWID;
        CREATE INDEX acl_identifier ON acl (identifier);",
};

/// What one has of a list: the name of an account, or one of [`ANYONE`]; with a dash before it, it takes rights away (RFC 4314 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// Who.
    pub identifier: String,
    /// What.
    pub rights: Rights,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclChange {
    /// It has these rights and no others.
    Replace(Rights),
    /// It has these too.
    Add(Rights),
    /// It has these no more.
    Remove(Rights),
}

/// A mailbox that somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// The name of the account that it belongs to; none: the one who looks.
    pub owner: Option<String>,
    /// It.
    pub mailbox: Mailbox,
    /// What the one who looks may do with it.
    pub rights: Rights,
}

impl Mailstore {
    /// What an account may do with a mailbox: its owner all that it did not take from itself. Waits for the disk.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub fn rights(&self, mailbox: MailboxId, account: AccountId) -> Result<Rights, MailstoreError> {
        self.look(|sql| rights(sql, &Mailbox::by_id(sql, mailbox)?, account))
    }

    /// All mailboxes that an account may see: its own, as [`Self::mailboxes`] tells them, then those of others by their names. Waits for the
    /// disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn visible(&self, account: AccountId) -> Result<Vec<Visible>, MailstoreError> {
        let own = self.mailboxes(account)?;
        self.look(|sql| {
            let mut all = own_rights(sql, account, own)?;
            all.extend(shared(sql, account)?);
            Ok(all)
        })
    }

    /// The list of a mailbox; its owner first, whether it has an entry or not. Waits for the disk.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub fn acl(&self, mailbox: MailboxId) -> Result<Vec<AclEntry>, MailstoreError> {
        self.look(|sql| {
            let mailbox = Mailbox::by_id(sql, mailbox)?;
            let owner = account_name(sql, mailbox.account)?;
            let (mut own, mut others) = (Rights::all(), Vec::new());
            for entry in entries(sql, mailbox.id)? {
                if entry.identifier == owner { own = entry.rights } else { others.push(entry) }
            }
            let rights = own.with(Rights::of_owner());
            others.insert(0, AclEntry { identifier: owner, rights });
            Ok(others)
        })
    }

    /// Changes one entry. One without rights is none; the owner's keeps [`Rights::of_owner`].
    ///
    /// # Errors
    /// There is no such mailbox, or there are too many entries; see [`MailstoreError`].
    pub async fn change_acl(
        &self,
        mailbox: MailboxId,
        identifier: &str,
        change: AclChange,
    ) -> Result<(), MailstoreError> {
        let identifier = identifier.to_owned();
        self.change(move |sql, touched| {
            let mailbox = Mailbox::by_id(sql, mailbox)?;
            let known = entries(sql, mailbox.id)?;
            let is_owner = account_name(sql, mailbox.account)? == identifier;
            let before = known.iter().find(|entry| entry.identifier == identifier).map(|entry| entry.rights);
            let unset = if is_owner { Rights::all() } else { Rights::none() };
            let rights = match change {
                AclChange::Replace(rights) => rights,
                AclChange::Add(rights) => before.unwrap_or(unset).with(rights),
                AclChange::Remove(rights) => before.unwrap_or(unset).without(rights),
            };
            let rights = if is_owner { rights.with(Rights::of_owner()) } else { rights };
            touched.sharing(&mailbox);
            if rights.is_empty() {
                return delete(sql, mailbox.id, &identifier);
            }
            if before.is_none() && known.len() >= ACL_ENTRIES_MAX {
                return Err(MailstoreError::TooMany("entries of an access list"));
            }
            let insert = "INSERT INTO acl (mailbox, identifier, rights) VALUES (?1, ?2, ?3) \
                          ON CONFLICT (mailbox, identifier) DO UPDATE SET rights = excluded.rights";
            sql.execute(
                insert,
                &[mailbox.id.into(), identifier.as_str().into(), rights.to_string().as_str().into()],
            )?;
            Ok(())
        })
        .await
    }

    /// Removes one entry; without its own the owner has all rights.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub async fn delete_acl(&self, mailbox: MailboxId, identifier: &str) -> Result<(), MailstoreError> {
        let identifier = identifier.to_owned();
        self.change(move |sql, touched| {
            touched.sharing(&Mailbox::by_id(sql, mailbox)?);
            delete(sql, mailbox, &identifier)
        })
        .await
    }
}

fn delete(sql: &Sql<'_>, mailbox: MailboxId, identifier: &str) -> Result<(), MailstoreError> {
    let delete = "DELETE FROM acl WHERE mailbox = ?1 AND identifier = ?2";
    sql.execute(delete, &[mailbox.into(), identifier.into()])?;
    Ok(())
}

/// A new mailbox has the list of the nearest one above it (RFC 4314 §4).
pub(crate) fn inherit(
    sql: &Sql<'_>,
    account: AccountId,
    name: &str,
    made: MailboxId,
) -> Result<(), MailstoreError> {
    if let Some(above) = nearest_above(sql, account, name)? {
        let copy = "INSERT INTO acl (mailbox, identifier, rights) \
                    SELECT ?1, identifier, rights FROM acl WHERE mailbox = ?2";
        sql.execute(copy, &[made.into(), above.id.into()])?;
    }
    Ok(())
}

pub(crate) fn nearest_above(
    sql: &Sql<'_>,
    account: AccountId,
    name: &str,
) -> Result<Option<Mailbox>, MailstoreError> {
    for above in name::above(name) {
        if let Some(found) = Mailbox::by_name(sql, account, above)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Nobody of this name is meant by any list any more.
pub(crate) fn forget_account(sql: &Sql<'_>, account: AccountId) -> Result<(), MailstoreError> {
    let name = account_name(sql, account)?;
    let delete = "DELETE FROM acl WHERE identifier IN (?1, ?2)";
    sql.execute(delete, &[name.as_str().into(), format!("-{name}").as_str().into()])?;
    Ok(())
}

fn account_name(sql: &Sql<'_>, account: AccountId) -> Result<String, MailstoreError> {
    let select = "SELECT name FROM account WHERE id = ?1";
    let names = sql.query(select, &[account.into()], |row| row.text(0))?;
    names.into_iter().next().ok_or(MailstoreError::NoAccount)
}

fn entry(row: &Row<'_>, column: usize) -> Result<AclEntry, StoreError> {
    let rights = Rights::parse(&row.text(column + 1)?).ok_or(StoreError::Column(column + 1))?;
    Ok(AclEntry { identifier: row.text(column)?, rights })
}

fn entries(sql: &Sql<'_>, mailbox: MailboxId) -> Result<Vec<AclEntry>, StoreError> {
    let select = "SELECT identifier, rights FROM acl WHERE mailbox = ?1 ORDER BY identifier";
    sql.query(select, &[mailbox.into()], |row| entry(row, 0))
}

pub(crate) fn rights(sql: &Sql<'_>, mailbox: &Mailbox, account: AccountId) -> Result<Rights, MailstoreError> {
    let is_owner = mailbox.account == account;
    let entries = entries(sql, mailbox.id)?;
    if entries.is_empty() {
        // Nearly all mailboxes are so.
        return Ok(if is_owner { Rights::all() } else { Rights::none() });
    }
    Ok(combined(&entries, &account_name(sql, account)?, is_owner))
}

/// Those of all entries that mean somebody, less what others take away. Of its own mailbox nobody is meant as anyone.
fn combined(entries: &[AclEntry], name: &str, is_owner: bool) -> Rights {
    let means = |identifier: &str| identifier == name || !is_owner && ANYONE.contains(&identifier);
    let sum = |given: &dyn Fn(&AclEntry) -> bool| {
        entries.iter().filter(|entry| given(entry)).fold(Rights::none(), |all, entry| all.with(entry.rights))
    };
    let taken = sum(&|entry| entry.identifier.strip_prefix('-').is_some_and(means));
    if !is_owner {
        return sum(&|entry| means(&entry.identifier)).without(taken);
    }
    let own = entries.iter().find(|entry| entry.identifier == name).map(|entry| entry.rights);
    own.unwrap_or(Rights::all()).without(taken).with(Rights::of_owner())
}

fn own_rights(sql: &Sql<'_>, account: AccountId, own: Vec<Mailbox>) -> Result<Vec<Visible>, MailstoreError> {
    let name = account_name(sql, account)?;
    let select = "SELECT a.mailbox, a.identifier, a.rights FROM acl a JOIN mailbox m ON m.id = a.mailbox \
                  WHERE m.account = ?1 AND a.identifier IN (?2, ?3)";
    let values = [account.into(), name.as_str().into(), format!("-{name}").as_str().into()];
    let mut lists: BTreeMap<MailboxId, Vec<AclEntry>> = BTreeMap::new();
    for (mailbox, entry) in
        sql.query(select, &values, |row| Ok((MailboxId(row.integer(0)?), entry(row, 1)?)))?
    {
        lists.entry(mailbox).or_default().push(entry);
    }
    let visible = |mailbox: Mailbox| {
        let list = lists.get(&mailbox.id).map(Vec::as_slice).unwrap_or_default();
        Visible { owner: None, rights: combined(list, &name, true), mailbox }
    };
    Ok(own.into_iter().map(visible).collect())
}

fn shared(sql: &Sql<'_>, account: AccountId) -> Result<Vec<Visible>, MailstoreError> {
    let name = account_name(sql, account)?;
    let [anyone, authenticated] = ANYONE;
    let select = "SELECT mailbox FROM acl WHERE identifier IN (?1, ?2, ?3) ORDER BY mailbox";
    let values = [anyone.into(), authenticated.into(), name.as_str().into()];
    let meant: BTreeSet<MailboxId> =
        sql.query(select, &values, |row| Ok(MailboxId(row.integer(0)?)))?.into_iter().collect();
    let mut owners: BTreeMap<AccountId, String> = BTreeMap::new();
    let mut all = Vec::new();
    for id in meant {
        let mailbox = match Mailbox::by_id(sql, id) {
            Ok(mailbox) if mailbox.account != account => mailbox,
            Ok(_) | Err(MailstoreError::NoMailbox) => continue,
            Err(error) => return Err(error),
        };
        let rights = combined(&entries(sql, id)?, &name, false);
        if !rights.contains(Rights::LOOKUP) {
            continue;
        }
        let owner = match owners.get(&mailbox.account) {
            Some(owner) => owner.clone(),
            None => account_name(sql, mailbox.account)?,
        };
        owners.insert(mailbox.account, owner.clone());
        all.push(Visible { owner: Some(owner), mailbox, rights });
        if all.len() >= SHARED_MAX {
            break;
        }
    }
    all.sort_by_cached_key(|visible| (visible.owner.clone(), visible.mailbox.name.replace('/', "\0")));
    Ok(all)
}
