//! Keeps what is known of all directories, and asks them.

use std::{future::pending, sync::Arc, time::Duration};

use directory::{Answered, Elsewhere, External, Pending, People, Person, in_ascii};
use mail::Address;
use net::{AnchorsError, Shutdown};
use sasl::Password;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Config, LdapError,
    source::{Login, Source},
};

const STATION: &str = "ldap";
/// How soon a directory that failed is asked again: doubled each time.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// A login that fails takes a multiple of this. Directories answer within a fraction of it.
const PAD: Duration = Duration::from_millis(250);

/// All directories.
pub struct Keeper {
    sources: Vec<Source>,
    people: Arc<People>,
    known: Mutex<Arc<External>>,
}

impl Keeper {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// There is nobody to believe a certificate from.
    pub fn new(configs: &[Config], people: Arc<People>) -> Result<Self, AnchorsError> {
        let sources = configs.iter().cloned().map(Source::new).collect::<Result<Vec<_>, _>>()?;
        let name = |config: &Config| config.domains.iter().map(ToString::to_string).collect();
        let domains: Vec<Vec<String>> = configs.iter().map(name).collect();
        Ok(Self { sources, people, known: Mutex::new(Arc::new(External::new(&domains))) })
    }

    /// Fetches all people from time to time, until it is told to stop.
    pub async fn run(&self, mut shutdown: Shutdown) {
        let mut all = Vec::new();
        for (place, source) in self.sources.iter().enumerate() {
            all.push(Box::pin(self.follow(place, source)));
        }
        // They run side by side, on this task.
        let all = std::future::poll_fn(|cx| {
            for one in &mut all {
                let _ = one.as_mut().poll(cx);
            }
            std::task::Poll::<()>::Pending
        });
        tokio::select! {
            () = all => pending().await,
            () = shutdown.requested() => {}
        }
    }

    async fn follow(&self, place: usize, source: &Source) {
        let (name, config) = (source.name(), source.config());
        let (mut fetched, mut retry): (Option<Instant>, Duration) = (None, RETRY);
        loop {
            let next = match self.refresh(place, source).await {
                Ok(people) => {
                    tracing::info!(station = STATION, directory = name, people, "people fetched");
                    (fetched, retry) = (Some(Instant::now()), RETRY);
                    Instant::now() + config.refresh
                }
                Err(error) => {
                    let hint = error.hint();
                    let old = fetched.is_some_and(|at| at.elapsed() >= config.outage_max);
                    let what = match fetched {
                        Some(_) if old => "nothing is known any more of who is there: their mail waits",
                        Some(_) => {
                            "those that were fetched before stay known; nobody of them can log in meanwhile"
                        }
                        None => {
                            "it is not known who is there: their mail waits, and nobody of them can log in"
                        }
                    };
                    tracing::error!(station = STATION, directory = name, %error, hint, "people could not be fetched: {what}");
                    if old {
                        fetched = None;
                        self.change(|known| Some(known.forgotten(place))).await;
                    }
                    let next = Instant::now() + retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    next
                }
            };
            sleep_until(next).await;
        }
    }

    async fn refresh(&self, place: usize, source: &Source) -> Result<usize, LdapError> {
        let mark = self.known.lock().await.mark();
        let fetched = source.all().await?;
        if fetched.is_empty() {
            // Rights that are missing look like that, and a wrong filter. All mail would be refused.
            return Err(LdapError::Nobody);
        }
        let people = fetched.len();
        for address in fetched.doubled.iter().take(10) {
            tracing::warn!(station = STATION, directory = source.name(), %address, "two entries have this address: the first one keeps it");
        }
        self.change(|known| Some(known.replaced(place, fetched, mark))).await;
        Ok(people)
    }

    async fn change(&self, change: impl FnOnce(&External) -> Option<External>) {
        let mut known = self.known.lock().await;
        if let Some(changed) = change(&known) {
            *known = Arc::new(changed);
            // Under the lock, so that what is older is never put in the place of what is newer.
            self.people.take_up(Arc::clone(&known)).await;
        }
    }

    async fn met(&self, place: usize, person: Person) {
        self.change(|known| known.with(place, person)).await;
    }

    async fn source(&self, address: &Address) -> Option<(usize, &Source)> {
        let domain = in_ascii(address.domain().clone())?;
        let place = self.known.lock().await.source(&domain)?;
        Some((place, self.sources.get(place)?))
    }

    async fn check_login(&self, login: &Address, password: &Password) -> Answered {
        let Some((place, source)) = self.source(login).await else { return Answered::No };
        let Some(login) = lowered(login) else { return Answered::No };
        match source.log_in(&login, password).await {
            Ok(Login::Right(person)) => {
                self.met(place, person).await;
                Answered::Yes
            }
            Ok(Login::Wrong(why)) => {
                tracing::info!(station = STATION, directory = source.name(), %login, why, "not let in by the directory");
                Answered::No
            }
            Err(error) => unreachable(source, &error),
        }
    }

    async fn find_address(&self, addresses: &[Address]) -> Answered {
        for address in addresses {
            let Some((place, source)) = self.source(address).await else { continue };
            match source.by_address(address).await {
                Ok(Some(person)) => {
                    self.met(place, person).await;
                    return Answered::Yes;
                }
                Ok(None) => {}
                Err(error) => return unreachable(source, &error),
            }
        }
        Answered::No
    }
}

fn unreachable(source: &Source, error: &LdapError) -> Answered {
    let (directory, hint) = (source.name(), error.hint());
    match error {
        // It has just been told.
        LdapError::Resting => tracing::debug!(station = STATION, directory, "not asked: {error}"),
        error => tracing::warn!(station = STATION, directory, %error, hint, "no answer"),
    }
    Answered::Unreachable
}

/// In the spelling in which entries are compared.
fn lowered(address: &Address) -> Option<Address> {
    Address::new(&address.local_part().to_ascii_lowercase(), in_ascii(address.domain().clone())?).ok()
}

impl Elsewhere for Keeper {
    fn check<'a>(&'a self, login: &'a Address, password: &'a Password) -> Pending<'a, Answered> {
        Box::pin(self.check_login(login, password))
    }

    fn find<'a>(&'a self, addresses: &'a [Address]) -> Pending<'a, Answered> {
        Box::pin(self.find_address(addresses))
    }

    fn pad(&self) -> Pending<'static, ()> {
        let begun = Instant::now();
        Box::pin(async move {
            let over = Duration::from_millis(
                u64::try_from(begun.elapsed().as_millis() % PAD.as_millis()).unwrap_or(0),
            );
            sleep(PAD.saturating_sub(over)).await;
        })
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}
