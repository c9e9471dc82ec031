//! Who exists, to be shown.

use super::{Kind, LeftOut, People, State};
use crate::{AccountConfig, AliasConfig, DomainConfig, ListConfig};

/// Where an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the configuration file, and changed there.
    InFile,
    /// In the store.
    InStore,
}

/// An entry, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entry.
    pub entry: T,
    /// Where it is kept.
    pub kept: Kept,
    /// Why it does not hold: the configuration contradicts it.
    pub left_out: Option<String>,
}

/// An account, and since when it is in the store, in milliseconds since 1970.
pub type ListedAccount = (Listed<AccountConfig>, Option<i64>);

/// All there is: those of the configuration first, in its order, then those of the store by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everyone {
    /// Domains.
    pub domains: Vec<Listed<DomainConfig>>,
    /// Accounts.
    pub accounts: Vec<ListedAccount>,
    /// Aliases.
    pub aliases: Vec<Listed<AliasConfig>>,
    /// Mailing lists.
    pub lists: Vec<Listed<ListConfig>>,
}

impl People {
    /// All domains, accounts, aliases and lists.
    pub async fn everyone(&self) -> Everyone {
        self.state.lock().await.everyone()
    }
}

impl State {
    fn everyone(&self) -> Everyone {
        let State { declared, stored, left_out, .. } = self;
        let is_replaced = |login: &str| {
            declared.implied.as_deref() == Some(login)
                && stored.accounts.iter().any(|stored| stored.account.login.eq_ignore_ascii_case(login))
        };
        let domains = stored.domains.iter().map(|entry| of_store(entry, Kind::Domain, &entry.name, left_out));
        let accounts = stored.accounts.iter().map(|stored| {
            let account = of_store(&stored.account, Kind::Account, &stored.account.login, left_out);
            (account, Some(stored.created))
        });
        let aliases =
            stored.aliases.iter().map(|entry| of_store(entry, Kind::Alias, &entry.address, left_out));
        let lists = stored.lists.iter().map(|entry| of_store(entry, Kind::List, &entry.address, left_out));
        let declared_accounts = declared.accounts.iter().filter(|account| !is_replaced(&account.login));
        Everyone {
            domains: declared.domains.iter().map(of_file).chain(sorted(domains, |d| &d.entry.name)).collect(),
            accounts: declared_accounts
                .map(|account| (of_file(account), None))
                .chain(sorted(accounts, |(account, _)| &account.entry.login))
                .collect(),
            aliases: declared
                .aliases
                .iter()
                .map(of_file)
                .chain(sorted(aliases, |a| &a.entry.address))
                .collect(),
            lists: declared.lists.iter().map(of_file).chain(sorted(lists, |l| &l.entry.address)).collect(),
        }
    }
}

fn of_file<T: Clone>(entry: &T) -> Listed<T> {
    Listed { entry: entry.clone(), kept: Kept::InFile, left_out: None }
}

fn of_store<T: Clone>(entry: &T, kind: Kind, name: &str, left_out: &[LeftOut]) -> Listed<T> {
    let out = left_out.iter().find(|out| out.kind == kind && out.name == name);
    Listed { entry: entry.clone(), kept: Kept::InStore, left_out: out.map(|out| out.problem.to_string()) }
}

fn sorted<T>(entries: impl Iterator<Item = T>, name: impl Fn(&T) -> &String) -> Vec<T> {
    let mut all: Vec<T> = entries.collect();
    all.sort_by(|a, b| name(a).cmp(name(b)));
    all
}
