//! People whom a directory elsewhere keeps, such as an LDAP server: a copy of them here, and how it is asked.
//!
//! The copy is a part of [`crate::Directory`] and answers as fast as the rest of it. What it does not have is asked for; a password always is.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
};

use mail::{Address, Domain};
use sasl::Password;

use crate::{Account, Role, account::Credentials, in_ascii};

/// People found one by one between two copies: beyond that the oldest are forgotten, and found again.
const RECENT_MAX: usize = 10_000;

/// An answer that takes its time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a directory elsewhere says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// So it is; and who was asked for is in the directory of this server by now.
    Yes,
    /// So it is not.
    No,
    /// It says nothing: it does not answer, or not in a way that could be understood.
    Unreachable,
}

/// Who asks directories elsewhere.
pub trait Elsewhere: Send + Sync {
    /// Whether a password is that of a login, which is of a domain that is kept elsewhere. The password is not empty: that would be
    /// no login at all (RFC 4513 §5.1.2).
    fn check<'a>(&'a self, login: &'a Address, password: &'a Password) -> Pending<'a, Answered>;

    /// Whether somebody has the first of these addresses that anybody has, all of the same domain.
    fn find<'a>(&'a self, addresses: &'a [Address]) -> Pending<'a, Answered>;

    /// Begins to wait, and ends so much later that nobody can tell how long something took that ended before.
    fn pad(&self) -> Pending<'static, ()>;
}

/// Somebody, as a directory elsewhere tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// By which address it logs in and gets mail.
    pub login: Address,
    /// Its further addresses.
    pub addresses: Vec<Address>,
    /// What it may do beside what every account may.
    pub roles: Vec<Role>,
    /// Nobody logs in to it.
    pub disabled: bool,
}

/// What is known here of all directories elsewhere. Each serves domains of its own.
#[derive(Debug, Clone, Default)]
pub struct External {
    /// Whose each domain is, by the place of the directory.
    domains: HashMap<Domain, usize>,
    copies: Vec<Copy>,
    next: u64,
}

/// What is known of one of them.
#[derive(Debug, Clone, Default)]
struct Copy {
    /// All that it keeps, once that has been fetched.
    all: Option<Arc<Table>>,
    /// Who was found by itself since, the latest last, each with a number that grows.
    recent: Arc<Recent>,
}

#[derive(Debug, Clone, Default)]
struct Recent {
    people: VecDeque<(u64, Arc<Account>)>,
    places: HashMap<Address, Arc<Account>>,
}

/// Accounts by each of their addresses.
#[derive(Debug, Default)]
struct Table {
    accounts: Vec<Account>,
    places: HashMap<Address, usize>,
}

/// All people of a directory, ready to be looked up.
#[derive(Debug)]
pub struct Fetched {
    table: Table,
    /// Addresses that two have: the first one keeps it.
    pub doubled: Vec<Address>,
}

impl Fetched {
    /// Sorts people by their addresses. Takes time in their number.
    pub fn new(people: impl IntoIterator<Item = Person>) -> Self {
        let (mut table, mut doubled) = (Table::default(), Vec::new());
        for person in people {
            let Some(account) = account(person) else { continue };
            let place = table.accounts.len();
            for address in addresses_of(&account) {
                match table.places.get(&address) {
                    Some(other) if *other != place => doubled.push(address),
                    Some(_) => {}
                    None => drop(table.places.insert(address, place)),
                }
            }
            table.accounts.push(account);
        }
        Self { table, doubled }
    }

    /// How many people there are.
    pub fn len(&self) -> usize {
        self.table.accounts.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.table.accounts.is_empty()
    }
}

impl External {
    /// Nothing is known yet of directories that serve these domains.
    pub fn new(domains: &[Vec<String>]) -> Self {
        let mut external = Self { copies: vec![Copy::default(); domains.len()], ..Self::default() };
        for (place, names) in domains.iter().enumerate() {
            let names = names.iter().filter_map(|name| in_ascii(Domain::parse(name).ok()?));
            for domain in names {
                external.domains.entry(domain).or_insert(place);
            }
        }
        external
    }

