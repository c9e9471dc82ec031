//! What delivery holds to and what may change while it runs. Whoever begins something takes it as it is then.

use std::sync::{Arc, PoisonError, RwLock};

use directory::Directory;

use crate::{Config, Own, retry::RetryPolicy, route::Rules, shared::Shared, signing::Signers, sts::Policies};

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
    fn new(config: &Config, directory: Arc<Directory>, own: Own, sts: Option<Arc<Policies>>) -> Arc<Self> {
        let (retry, rules) = (RetryPolicy::new(config), Arc::new(Rules::new(config, own, sts)));
        let signers = config.signers.clone();
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
        Self { current: RwLock::new(Live::new(config, directory, own.clone(), sts.clone())), own, sts }
    }

    pub(crate) fn current(&self) -> Arc<Live> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, config: &Config, directory: Arc<Directory>) {
        let live = Live::new(config, directory, self.own.clone(), self.sts.clone());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    fn change_directory(&self, directory: Arc<Directory>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (retry, rules) = (current.retry.clone(), Arc::clone(&current.rules));
        let signers = current.signers.clone();
        *current = Arc::new(Live { directory, retry, rules, signers });
    }
}

/// Changes the settings of delivery while it runs.
#[derive(Clone)]
pub struct Settings {
    pub(crate) shared: Arc<Shared>,
}

impl Settings {
    /// Takes up another directory, and of the settings routes, relay, what is asked of TLS, keys for signatures, retry intervals, lifetimes and the time of delay notices; the others
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
}
