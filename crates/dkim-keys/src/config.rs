//! What the operator decides.

use std::{path::PathBuf, sync::Arc, time::Duration};

use message_auth::{
    DomainName,
    dkim::{Algorithm, Signer},
};

/// Settings. Whoever makes them has checked them.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where keys are kept; nobody else writes there.
    pub dir: PathBuf,
    /// For which domains.
    pub keep: Keep,
    /// Which kinds of keys sign side by side.
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs before the next one is made; none: until somebody asks for another.
    pub rotate: Option<Duration>,
    /// How long a record has been in the DNS before its key takes over from another.
    pub publish_wait: Duration,
    /// How long the record of a key stays that signs no more: longer than any signature by it holds.
    pub retire_wait: Duration,
    /// Keys that somebody else makes and keeps.
    pub by_hand: Vec<ByHand>,
    /// Whether records are looked up. If not, every record is taken for published.
    pub watch: bool,
    /// How often, while all is well.
    pub interval: Duration,
    /// A server that lets us put records in and take them out; none: somebody does it by hand.
    pub update: Option<Update>,
}

/// A DNS server that takes our updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The server.
    pub server: dns_update::Config,
    /// How long others may keep the records, in seconds.
    pub ttl: u32,
}

/// For which domains keys are made and kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keep {
    /// For none.
    #[default]
    None,
    /// For all that are local.
    All,
    /// For these.
    Some(Vec<DomainName>),
}

/// A key that somebody else makes and keeps.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// Whose mail it signs.
    pub domain: DomainName,
    /// Under which name it is published.
    pub selector: Box<str>,
    /// Who signs by it, or why it is of no use.
    pub signer: Result<Arc<Signer>, String>,
}
