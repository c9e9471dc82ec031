//! Which addresses must not be connected to: private ones, and our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How we recognise ourselves in a list of MXs (RFC 5321 §5.1).
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Names that are us, in lower case: the host name above all.
    pub names: Vec<String>,
    /// The sockets on which we take mail; `0.0.0.0` and `[::]` stand for every address of this machine.
    pub sockets: Vec<SocketAddr>,
    /// The addresses of this machine, and those that lead to it from outside.
    pub addresses: Vec<IpAddr>,
}

impl Own {
    /// Whether an MX of this name is ourselves.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether this is our name, and we listen on the port.
    pub(crate) fn takes_mail_at(&self, name: &str, port: u16) -> bool {
        self.is_name(name) && self.sockets.iter().any(|own| own.port() == port)
    }

    /// Whether a connection to this address and port would reach ourselves.
    pub(crate) fn is_socket(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        let here = address.is_loopback() || self.addresses.contains(&address);
        self.sockets.iter().filter(|own| own.port() == port).any(|own| {
            let ip = own.ip().to_canonical();
            ip == address || (ip.is_unspecified() && here)
        }) || (port == 25 && self.addresses.contains(&address))
    }
}

/// Whether an address belongs to the public Internet, so that a stranger's MX may send us there.
///
/// The documentation ranges (RFC 5737, RFC 3849) count as public: nobody is there, so they do no harm.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0                                   // RFC 1122 §3.2.1.3: this network
        || a == 127
        || a >= 224                            // multicast, reserved, broadcast
        || address.is_private()                // RFC 1918
        || address.is_link_local()             // RFC 3927
        || (a == 100 && (64..128).contains(&b)) // RFC 6598: behind a carrier's NAT
        || (a, b, c) == (192, 0, 0)            // RFC 6890: protocol assignments
        || (a == 198 && (b == 18 || b == 19))) // RFC 2544: benchmarks
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, _, _, _, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match first {
        // ::/8 holds the unspecified address, loopback and IPv4 in two disguises (RFC 4291 §2.5.5).
        0 => address.to_ipv4_mapped().is_some_and(is_public_v4),
        0x64 if second == 0xff9b => is_public_v4(embedded(seventh, eighth)), // RFC 6052: NAT64
        0x2002 => is_public_v4(embedded(second, third)),                     // RFC 3056: 6to4
        // RFC 4193 unique local, RFC 4291 link-local, RFC 3879 site-local, multicast.
        _ => !(first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_disguise() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("192.0.2.1", true),
            ("0.1.2.3", false),
            ("10.0.0.1", false),
            ("100.63.0.1", true),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.0.0.8", false),
            ("192.168.1.1", false),
            ("198.19.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("2a00:1450::1", true),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::7f00:1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b::808:808", true),
            ("2002:a00:1::1", false),
            ("fc00::1", false),
            ("fdff::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn a_loopback_peer_on_another_port_is_not_ourselves() {
        let own = Own {
            names: vec!["mx.example.org".into()],
            sockets: vec!["127.0.0.1:2525".parse().unwrap(), "0.0.0.0:26".parse().unwrap()],
            addresses: vec!["198.51.100.7".parse().unwrap()],
        };
        assert!(own.is_name("MX.example.org"));
        assert!(!own.is_name("mx2.example.org"));
        for (address, port, ours) in [
            ("127.0.0.1", 2525, true),
            ("127.0.0.1", 2526, false),
            ("127.0.0.2", 2525, false),
            ("127.0.0.2", 26, true),
            ("198.51.100.7", 26, true),
            ("198.51.100.7", 25, true),
            ("198.51.100.8", 26, false),
            ("::ffff:198.51.100.7", 26, true),
        ] {
            assert_eq!(own.is_socket(address.parse().unwrap(), port), ours, "{address} {port}");
        }
    }
}
