//! What a session answers from, whatever protocol it speaks.

use std::sync::Arc;

use directory::Authenticator;
use mailstore::{Mailstore, MailstoreError};

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

/// Reads, on a thread where waiting for the disk holds nobody up. None: the runtime stops.
pub(crate) async fn read<T: Send + 'static>(
    mailstore: &Mailstore,
    read: impl FnOnce(&Mailstore) -> Result<T, MailstoreError> + Send + 'static,
) -> Option<Result<T, MailstoreError>> {
    let mailstore = mailstore.clone();
    tokio::task::spawn_blocking(move || read(&mailstore)).await.ok()
}
