//! The settings of delivery; each has a default that suits the open Internet.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use directory::ReturnPaths;
use net::Roots;

use crate::{
    relay::Relay,
    signing::Signers,
    static_route::{Hosts, StaticRoute},
    tls_policy::{TlsPolicy, TlsRule},
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How mail leaves the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Our name in EHLO, in DSNs and in Maildir file names; an MX of this name is ourselves.
    pub hostname: String,
    /// Routes that come before the DNS: the first that takes a domain holds.
    pub routes: Vec<StaticRoute>,
    /// Take mail for other places that no route takes (smarthosts): the first that takes a message gets it.
    pub relays: Vec<Arc<Relay>>,
    /// Who signs mail of which domains. None: nobody does.
    pub signers: Signers,
    /// Makes reverse-paths for mail that is sent on, and signs those of our own. Without it nothing is sent on.
    pub return_paths: Option<ReturnPaths>,
    /// How sessions with other servers are protected of which no rule tells. LMTP is spoken in clear.
    pub tls: TlsPolicy,
    /// How they are protected with some: the first rule that takes a domain holds.
    pub tls_rules: Vec<TlsRule>,
    /// The authorities by whose word hosts are verified. None: nobody can be.
    pub roots: Option<Roots>,
    /// Where to write down which policies domains have (MTA-STS); none: nobody is asked for one.
    pub mta_sts_file: Option<PathBuf>,
    /// Where mail for our own domains goes.
    pub local: LocalDelivery,
    /// TCP port of remote MXs. Only test networks use another than 25.
    pub port: u16,
    /// Whether an MX may be a loopback or private address.
    pub private_addresses: PrivateAddresses,
    /// Further addresses that lead back to us, such as the outer side of a NAT.
    pub own_addresses: Vec<IpAddr>,
    /// Intervals between attempts, the last one repeating. The first attempt is made at once.
    pub retry: Vec<Duration>,
    /// Lifetime of a message from its release on: after that one more failed attempt returns it.
    pub expire: Duration,
    /// Lifetime of a message with the null reverse-path, which nobody hears about anyway.
    pub expire_null: Duration,
    /// The sender hears of a message that could not be delivered for so long, once for each recipient; none: never.
    pub delay_notice: Option<Duration>,
    /// The most connections to one site at a time.
    pub connections_per_site: usize,
    /// The most connections to all sites at a time. A quarter is kept for sites that take mail.
    pub connections: usize,
    /// Workers for sites beyond the connections there may be, which wait for one to become free. Domains beyond wait in the spool.
    pub workers_waiting_max: usize,
    /// The most sites and sets of hosts of which is remembered how they fared. Beyond, what was learned first is forgotten.
    pub lessons_max: usize,
    /// The most transactions over one connection.
    pub transactions_per_connection: u32,
    /// The most recipients of one transaction; RFC 5321 §4.5.3.1.8 promises at least 100.
    pub recipients_per_transaction: usize,
    /// The most addresses tried in vain for one message in one attempt; hosts that lack what it needs are asked beside.
    pub addresses_max: usize,
    /// Where to write down what sites teach us, so that a restart forgets no suspension; none to forget it.
    pub sites_file: Option<PathBuf>,
    /// Where to write down what was sent through relays, so that a restart forgets no budget; none to forget it.
    pub relays_file: Option<PathBuf>,
    /// Jobs that wait in memory per site; what is beyond waits in the spool.
    pub ready_max: usize,
    /// The most domains whose route is looked up at a time.
    pub lookups_max: usize,
    /// How long one side may take in each phase.
    pub timeouts: Timeouts,
    /// Where final delivery files mail: `ROOT/<directory name of the account>/{tmp,new,cur}`.
    pub maildir_root: PathBuf,
    /// From how many hundredths of its quota on somebody is warned, in the mailbox itself; 0: never.
    pub quota_warning: u8,
    /// How long a message waits for room in a full mailbox before it bounces; none: as long as for anything else.
    pub over_quota_wait: Option<Duration>,
    /// The most batches that are filed at a time.
    pub local_parallelism: usize,
    /// How long running transactions may take to end when the server stops.
    pub shutdown: Duration,
}

