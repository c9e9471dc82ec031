//! The settings of the service: limits, deadlines, and whom to trust.

use std::{sync::Arc, time::Duration};

use limits::{Kind, Limits, Rate};
use net::{ClientLimits, Networks, TlsMode};

/// How HTTP is served. Every default holds for the open Internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Connections at once, over all listeners.
    pub sessions_max: usize,
    /// Connections at once of one client: an IPv4 address, or a /64 of IPv6.
    pub sessions_per_address_max: usize,
    /// Proxies that say by the PROXY protocol who their client is, on listeners for it.
    pub proxy_networks: Networks,
    /// For a TLS handshake, and for the header of a proxy.
    pub handshake_timeout: Duration,
    /// For the head of a request, from the connection or the last answer on: so long an idle client is kept.
    pub head_timeout: Duration,
    /// For the rest of a request and its answer.
    pub request_timeout: Duration,
    /// For a whole connection, however many requests it brings.
    pub connection_timeout: Duration,
    /// How long a stopping server waits for answers under way.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            sessions_per_address_max: 100,
            proxy_networks: Networks::default(),
            handshake_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            connection_timeout: Duration::from_mins(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// Who counts as one client, and what each may do.
    pub(crate) fn clients(&self) -> ClientLimits {
        let rate = Rate { count: 600, per: Duration::from_mins(1) };
        let sessions = self.sessions_per_address_max;
        let others = Limits::of_sessions(sessions).with(Kind::Connections, Some(rate));
        ClientLimits {
            v4_prefix: 32,
            v6_prefix: 64,
            // A proxy's connections count as its clients', once it has said who they are.
            named: vec![
                (self.proxy_networks.clone(), Arc::new(Limits::of_sessions(usize::MAX))),
                (Networks::loopback(), Arc::new(Limits::of_sessions(sessions))),
            ],
            others: Arc::new(others),
        }
    }
}

/// How clients come to the service.
#[derive(Debug, Clone, Default)]
pub struct Entrance {
    /// How its connections are put under TLS: not at all, or before a word of HTTP.
    pub tls: TlsMode,
    /// Whether a proxy says first who the client is, by the PROXY protocol: then only the proxies that are named are listened to.
    pub proxy: bool,
}
