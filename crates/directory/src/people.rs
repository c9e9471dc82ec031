//! Who exists, while it changes: what the configuration declares, and beside it what is kept in the store.
//!
//! Everything is in memory as one [`Directory`], which is made anew for each change and then put in the place of the old one. So what a
//! server asks of it for each recipient costs a look into a table, waits for no disk and no lock, and cannot fail; and each change is
//! checked against all there is. The price is paid by changes: each costs time in the number of people.

mod change;
mod error;
mod heed;
mod listing;
mod spelling;
mod stored;
#[cfg(test)]
mod tests;
mod together;

use std::sync::{Arc, OnceLock};

use sasl::ScramKeys;
use store::Store;
use tokio::sync::Mutex;

use crate::{
    AccountConfig, AliasConfig, AppPassword, BadPassword, Config, Directory, DirectoryError, DomainConfig,
    External, ListConfig, Problem, SCRAM_ITERATIONS, Scope, Secret,
    hashing::{Hashing, Lane},
    index::{Found, Place},
    is_app_password_name,
    password::{Verifier, hash_password},
};
use change::Change;
use stored::Stored;
use together::{LeftOut, together};

pub use error::PeopleError;
pub use heed::{Checked, Noticed};
pub use listing::{Everyone, Kept, Listed, ListedAccount};
pub use spelling::or_as_it_is as spelling;
pub use stored::SCHEMA;

const STATION: &str = "directory";
/// The secret that fake salts are made of.
const LOGIN_SECRET: &str = "login";
/// The one that tags of reverse-paths are made of.
const RETURN_SECRET: &str = "return_path";
const SALT_OCTETS: usize = 16;

