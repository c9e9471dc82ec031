//! The settings of receiving: limits, deadlines, and whom to trust.

use std::time::Duration;

use net::Networks;
use smtp::server::Protocol;

use crate::Rule;

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
    /// Who may relay and submit without AUTH, and has bare CR and LF repaired. Loopback is not among them unless named.
    pub trusted_networks: Networks,
    /// For development: clients on loopback may log in without TLS (mail-rules 7).
    pub login_in_clear: bool,
    /// Who may speak LMTP. That gives no right to relay.
    pub lmtp_networks: Networks,
    /// Proxies that may say by XCLIENT who their client is. Whether that one may relay is judged by its own address.
    pub xclient_networks: Networks,
    /// Who may ask by ETRN for mail that waits.
    pub etrn_networks: Networks,
    /// What becomes of mail by its client, envelope, size and header fields; the first that matches holds.
    pub rules: Vec<Rule>,
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
            trusted_networks: Networks::default(),
            login_in_clear: false,
            lmtp_networks: Networks::default(),
            xclient_networks: Networks::default(),
            etrn_networks: Networks::default(),
            rules: Vec::new(),
            handshake_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(5),
            content_timeout: Duration::from_mins(5),
            content_rate_min: 500,
            write_timeout: Duration::from_mins(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl Config {
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
