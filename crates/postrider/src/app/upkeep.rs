//! What the mailboxes need done from time to time.

use std::{sync::Arc, time::Duration};

use disk::Clock;
use mailstore::Mailstore;
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
    async move {
        let forever = async {
            let Some(mailstore) = mailstore else { return std::future::pending().await };
            loop {
                tokio::time::sleep(EVERY).await;
                collect(&mailstore, clock.as_ref()).await;
            }
        };
        tokio::select! {
            () = forever => {}
            () = shutdown.requested() => {}
        }
        Ok(())
    }
}

/// A little at a time: deliveries come in between.
async fn collect(mailstore: &Mailstore, clock: &dyn Clock) {
    loop {
        let now = i64::try_from(clock.now().as_millis()).unwrap_or(i64::MAX);
        match mailstore.collect_garbage(now).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                return tracing::error!(station = "mailstore", %error, "what nobody has any more stays for now");
            }
        }
    }
}
