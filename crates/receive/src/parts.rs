//! What checks a message of a stranger, for the fuzzer. No interface: it changes with the code behind it.

use std::{net::IpAddr, sync::Arc};

use dns::Resolve;
use mail::{Reply, ReversePath};

use crate::checks::{Bringer, Checks};

/// What became of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What is kept of it.
    pub kept: Vec<u8>,
    /// The field to go before it.
    pub field: Vec<u8>,
    /// What was found, in one line.
    pub told: String,
}

/// Checks a content that comes in pieces from a client, which said hello by a name.
///
/// # Errors
/// The content is refused by this reply.
pub async fn check(
    hostname: &str,
    now: u64,
    pieces: impl Iterator<Item = Vec<u8>>,
    (client, hello, reverse_path): (IpAddr, Option<&str>, &ReversePath),
    resolver: Arc<dyn Resolve>,
) -> Result<Checked, Reply> {
    let mut checks = Checks::new(hostname, now);
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend(checks.read(piece).await?);
    }
    kept.extend(checks.end().await?);
    let found = checks.conclude(Bringer { client, hello, reverse_path }, resolver).await;
    Ok(Checked { kept, field: found.field(None), told: found.summary() })
}
