//! The tables of the directory, and how they are read.

use sasl::base64;
use store::{Migration, Row, Schema, Sql, StoreError, Value};

use crate::{AccountConfig, AliasConfig, AppPassword, DomainConfig, ListConfig, Scope, Secret};
use crate::{keys_text, return_paths::KEPT_SENDERS};

/// The tables. Octets stand in them as base 64, lists of words with spaces between: what every engine has. Addresses and domains are
/// in the spelling by which they are compared.
pub const SCHEMA: Schema = Schema {
    owner: "directory",
    migrations: &[
        Migration {
        name: "domains, accounts, aliases and secrets",
        sql: "
            CREATE TABLE domain (name TEXT PRIMARY KEY, catch_all TEXT, subaddress TEXT);
            CREATE TABLE account (
                login TEXT PRIMARY KEY, password TEXT, scram TEXT, roles TEXT NOT NULL, disabled BIGINT NOT NULL,
                created BIGINT NOT NULL);
            CREATE TABLE account_address (
                address TEXT PRIMARY KEY, login TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE);
            CREATE TABLE app_password (
                login TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE, id TEXT NOT NULL,
                name TEXT NOT NULL, scopes TEXT NOT NULL, digest TEXT NOT NULL, created BIGINT NOT NULL,
                last_used BIGINT, PRIMARY KEY (login, id));
            CREATE TABLE alias (address TEXT PRIMARY KEY);
            CREATE TABLE alias_target (
                address TEXT NOT NULL REFERENCES alias (address) ON DELETE CASCADE, place BIGINT NOT NULL,
                target TEXT NOT NULL, PRIMARY KEY (address, place));
            CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL);",
    },
    Migration {
        name: "keys of app passwords",
        sql: "ALTER TABLE app_password ADD COLUMN scram TEXT",
    },
    LISTS, KEPT_SENDERS],
};

/// Who is on a list stands in the order of coming, which the number keeps; `role` is `owner` or `member`.
const LISTS: Migration = Migration {
    name: "mailing lists",
    sql: "
        CREATE TABLE list (address TEXT PRIMARY KEY, title TEXT, post TEXT);
        CREATE TABLE list_person (
            id INTEGER PRIMARY KEY, list TEXT NOT NULL REFERENCES list (address) ON DELETE CASCADE,
            role TEXT NOT NULL, address TEXT NOT NULL, UNIQUE (list, role, address));",
};

/// The role of who looks after a list.
pub(super) const OWNER: &str = "owner";
/// The role of who is on it.
pub(super) const MEMBER: &str = "member";

/// All that is kept in the store of who exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) domains: Vec<DomainConfig>,
    pub(crate) accounts: Vec<StoredAccount>,
    pub(crate) aliases: Vec<AliasConfig>,
    pub(crate) lists: Vec<ListConfig>,
}

/// An account, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredAccount {
    pub(crate) account: AccountConfig,
    /// In milliseconds since 1970.
    pub(crate) created: i64,
}

impl Stored {
    /// Reads all of it, in the order of the names.
    pub(crate) fn load(sql: &Sql<'_>) -> Result<Self, StoreError> {
        let (domains, accounts) = (domains(sql)?, accounts(sql)?);
        Ok(Self { domains, accounts, aliases: aliases(sql)?, lists: lists(sql)? })
    }
}

fn domains(sql: &Sql<'_>) -> Result<Vec<DomainConfig>, StoreError> {
    sql.query("SELECT name, catch_all, subaddress FROM domain ORDER BY name", &[], |row| {
        Ok(DomainConfig {
            name: row.text(0)?,
            catch_all: row.optional_text(1)?,
            subaddress: row.optional_text(2)?,
        })
    })
}

fn accounts(sql: &Sql<'_>) -> Result<Vec<StoredAccount>, StoreError> {
    let all = "SELECT login, password, scram, roles, disabled, created FROM account ORDER BY login";
    let mut accounts = sql.query(all, &[], account)?;
    // One statement for all accounts: one for each would be as many as there are people.
    let addresses = "SELECT login, address FROM account_address ORDER BY login, address";
    let addresses = sql.query(addresses, &[], |row| Ok((row.text(0)?, row.text(1)?)))?;
    gather(&mut accounts, addresses, |account, address| account.addresses.push(address));
    let apps = "SELECT login, id, name, scopes, digest, created, last_used, scram FROM app_password ORDER BY login, created, id";
    let apps = sql.query(apps, &[], |row| Ok((row.text(0)?, app_password(row)?)))?;
    gather(&mut accounts, apps, |account, app| account.app_passwords.push(app));
    Ok(accounts)
}

