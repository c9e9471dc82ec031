//! The policies of domains (MTA-STS, RFC 8461): asked for, kept, and kept on over outages and restarts.

mod fetch;
mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use disk::{Clock, Disk};
use dns::{DnsError, Resolve};
use mail::Timestamp;
use mta_sts::{Mode, Policy};
use net::Roots;
use tokio::time::sleep;

use self::fetch::{Fetch, HttpsFetch};
use crate::{Blocking, Parts, blocking};

/// A policy that could not be fetched is not asked for again before (RFC 8461 §3.3: five minutes or longer).
const AGAIN: Duration = Duration::from_mins(5);
/// A policy is fetched anew after a day at the latest, so that it lives on over an outage (RFC 8461 §10.2).
const REFRESH: Duration = Duration::from_hours(24);
/// Policies that are kept. Beyond, those go that end first.
const KNOWN_MAX: usize = 20_000;
/// What they may take in memory and in the file, about. Beyond, the largest go: a policy that is honest has some hundred octets, and nobody who
/// publishes large ones is to crowd it out.
const KNOWN_OCTETS_MAX: usize = 16 << 20;
/// Between two writes of the file.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
const FILE_OCTETS_MAX: usize = 64 << 20;

/// What a policy is fetched with.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// Who is believed; none: nobody, and no policy can be fetched.
    pub(crate) roots: Option<Roots>,
    /// Whether the host of a policy may be at a private address.
    pub(crate) private: bool,
}

/// A policy as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its id in the DNS.
    pub(crate) id: String,
    pub(crate) policy: Policy,
    pub(crate) fetched: Timestamp,
}

/// All policies that are known.
pub(crate) struct Policies {
    path: PathBuf,
    resolver: Arc<dyn Resolve>,
    fetch: Arc<dyn Fetch>,
    disk: Arc<dyn Disk>,
    blocking: Arc<dyn Blocking>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by who reads the file for the first time.
    reading: tokio::sync::Mutex<bool>,
}

#[derive(Default)]
struct State {
    known: HashMap<Box<str>, Known>,
    /// About what they take.
    octets: usize,
    /// When a policy could not be fetched last.
    failed: HashMap<Box<str>, Timestamp>,
    /// Something is not in the file yet, and whether somebody writes.
    unwritten: bool,
    writing: bool,
}

/// What the DNS says of a policy.
enum Record {
    /// There is one, with this id.
    Id(String),
    /// It tells of none, or tells nothing now. Neither takes one back that is known (RFC 8461 §5.1).
    Nothing,
}