impl Config {
    /// Whether mail for other places goes through a relay, whoever sends it: then it is the relay's hosts that others see.
    pub fn is_relayed(&self) -> bool {
        self.relays.iter().any(|relay| relay.senders.is_empty() && relay.recipients.is_empty())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            routes: Vec::new(),
            relays: Vec::new(),
            signers: Signers::default(),
            return_paths: None,
            tls: TlsPolicy::default(),
            tls_rules: Vec::new(),
            roots: None,
            mta_sts_file: None,
            local: LocalDelivery::Maildir,
            port: 25,
            private_addresses: PrivateAddresses::Refuse,
            own_addresses: Vec::new(),
            retry: [1, 5, 15, 30, 60, 120, 240].iter().map(|minutes| MINUTE * *minutes).collect(),
            expire: 5 * DAY,
            expire_null: DAY,
            delay_notice: Some(4 * HOUR),
            connections_per_site: 20,
            connections: 2000,
            workers_waiting_max: 2000,
            lessons_max: 20_000,
            transactions_per_connection: 100,
            recipients_per_transaction: 100,
            addresses_max: 5,
            sites_file: None,
            relays_file: None,
            ready_max: 256,
            lookups_max: 200,
            timeouts: Timeouts::default(),
            maildir_root: PathBuf::from("/var/lib/postrider/mail"),
            quota_warning: 90,
            over_quota_wait: None,
            local_parallelism: 4,
            shutdown: MINUTE / 2,
        }
    }
}

/// Who keeps our mailboxes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LocalDelivery {
    /// We do, as Maildirs under [`Config::maildir_root`].
    #[default]
    Maildir,
    /// We do, in the mailstore: [`crate::Parts::mailstore`].
    Mailstore,
    /// A mail store that speaks LMTP. It gets the addresses of mailboxes; aliases are resolved before.
    Store(Hosts),
}

/// Whether mail may go to an address that is not on the public Internet.
///
/// Whoever owns a domain says where its MX is: without this guard a stranger could point us at the services of our
/// own machine and network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrivateAddresses {
    /// Such addresses are passed over; a domain that has no others is unroutable.
    #[default]
    Refuse,
    /// For test networks.
    Allow,
}

/// How long to wait (RFC 5321 §4.5.3.2; its values are minima, and are the defaults here).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection, per address.
    pub connect: Duration,
    /// After this time in one attempt no further address is tried, but two are tried in any case (RFC 5321 §5.1).
    pub search: Duration,
    /// For the greeting (§4.5.3.2.1).
    pub greeting: Duration,
    /// For the reply to EHLO or HELO.
    pub hello: Duration,
    /// For the reply to STARTTLS, and for the handshake.
    pub tls: Duration,
    /// For the reply to AUTH, and to each response within it.
    pub auth: Duration,
    /// For the reply to MAIL (§4.5.3.2.2).
    pub mail: Duration,
    /// For the reply to RCPT (§4.5.3.2.3).
    pub rcpt: Duration,
    /// For the reply to DATA (§4.5.3.2.4).
    pub data_init: Duration,
    /// For each write of content (§4.5.3.2.5).
    pub data_block: Duration,
    /// For the reply to the final dot (§4.5.3.2.6).
    pub data_final: Duration,
    /// For the reply to QUIT, on which nothing depends.
    pub quit: Duration,
    /// An open connection without work is closed after this time.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: MINUTE / 2,
            search: 5 * MINUTE,
            greeting: 5 * MINUTE,
            hello: 5 * MINUTE,
            tls: MINUTE,
            auth: 5 * MINUTE,
            mail: 5 * MINUTE,
            rcpt: 5 * MINUTE,
            data_init: 2 * MINUTE,
            data_block: 3 * MINUTE,
            data_final: 10 * MINUTE,
            quit: Duration::from_secs(2),
            idle: Duration::from_secs(5),
        }
    }
}

/// The longest time that a site rests after its hosts could not be reached.
pub(crate) const SUSPENSION_MAX: Duration = HOUR;
