//! Adds what is new in mailboxes to the index of texts, behind the deliveries.

use std::time::Duration;

use mailstore::Mailstore;
use net::Shutdown;
use tokio::time::{Instant, sleep};

use super::build::Built;

/// What comes within this time is indexed together; a search looks into it meanwhile.
const LINGER: Duration = Duration::from_secs(1);
/// How long nothing is tried when the disk failed.
const AGAIN: Duration = Duration::from_mins(1);

/// Indexes until the server stops.
pub(super) fn index(
    built: &Built,
    mut shutdown: Shutdown,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let mailstore = built.mailstore.clone();
    async move {
        let Some(mailstore) = mailstore else {
            shutdown.requested().await;
            return Ok(());
        };
        let mut wait = None;
        loop {
            let due = async {
                if let Some(wait) = wait.take() {
                    sleep(wait).await;
                } else {
                    mailstore.index_due().await;
                    sleep(LINGER).await;
                }
            };
            tokio::select! {
                () = due => {}
                () = shutdown.requested() => return Ok(()),
            }
            wait = some(&mailstore).await;
        }
    }
}

/// Indexes some. How long to wait before the next; none: until something comes.
async fn some(mailstore: &Mailstore) -> Option<Duration> {
    let (mailstore, began) = (mailstore.clone(), Instant::now());
    match tokio::task::spawn_blocking(move || mailstore.index_some()).await {
        // Half of the time is for others: who delivers and reads goes first.
        Ok(Ok(true)) => Some(began.elapsed()),
        Ok(Ok(false)) => None,
        Ok(Err(error)) => {
            tracing::error!(station = "mailstore", %error, "texts are not indexed for now; SEARCH reads the messages instead");
            Some(AGAIN)
        }
        Err(error) => {
            tracing::error!(station = "mailstore", %error, "indexing texts broke off");
            Some(AGAIN)
        }
    }
}
