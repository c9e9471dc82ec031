//! What delivery holds to and what may change while it runs. Whoever begins something takes it as it is then.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use directory::Directory;
use spool::Selection;
use tokio::time::sleep;

use crate::{
    Config, Own, replies::held_words, retry::RetryPolicy, route::Rules, shared::Shared, signing::Signers,
    sts::Policies,
};

/// As long as an attempt takes that finds out that a message has to wait.
const AGAIN: Duration = Duration::from_secs(10);

/// The settings that may change.
pub(crate) struct Live {
    /// Who is local.
    pub(crate) directory: Arc<Directory>,
    /// Retry list and lifetimes.
    pub(crate) retry: RetryPolicy,
    /// How routes are found.
    pub(crate) rules: Arc<Rules>,
    /// Who signs.
    pub(crate) signers: Signers,
}

impl Live {
    fn new(
        config: &Config,
        directory: Arc<Directory>,
        own: Own,
        sts: Option<Arc<Policies>>,
        signers: Signers,
    ) -> Arc<Self> {
        let (retry, rules) = (RetryPolicy::new(config), Arc::new(Rules::new(config, own, sts)));
        Arc::new(Self { directory, retry, rules, signers })
    }
}

/// The place where they are changed.
pub(crate) struct Lives {
    own: Own,
    /// The policies of domains, which no change of settings makes forget.
    sts: Option<Arc<Policies>>,
    current: RwLock<Arc<Live>>,
}

impl Lives {
    pub(crate) fn new(
        config: &Config,
        directory: Arc<Directory>,
        own: Own,
        sts: Option<Arc<Policies>>,
    ) -> Self {
        let live = Live::new(config, directory, own.clone(), sts.clone(), config.signers.clone());
        Self { current: RwLock::new(live), own, sts }
    }

    pub(crate) fn current(&self) -> Arc<Live> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, config: &Config, directory: Arc<Directory>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Live::new(config, directory, self.own.clone(), self.sts.clone(), current.signers.clone());
    }

    fn change_directory(&self, directory: Arc<Directory>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (retry, rules) = (current.retry.clone(), Arc::clone(&current.rules));
        let signers = current.signers.clone();
        *current = Arc::new(Live { directory, retry, rules, signers });
    }
}

impl Lives {
    /// Gives those who signed before.
    fn change_signers(&self, signers: Signers) -> Signers {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let Live { directory, retry, rules, signers: before } = current.as_ref();
        let (directory, retry, rules, before) =
            (Arc::clone(directory), retry.clone(), Arc::clone(rules), before.clone());
        *current = Arc::new(Live { directory, retry, rules, signers });
        before
    }
}

/// Changes the settings of delivery while it runs.
#[derive(Clone)]
pub struct Settings {
    pub(crate) shared: Arc<Shared>,
}

impl Settings {
    /// Takes up another directory, and of the settings routes, relays, what is asked of TLS, retry intervals, lifetimes and the time of delay notices; the others
    /// must be those that delivery was made with. What begins from now on holds to them; attempts under way end as they began.
    pub fn change(&self, config: &Config, directory: Arc<Directory>) {
        let relays_changed = self.shared.live().rules.relays != config.relays;
        self.shared.lives.change(config, directory);
        if relays_changed {
            // What an account or a host was refused for may be mended.
            self.shared.parts.spool.retry_all(self.shared.now());
        }
        // Routes that were found by the old rules are looked for anew.
        self.shared.poke.notify_one();
    }

    /// Takes up another directory alone.
    pub fn change_directory(&self, directory: Arc<Directory>) {
        self.shared.lives.change_directory(directory);
        self.shared.poke.notify_one();
    }

    /// Others sign from now on. What waited for that is due.
    pub fn change_signers(&self, signers: &Signers) {
        let before = self.shared.lives.change_signers(signers.clone());
        // Also those that were made a moment ago by keys that may be the trouble.
        self.shared.signatures.forget();
        let reasons: Vec<String> = before.released_by(signers).iter().map(held_words).collect();
        if !reasons.is_empty() {
            let shared = Arc::clone(&self.shared);
            self.shared.spawn(async move { release(&shared, reasons).await });
        }
    }
}

/// Makes mail due that waited with these words.
async fn release(shared: &Shared, reasons: Vec<String>) {
    // Once more a little later: an attempt under way may have begun before.
    for pause in [Duration::ZERO, AGAIN] {
        if shared.unless_stopped(sleep(pause)).await.is_none() {
            return;
        }
        let selection = Selection { reasons: reasons.clone(), ..Selection::default() };
        match shared.parts.spool.retry(selection, shared.now()).await {
            Ok(changed) => {
                tracing::debug!(station = "deliver", ?changed, "mail that waited to be signed is due");
            }
            Err(error) => {
                tracing::warn!(station = "deliver", %error, "mail that can be signed again waits a little longer");
            }
        }
        shared.poke.notify_one();
    }
}
