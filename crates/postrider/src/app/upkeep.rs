//! What the mailboxes need done from time to time.

use std::{sync::Arc, time::Duration};

use mail::Timestamp;
use mailstore::MailstoreError;
use net::Shutdown;

use super::build::Built;

/// How often it is looked for what nothing refers to any more.
const EVERY: Duration = Duration::from_mins(10);

/// Removes what nothing refers to any more, until the server stops.
pub(super) fn tidy(
    built: &Built,
    mut shutdown: Shutdown,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let (mailstore, clock) = (built.mailstore.clone(), Arc::clone(&built.clock));
    let spool = built.spool.clone();
    async move {
        let forever = async {
            let Some(mailstore) = mailstore else { return std::future::pending().await };
            loop {
                tokio::time::sleep(EVERY).await;
                let now = clock.now();
                collect(|| mailstore.collect_garbage(millis(now))).await;
                // Whatever is in the queue may be delivered again, and must be known then.
                let owed_since = spool.stats().oldest.map(millis);
                collect(|| mailstore.forget_deliveries(millis(now), owed_since)).await;
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
