//! What the mailboxes need done from time to time.

use std::{sync::Arc, time::Duration};

use mail::Timestamp;
use mailstore::{Mailstore, MailstoreError};
use net::Shutdown;

use super::{build::Built, indexing};

/// How often it is looked for what nothing refers to any more.
const EVERY: Duration = Duration::from_mins(10);
/// In how many of these times the index of texts is looked through, too.
const INDEX_EVERY: u64 = 6;

/// Looks after the mailboxes and the index of what they say, until the server stops.
pub(super) fn keep(
    built: &Built,
    shutdown: Shutdown,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let (tidying, indexing) = (tidy(built, shutdown.clone()), indexing::index(built, shutdown));
    async move { tokio::try_join!(tidying, indexing).map(|_| ()) }
}

/// Removes what nothing refers to any more, until the server stops.
fn tidy(built: &Built, mut shutdown: Shutdown) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let (mailstore, clock) = (built.mailstore.clone(), Arc::clone(&built.clock));
    let spool = built.spool.clone();
    async move {
        let forever = async {
            let Some(mailstore) = mailstore else { return std::future::pending().await };
            for round in 1_u64.. {
                tokio::time::sleep(EVERY).await;
                let now = clock.now();
                collect(|| mailstore.collect_garbage(millis(now))).await;
                // Whatever is in the queue may be delivered again, and must be known then.
                let owed_since = spool.stats().oldest.map(millis);
                collect(|| mailstore.forget_deliveries(millis(now), owed_since)).await;
                if round % INDEX_EVERY == 0 {
                    tidy_index(mailstore.clone()).await;
                }
            }
        };
        tokio::select! {
            () = forever => {}
            () = shutdown.requested() => {}
        }
        Ok(())
    }
}

fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

/// What is gone from the mailboxes goes from the index, too.
async fn tidy_index(mailstore: Mailstore) {
    // Otherwise the runtime stops.
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || mailstore.tidy_index()).await {
        tracing::error!(station = "mailstore", %error, "the index of texts stays as it is for now");
    }
}

/// A little at a time: deliveries come in between.
async fn collect<F: Future<Output = Result<bool, MailstoreError>>>(some: impl Fn() -> F) {
    loop {
        match some().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                return tracing::error!(station = "mailstore", %error, "what nobody has any more stays for now");
            }
        }
    }
}
