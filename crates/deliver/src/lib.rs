//! Takes mail from the queue to where it belongs: a mailbox of this machine, or the next hop.
//!
//! *Takes* due recipients from the spool. *Hands on* messages to MXs and mailboxes, and to the spool what became of
//! each recipient, together with the reports that this causes. *Never* lets a message go without an outcome, gives a
//! message up for what is a host's fault, reports a report, or sends to itself.
//!
//! The way of a recipient: [`schedule`](crate::Deliverer::run) finds its domain due, `route` says where it goes (by
//! `static_route` or the DNS, to a `next_hop`), `site` keeps it ready, a worker takes it (`worker`, `attempt` and `remote` for hosts, `local` and `maildir` for
//! mailboxes, `list` for mailing lists, `store` for those that another program keeps), `content` and `transaction` fit the message to what the host offers, `open` keeps who is not done with,
//! `reply_table` says what a reply means, `outcome` what becomes of the recipient, `report` who hears of it, and `wave` when.

mod alert;
mod attempt;
mod blocking;
mod budget;
mod changes;
mod choice;
mod clock_watch;
mod config;
mod connect;
mod content;
mod dane;
mod dial;
#[cfg(test)]
mod fixtures;
mod forward;
mod guard;
mod join;
mod list;
mod list_author;
mod live;
mod local;
mod log;
mod mailbox;
mod maildir;
mod named;
mod next_hop;
mod no_login;
mod on_panic;
mod open;
mod ordered;
mod outcome;
mod pace;
#[doc(hidden)]
pub mod parts;
mod places;
mod probe;
mod quota_warning;
mod relay;
mod relay_book;
mod relay_file;
mod remote;
mod replies;
mod reply_table;
mod report;
mod retry;
mod return_path;
mod route;
mod schedule;
mod sealing;
mod settle;
mod shared;
mod signing;
mod site;
mod site_file;
mod site_memory;
mod site_name;
mod static_route;
mod store;
mod strangers;
mod sts;
mod targets;
mod tls_policy;
mod too_much;
mod transaction;
mod used;
mod wave;
mod worker;

use std::sync::Arc;

pub use blocking::{Blocking, BlockingThreads, Job};
pub use config::{Config, LocalDelivery, PrivateAddresses, Timeouts};
pub use connect::{Connect, SocketConnect, Stream};
pub use guard::{Own, is_public};
pub use live::Settings;
pub use next_hop::Place;
pub use probe::{Letter, Probe, ProbeFailure, ProbeStep, Probed};
pub use quota_warning::quota_warning;
pub use relay::{Account, NoToken, Proof, Relay, RelayLimits, RelayTokens, SenderPattern};
pub use relay_book::RelayStatus;
pub use report::{DSN_LISTENER, POSTMASTER_LISTENER};
pub use schedule::{Relays, Sites};
pub use signing::{DomainSigners, OnTrouble, Signers};
pub use site::{LaneStatus, Refusal, SiteStatus, Suspension};
pub use smtp::Protocol;
pub use static_route::{Destination, Hosts, NamedHost, Pattern, StaticRoute};
pub use tls_policy::{TlsPolicy, TlsRule, Verify};

use directory::Directory;
use spool::Spool;

/// What delivery stands on; the composition root gives it.
#[derive(Clone)]
pub struct Parts {
    /// The queue.
    pub spool: Spool,
    /// Who is local.
    pub directory: Arc<Directory>,
    /// The DNS.
    pub resolver: Arc<dyn dns::Resolve>,
    /// The disk with the Maildirs.
    pub disk: Arc<dyn disk::Disk>,
    /// The mailboxes, where [`LocalDelivery::Mailstore`] keeps them.
    pub mailstore: Option<mailstore::Mailstore>,
    /// Where the disk may be waited for: [`BlockingThreads`].
    pub blocking: Arc<dyn Blocking>,
    /// The time.
    pub clock: Arc<dyn disk::Clock>,
    /// Chance, for the order of hosts and for jitter.
    pub random: Arc<dyn disk::Random>,
    /// The way to peers: [`SocketConnect`].
    pub connect: Arc<dyn Connect>,
    /// Handshakes with hosts that offer TLS.
    pub tls: net::HostConnector,
    /// How we recognise ourselves. [`Config::hostname`] and [`Config::own_addresses`] are added to it.
    pub own: Own,
}

/// The delivery service.
pub struct Deliverer {
    dispatcher: schedule::Dispatcher,
}

impl Deliverer {
    /// Puts it together; nothing happens before [`Deliverer::run`].
    pub fn new(config: Config, parts: Parts) -> Self {
        let mut own = parts.own.clone();
        own.names.push(config.hostname.to_ascii_lowercase());
        own.addresses.extend(&config.own_addresses);
        let shared = Arc::new(shared::Shared::new(config, parts, own));
        Self { dispatcher: schedule::Dispatcher::new(shared) }
    }

    /// To change settings while it delivers.
    pub fn settings(&self) -> Settings {
        self.dispatcher.settings()
    }

    /// To look at how sites fare while it delivers.
    pub fn sites(&self) -> Sites {
        self.dispatcher.sites()
    }

    /// To look at how relays fare while it delivers.
    pub fn relays(&self) -> Relays {
        self.dispatcher.relays()
    }

    /// Delivers until `stop`. Then nothing new is begun, transactions under way may end within
    /// [`Config::shutdown`], and what is left stays in the queue. Close the spool after this has returned.
    pub async fn run(self, stop: net::Shutdown) {
        self.dispatcher.run(stop).await;
    }
}
