//! One change of what is kept: what it does in memory, and by which statements in the tables.

use sasl::{ScramKeys, base64};
use store::{Sql, StoreError, Value};

use super::{
    ListChange, changed,
    stored::{MEMBER, OWNER, Stored, StoredAccount},
};
use crate::{AccountConfig, AliasConfig, AppPassword, DomainConfig, ListConfig, Secret, keys_text};

/// One change. Names are in the spelling in which they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    AddDomain(DomainConfig),
    RemoveDomain(String),
    /// The account, and when.
    AddAccount(Box<AccountConfig>, i64),
    RemoveAccount(String),
    /// The login, what is kept of its new password, and for SCRAM.
    SetPassword(String, Secret, Option<ScramKeys>),
    SetDisabled(String, bool),
    /// The login, all its further addresses, and all words of its roles.
    SetRights(String, Vec<String>, Vec<String>),
    AddAppPassword(String, AppPassword),
    /// The login, and the id.
    RemoveAppPassword(String, String),
    /// The login, the id, and when.
    UseAppPassword(String, String, i64),
    AddAlias(AliasConfig),
    RemoveAlias(String),
    AddList(ListConfig),
    RemoveList(String),
    /// The address, and what changes.
    EditList(String, ListChange),
}

impl Change {
    /// What it does, and to what, for a log.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        match self {
            Self::AddDomain(domain) => ("domain added", &domain.name),
            Self::RemoveDomain(name) => ("domain removed", name),
            Self::AddAccount(account, _) => ("account added", &account.login),
            Self::RemoveAccount(login) => ("account removed", login),
            Self::SetPassword(login, ..) => ("password changed", login),
            Self::SetDisabled(login, true) => ("account disabled", login),
            Self::SetDisabled(login, false) => ("account enabled", login),
            Self::SetRights(login, ..) => ("account changed", login),
            Self::AddAppPassword(login, _) => ("app password made", login),
            Self::RemoveAppPassword(login, _) => ("app password revoked", login),
            Self::UseAppPassword(login, ..) => ("app password used", login),
            Self::AddAlias(alias) => ("alias added", &alias.address),
            Self::RemoveAlias(address) => ("alias removed", address),
            Self::AddList(list) => ("list added", &list.address),
            Self::RemoveList(address) => ("list removed", address),
            Self::EditList(address, _) => ("list changed", address),
        }
    }

    /// Makes it in memory. `Err`: what there is not.
    pub(crate) fn apply(&self, stored: &mut Stored) -> Result<(), (&'static str, String)> {
        let of_account =
            |stored: &mut Stored, login: &str, with: &mut dyn FnMut(&mut AccountConfig) -> bool| {
                let found = stored.accounts.iter_mut().find(|found| found.account.login == *login);
                found
                    .is_some_and(|found| with(&mut found.account))
                    .then_some(())
                    .ok_or(("account", login.to_owned()))
            };
        match self {
            Self::AddDomain(domain) => stored.domains.push(domain.clone()),
            Self::AddAccount(account, created) => {
                stored.accounts.push(StoredAccount { account: (**account).clone(), created: *created });
            }
            Self::AddAlias(alias) => stored.aliases.push(alias.clone()),
            Self::AddList(list) => stored.lists.push(list.clone()),
            Self::RemoveDomain(name) => {
                return removed(&mut stored.domains, |domain| domain.name == *name, "domain", name);
            }
            Self::RemoveAccount(login) => {
                return removed(
                    &mut stored.accounts,
                    |found| found.account.login == *login,
                    "account",
                    login,
                );
            }
            Self::RemoveAlias(address) => {
                return removed(&mut stored.aliases, |alias| alias.address == *address, "alias", address);
            }
            Self::RemoveList(address) => {
                return removed(&mut stored.lists, |list| list.address == *address, "list", address);
            }
            Self::EditList(address, change) => {
                let found = stored.lists.iter_mut().find(|list| list.address == *address);
                change.apply(found.ok_or_else(|| ("list", address.clone()))?);
            }
            Self::SetPassword(login, password, keys) => {
                return of_account(stored, login, &mut |account| {
                    (account.password, account.scram) = (Some(password.clone()), keys.clone());
                    true
                });
            }
            Self::SetDisabled(login, disabled) => {
                return of_account(stored, login, &mut |account| {
                    account.disabled = *disabled;
                    true
                });
            }
            Self::SetRights(login, addresses, roles) => {
                return of_account(stored, login, &mut |account| {
                    (account.addresses, account.roles) = (addresses.clone(), roles.clone());
                    true
                });
            }
            Self::AddAppPassword(login, app) => {
                return of_account(stored, login, &mut |account| {
                    account.app_passwords.push(app.clone());
                    true
                });
            }
            Self::RemoveAppPassword(login, id) => {
                let mut gone = Ok(());
                of_account(stored, login, &mut |account| {
                    gone = removed(&mut account.app_passwords, |app| *app.id == **id, "app password", id);
                    true
                })?;
                return gone;
            }
            Self::UseAppPassword(login, id, at) => {
                return of_account(stored, login, &mut |account| {
                    let app = account.app_passwords.iter_mut().find(|app| *app.id == **id);
                    app.map(|app| app.last_used = Some(*at)).is_some()
                });
            }
        }
        Ok(())
    }

    /// Makes it in the tables.
    pub(crate) fn write(&self, sql: &Sql<'_>) -> Result<(), StoreError> {
        match self {
            Self::AddDomain(domain) => {
                let values = [
                    domain.name.as_str().into(),
                    domain.catch_all.as_deref().into(),
                    domain.subaddress.as_deref().into(),
                ];
                one(sql, "INSERT INTO domain (name, catch_all, subaddress) VALUES (?1, ?2, ?3)", &values)
            }
            Self::RemoveDomain(name) => one(sql, "DELETE FROM domain WHERE name = ?1", &[text(name)]),
            Self::AddAccount(account, now) => add_account(sql, account, *now),
            Self::RemoveAccount(login) => one(sql, "DELETE FROM account WHERE login = ?1", &[text(login)]),
            Self::SetPassword(login, password, keys) => {
                let keys = keys.as_ref().map(keys_text::write);
                let values = [password.expose().into(), keys.as_deref().into(), text(login)];
                one(sql, "UPDATE account SET password = ?1, scram = ?2 WHERE login = ?3", &values)
            }
            Self::SetDisabled(login, disabled) => {
                let values = [i64::from(*disabled).into(), text(login)];
                one(sql, "UPDATE account SET disabled = ?1 WHERE login = ?2", &values)
            }
            Self::SetRights(login, addresses, roles) => {
                let values = [roles.join(" ").as_str().into(), text(login)];
                one(sql, "UPDATE account SET roles = ?1 WHERE login = ?2", &values)?;
                sql.execute("DELETE FROM account_address WHERE login = ?1", &[text(login)])?;
                add_addresses(sql, login, addresses)
            }
            Self::AddAppPassword(login, app) => add_app_password(sql, login, app),
            Self::RemoveAppPassword(login, id) => {
                one(sql, "DELETE FROM app_password WHERE login = ?1 AND id = ?2", &[text(login), text(id)])
            }
            Self::UseAppPassword(login, id, at) => {
                let values = [(*at).into(), text(login), text(id)];
                one(sql, "UPDATE app_password SET last_used = ?1 WHERE login = ?2 AND id = ?3", &values)
            }
            Self::AddAlias(alias) => add_alias(sql, alias),
            Self::RemoveAlias(address) => one(sql, "DELETE FROM alias WHERE address = ?1", &[text(address)]),
            Self::AddList(list) => add_list(sql, list),
            Self::RemoveList(address) => one(sql, "DELETE FROM list WHERE address = ?1", &[text(address)]),
            Self::EditList(address, change) => change_list(sql, address, change),
        }
    }
}

