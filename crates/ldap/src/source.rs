//! One directory: what is asked of it, and what its answers mean.

use directory::{Fetched, Person};
use mail::Address;
use net::AnchorsError;
use sasl::Password;

use crate::{
    Config, LdapError, Scope,
    connection::{Connection, Found},
    filter::Node,
    message::{Entry, NO_SUCH_OBJECT, Search},
    person::{NoPerson, person},
    pool::Pool,
};

const STATION: &str = "ldap";
/// People in one answer.
const PAGE: u32 = 500;
/// More people than this are not held in memory.
const PEOPLE_MAX: usize = 1_000_000;
/// How many entries that are wrong are told by name.
const TOLD_MAX: usize = 10;
/// Who is found twice is found once too often.
const TWO: u32 = 2;

/// A directory, with connections to it.
#[derive(Debug)]
pub(crate) struct Source {
    config: Config,
    wanted: Vec<String>,
    /// Bound as ourselves.
    searching: Pool,
    /// Bound as whoever wants in.
    binding: Pool,
}

/// What became of a login.
#[derive(Debug)]
pub(crate) enum Login {
    /// It is this person's.
    Right(Person),
    /// Why not.
    Wrong(String),
}

/// An entry, and who that is.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) dn: String,
    pub(crate) person: Result<Person, NoPerson>,
}

