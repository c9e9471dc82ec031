//! Sockets and files that the process may have open: all that the system allows, and a word where that is too few.

use net::Descriptors;

use crate::config::Config;

/// Files of the spool, the event log and mailboxes, listeners and the like, and DNS queries under way.
const OTHERS: usize = 2_000;

/// Raises the limit of this process and tells of it.
pub(super) fn raise(config: &Config) {
    let Descriptors { before, now } = match net::raise_descriptors() {
        Ok(limit) => limit,
        Err(error) => {
            return tracing::warn!(%error, "the limit of open files cannot be raised (ulimit -n)");
        }
    };
    tracing::info!(before, now, "limit of open files");
    let wanted = wanted(config);
    if now < wanted {
        tracing::warn!(
            now,
            wanted,
            "the limit of open files (ulimit -Hn, LimitNOFILE) is lower than receive.sessions_max and \
             deliver.connections_max together ask for: sessions and deliveries will wait for each other"
        );
    }
}

/// What sessions and connections take if there are as many as there may be.
fn wanted(config: &Config) -> u64 {
    let sockets = config.receive.sessions_max.saturating_add(config.deliver.connections);
    sockets.saturating_add(OTHERS) as u64
}