impl ListChange {
    /// Makes it in memory.
    fn apply(&self, list: &mut ListConfig) {
        let Self { title, post, add_members, remove_members, add_owners, remove_owners } = self;
        if let Some(title) = title {
            list.title = Some(title.clone()).filter(|title| !title.is_empty());
        }
        if post.is_some() {
            list.post.clone_from(post);
        }
        list.members = changed(&list.members, add_members, remove_members);
        list.owners = changed(&list.owners, add_owners, remove_owners);
    }
}

fn add_list(sql: &Sql<'_>, list: &ListConfig) -> Result<(), StoreError> {
    let ListConfig { address, title, owners, members, post } = list;
    let values = [text(address), title.as_deref().into(), post.as_deref().into()];
    one(sql, "INSERT INTO list (address, title, post) VALUES (?1, ?2, ?3)", &values)?;
    add_to_list(sql, address, OWNER, owners)?;
    add_to_list(sql, address, MEMBER, members)
}

fn add_to_list(sql: &Sql<'_>, list: &str, role: &str, addresses: &[String]) -> Result<(), StoreError> {
    let insert = "INSERT INTO list_person (list, role, address) VALUES (?1, ?2, ?3) \
                  ON CONFLICT (list, role, address) DO NOTHING";
    for address in addresses {
        sql.execute(insert, &[text(list), text(role), text(address)])?;
    }
    Ok(())
}

