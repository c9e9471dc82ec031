//! What the operator decides.

use std::{fmt, net::SocketAddr, time::Duration};

/// A server that takes our updates. Whoever makes the settings has checked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The primary server, spoken to by TCP.
    pub server: SocketAddr,
    /// The zone of the names; the server is asked if none is named.
    pub zone: Option<String>,
    /// What the update is signed with (RFC 8945); servers that go by addresses need none.
    pub key: Option<TsigKey>,
    /// Recursive servers that tell where a name leads; none: those of the system's `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// How long the other servers of the zone may take to learn of a change.
    pub wait: Duration,
}

/// A key for HMAC-SHA256 that we share with a DNS server.
#[derive(Clone, PartialEq, Eq)]
pub struct TsigKey {
    /// Its name, as the server knows it.
    pub name: String,
    /// The key.
    pub secret: Vec<u8>,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", TsigKey { name: "acme.".into(), secret: b"hush".to_vec() });
        assert!(!shown.contains("104") && shown.contains("acme."), "{shown}");
    }
}