impl Policies {
    /// Kept in this file.
    pub(crate) fn new(path: PathBuf, parts: &Parts) -> Self {
        Self {
            path,
            resolver: Arc::clone(&parts.resolver),
            fetch: Arc::new(HttpsFetch),
            disk: Arc::clone(&parts.disk),
            blocking: Arc::clone(&parts.blocking),
            clock: Arc::clone(&parts.clock),
            state: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The policy that holds for a domain now, and for how long; none: none does.
    pub(crate) async fn of(self: &Arc<Self>, domain: &str, asking: &Asking) -> Option<(Policy, Duration)> {
        self.recall().await;
        let record = self.record(domain).await;
        let now = self.clock.now();
        let known = self.known(domain, now);
        let known = match (record, known) {
            (Record::Id(id), Some(known)) if known.id == id => {
                if now.since(known.fetched) >= REFRESH.min(known.policy.max_age / 2)
                    && self.may_fetch(domain, now)
                {
                    let (this, domain, asking) = (Arc::clone(self), domain.to_owned(), asking.clone());
                    tokio::spawn(async move { this.fetch(&domain, id, &asking).await });
                }
                Some(known)
            }
            (Record::Id(id), known) if self.may_fetch(domain, now) => {
                self.fetch(domain, id, asking).await.or(known)
            }
            (_, known) => known,
        }?;
        let left = known.fetched.after(known.policy.max_age).since(self.clock.now());
        (known.policy.mode != Mode::None).then_some((known.policy, left))
    }

    async fn record(&self, domain: &str) -> Record {
        match self.resolver.txt(&mta_sts::record_name(domain)).await {
            Ok(texts) => {
                mta_sts::id_of(texts.records.iter().map(Vec::as_slice)).map_or(Record::Nothing, Record::Id)
            }
            Err(DnsError::NoSuchName | DnsError::NoRecords | DnsError::Temporary(_)) => Record::Nothing,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known and not over.
    fn known(&self, domain: &str, now: Timestamp) -> Option<Known> {
        self.state().known.get(domain).filter(|known| known.holds(now)).cloned()
    }

    /// Whether it is time to ask; from now on it is not, for a while.
    fn may_fetch(&self, domain: &str, now: Timestamp) -> bool {
        let mut state = self.state();
        if state.failed.get(domain).is_some_and(|failed| now.since(*failed) < AGAIN && *failed <= now) {
            return false;
        }
        if state.failed.len() >= KNOWN_MAX {
            state.failed.retain(|_, failed| now.since(*failed) < AGAIN);
        }
        state.failed.insert(domain.into(), now);
        true
    }

    /// Fetches a policy and keeps it. None: it cannot be had.
    async fn fetch(self: &Arc<Self>, domain: &str, id: String, asking: &Asking) -> Option<Known> {
        let octets = self.ask(domain, asking).await;
        let policy = octets.and_then(|octets| {
            Policy::parse(&octets).map_err(|invalid| format!("what is there is no policy: {invalid}"))
        });
        let policy = match policy {
            Ok(policy) => policy,
            Err(why) => {
                tracing::warn!(
                    station = "deliver/mta-sts",
                    domain,
                    why,
                    "the policy of a domain cannot be fetched; one that is known still holds"
                );
                return None;
            }
        };
        tracing::info!(station = "deliver/mta-sts", domain, id, mode = ?policy.mode,
            max_age = policy.max_age.as_secs(), "the policy of a domain was fetched");
        let known = Known { id, policy, fetched: self.clock.now() };
        self.keep(domain, known.clone());
        Some(known)
    }

    async fn ask(&self, domain: &str, asking: &Asking) -> Result<Vec<u8>, String> {
        let roots = asking.roots.as_ref().ok_or("no authority of certificates is believed here")?;
        let host = mta_sts::policy_host(domain);
        let addresses = self.resolver.addresses(&host).await.map_err(|error| format!("{host}: {error}"))?;
        let mut addresses = addresses.records;
        // Whoever owns a domain says where its policy is: not in our network.
        addresses.retain(|address| asking.private || crate::guard::is_public(*address));
        if addresses.is_empty() {
            return Err(format!("{host} has private addresses only"));
        }
        self.fetch.fetch(&mta_sts::policy_url(domain), addresses, roots).await
    }

    fn keep(self: &Arc<Self>, domain: &str, known: Known) {
        let mut state = self.state();
        state.failed.remove(domain);
        state.insert(domain.into(), known);
        state.unwritten = true;
        if !std::mem::replace(&mut state.writing, true) {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.write().await });
        }
    }

    /// Writes until everything is written.
    async fn write(self: Arc<Self>) {
        loop {
            let octets = {
                let mut state = self.state();
                if !std::mem::take(&mut state.unwritten) {
                    state.writing = false;
                    return;
                }
                file::encode(&state.known)
            };
            let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
            let written =
                blocking::run(&*self.blocking, move || disk::replace_whole(&*disk, &path, &octets)).await;
            if let Some(Err(error)) = written {
                tracing::warn!(station = "deliver/mta-sts", path = %self.path.display(), %error,
                    "policies of domains cannot be written; a restart would forget them");
            }
            sleep(WRITE_PAUSE).await;
        }
    }

    /// Takes up what an earlier run has written, once.
    async fn recall(&self) {
        let mut read = self.reading.lock().await;
        if std::mem::replace(&mut *read, true) {
            return;
        }
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let octets = move || disk::read_whole(&*disk, &path, FILE_OCTETS_MAX);
        let known = match blocking::run(&*self.blocking, octets).await {
            Some(Ok(octets)) => file::decode(&octets),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return,
            Some(Err(error)) => Err(error.to_string()),
            None => return,
        };
        match known {
            Ok(known) => {
                let mut state = self.state();
                for (domain, known) in known {
                    state.insert(domain, known);
                }
            }
            Err(why) => tracing::warn!(station = "deliver/mta-sts", path = %self.path.display(), why,
                "policies of domains that earlier runs have fetched cannot be read; they are fetched anew"),
        }
    }
}

impl State {
    fn insert(&mut self, domain: Box<str>, known: Known) {
        self.octets += known.octets();
        if let Some(before) = self.known.insert(domain, known) {
            self.octets = self.octets.saturating_sub(before.octets());
        }
        while self.octets > KNOWN_OCTETS_MAX || self.known.len() > KNOWN_MAX {
            let known = self.known.iter();
            let gone = if self.octets > KNOWN_OCTETS_MAX {
                known.max_by_key(|(_, known)| known.octets())
            } else {
                known.min_by_key(|(_, known)| known.fetched.after(known.policy.max_age))
            };
            let Some(domain) = gone.map(|(domain, _)| domain.clone()) else { break };
            if let Some(gone) = self.known.remove(&domain) {
                self.octets = self.octets.saturating_sub(gone.octets());
            }
        }
    }
}

impl Known {
    /// About what it takes, in memory and in the file.
    fn octets(&self) -> usize {
        512 + self.policy.mx.iter().map(|mx| mx.len() + 32).sum::<usize>()
    }

    fn holds(&self, now: Timestamp) -> bool {
        now < self.fetched.after(self.policy.max_age)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("path", &self.path).finish_non_exhaustive()
    }
}
