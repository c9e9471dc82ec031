//! What a session answers from, whatever protocol it speaks.

use std::sync::Arc;

use directory::Authenticator;
use mailstore::{Mailstore, MailstoreError};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::Config;

/// The settings that a session began under, who there is, and the mailboxes.
pub(crate) struct Backend {
    pub(crate) config: Arc<Config>,
    pub(crate) mailstore: Mailstore,
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Arc<dyn disk::Clock>,
}

impl Backend {
    /// In milliseconds since 1970, as the mailstore counts.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Something that is read already.
pub(crate) type Begun<T> = JoinHandle<Result<T, MailstoreError>>;

/// Begins to read, whether or not somebody waits for it: all of it as it was at one moment, on a thread where waiting for the disk holds
/// nobody up.
pub(crate) fn begin<T: Send + 'static>(
    mailstore: &Mailstore,
    read: impl FnOnce(&Mailstore) -> Result<T, MailstoreError> + Send + 'static,
) -> Begun<T> {
    let mailstore = mailstore.clone();
    spawn_blocking(move || read(&mailstore.snapshot()?))
}