/// What is told of a new directory.
pub type Publish = Box<dyn Fn(&Arc<Directory>) + Send + Sync>;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[[domain]]`
    Domain,
    /// `[[account]]`
    Account,
    /// `[[alias]]`
    Alias,
    /// `[[list]]`
    List,
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Account => "account",
            Self::Alias => "alias",
            Self::List => "list",
        }
    }
}

/// Domains, accounts, aliases and lists, from the configuration and from the store. Changes go to the store, and hold at once.
///
/// A change must be awaited to its end: broken off, it may be in the store and not in effect before a restart.
pub struct People {
    store: Store,
    state: Mutex<State>,
    hashing: Hashing,
    publish: OnceLock<Publish>,
}

struct State {
    declared: Config,
    stored: Stored,
    left_out: Vec<LeftOut>,
    directory: Arc<Directory>,
}

/// A password, or what another server kept of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewPassword {
    /// The password.
    Plain(Secret),
    /// A PHC string, a crypt string, or either behind a `{SCHEME}`.
    Hash(Secret),
}

/// A new account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// Its login.
    pub login: String,
    /// Its further addresses.
    pub addresses: Vec<String>,
    /// The words of its roles.
    pub roles: Vec<String>,
    /// Without one only its app passwords let in.
    pub password: Option<NewPassword>,
}

/// What to change of the addresses and roles of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Addresses that it gets.
    pub add_addresses: Vec<String>,
    /// Addresses that it loses.
    pub remove_addresses: Vec<String>,
    /// Roles that it gets.
    pub add_roles: Vec<String>,
    /// Roles that it loses.
    pub remove_roles: Vec<String>,
}

/// What to change of a mailing list. What it has already, and what it has not, may be named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListChange {
    /// Its title; empty for none.
    pub title: Option<String>,
    /// The word for who may write to it.
    pub post: Option<String>,
    /// Addresses that are to be on it.
    pub add_members: Vec<String>,
    /// Addresses that are not.
    pub remove_members: Vec<String>,
    /// Addresses that are to look after it.
    pub add_owners: Vec<String>,
    /// Addresses that are not.
    pub remove_owners: Vec<String>,
}

impl People {
    /// Puts together who exists, by the configuration and by the store. What of the store the configuration contradicts is left out,
    /// and told loudly. Waits for the disk.
    ///
    /// # Errors
    /// The store cannot be read, or the configuration is wrong.
    pub fn load(store: Store, declared: Config) -> Result<(Self, Arc<Directory>), PeopleError> {
        let stored = store.read(Stored::load)?;
        let (directory, left_out) = together(&declared, &stored).map_err(first)?;
        left_out.iter().for_each(tell_left_out);
        let directory = Arc::new(directory);
        let state = Mutex::new(State { declared, stored, left_out, directory: Arc::clone(&directory) });
        Ok((Self { store, state, hashing: Hashing::default(), publish: OnceLock::new() }, directory))
    }

    /// The secret of this server's logins, the same at each start: made from `new` at the first. Waits for the disk: not for a thread
    /// of a runtime.
    ///
    /// # Errors
    /// The store failed.
    pub fn login_secret(&self, new: &[u8]) -> Result<Vec<u8>, PeopleError> {
        let new = new.to_vec();
        Ok(self.store.write_and_wait(move |sql| stored::secret(sql, LOGIN_SECRET, &new))?)
    }

    /// The secret of reverse-paths that this server makes, the same at each start: made from `new` at the first. Waits for the disk: not for a thread
    /// of a runtime.
    ///
    /// # Errors
    /// The store failed.
    pub fn return_secret(&self, new: &[u8]) -> Result<Vec<u8>, PeopleError> {
        let new = new.to_vec();
        Ok(self.store.write_and_wait(move |sql| stored::secret(sql, RETURN_SECRET, &new))?)
    }

    /// Who is told of each new directory. Only the first call counts.
    pub fn publish_to(&self, publish: Publish) {
        // Set once, when all parts are there.
        let _ = self.publish.set(publish);
    }

    /// Takes up another configuration, and has `apply` do what goes with it before anything else changes. Waits: not for a thread of
    /// a runtime.
    ///
    /// # Errors
    /// The configuration is wrong; all stays as it was.
    pub fn redeclare(
        &self,
        declared: Config,
        apply: impl FnOnce(&Arc<Directory>),
    ) -> Result<(), PeopleError> {
        let mut state = self.state.blocking_lock();
        let (directory, left_out) = together(&declared, &state.stored).map_err(first)?;
        let directory = directory.with_external(Arc::clone(state.directory.external()));
        left_out.iter().filter(|out| !is_among(out, &state.left_out)).for_each(tell_left_out);
        let directory = Arc::new(directory);
        apply(&directory);
        *state = State { declared, stored: std::mem::take(&mut state.stored), left_out, directory };
        Ok(())
    }

    /// Takes up what is known of people elsewhere.
    pub async fn take_up(&self, external: Arc<External>) {
        let mut state = self.state.lock().await;
        state.directory = Arc::new(state.directory.with_external(external));
        if let Some(publish) = self.publish.get() {
            publish(&state.directory);
        }
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn add_domain(&self, domain: DomainConfig) -> Result<(), PeopleError> {
        let name = spelling::domain(&domain.name).map_err(PeopleError::Wrong)?;
        self.change(Change::AddDomain(DomainConfig { name, ..domain })).await
    }

    /// Removes a domain, once no account and no alias needs it.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove_domain(&self, name: &str) -> Result<(), PeopleError> {
        let name = spelling::domain(name).unwrap_or_else(|_| name.to_owned());
        // Without it they would lead elsewhere, and nobody wants that.
        let by = self.state.lock().await.leads_to(&name).map(|alias| format!("the alias `{alias}`"));
        if let Some(by) = by {
            return Err(PeopleError::Needed { name, by });
        }
        self.change(Change::RemoveDomain(name)).await
    }

    /// Adds an account, and keeps of its password a hash and what SCRAM needs; of a hash just that. `now`: milliseconds since 1970.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn add_account(&self, new: NewAccount, now: i64) -> Result<(), PeopleError> {
        let NewAccount { login, addresses, roles, password } = new;
        let login = spelling::address(&login).map_err(PeopleError::Wrong)?;
        let addresses = spelling::addresses(&addresses)?;
        let (password, scram) = match password {
            Some(password) => {
                self.kept_of(password, None).await.map(|(password, scram)| (Some(password), scram))?
            }
            None => (None, None),
        };
        let stored = AccountConfig { stored: true, ..AccountConfig::default() };
        let account = AccountConfig { login, addresses, password, scram, roles, ..stored };
        self.change(Change::AddAccount(Box::new(account), now)).await
    }

    /// Removes an account. Its mail stays where it is.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove_account(&self, login: &str) -> Result<(), PeopleError> {
        self.change(Change::RemoveAccount(spelling::or_as_it_is(login))).await
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn set_password(&self, login: &str, password: NewPassword) -> Result<(), PeopleError> {
        let login = spelling::or_as_it_is(login);
        let salt = self.state.lock().await.stored_account(&login).and_then(salt_of_apps);
        let (password, scram) = self.kept_of(password, salt).await?;
        self.change(Change::SetPassword(login, password, scram)).await
    }

    /// Lets nobody log in to an account, or somebody again.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn set_disabled(&self, login: &str, disabled: bool) -> Result<(), PeopleError> {
        self.change(Change::SetDisabled(spelling::or_as_it_is(login), disabled)).await
    }

    /// Changes the further addresses and the roles of an account. What it has already, and what it has not, may be named.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn change_rights(&self, login: &str, rights: &Rights) -> Result<(), PeopleError> {
        let login = spelling::or_as_it_is(login);
        let (add, remove) =
            (spelling::addresses(&rights.add_addresses)?, spelling::addresses(&rights.remove_addresses)?);
        let mut state = self.state.lock().await;
        let found = state.stored.accounts.iter().find(|stored| stored.account.login == login);
        let Some(found) = found else { return Err(state.missing("account", login)) };
        let AccountConfig { addresses, roles, .. } = &found.account;
        let (addresses, roles) =
            (changed(addresses, &add, &remove), changed(roles, &rights.add_roles, &rights.remove_roles));
        self.change_in(&mut state, Change::SetRights(login, addresses, roles)).await
    }

    /// Makes an app password, whose words are told this once.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn add_app_password(
        &self,
        login: &str,
        name: &str,
        scopes: Vec<Scope>,
        now: i64,
    ) -> Result<(AppPassword, String), PeopleError> {
        if !is_app_password_name(name) {
            return Err(PeopleError::Invalid(
                "an app password is called by 1 to 100 characters, none of them for control",
            ));
        }
        if scopes.is_empty() {
            return Err(PeopleError::Invalid(
                "an app password needs something that it is good for: smtp, imap, pop3 or api",
            ));
        }
        let login = spelling::or_as_it_is(login);
        let salt = self.state.lock().await.stored_account(&login).and_then(salt_of);
        let (mut app, words) = AppPassword::new(name, scopes, now).ok_or(PeopleError::NotHashed)?;
        let secret = words.clone();
        let keys = self.hashing.run(Lane::Known, move || keys_of(&secret, salt)).await;
        app.scram = Some(keys.unwrap_or(Err(PeopleError::NotHashed))?);
        self.change(Change::AddAppPassword(login, app.clone())).await?;
        Ok((app, words))
    }

    /// Takes an app password back: who came by it is heard no more.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove_app_password(&self, login: &str, id: &str) -> Result<(), PeopleError> {
        self.change(Change::RemoveAppPassword(spelling::or_as_it_is(login), id.to_owned())).await
    }

    /// Adds an alias.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn add_alias(&self, alias: AliasConfig) -> Result<(), PeopleError> {
        let address = spelling::address(&alias.address).map_err(PeopleError::Wrong)?;
        self.change(Change::AddAlias(AliasConfig { address, ..alias })).await
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove_alias(&self, address: &str) -> Result<(), PeopleError> {
        self.change(Change::RemoveAlias(spelling::or_as_it_is(address))).await
    }

    /// Adds a mailing list.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn add_list(&self, list: ListConfig) -> Result<(), PeopleError> {
        let address = spelling::address(&list.address).map_err(PeopleError::Wrong)?;
        let (owners, members) = (once_each(&list.owners)?, once_each(&list.members)?);
        self.change(Change::AddList(ListConfig { address, owners, members, ..list })).await
    }

    /// Removes a mailing list.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn remove_list(&self, address: &str) -> Result<(), PeopleError> {
        self.change(Change::RemoveList(spelling::or_as_it_is(address))).await
    }

    /// Changes a mailing list.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn change_list(&self, address: &str, wanted: ListChange) -> Result<(), PeopleError> {
        let address = spelling::or_as_it_is(address);
        let ListChange { title, post, add_members, remove_members, add_owners, remove_owners } = wanted;
        let spelled = ListChange {
            title,
            post,
            add_members: once_each(&add_members)?,
            remove_members: remove_members.iter().map(|text| spelling::or_as_it_is(text)).collect(),
            add_owners: once_each(&add_owners)?,
            remove_owners: remove_owners.iter().map(|text| spelling::or_as_it_is(text)).collect(),
        };
        self.change(Change::EditList(address, spelled)).await
    }

    async fn change(&self, change: Change) -> Result<(), PeopleError> {
        let mut state = self.state.lock().await;
        self.change_in(&mut state, change).await
    }

    /// Tries a change in memory, keeps it, and then lets it hold: in this order, so that nothing holds that a restart would undo.
    async fn change_in(&self, state: &mut State, change: Change) -> Result<(), PeopleError> {
        let mut stored = state.stored.clone();
        change.apply(&mut stored).map_err(|(what, name)| state.missing(what, name))?;
        let removes = matches!(
            change,
            Change::RemoveDomain(_)
                | Change::RemoveAccount(_)
                | Change::RemoveAlias(_)
                | Change::RemoveList(_)
        );
        let (directory, left_out) = match together(&state.declared, &stored) {
            Ok(made) => made,
            Err(errors) if removes => return Err(needed(&change, &errors)),
            Err(errors) => return Err(first(errors)),
        };
        if let Some(new) = left_out.iter().find(|out| !is_among(out, &state.left_out)) {
            let by = || format!("the {} `{}`", new.kind.word(), new.name);
            let name = change.told().1.to_owned();
            return Err(if removes {
                PeopleError::Needed { name, by: by() }
            } else {
                state.refused(&new.problem)
            });
        }
        let kept = change.clone();
        self.store.write(move |sql| kept.write(sql)).await?;
        let (what, name) = change.told();
        tracing::info!(station = STATION, name, "{what}");
        let directory = Arc::new(directory.with_external(Arc::clone(state.directory.external())));
        (state.stored, state.left_out, state.directory) = (stored, left_out, Arc::clone(&directory));
        if let Some(publish) = self.publish.get() {
            publish(&directory);
        }
        Ok(())
    }

    /// What is kept of a password: a hash, and the keys for SCRAM; of what is a hash already only that.
    async fn kept_of(
        &self,
        password: NewPassword,
        salt: Option<Salt>,
    ) -> Result<(Secret, Option<ScramKeys>), PeopleError> {
        let wrong = |why| PeopleError::Wrong(Problem::BadPassword(why));
        match password {
            NewPassword::Hash(hash) if hash.is_password().map_err(wrong)? => {
                Err(wrong(BadPassword::UnknownKind))
            }
            NewPassword::Hash(hash) => Ok((hash, None)),
            NewPassword::Plain(password) if password.expose().is_empty() => {
                Err(PeopleError::Invalid("the password is empty"))
            }
            NewPassword::Plain(password) => self
                .hashing
                .run(Lane::Known, move || hashed(password.expose(), salt))
                .await
                .unwrap_or(Err(PeopleError::NotHashed)),
        }
    }
}

impl State {
    /// What is not in the store may be declared elsewhere.
    fn missing(&self, what: &'static str, name: String) -> PeopleError {
        let same = |other: &str| spelling::or_as_it_is(other) == name;
        let declared = match what {
            "domain" => self.declared.domains.iter().any(|domain| same(&domain.name)).then_some(Kind::Domain),
            "account" => {
                self.declared.accounts.iter().any(|account| same(&account.login)).then_some(Kind::Account)
            }
            "alias" => self.declared.aliases.iter().any(|alias| same(&alias.address)).then_some(Kind::Alias),
            "list" => self.declared.lists.iter().any(|list| same(&list.address)).then_some(Kind::List),
            _ => None,
        };
        match declared {
            Some(kind) => PeopleError::Declared { kind, name },
            None => PeopleError::Unknown { what, name },
        }
    }

    /// An alias, or a domain's catch-all, that leads to a domain of the store.
    fn leads_to(&self, domain: &str) -> Option<String> {
        if !self.stored.domains.iter().any(|stored| stored.name == domain) {
            return None;
        }
        let is_there = |address: &String| {
            let at = address.rsplit_once('@').map(|(_, at)| spelling::domain(at));
            at.is_some_and(|at| at.is_ok_and(|at| at == domain))
        };
        let aliases = self.declared.aliases.iter().chain(&self.stored.aliases);
        let mut aliases = aliases.filter(|alias| alias.to.iter().any(is_there));
        aliases.next().map(|alias| alias.address.clone())
    }

    /// Whether an alias is declared as such, and not made for a list.
    fn declares_alias(&self, place: usize) -> bool {
        let left_out = self.left_out.iter().filter(|out| out.kind == Kind::Alias).count();
        place + left_out < self.declared.aliases.len() + self.stored.aliases.len()
    }

    fn refused(&self, problem: &Problem) -> PeopleError {
        let Problem::Duplicate { text, .. } = problem else { return PeopleError::Wrong(problem.clone()) };
        let address = mail::Address::parse(text).ok();
        let by = address.and_then(|address| match self.directory.index.find(&address)? {
            Found { place: Place::Account(place), detail: None } => {
                Some(format!("the account `{}`", self.directory.accounts.get(place)?.login()))
            }
            Found { place: Place::Alias(place), detail: None } => {
                Some(if self.declares_alias(place) { "an alias".to_owned() } else { "a list".to_owned() })
            }
            Found { place: Place::List(_), detail: None } => Some("a list".to_owned()),
            Found { .. } => None,
        });
        PeopleError::Taken { name: text.clone(), by }
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("People")
    }
}

/// The salt and the iterations of keys.
type Salt = (Box<[u8]>, u32);

/// Those that further keys of an account must have, so that SCRAM works with all of its passwords.
fn salt_of(account: &AccountConfig) -> Option<Salt> {
    let own = account.scram.as_ref().map(|keys| (keys.salt.clone(), keys.iterations));
    own.or_else(|| salt_of_apps(account))
}

/// Those of its app passwords alone.
fn salt_of_apps(account: &AccountConfig) -> Option<Salt> {
    let keys = account.app_passwords.iter().find_map(|app| app.scram.as_ref())?;
    Some((keys.salt.clone(), keys.iterations))
}

/// Keys for SCRAM of a prepared password, with a new salt unless there is one.
fn keys_of(prepared: &str, salt: Option<Salt>) -> Result<ScramKeys, PeopleError> {
    let (salt, iterations) = if let Some(salt) = salt {
        salt
    } else {
        let mut salt = [0; SALT_OCTETS];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| PeopleError::NotHashed)?;
        (salt.into(), SCRAM_ITERATIONS)
    };
    Ok(ScramKeys::derive(prepared, &salt, iterations))
}

/// A hash, and keys for SCRAM. Takes a moment of a processor.
fn hashed(password: &str, salt: Option<Salt>) -> Result<(Secret, Option<ScramKeys>), PeopleError> {
    let wrong = |why| PeopleError::Wrong(Problem::BadPassword(why));
    let hash = hash_password(password).map_err(wrong)?.ok_or(PeopleError::NotHashed)?;
    let prepared = sasl::saslprep(password).map_err(|_| wrong(BadPassword::Prohibited))?;
    Ok((Secret::new(hash), Some(keys_of(&prepared, salt)?)))
}

/// A list with some more and some less, each once.
fn changed(list: &[String], add: &[String], remove: &[String]) -> Vec<String> {
    let more = add.iter().filter(|word| !list.contains(word));
    list.iter().chain(more).filter(|word| !remove.contains(word)).cloned().collect()
}

/// Addresses in the spelling in which they are kept, each once.
fn once_each(texts: &[String]) -> Result<Vec<String>, PeopleError> {
    let mut seen = std::collections::HashSet::new();
    Ok(spelling::addresses(texts)?.into_iter().filter(|text| seen.insert(text.clone())).collect())
}

fn is_among(out: &LeftOut, others: &[LeftOut]) -> bool {
    others.iter().any(|other| other.kind == out.kind && other.name == out.name)
}

fn tell_left_out(LeftOut { kind, name, problem }: &LeftOut) {
    tracing::error!(
        station = STATION,
        name,
        "the {} in the store does not hold, for the configuration contradicts it: {problem}",
        kind.word()
    );
}

fn first(errors: Vec<DirectoryError>) -> PeopleError {
    let problem = errors.into_iter().next().map(|error| error.problem);
    PeopleError::Wrong(problem.unwrap_or(Problem::NoPostmaster))
}

/// Something of the configuration needs what is to be removed.
fn needed(change: &Change, errors: &[DirectoryError]) -> PeopleError {
    let by = errors.first().map(|error| format!("the configuration file ({error})")).unwrap_or_default();
    PeopleError::Needed { name: change.told().1.to_owned(), by }
}