    /// Which directory serves a domain (in ASCII), by its place.
    pub fn source(&self, domain: &Domain) -> Option<usize> {
        self.domains.get(domain).copied()
    }

    /// A number for [`External::replaced`]: who is found from now on has a greater one.
    pub fn mark(&self) -> u64 {
        self.next
    }

    /// With all people of a directory in the place of those that it had; who was found since the mark stays.
    #[must_use]
    pub fn replaced(&self, source: usize, fetched: Fetched, mark: u64) -> Self {
        let mut external = self.clone();
        if let Some(copy) = external.copies.get_mut(source) {
            let since = copy.recent.people.iter().filter(|(number, _)| *number >= mark).cloned();
            copy.recent = Arc::new(Recent::of(since.collect()));
            copy.all = Some(Arc::new(fetched.table));
        }
        external
    }

    /// With somebody who was found by itself. `None`: that much is known already.
    #[must_use]
    pub fn with(&self, source: usize, person: Person) -> Option<Self> {
        let account = account(person)?;
        let known = self.find(&key(account.login()));
        if known.is_some_and(|known| *known == account) {
            return None;
        }
        let mut external = self.clone();
        let copy = external.copies.get_mut(source)?;
        let others = copy.recent.people.iter().filter(|(_, other)| other.login() != account.login());
        let mut people: VecDeque<_> = others.cloned().collect();
        people.push_back((self.next, Arc::new(account)));
        while people.len() > RECENT_MAX {
            people.pop_front();
        }
        copy.recent = Arc::new(Recent::of(people));
        external.next += 1;
        Some(external)
    }

    /// With nothing known of a directory any more: it has been silent for too long.
    #[must_use]
    pub fn forgotten(&self, source: usize) -> Self {
        let mut external = self.clone();
        if let Some(copy) = external.copies.get_mut(source) {
            *copy = Copy::default();
        }
        external
    }

    /// The account of an address in the spelling by which it is compared.
    pub(crate) fn find(&self, key: &Address) -> Option<&Account> {
        let copy = self.copies.get(self.source(key.domain())?)?;
        if let Some(account) = copy.recent.places.get(key) {
            return Some(account);
        }
        let all = copy.all.as_ref()?;
        all.accounts.get(*all.places.get(key)?)
    }

    /// Whether a domain is kept elsewhere, and it is not known by whom it is inhabited.
    pub(crate) fn is_unsure(&self, domain: &Domain) -> bool {
        let copy = self.source(domain).and_then(|source| self.copies.get(source));
        copy.is_some_and(|copy| copy.all.is_none())
    }

    /// Whether any domain is kept elsewhere.
    pub(crate) fn is_used(&self) -> bool {
        !self.domains.is_empty()
    }
}

impl Recent {
    fn of(people: VecDeque<(u64, Arc<Account>)>) -> Self {
        let each = people.iter().flat_map(|(_, account)| {
            addresses_of(account).map(|address| (address, Arc::clone(account))).collect::<Vec<_>>()
        });
        // The latest one has it.
        let places = each.collect();
        Self { people, places }
    }
}

/// None: its login is too long to name a directory.
fn account(person: Person) -> Option<Account> {
    let Person { login, addresses, roles, disabled } = person;
    let credentials = Credentials { roles, disabled, ..Credentials::default() };
    Account::new(login, addresses, credentials)
}

fn addresses_of(account: &Account) -> impl Iterator<Item = Address> {
    [account.login()].into_iter().chain(account.addresses()).map(key)
}

