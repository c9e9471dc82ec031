//! The settings of receiving: limits, deadlines, and whom to trust.

use std::{sync::Arc, time::Duration};

use limits::{Kind, Limits, Rate};
use net::{ClientLimits, Networks};
use smtp::server::Protocol;

use crate::{Quotas, Rule, Verify};

/// How mail is received. Every default holds for the open Internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Our name in greetings and Received fields.
    pub hostname: String,
    /// Octets of a message, announced as SIZE (RFC 1870 §4).
    pub message_size_max: u64,
    /// Recipients of a transaction; at least 100 (RFC 5321 §4.5.3.1.8).
    pub recipients_max: usize,
    /// Errors of a session until it is closed with 421: bad commands, and refused recipients beyond the accepted ones.
    pub errors_max: u32,
    /// Transactions of a session until it is closed with 421.
    pub transactions_max: u32,
    /// Received fields of a message; with more it is taken for a loop (RFC 5321 §6.3).
    pub received_max: usize,
    /// Sessions at once, over all listeners.
    pub sessions_max: usize,
    /// Sessions at once of one client: an IPv4 address, or a /64 of IPv6.
    pub sessions_per_address_max: usize,
    /// What a client may do within a time, over all its sessions; its own `sessions` do not count, but
    /// `sessions_per_address_max` does. Clients on loopback, and those that a network below gives a right to, have no rates:
    /// who is behind a tunnel, a container's bridge or a filter is many.
    pub rates: Limits,
    /// Other limits for some networks, with their sessions; the first that has a client holds.
    pub named_limits: Vec<NamedLimits>,
    /// IPv4 addresses with so many bits in common count as one client.
    pub ipv4_prefix: u8,
    /// The same for IPv6.
    pub ipv6_prefix: u8,
    /// How long a client of the service for other servers waits for its greeting. Who speaks meanwhile is refused.
    pub greet_delay: Duration,
    /// Who may relay and submit without AUTH, and has bare CR and LF repaired. Loopback is not among them unless named.
    pub trusted_networks: Networks,
    /// For development: clients on loopback may log in without TLS (mail-rules 7).
    pub login_in_clear: bool,
    /// Who may speak LMTP. That gives no right to relay.
    pub lmtp_networks: Networks,
    /// Proxies that may say by XCLIENT who their client is. Whether that one may relay is judged by its own address.
    pub xclient_networks: Networks,
    /// Proxies that say by the PROXY protocol who their client is, on listeners for it. Whether that one may relay is judged by its own
    /// address.
    pub proxy_networks: Networks,
    /// Who may ask by ETRN for mail that waits.
    pub etrn_networks: Networks,
    /// So long a message may be held at the wish of who submits it (RFC 4865); zero: it may not be.
    pub hold_max: Duration,
    /// How much each login may send, and what counts as a flood.
    pub quotas: Quotas,
    /// What becomes of mail by its client, envelope, size and header fields; the first that matches holds.
    pub rules: Vec<Rule>,
    /// Whether it is checked who answers for mail that strangers bring, and what follows.
    pub verify: Verify,
    /// For a TLS handshake.
    pub handshake_timeout: Duration,
    /// For a whole command line (RFC 5321 §4.5.3.2.7).
    pub idle_timeout: Duration,
    /// For the next octets of content.
    pub content_timeout: Duration,
    /// The slowest pace of content in octets per second; 0 for none.
    pub content_rate_min: u32,
    /// For a client to take our replies.
    pub write_timeout: Duration,
    /// How long a stopping server waits for its sessions.
    pub drain_timeout: Duration,
}

/// Limits of the clients in some networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLimits {
    /// Who.
    pub networks: Networks,
    /// What they may do.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            message_size_max: 50 * 1024 * 1024,
            recipients_max: 1000,
            errors_max: 20,
            transactions_max: 10_000,
            received_max: 50,
            sessions_max: 10_000,
            sessions_per_address_max: 100,
            rates: default_rates(),
            named_limits: Vec::new(),
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            greet_delay: Duration::ZERO,
            trusted_networks: Networks::default(),
            login_in_clear: false,
            lmtp_networks: Networks::default(),
            xclient_networks: Networks::default(),
            proxy_networks: Networks::default(),
            etrn_networks: Networks::default(),
            hold_max: Duration::from_hours(24 * 30),
            quotas: Quotas::default(),
            rules: Vec::new(),
            verify: Verify::default(),
            handshake_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(5),
            content_timeout: Duration::from_mins(5),
            content_rate_min: 500,
            write_timeout: Duration::from_mins(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// No server that means well comes near them.
fn default_rates() -> Limits {
    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);
    let rate = |count, per| Some(Rate { count, per });
    Limits::of_sessions(usize::MAX)
        .with(Kind::Connections, rate(600, MINUTE))
        .with(Kind::Messages, rate(6_000, HOUR))
        .with(Kind::Recipients, rate(60_000, HOUR))
        .with(Kind::Errors, rate(600, HOUR))
        .with(Kind::Commands, rate(12_000, MINUTE))
}

impl Config {
    /// Who counts as one client, and what each may do.
    pub(crate) fn clients(&self) -> ClientLimits {
        let named = self.named_limits.iter().map(|named| (named.networks.clone(), Arc::new(named.limits)));
        let sessions = self.sessions_per_address_max;
        let known = [&self.trusted_networks, &self.lmtp_networks, &self.xclient_networks];
        let known =
            known.into_iter().flat_map(Networks::iter).chain(Networks::loopback().iter()).copied().collect();
        let free = Arc::new(Limits::of_sessions(sessions));
        ClientLimits {
            v4_prefix: self.ipv4_prefix,
            v6_prefix: self.ipv6_prefix,
            // A proxy's connections count as its clients', once it has said who they are.
            named: [(self.proxy_networks.clone(), Arc::new(Limits::of_sessions(usize::MAX)))]
                .into_iter()
                .chain(named)
                .chain([(known, free)])
                .collect(),
            others: Arc::new(self.rates.with_sessions(sessions)),
        }
    }

    /// The part that the protocol machine holds to.
    pub(crate) fn machine(&self, protocol: Protocol) -> smtp::server::Config {
        smtp::server::Config {
            protocol,
            hostname: self.hostname.clone(),
            software: "Postrider",
            limits: smtp::server::Limits {
                message_size_max: self.message_size_max,
                recipients_max: self.recipients_max,
                errors_max: self.errors_max,
                transactions_max: self.transactions_max,
                ..smtp::server::Limits::default()
            },
        }
    }
}
