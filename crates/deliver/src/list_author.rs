//! Whether a list has to stand for who wrote: where the domain of the author lets nobody else send in its name (mail-rules 6).

use std::time::Duration;

use mail::Envelope;
use message::HeaderSection;
use message_auth::{
    author,
    dmarc::{DmarcResult, Evidence, Policy, check},
};
use tokio::time::timeout;

use crate::{shared::Shared, signing::is_sent_again};

/// So long the DNS may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A DNS that says nothing holds a message up for so long (mail-rules 5).
const WAIT: Duration = Duration::from_hours(1);

/// What the author's domain asks of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authorship {
    /// The message may go out in the author's name.
    Kept,
    /// Mail in its name that it does not answer for is refused or put aside.
    Replaced,
    /// The DNS did not say.
    Unknown,
}

/// Asks the domain of the author. What an account of ours wrote is signed in its name as it goes out, if its domain has a key.
pub(crate) async fn authorship(
    shared: &Shared,
    envelope: &Envelope,
    header: &HeaderSection<'_>,
) -> Authorship {
    let Ok(author) = author(header) else { return Authorship::Kept };
    let live = shared.live();
    if envelope.account.is_some() && !live.signers.of(&author).is_empty() && !is_sent_again(header) {
        return Authorship::Kept;
    }
    let evidence = Evidence { author: &author, spf: None, dkim: &[] };
    let verdict = timeout(PATIENCE, check(evidence, shared.parts.resolver.as_ref())).await;
    match verdict {
        Ok(verdict) if verdict.result != DmarcResult::TempError => match verdict.policy {
            Policy::None => Authorship::Kept,
            Policy::Quarantine | Policy::Reject => Authorship::Replaced,
        },
        // Whatever it would have said, a list in its place is right.
        _ if shared.now().since(envelope.received) >= WAIT => Authorship::Replaced,
        _ => Authorship::Unknown,
    }
}