fn change_list(sql: &Sql<'_>, list: &str, change: &ListChange) -> Result<(), StoreError> {
    let ListChange { title, post, add_members, remove_members, add_owners, remove_owners } = change;
    if let Some(title) = title {
        let title = Some(title.as_str()).filter(|title| !title.is_empty());
        one(sql, "UPDATE list SET title = ?1 WHERE address = ?2", &[title.into(), text(list)])?;
    }
    if let Some(post) = post {
        one(sql, "UPDATE list SET post = ?1 WHERE address = ?2", &[text(post), text(list)])?;
    }
    add_to_list(sql, list, OWNER, add_owners)?;
    add_to_list(sql, list, MEMBER, add_members)?;
    let delete = "DELETE FROM list_person WHERE list = ?1 AND role = ?2 AND address = ?3";
    for (role, gone) in [(OWNER, remove_owners), (MEMBER, remove_members)] {
        for address in gone {
            sql.execute(delete, &[text(list), text(role), text(address)])?;
        }
    }
    Ok(())
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn removed<T>(
    list: &mut Vec<T>,
    is_meant: impl Fn(&T) -> bool,
    what: &'static str,
    name: &str,
) -> Result<(), (&'static str, String)> {
    let before = list.len();
    list.retain(|entry| !is_meant(entry));
    if list.len() < before { Ok(()) } else { Err((what, name.to_owned())) }
}

/// A statement about one row, which has to be there.
fn one(sql: &Sql<'_>, statement: &str, values: &[Value]) -> Result<(), StoreError> {
    match sql.execute(statement, values)? {
        0 => Err(StoreError::Conflict),
        _ => Ok(()),
    }
}

fn add_account(sql: &Sql<'_>, account: &AccountConfig, now: i64) -> Result<(), StoreError> {
    let keys = account.scram.as_ref().map(keys_text::write);
    let values = [
        text(&account.login),
        account.password.as_ref().map(Secret::expose).into(),
        keys.as_deref().into(),
        account.roles.join(" ").as_str().into(),
        i64::from(account.disabled).into(),
        now.into(),
    ];
    let insert = "INSERT INTO account (login, password, scram, roles, disabled, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    one(sql, insert, &values)?;
    add_addresses(sql, &account.login, &account.addresses)
}

fn add_addresses(sql: &Sql<'_>, login: &str, addresses: &[String]) -> Result<(), StoreError> {
    let insert = "INSERT INTO account_address (address, login) VALUES (?1, ?2)";
    addresses.iter().try_for_each(|address| one(sql, insert, &[text(address), text(login)]))
}

fn add_app_password(sql: &Sql<'_>, login: &str, app: &AppPassword) -> Result<(), StoreError> {
    let scopes: Vec<&str> = app.scopes.iter().map(|scope| scope.name()).collect();
    let keys = app.scram.as_ref().map(keys_text::write);
    let values = [
        text(login),
        (&*app.id).into(),
        (&*app.name).into(),
        scopes.join(" ").as_str().into(),
        base64::encode(&app.digest).as_str().into(),
        app.created.unwrap_or_default().into(),
        keys.as_deref().into(),
    ];
    let insert = "INSERT INTO app_password (login, id, name, scopes, digest, created, scram) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    one(sql, insert, &values)
}

fn add_alias(sql: &Sql<'_>, alias: &AliasConfig) -> Result<(), StoreError> {
    one(sql, "INSERT INTO alias (address) VALUES (?1)", &[text(&alias.address)])?;
    let insert = "INSERT INTO alias_target (address, place, target) VALUES (?1, ?2, ?3)";
    let mut targets = (0_i64..).zip(&alias.to);
    targets
        .try_for_each(|(place, target)| one(sql, insert, &[text(&alias.address), place.into(), text(target)]))
}