/// The spelling by which addresses are compared: the domain in ASCII, all in lower case.
fn key(address: &Address) -> Address {
    let domain = in_ascii(address.domain().clone()).unwrap_or_else(|| address.domain().clone());
    Address::new(&address.local_part().to_ascii_lowercase(), domain).unwrap_or_else(|_| address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountConfig, AliasConfig, Config, Directory, DomainConfig, Resolution};

    fn person(login: &str, addresses: &[&str]) -> Person {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Person { login: login.parse().unwrap(), addresses, roles: Vec::new(), disabled: false }
    }

    /// `far.example` is elsewhere; `info@near.example` leads to somebody there.
    fn directory() -> Directory {
        Directory::new(Config {
            domains: vec![DomainConfig { name: "near.example".into(), ..DomainConfig::default() }],
            accounts: vec![
                AccountConfig { login: "anna@near.example".into(), ..AccountConfig::default() },
                AccountConfig { login: "own@far.example".into(), ..AccountConfig::default() },
            ],
            aliases: vec![AliasConfig {
                address: "info@near.example".into(),
                to: vec!["ben@far.example".into()],
            }],
            external: vec![vec!["far.example".into()]],
            ..Config::default()
        })
        .unwrap()
    }

    fn resolved(directory: &Directory, address: &str) -> Resolution {
        directory.resolve(&address.parse().unwrap())
    }

    fn mailboxes(address: &str) -> Resolution {
        Resolution::Mailboxes(vec![address.parse().unwrap()])
    }

    #[test]
    fn before_anything_is_known_nobody_is_said_not_to_be_there() {
        let directory = directory();
        for address in ["ben@far.example", "who@far.example", "info@near.example"] {
            assert_eq!(resolved(&directory, address), Resolution::Unsure, "{address}");
        }
        assert_eq!(resolved(&directory, "who@near.example"), Resolution::Unknown);
        assert_eq!(resolved(&directory, "own@far.example"), mailboxes("own@far.example"));
        assert_eq!(resolved(&directory, "postmaster@far.example"), mailboxes("anna@near.example"));
    }

    #[test]
    fn a_copy_answers_for_its_domain_and_for_no_other() {
        let people = [person("ben@far.example", &["b@FAR.example"]), person("eva@near.example", &[])];
        let external = directory().external.replaced(0, Fetched::new(people), 0);
        let directory = directory().with_external(Arc::new(external));
        for address in ["ben@far.example", "BEN@far.example", "ben+news@far.example", "b@far.example"] {
            assert_eq!(resolved(&directory, address), mailboxes(address), "{address}");
            let account = directory.account(&address.parse().unwrap()).unwrap();
            assert_eq!(account.login().to_string(), "ben@far.example");
        }
        assert_eq!(resolved(&directory, "who@far.example"), Resolution::Unknown);
        assert_eq!(resolved(&directory, "eva@near.example"), Resolution::Unknown);
        assert_eq!(resolved(&directory, "info@near.example"), mailboxes("ben@far.example"));
    }

    #[test]
    fn who_is_declared_here_comes_before_who_is_elsewhere() {
        let people = [person("own@far.example", &["x@far.example"])];
        let external = directory().external.replaced(0, Fetched::new(people), 0);
        let directory = directory().with_external(Arc::new(external));
        assert!(directory.is_own(&"own@far.example".parse().unwrap()));
        let own = directory.by_login("own@far.example").unwrap();
        assert!(own.addresses().is_empty(), "it is the account of the file");
    }

    #[test]
    fn who_was_found_alone_stays_until_a_copy_that_began_later() {
        let external = directory().external;
        let mark = external.mark();
        let external = external.with(0, person("ben@far.example", &[])).unwrap();
        assert!(external.with(0, person("ben@far.example", &[])).is_none(), "known already");
        let ben = "ben@far.example".parse().unwrap();
        assert!(external.replaced(0, Fetched::new([]), mark).find(&ben).is_some());
        assert!(external.replaced(0, Fetched::new([]), external.mark()).find(&ben).is_none());
        assert!(external.forgotten(0).find(&ben).is_none());
        let changed = external.with(0, person("ben@far.example", &["b@far.example"])).unwrap();
        assert!(changed.find(&"b@far.example".parse().unwrap()).is_some());
    }

    #[test]
    fn an_address_that_two_have_is_the_first_ones() {
        let people = [person("ben@far.example", &["b@far.example"]), person("b@far.example", &[])];
        let fetched = Fetched::new(people);
        assert_eq!(fetched.doubled, ["b@far.example".parse().unwrap()]);
        let external = directory().external.replaced(0, fetched, 0);
        assert_eq!(external.find(&"b@far.example".parse().unwrap()).unwrap().login().local_part(), "ben");
    }
}