impl Source {
    /// Without any connection yet.
    ///
    /// # Errors
    /// There is nobody to believe a certificate from.
    pub(crate) fn new(config: Config) -> Result<Self, AnchorsError> {
        let (searching, binding) = (Pool::new(&config, true)?, Pool::new(&config, false)?);
        Ok(Self { wanted: config.wanted(), searching, binding, config })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What it is called in a log: by its first server.
    pub(crate) fn name(&self) -> String {
        self.config.servers.first().map(ToString::to_string).unwrap_or_default()
    }

    /// A connection as it is used to search.
    pub(crate) async fn open(&self) -> Result<Connection, LdapError> {
        self.searching.open().await
    }

    /// All people.
    pub(crate) async fn all(&self) -> Result<Fetched, LdapError> {
        let mut connection = self.searching.open().await?;
        let fetched = self.pages(&mut connection).await;
        connection.close().await;
        let people = fetched?;
        // Sorting many takes a moment, in which this thread could serve others.
        let sorted = tokio::task::spawn_blocking(move || Fetched::new(people)).await;
        sorted.map_err(|error| LdapError::Lost(Some(std::io::Error::other(error))))
    }

    async fn pages(&self, connection: &mut Connection) -> Result<Vec<Person>, LdapError> {
        let (mut people, mut cookie, mut wrong) = (Vec::new(), Vec::new(), 0_usize);
        loop {
            let search = Search { page: Some((PAGE, &cookie)), ..self.query(self.config.filter.node(), 0) };
            let Found { outcome, entries, next, references } = connection.search(search).await?;
            if !outcome.is_success() {
                return Err(connection.refused("search", outcome));
            }
            if references > 0 {
                tracing::debug!(station = STATION, references, "referrals are not followed");
            }
            for entry in entries {
                match person(&self.config, &entry) {
                    Ok(person) => people.push(person),
                    Err(why) => {
                        wrong += 1;
                        if wrong <= TOLD_MAX {
                            tracing::debug!(station = STATION, dn = entry.dn, "no mailbox: {why}");
                        }
                    }
                }
            }
            if people.len() > PEOPLE_MAX {
                return Err(LdapError::TooMany(PEOPLE_MAX));
            }
            match next {
                Some(next) => cookie = next,
                None => break,
            }
        }
        if wrong > 0 {
            tracing::info!(
                station = STATION,
                directory = self.name(),
                entries = wrong,
                "entries without a mailbox"
            );
        }
        Ok(people)
    }

    /// Who has an address.
    pub(crate) async fn by_address(&self, address: &Address) -> Result<Option<Person>, LdapError> {
        let mut seen = self.seen_by_address(address).await?;
        // What is not asked for may be found by a filter of the operator's own.
        let has = |person: &Person| person.login == *address || person.addresses.contains(address);
        let found = seen.drain(..).filter_map(|seen| seen.person.ok()).find(has);
        Ok(found)
    }

    /// All entries that are found for an address.
    pub(crate) async fn seen_by_address(&self, address: &Address) -> Result<Vec<Seen>, LdapError> {
        let filter = self.config.by_address(address);
        self.found(self.searching.search(self.query_for(&filter, address)).await?)
    }

    /// Whether a password is a login's.
    pub(crate) async fn log_in(&self, login: &Address, password: &Password) -> Result<Login, LdapError> {
        let filter = self.config.by_login(login);
        let search = self.query_for(&filter, login);
        match &self.config.user_dn {
            Some(template) => self.log_in_as(&template.fill(login), login, password, search).await,
            None => self.log_in_found(login, password, search).await,
        }
    }

    /// By the name of the entry that is found.
    async fn log_in_found(
        &self,
        login: &Address,
        password: &Password,
        search: Search<'_>,
    ) -> Result<Login, LdapError> {
        let seen = self.found(self.searching.search(search).await?)?;
        let one = match <[Seen; 1]>::try_from(seen) {
            Ok([one]) => Ok(one),
            Err(none) if none.is_empty() => Err("nobody has it".to_owned()),
            Err(several) => Err(format!("{} entries have it", several.len())),
        };
        // Nobody is bound too, so that the same is done for all.
        let nobody = || format!("cn=nobody,{}", self.config.base);
        let dn = one.as_ref().map_or_else(|_| nobody(), |one| one.dn.clone());
        let bound = self.bind(&dn, password, None).await?;
        Ok(match (one, bound) {
            (Err(why), _) | (Ok(_), Err(why)) => Login::Wrong(why),
            (Ok(one), Ok(_)) => whose(one, login),
        })
    }

    /// By a name that is made of the login. Who that is, is asked as that: the entry itself, if the name is one of an entry, for its
    /// owner may see no other.
    async fn log_in_as(
        &self,
        name: &str,
        login: &Address,
        password: &Password,
        search: Search<'_>,
    ) -> Result<Login, LdapError> {
        let own = Search { base: name, scope: 0, filter: self.config.filter.node(), ..search };
        let search = if name.contains('=') { own } else { search };
        let bound = self.bind(name, password, Some(search)).await?;
        Ok(match bound.map(|mut seen| seen.pop()) {
            Err(why) => Login::Wrong(why),
            Ok(Some(seen)) => whose(seen, login),
            Ok(None) => Login::Wrong("its password is right, and it sees no entry of its own".to_owned()),
        })
    }

    /// Binds as somebody. Who was found as that, or why nobody is bound.
    async fn bind(
        &self,
        dn: &str,
        password: &Password,
        search: Option<Search<'_>>,
    ) -> Result<Result<Vec<Seen>, String>, LdapError> {
        let (outcome, found) = self.binding.bind(dn, password.expose(), search).await?;
        if outcome.is_denial() {
            return Ok(Err(outcome.to_string()));
        }
        if !outcome.is_success() {
            return Err(LdapError::Refused { server: self.name(), operation: "bind", outcome });
        }
        found.map_or_else(|| Ok(Ok(Vec::new())), |found| self.found(found).map(Ok))
    }

    /// What was found, where finding nothing is an answer too.
    fn found(&self, found: Found) -> Result<Vec<Seen>, LdapError> {
        let Found { outcome, entries, .. } = found;
        // More than two is as wrong as two.
        let is_answer = outcome.is_success() || outcome.code == crate::message::SIZE_LIMIT;
        if !is_answer || outcome.code == NO_SUCH_OBJECT {
            return Err(LdapError::Refused { server: self.name(), operation: "search", outcome });
        }
        let seen = |entry: Entry| Seen { person: person(&self.config, &entry), dn: entry.dn };
        Ok(entries.into_iter().map(seen).collect())
    }

    fn query_for<'a>(&'a self, filter: &'a Node, address: &'a Address) -> Search<'a> {
        Search { address: Some(address), ..self.query(filter, TWO) }
    }

    fn query<'a>(&'a self, filter: &'a Node, size_max: u32) -> Search<'a> {
        Search {
            base: &self.config.base,
            scope: match self.config.scope {
                Scope::OneLevel => 1,
                Scope::Subtree => 2,
            },
            filter,
            address: None,
            attributes: &self.wanted,
            size_max,
            time_max: u32::try_from(self.config.timeout.as_secs()).unwrap_or(0),
            page: None,
        }
    }
}

fn whose(seen: Seen, login: &Address) -> Login {
    match seen.person {
        Ok(person) if person.login == *login => Login::Right(person),
        Ok(person) => Login::Wrong(format!("the login of {} is {}", seen.dn, person.login)),
        Err(why) => Login::Wrong(format!("{}: {why}", seen.dn)),
    }
}
