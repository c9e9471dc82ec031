//! How things stand, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use mail::Timestamp;
use tokio::sync::Notify;

use crate::{config::Config, plan::Alarm};

/// How a certificate of ours fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The names it is to be for.
    pub names: Vec<String>,
    /// Whether an authority has certified them all; else what is shown is an older certificate, or one of our own.
    pub certified: bool,
    /// When the one that is shown expires.
    pub expires: Timestamp,
    /// When the next one is asked for.
    pub next_attempt: Timestamp,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// Why the last one failed.
    pub failure: Option<String>,
    /// How bad that is.
    pub alarm: Option<Alarm>,
}

/// A look at the status, and a way to ask for an attempt. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    status: Mutex<Status>,
    /// Other settings, until they are taken up.
    wanted: Mutex<Option<Config>>,
    nudge: Notify,
}

impl Watch {
    /// How things stand now.
    pub fn status(&self) -> Status {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After failures: tries again now, unless the authority wants us to wait. A good certificate stays as it is.
    pub fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    /// Takes up other settings, as a start with them would; an attempt under way ends by the old ones. How challenges are answered, and
    /// where, has to be as it was.
    pub fn change(&self, config: Config) {
        *self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
        self.nudge();
    }

    pub(crate) fn wanted(&self) -> Option<Config> {
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) async fn nudged(&self) {
        self.0.nudge.notified().await;
    }

    pub(crate) fn set(&self, status: Status) {
        *self.0.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}
