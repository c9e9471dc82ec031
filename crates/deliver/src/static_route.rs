//! Routes that the operator gives: which domains they take, and where they lead.

use std::{fmt, net::IpAddr, path::PathBuf};

pub use directory::DomainPattern as Pattern;
use directory::in_ascii;
use mail::Domain;
use smtp::Protocol;

/// A route: mail for these domains goes there, whatever the DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// The domains that it takes.
    pub domains: Vec<Pattern>,
    /// Where their mail goes.
    pub to: Destination,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the MX of the recipient's domain: an exception from the routes behind it and from the relay.
    Mx,
    /// To the MX of this domain.
    MxOf(Box<str>),
    /// To these hosts, in this order.
    Hosts(Hosts),
}

/// Hosts that somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// What they speak.
    pub protocol: Protocol,
    /// They are tried in this order; never none.
    pub hosts: Vec<NamedHost>,
}

/// A host that somebody named. Without a port it is [`crate::Config::port`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamedHost {
    /// By a name, in ASCII, whose addresses are looked up; its MX is not.
    Name(Box<str>, Option<u16>),
    /// By its address.
    Address(IpAddr, Option<u16>),
    /// A socket of this machine.
    Unix(PathBuf),
}

/// The first route that takes a domain.
pub(crate) fn find<'a>(routes: &'a [StaticRoute], domain: &Domain) -> Option<&'a Destination> {
    let domain = in_ascii(domain.clone())?;
    let takes = |route: &&StaticRoute| route.domains.iter().any(|pattern| pattern.takes(&domain));
    routes.iter().find(takes).map(|route| &route.to)
}

impl Destination {
    /// As it is written in the configuration.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Mx => vec!["mx".to_owned()],
            Self::MxOf(domain) => vec![format!("mx:{domain}")],
            Self::Hosts(hosts) => hosts.texts(),
        }
    }
}

impl Hosts {
    /// As they are written in the configuration.
    pub fn texts(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("{}:{host}", self.protocol)).collect()
    }
}

impl fmt::Display for NamedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Name(name, port) => {
                f.write_str(name)?;
                port
            }
            Self::Address(IpAddr::V4(address), port) => {
                address.fmt(f)?;
                port
            }
            Self::Address(IpAddr::V6(address), port) => {
                write!(f, "[{address}]")?;
                port
            }
        };
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn the_first_route_that_takes_a_domain_holds() {
        let route = |domains: &[&str], to: &str| StaticRoute {
            domains: domains.iter().map(|text| pattern(text)).collect(),
            to: Destination::MxOf(to.into()),
        };
        let routes = [
            route(&["example.net", ".example.org"], "one"),
            route(&[".example.net"], "two"),
            route(&["*"], "three"),
        ];
        let found = |domain: &str| find(&routes, &Domain::parse(domain).unwrap()).map(Destination::texts);
        for (domain, to) in [
            ("example.net", "mx:one"),
            ("a.example.org", "mx:one"),
            ("a.example.net", "mx:two"),
            ("bücher.example.net", "mx:two"),
            ("example.org", "mx:three"),
        ] {
            assert_eq!(found(domain), Some(vec![to.to_owned()]), "{domain}");
        }
        assert_eq!(find(&routes[..2], &Domain::parse("example.org").unwrap()), None);
    }

    #[test]
    fn hosts_are_shown_as_they_are_written() {
        let hosts = Hosts {
            protocol: Protocol::Lmtp,
            hosts: vec![
                NamedHost::Name("mail.example.net".into(), None),
                NamedHost::Name("mail.example.net".into(), Some(24)),
                NamedHost::Address("192.0.2.1".parse().unwrap(), Some(24)),
                NamedHost::Address("2001:db8::1".parse().unwrap(), Some(24)),
                NamedHost::Unix("/run/dovecot/lmtp".into()),
            ],
        };
        assert_eq!(
            hosts.texts(),
            [
                "lmtp:mail.example.net",
                "lmtp:mail.example.net:24",
                "lmtp:192.0.2.1:24",
                "lmtp:[2001:db8::1]:24",
                "lmtp:unix:/run/dovecot/lmtp"
            ]
        );
    }
}
