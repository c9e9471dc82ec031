//! The configuration and the store as one: the configuration comes first, and what of the store contradicts it is left out.

use super::{Kind, stored::Stored};
use crate::{Config, Directory, DirectoryError, Entry, Problem};

/// An entry of the store that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) problem: Problem,
}

/// The directory, and what had to be left out of it.
///
/// # Errors
/// The configuration is wrong by itself, or by what is not in the store any more.
pub(crate) fn together(
    declared: &Config,
    stored: &Stored,
) -> Result<(Directory, Vec<LeftOut>), Vec<DirectoryError>> {
    let mut kept = stored.clone();
    let mut left_out = Vec::new();
    loop {
        let (config, before) = combined(declared, &kept);
        let errors = match Directory::new(config) {
            Ok(directory) => return Ok((directory, left_out)),
            Err(errors) => errors,
        };
        let mut blamed: Vec<(Entry, Problem)> =
            errors.iter().filter_map(|error| before.blamed(error)).collect();
        if blamed.is_empty() {
            return Err(errors);
        }
        // From the last on, so that the places of the others stay.
        blamed.sort_by_key(|(entry, _)| std::cmp::Reverse(*entry));
        blamed.dedup_by_key(|(entry, _)| *entry);
        for (entry, problem) in blamed {
            let (kind, name) = kept.take(entry);
            left_out.push(LeftOut { kind, name, problem });
        }
    }
}

/// How many entries of the configuration come before those of the store.
struct Before {
    domains: usize,
    accounts: usize,
    aliases: usize,
    lists: usize,
}

impl Before {
    /// The entry of the store that an error is about, by its place there.
    fn blamed(&self, error: &DirectoryError) -> Option<(Entry, Problem)> {
        let about = self.of_store(error.entry).or(match error.problem {
            // Accounts are looked at before aliases and those before lists, so what the configuration has may come second.
            Problem::Duplicate { first, .. } => self.of_store(first),
            _ => None,
        });
        about.map(|entry| (entry, error.problem.clone()))
    }

    fn of_store(&self, entry: Entry) -> Option<Entry> {
        match entry {
            Entry::Domain(place) => place.checked_sub(self.domains).map(Entry::Domain),
            Entry::Account(place) => place.checked_sub(self.accounts).map(Entry::Account),
            Entry::Alias(place) => place.checked_sub(self.aliases).map(Entry::Alias),
            Entry::List(place) => place.checked_sub(self.lists).map(Entry::List),
            Entry::Postmaster | Entry::CatchEverything => None,
        }
    }
}

fn combined(declared: &Config, kept: &Stored) -> (Config, Before) {
    let mut config = declared.clone();
    if let Some(implied) = &declared.implied
        && kept.accounts.iter().any(|stored| stored.account.login.eq_ignore_ascii_case(implied))
    {
        config.accounts.retain(|account| account.login != *implied);
    }
    // Who gets the postmaster's mail must not depend on which name comes first in the store.
    config.postmaster = config.postmaster.or(declared.implied.clone());
    let before = Before {
        domains: config.domains.len(),
        accounts: config.accounts.len(),
        aliases: config.aliases.len(),
        lists: config.lists.len(),
    };
    config.domains.extend(kept.domains.iter().cloned());
    config.accounts.extend(kept.accounts.iter().map(|stored| stored.account.clone()));
    config.aliases.extend(kept.aliases.iter().cloned());
    config.lists.extend(kept.lists.iter().cloned());
    (config, before)
}

impl Stored {
    /// Takes an entry out, which is there. What it was.
    fn take(&mut self, entry: Entry) -> (Kind, String) {
        fn take<T>(list: &mut Vec<T>, place: usize) -> Option<T> {
            (place < list.len()).then(|| list.remove(place))
        }
        let (kind, name) = match entry {
            Entry::Domain(place) => (Kind::Domain, take(&mut self.domains, place).map(|domain| domain.name)),
            Entry::Account(place) => {
                (Kind::Account, take(&mut self.accounts, place).map(|stored| stored.account.login))
            }
            Entry::Alias(place) => (Kind::Alias, take(&mut self.aliases, place).map(|alias| alias.address)),
            Entry::List(place) => (Kind::List, take(&mut self.lists, place).map(|list| list.address)),
            Entry::Postmaster | Entry::CatchEverything => (Kind::Account, None),
        };
        (kind, name.unwrap_or_default())
    }
}
