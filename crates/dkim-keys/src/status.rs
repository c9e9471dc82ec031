//! How things stand, for whoever asks, and what may be asked for.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use mail::Timestamp;
use message_auth::DomainName;
use tokio::sync::Notify;

use crate::config::Config;

/// How the keys of a domain fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The domain.
    pub domain: String,
    /// Whether its keys are made and kept here.
    pub kept: bool,
    /// Why its mail would go unsigned, or without a signature that everybody can check.
    pub trouble: Option<String>,
    /// Its keys, the oldest first.
    pub keys: Vec<KeyStatus>,
}

/// How a key fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Under which name it is published.
    pub selector: String,
    /// `rsa` or `ed25519`; none if it cannot be read.
    pub kind: Option<&'static str>,
    /// `made`, `published`, `signing`, `retired`, `removing`; or `by hand`.
    pub state: &'static str,
    /// Since when; none for those that somebody else keeps.
    pub since: Option<Timestamp>,
    /// The name of its record.
    pub name: String,
    /// The text of its record; none if the key cannot be read.
    pub text: Option<String>,
    /// Whether it signs now.
    pub signs: bool,
    /// What the DNS has: `right`, `missing`, `unknown`, or what is wrong.
    pub record: String,
    /// Why the key is of no use.
    pub broken: Option<String>,
    /// What comes next.
    pub next: String,
    /// Whether somebody has to do that: put the record into the DNS, or take it out.
    pub to_do: bool,
}

/// There are no keys to rotate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("keys of {0} are not made here")]
pub struct RotateError(pub String);

/// A look at the status, and a way to ask for something. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    status: Mutex<Vec<Status>>,
    wanted: Mutex<Wanted>,
    nudge: Notify,
}

/// What somebody asked for, until it is taken up.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) config: Option<Config>,
    pub(crate) rotate: Vec<DomainName>,
}

impl Watch {
    /// How things stand now, by domain.
    pub fn status(&self) -> Vec<Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for new keys of a domain: made now, and signing once they are published and known.
    ///
    /// # Errors
    /// The domain's keys are not made here.
    pub fn rotate(&self, domain: &DomainName) -> Result<(), RotateError> {
        if !self.status().iter().any(|status| status.kept && status.domain == domain.as_str()) {
            return Err(RotateError(domain.to_string()));
        }
        self.wanted().rotate.push(domain.clone());
        self.nudge();
        Ok(())
    }

    /// Takes up other settings.
    pub fn change(&self, config: Config) {
        self.wanted().config = Some(config);
        self.nudge();
    }

    /// Looks at all records now.
    pub fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_wanted(&self) -> Wanted {
        mem::take(&mut *self.wanted())
    }

    pub(crate) async fn nudged(&self) {
        self.0.nudge.notified().await;
    }

    pub(crate) fn set(&self, status: Vec<Status>) {
        *self.0.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}
