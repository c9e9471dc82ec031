//! Who signs our mail: joins what keeps the keys to what sends.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use admin::api;
use deliver::{DomainSigners, OnTrouble, Settings, Signers};
use directory::Directory;
use dkim_keys::{DomainKeys, Keeper, KeyStatus, Parts, Status, Watch};
use message_auth::DomainName;
use net::Shutdown;

use crate::config::{self, Config};

/// The keeper of keys, for those who watch and change it. Clones are the same.
#[derive(Clone)]
pub(super) struct Signing {
    watch: Watch,
    on_trouble: Arc<Mutex<OnTrouble>>,
    /// What the keeper said last.
    standing: Arc<Mutex<Vec<DomainKeys>>>,
    /// The domains that are local.
    domains: Arc<RwLock<Vec<DomainName>>>,
}

impl Signing {
    /// Reads all keys, and says who signs until the DNS has been asked.
    pub(super) fn open(
        config: &mut Config,
        directory: &Directory,
        parts: impl FnOnce(Arc<dyn Fn() -> Vec<DomainName> + Send + Sync>) -> Parts,
    ) -> (Keeper, Self) {
        let domains = Arc::new(RwLock::new(local(directory)));
        let known = Arc::clone(&domains);
        let parts = parts(Arc::new(move || known.read().unwrap_or_else(PoisonError::into_inner).clone()));
        let keeper = Keeper::open(config::Signing::keys(config), parts);
        let (standing, on_trouble) = (keeper.standing(), config.signing.on_trouble);
        config.deliver.signers = signers(standing.clone(), on_trouble);
        let signing = Self {
            watch: keeper.watch(),
            on_trouble: Arc::new(Mutex::new(on_trouble)),
            standing: Arc::new(Mutex::new(standing)),
            domains,
        };
        (keeper, signing)
    }

    /// Takes up other settings. What becomes of mail of domains in trouble holds at once.
    pub(super) fn change(&self, config: &Config, directory: &Directory, delivery: &Settings) {
        *self.on_trouble.lock().unwrap_or_else(PoisonError::into_inner) = config.signing.on_trouble;
        *self.domains.write().unwrap_or_else(PoisonError::into_inner) = local(directory);
        self.tell(delivery);
        self.watch.change(config::Signing::keys(config));
    }

    fn tell(&self, delivery: &Settings) {
        let on_trouble = *self.on_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        delivery.change_signers(&signers(standing, on_trouble));
    }

    /// Takes up other domains.
    pub(super) fn change_directory(&self, directory: &Directory) {
        let domains = local(directory);
        let mut known = self.domains.write().unwrap_or_else(PoisonError::into_inner);
        if *known != domains {
            *known = domains;
            self.watch.nudge();
        }
    }

    /// Keeps keys until the word to stop, and tells delivery who signs.
    pub(super) async fn keep(
        self,
        keeper: Keeper,
        delivery: Settings,
        shutdown: Shutdown,
    ) -> Result<(), String> {
        let hand_on = move |standing| {
            *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
            self.tell(&delivery);
        };
        keeper.run(hand_on, shutdown).await;
        Ok(())
    }

    /// How things stand, in the API's words.
    pub(super) fn status(&self) -> api::Signing {
        let on_trouble = *self.on_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let held = on_trouble == OnTrouble::Hold;
        let domain = |Status { domain, kept, trouble, keys }| {
            let held = held && trouble.is_some();
            api::SigningDomain { domain, kept, trouble, held, keys: keys.into_iter().map(key).collect() }
        };
        api::Signing { domains: self.watch.status().into_iter().map(domain).collect() }
    }

    /// Asks for new keys of a domain.
    pub(super) fn rotate(&self, domain: &str) -> Result<(), String> {
        let domain = DomainName::parse(domain).ok_or_else(|| format!("`{domain}` is not a domain"))?;
        self.watch.rotate(&domain).map_err(|error| error.to_string())
    }
}

fn key(status: KeyStatus) -> api::SigningKey {
    let KeyStatus { selector, kind, state, since, name, text, signs, record, broken, next, to_do } = status;
    api::SigningKey {
        selector,
        kind: kind.map(str::to_owned),
        state: state.to_owned(),
        since: since.map(|since| since.to_string()),
        name,
        text,
        signs,
        record,
        broken,
        next,
        to_do,
    }
}

fn signers(standing: Vec<DomainKeys>, on_trouble: OnTrouble) -> Signers {
    let domain = |DomainKeys { domain, signers, trouble }| DomainSigners { domain, signers, trouble };
    Signers::new(standing.into_iter().map(domain), on_trouble)
}

/// In order, so that the same are the same.
fn local(directory: &Directory) -> Vec<DomainName> {
    let names = directory.domains().filter_map(|domain| DomainName::parse(domain.name()?));
    let mut domains: Vec<DomainName> = names.collect();
    domains.sort();
    domains.dedup();
    domains
}