fn account(row: &Row<'_>) -> Result<StoredAccount, StoreError> {
    let scram = row.optional_text(2)?.map(|text| keys_text::read(&text).ok_or(StoreError::Column(2)));
    Ok(StoredAccount {
        account: AccountConfig {
            login: row.text(0)?,
            password: row.optional_text(1)?.map(Secret::new),
            scram: scram.transpose()?,
            roles: words(&row.text(3)?),
            disabled: row.integer(4)? != 0,
            stored: true,
            ..AccountConfig::default()
        },
        created: row.integer(5)?,
    })
}

fn app_password(row: &Row<'_>) -> Result<AppPassword, StoreError> {
    let digest = base64::decode(row.text(4)?.as_bytes()).and_then(|digest| digest.try_into().ok());
    let scram = row.optional_text(7)?.map(|text| keys_text::read(&text).ok_or(StoreError::Column(7)));
    Ok(AppPassword {
        scram: scram.transpose()?,
        id: row.text(1)?.into(),
        name: row.text(2)?.into(),
        scopes: words(&row.text(3)?).iter().filter_map(|word| Scope::parse(word)).collect(),
        digest: digest.ok_or(StoreError::Column(4))?,
        created: Some(row.integer(5)?),
        last_used: row.optional_integer(6)?,
    })
}

fn aliases(sql: &Sql<'_>) -> Result<Vec<AliasConfig>, StoreError> {
    let targets = "SELECT address, target FROM alias_target ORDER BY address, place";
    let mut aliases: Vec<AliasConfig> = Vec::new();
    for (address, target) in sql.query(targets, &[], |row| Ok((row.text(0)?, row.text(1)?)))? {
        match aliases.last_mut() {
            Some(last) if last.address == address => last.to.push(target),
            _ => aliases.push(AliasConfig { address, to: vec![target] }),
        }
    }
    Ok(aliases)
}

fn lists(sql: &Sql<'_>) -> Result<Vec<ListConfig>, StoreError> {
    let all = "SELECT address, title, post FROM list ORDER BY address";
    let mut lists = sql.query(all, &[], |row| {
        let (address, title, post) = (row.text(0)?, row.optional_text(1)?, row.optional_text(2)?);
        Ok(ListConfig { address, title, post, ..ListConfig::default() })
    })?;
    let people = "SELECT list, role, address FROM list_person ORDER BY list, id";
    let people = sql.query(people, &[], |row| Ok((row.text(0)?, row.text(1)?, row.text(2)?)))?;
    let mut rest = lists.iter_mut().peekable();
    for (list, role, address) in people {
        while rest.next_if(|other| other.address < list).is_some() {}
        let Some(found) = rest.peek_mut().filter(|found| found.address == list) else { continue };
        if role == OWNER { found.owners.push(address) } else { found.members.push(address) }
    }
    Ok(lists)
}

/// Gives what belongs to accounts to them; both are in the order of the logins.
fn gather<T>(accounts: &mut [StoredAccount], all: Vec<(String, T)>, give: impl Fn(&mut AccountConfig, T)) {
    let mut accounts = accounts.iter_mut().map(|stored| &mut stored.account).peekable();
    for (login, one) in all {
        while accounts.next_if(|account| account.login < login).is_some() {}
        if let Some(account) = accounts.peek_mut().filter(|account| account.login == login) {
            give(account, one);
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The secret of a name, made from `new` if there is none yet.
pub(crate) fn secret(sql: &Sql<'_>, name: &str, new: &[u8]) -> Result<Vec<u8>, StoreError> {
    let value = base64::encode(new);
    let make = "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    sql.execute(make, &[name.into(), value.as_str().into()])?;
    let find = "SELECT value FROM secret WHERE name = ?1";
    let found = sql.query(find, &[Value::from(name)], |row| row.text(0))?;
    found.first().and_then(|text| base64::decode(text.as_bytes())).ok_or(StoreError::Column(0))
}
