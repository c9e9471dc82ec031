//! The settings of access: limits, deadlines, and whom to trust.

use std::{sync::Arc, time::Duration};

use limits::{Kind, Limits, Rate};
use net::{ClientLimits, Networks, TlsMode};

/// How mailboxes are served. Every default holds for the open Internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Our name in greetings.
    pub hostname: String,
    /// Octets of a message that a client may put into a mailbox.
    pub message_octets_max: u64,
    /// Sessions at once, over all listeners of a protocol.
    pub sessions_max: usize,
    /// Sessions at once of one client: an IPv4 address, or a /64 of IPv6. A mail program holds some for itself, and behind one address
    /// there may be an office.
    pub sessions_per_address_max: usize,
    /// Bad commands in a row until a session is closed.
    pub errors_max: u32,
    /// Octets of messages that one search may read.
    pub search_octets_max: u64,
    /// Networks from whose addresses more than one may come: they are not banned for failed logins.
    pub trusted_networks: Networks,
    /// Proxies that say by the PROXY protocol who their client is, on listeners for it.
    pub proxy_networks: Networks,
    /// For development: clients on loopback may log in without TLS (mail-rules 7).
    pub login_in_clear: bool,
    /// For a TLS handshake.
    pub handshake_timeout: Duration,
    /// For a client to log in.
    pub login_timeout: Duration,
    /// For the rest of a command or of a message.
    pub rest_timeout: Duration,
    /// For the next command, and in IDLE; at least 30 minutes (RFC 9051 §5.4).
    pub idle_timeout: Duration,
    /// For a client to take our responses.
    pub write_timeout: Duration,
    /// How long a stopping server waits for its sessions.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            message_octets_max: 50 * 1024 * 1024,
            sessions_max: 10_000,
            sessions_per_address_max: 200,
            errors_max: 20,
            search_octets_max: 1 << 30,
            trusted_networks: Networks::default(),
            proxy_networks: Networks::default(),
            login_in_clear: false,
            handshake_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_mins(2),
            rest_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(30),
            write_timeout: Duration::from_mins(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// Who counts as one client, and what each may do.
    pub(crate) fn clients(&self) -> ClientLimits {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        let rate = |count, per| Some(Rate { count, per });
        let sessions = self.sessions_per_address_max;
        let others = Limits::of_sessions(sessions)
            .with(Kind::Connections, rate(600, MINUTE))
            .with(Kind::Errors, rate(600, HOUR));
        let known = self.trusted_networks.iter().chain(Networks::loopback().iter()).copied().collect();
        ClientLimits {
            v4_prefix: 32,
            v6_prefix: 64,
            // A proxy's connections count as its clients', once it has said who they are.
            named: vec![
                (self.proxy_networks.clone(), Arc::new(Limits::of_sessions(usize::MAX))),
                (known, Arc::new(Limits::of_sessions(sessions))),
            ],
            others: Arc::new(others),
        }
    }
}

/// How clients come to a service.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// How its connections are put under TLS.
    pub tls: TlsMode,
    /// Whether a proxy says first who the client is, by the PROXY protocol: then only the proxies that are named are listened to.
    pub proxy: bool,
}

/// In clear.
impl Default for Entrance {
    fn default() -> Self {
        Self { tls: TlsMode::None, proxy: false }
    }
}
