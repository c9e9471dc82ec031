//! Does what the plans say, for as long as the server runs.

mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use disk::{Clock, Disk, Random};
use dns::Resolve;
use mail::Timestamp;
use message_auth::{
    DomainName,
    dkim::{Algorithm, Signer, SigningKey},
};
use net::Shutdown;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    config::{Config, Keep},
    look,
    plan::{self, Deed, Plan, Rules, Seen, State},
    ring::{self, DomainKeys, Given, Ring},
    status::{Status, Watch},
    store::Store,
};
use tell::Told;

/// How soon a record is looked for again that is awaited, or that is wrong.
const SOON: Duration = Duration::from_mins(1);
/// A record that we have put in is not put in again for so many looks: it takes time until everybody sees it.
const LOOKS: u32 = 10;
/// Updates that may fail in one round.
const FAILURES_MAX: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// What a keeper works with.
#[derive(Clone)]
pub struct Parts {
    /// Where things are kept.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Whom to ask for records.
    pub resolver: Arc<dyn Resolve>,
    /// The domains that are local now, for [`Keep::All`].
    pub domains: Arc<dyn Fn() -> Vec<DomainName> + Send + Sync>,
}

/// Makes and keeps keys, and watches all records.
pub struct Keeper {
    config: Config,
    rules: Rules,
    parts: Parts,
    store: Store,
    server: Option<dns_update::Server>,
    rings: BTreeMap<DomainName, Ring>,
    /// When the record of a key was last put in or taken out by us, or tried to be.
    updated: BTreeMap<String, Timestamp>,
    told: Told,
    /// What was handed on last.
    handed: Option<Vec<DomainKeys>>,
    watch: Watch,
}

/// Who signs for a domain, by the very keys.
struct Same<'a>(&'a DomainKeys);

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0, other.0);
        (&one.domain, &one.trouble) == (&other.domain, &other.trouble)
            && one.signers.iter().map(Arc::as_ptr).eq(other.signers.iter().map(Arc::as_ptr))
    }
}

impl Keeper {
    /// Reads what is kept. Nobody is asked for anything yet, and no key is made.
    pub fn open(config: Config, parts: Parts) -> Self {
        let mut keeper = Self {
            rules: rules(&config),
            store: Store::new(&config.dir, Arc::clone(&parts.disk)),
            server: server(&config, &parts),
            config,
            parts,
            rings: BTreeMap::new(),
            updated: BTreeMap::new(),
            told: Told::default(),
            handed: None,
            watch: Watch::default(),
        };
        keeper.gather();
        keeper.watch.set(keeper.status());
        keeper
    }

    /// A look at how things stand.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Who signs for each domain as far as that is known now.
    pub fn standing(&self) -> Vec<DomainKeys> {
        self.rings.values().map(|ring| ring.standing(&self.rules)).collect()
    }

    /// Keeps keys and looks at records until the word to stop. `hand_on` hears who signs, whenever that may have changed.
    pub async fn run(mut self, hand_on: impl Fn(Vec<DomainKeys>) + Send, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = self.round(&hand_on) => {}
            }
            let pause = self.pause();
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = self.watch.nudged() => self.take_up().await,
                () = sleep(pause) => {}
            }
        }
    }

    /// Does all that can be done now.
    async fn round(&mut self, hand_on: &(impl Fn(Vec<DomainKeys>) + Send)) {
        self.gather();
        self.step().await;
        self.update().await;
        // A DNS that is silent takes a while.
        self.watch.set(self.status());
        self.look().await;
        self.step().await;
        self.show();
        let standing = self.standing();
        if self.handed.as_ref().is_none_or(|handed| !handed.iter().map(Same).eq(standing.iter().map(Same))) {
            hand_on(standing.clone());
            self.handed = Some(standing);
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// What somebody asked for meanwhile.
    async fn take_up(&mut self) {
        let wanted = self.watch.take_wanted();
        if let Some(config) = wanted.config {
            self.rules = rules(&config);
            self.server = server(&config, &self.parts);
            self.config = config;
            self.told = Told::default();
            self.updated.clear();
            self.handed = None;
            self.gather();
        }
        for domain in wanted.rotate {
            let plan = self.rings.get(&domain).and_then(|ring| ring.plan.as_ref());
            let deeds = plan.map(|plan| plan.rotate(&self.rules)).unwrap_or_default();
            self.carry_out(&domain, deeds).await;
        }
    }

    /// All domains that there are keys for, or are to be.
    fn gather(&mut self) {
        let kept: BTreeSet<DomainName> = match &self.config.keep {
            Keep::None => BTreeSet::new(),
            Keep::All => (self.parts.domains)().into_iter().collect(),
            Keep::Some(domains) => domains.iter().cloned().collect(),
        };
        let given = self.config.by_hand.iter().map(|key| key.domain.clone());
        let all: BTreeSet<DomainName> = kept.iter().cloned().chain(given).collect();
        self.rings.retain(|domain, _| all.contains(domain));
        for domain in all {
            let before = self.rings.remove(&domain);
            let ring = self.ring(domain.clone(), kept.contains(&domain), before);
            self.rings.insert(domain, ring);
        }
    }

    fn ring(&self, domain: DomainName, kept: bool, before: Option<Ring>) -> Ring {
        let (plan, signers, fault, seen) = match before {
            Some(ring) => (ring.plan, ring.signers, ring.fault, ring.given),
            None => (None, BTreeMap::new(), None, Vec::new()),
        };
        let seen_of = |selector: &str| {
            let known = seen.iter().find(|given| *given.key.selector == *selector);
            known.map_or(Seen::Never, |given| given.seen.clone())
        };
        let by_hand = self.config.by_hand.iter().filter(|key| key.domain == domain);
        let given = by_hand.map(|key| Given { seen: seen_of(&key.selector), key: key.clone() }).collect();
        let mut ring = Ring { domain, plan: None, given, signers, fault };
        match plan {
            _ if !kept => ring.fault = None,
            Some(plan) => ring.plan = Some(plan),
            None => self.load(&mut ring),
        }
        ring
    }

    /// Reads what is kept of a domain.
    fn load(&self, ring: &mut Ring) {
        match self.store.plan(&ring.domain, self.now()) {
            Ok(mut plan) => {
                for key in &mut plan.keys {
                    match self.store.signer(&ring.domain, &key.selector) {
                        Ok(Ok(signer)) => drop(ring.signers.insert(key.selector.clone(), Arc::new(signer))),
                        Ok(Err(why)) => key.broken = Some(why),
                        Err(error) => key.broken = Some(error.to_string()),
                    }
                }
                (ring.plan, ring.fault) = (Some(plan), None);
            }
            // It is read again in the next round; no key is made before.
            Err(error) => ring.fault = Some(error.to_string()),
        }
    }

    /// Goes on with all domains as far as that is possible now.
    async fn step(&mut self) {
        let (now, rules) = (self.now(), self.rules.clone());
        let domains: Vec<DomainName> = self.rings.keys().cloned().collect();
        for domain in domains {
            let Some(ring) = self.rings.get_mut(&domain) else { continue };
            let Some(plan) = &mut ring.plan else { continue };
            let before = plan.clone();
            let deeds = plan.step(&rules, now);
            tell::moved(&domain, &before, plan);
            if *plan != before {
                self.keep(&domain).await;
            }
            self.carry_out(&domain, deeds).await;
        }
    }

    async fn carry_out(&mut self, domain: &DomainName, deeds: Vec<Deed>) {
        for deed in deeds {
            match deed {
                Deed::Make(algorithm) => self.make(domain, algorithm).await,
                Deed::Forget(selector) => {
                    let (store, of) = (self.store.clone(), domain.clone());
                    if let Some(ring) = self.rings.get_mut(domain) {
                        ring.signers.remove(&selector);
                    }
                    tracing::info!(station = "dkim", %domain, selector, "the record is gone, and the key is forgotten");
                    let removed = spawn_blocking(move || store.remove_key(&of, &selector)).await;
                    if let Ok(Err(error)) = removed {
                        tracing::warn!(station = "dkim", %domain, "an old key stays: {error}");
                    }
                }
            }
        }
    }

    /// Makes a key. It is on the disk before anything says that it is there.
    async fn make(&mut self, domain: &DomainName, algorithm: Algorithm) {
        let now = self.now();
        let Some(ring) = self.rings.get(domain) else { return };
        let names = ring.names();
        let (store, of) = (self.store.clone(), domain.clone());
        let made = spawn_blocking(move || -> Result<(Signer, String), String> {
            // Nothing is written over: the record of a key that was never written down may be in the DNS all the same.
            let is_taken = |name: &str| names.iter().any(|taken| taken == name) || store.has_key(&of, name);
            let name = plan::selector(algorithm, now, is_taken);
            let failed = |error: message_auth::dkim::KeyError| error.to_string();
            let key = SigningKey::generate(algorithm).map_err(|_| "the machine gives no key".to_owned())?;
            let record = key.record().map_err(failed)?;
            let pem = key.to_pem().map_err(failed)?;
            store.keep_key(&of, &name, &pem).map_err(|error| error.to_string())?;
            Ok((Signer { domain: of.as_str().into(), selector: name.into(), key }, record))
        });
        let made = made.await.unwrap_or_else(|error| Err(error.to_string()));
        let Some(ring) = self.rings.get_mut(domain) else { return };
        match (made, &mut ring.plan) {
            (Ok((signer, record)), Some(plan)) => {
                let selector = signer.selector.to_string();
                plan.made(selector.clone(), algorithm, record, now);
                ring.signers.insert(selector.clone(), Arc::new(signer));
                let kind = plan::kind(algorithm);
                tracing::info!(station = "dkim", %domain, selector, kind, "a key is made");
                self.keep(domain).await;
            }
            (Err(why), _) => {
                tracing::error!(station = "dkim", %domain, "no key can be made: {why}");
                ring.fault = Some(why);
            }
            (Ok(_), None) => {}
        }
    }

    /// Writes down how far the keys of a domain are.
    async fn keep(&mut self, domain: &DomainName) {
        let Some(plan) = self.rings.get(domain).and_then(|ring| ring.plan.clone()) else { return };
        let (store, of) = (self.store.clone(), domain.clone());
        let kept = spawn_blocking(move || store.keep_plan(&of, &plan)).await;
        let fault = match kept {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = &fault {
            tracing::error!(station = "dkim", %domain, "cannot keep how far its keys are: {why}");
        }
        if let Some(ring) = self.rings.get_mut(domain) {
            ring.fault = fault;
        }
    }

    /// Puts records in that are not there, and takes those out that nobody needs, where we may.
    async fn update(&mut self) {
        let (Some(server), Some(update)) = (self.server.clone(), self.config.update.clone()) else { return };
        let (now, mut failures) = (self.now(), 0);
        for (name, record, change) in self.changes() {
            let again = self.updated.get(&name).map(|at| at.after(self.soon() * LOOKS));
            if again.is_some_and(|again| now < again) {
                continue;
            }
            let at = server.followed(name.clone()).await;
            let data = dns_update::Data::Txt(record);
            let record = dns_update::Record { name: at, ttl: update.ttl, data };
            match server.change(&[record], change).await {
                Ok(()) => {
                    let what = if change == dns_update::Change::Remove { "taken out" } else { "put in" };
                    tracing::info!(station = "dkim", name, "the record is {what}");
                    self.updated.insert(name, now);
                }
                Err(error) => {
                    self.told.update_failed(&name, &error.to_string(), now);
                    failures += 1;
                    // A server that does not answer must not keep us from looking.
                    if failures >= FAILURES_MAX {
                        return;
                    }
                }
            }
        }
    }

    /// Records to be changed: name, text and how.
    fn changes(&self) -> Vec<(String, String, dns_update::Change)> {
        let mut all = Vec::new();
        for ring in self.rings.values() {
            for key in ring.plan.iter().flat_map(|plan| &plan.keys) {
                let is_missing = matches!(key.seen, Seen::Missing)
                    || key.state == State::Made && matches!(key.seen, Seen::Never | Seen::NoAnswer);
                let change = match key.state {
                    State::Removing if key.seen.trouble().is_none() => dns_update::Change::Remove,
                    // Only what is not there: what somebody else has put there, they had a reason for.
                    State::Made | State::Published | State::Signing | State::Retired if is_missing => {
                        dns_update::Change::Add
                    }
                    _ => continue,
                };
                all.push((ring::name(&key.selector, &ring.domain), key.record.clone(), change));
            }
        }
        all
    }

    /// Asks for all records.
    async fn look(&mut self) {
        if !self.config.watch {
            return self.believe();
        }
        let names = self.rings.values().flat_map(|ring| {
            let of = |selector: String| {
                ((ring.domain.clone(), selector.clone()), ring::name(&selector, &ring.domain))
            };
            ring.names().into_iter().map(of)
        });
        let found = look::texts(&self.parts.resolver, names.collect()).await;
        for ((domain, selector), texts) in found {
            let Some(ring) = self.rings.get_mut(&domain) else { continue };
            for given in ring.given.iter_mut().filter(|given| *given.key.selector == *selector) {
                let key = given.key.signer.as_ref().ok().map(|signer| &signer.key);
                given.seen.learn(look::judged(&texts, key));
            }
            let seen = look::judged(&texts, ring.signers.get(&selector).map(|signer| &signer.key));
            if let Some(plan) = &mut ring.plan {
                plan.observed(&selector, &seen);
            }
        }
    }

    /// Nobody can be asked: every record is where its operator says.
    fn believe(&mut self) {
        for ring in self.rings.values_mut() {
            ring.given.iter_mut().for_each(|given| given.seen = Seen::Right);
            for key in ring.plan.iter_mut().flat_map(|plan| &mut plan.keys) {
                key.seen = if key.state == State::Removing { Seen::Missing } else { Seen::Right };
            }
        }
    }

    fn soon(&self) -> Duration {
        SOON.min(self.config.interval)
    }

    /// Until the next round.
    fn pause(&self) -> Duration {
        let now = self.now();
        let is_waiting = |ring: &Ring| ring.is_waiting(&self.rules) || ring.fault.is_some();
        let usual = if self.rings.values().any(is_waiting) { self.soon() } else { self.config.interval };
        let plans = self.rings.values().filter_map(|ring| ring.plan.as_ref());
        let next = plans.filter_map(|plan: &Plan| plan.next_at(&self.rules, now)).min();
        next.map_or(usual, |next| usual.min(next.since(now))).max(PAUSE_MIN)
    }

    fn status(&self) -> Vec<Status> {
        let by_hand = self.server.is_none();
        self.rings.values().map(|ring| tell::status(ring, &self.rules, by_hand)).collect()
    }

    /// Tells whoever asks, and the log.
    fn show(&mut self) {
        let (status, now) = (self.status(), self.now());
        self.told.tell(&status, now);
        self.watch.set(status);
    }
}

fn rules(config: &Config) -> Rules {
    let Config { algorithms, rotate, publish_wait, retire_wait, .. } = config;
    Rules {
        algorithms: algorithms.clone(),
        rotate: *rotate,
        publish_wait: *publish_wait,
        retire_wait: *retire_wait,
    }
}

fn server(config: &Config, parts: &Parts) -> Option<dns_update::Server> {
    let update = config.update.as_ref()?;
    let (clock, random) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
    Some(dns_update::Server::new(update.server.clone(), clock, random))
}

#[cfg(test)]
mod tests;
