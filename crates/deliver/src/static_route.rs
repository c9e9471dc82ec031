//! Routes that the operator gives: which domains they take, and where they lead.

use std::{fmt, net::IpAddr, path::PathBuf};

use mail::{Domain, DomainError};
use smtp::Protocol;

/// A route: mail for these domains goes there, whatever the DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// The domains that it takes.
    pub domains: Vec<Pattern>,
    /// Where their mail goes.
    pub to: Destination,
}

/// Which recipient domains a route takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// This one: `example.net`, or an address literal.
    Domain(Domain),
    /// All below it, and not itself: `.example.net`. Kept without the dot.
    Below(Box<str>),
    /// All that no route before it takes: `*`.
    Every,
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

impl Pattern {
    /// Reads `example.net`, `.example.net`, `[192.0.2.1]` or `*`.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text == "*" {
            return Ok(Self::Every);
        }
        match text.strip_prefix('.') {
            None => Ok(Self::Domain(in_ascii(Domain::parse(text)?).ok_or(DomainError::Syntax)?)),
            Some(parent) => match Domain::parse(parent).map(in_ascii)? {
                Some(Domain::Name(name)) => Ok(Self::Below(name)),
                _ => Err(DomainError::Syntax),
            },
        }
    }

    /// Whether it takes every domain that `other` takes.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, _) => true,
            (Self::Below(_), Self::Domain(domain)) => self.takes(domain),
            (Self::Below(parent), Self::Below(child)) => parent == child || is_below(child, parent),
            (Self::Domain(own), Self::Domain(other)) => own == other,
            (Self::Domain(_) | Self::Below(_), _) => false,
        }
    }

    /// Whether it takes a domain, which is in ASCII.
    fn takes(&self, domain: &Domain) -> bool {
        match self {
            Self::Every => true,
            Self::Domain(own) => own == domain,
            Self::Below(parent) => domain.name().is_some_and(|name| is_below(name, parent)),
        }
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// The first route that takes a domain.
pub(crate) fn find<'a>(routes: &'a [StaticRoute], domain: &Domain) -> Option<&'a Destination> {
    let domain = in_ascii(domain.clone())?;
    let takes = |route: &&StaticRoute| route.domains.iter().any(|pattern| pattern.takes(&domain));
    routes.iter().find(takes).map(|route| &route.to)
}

/// The domain with U-labels as A-labels (RFC 5890 §2.3.2.1): both name the same. None: no such name can exist.
pub(crate) fn in_ascii(domain: Domain) -> Option<Domain> {
    match domain {
        Domain::Name(name) if !name.is_ascii() => {
            let ascii = idna::domain_to_ascii(&name).ok().filter(|name| !name.is_empty())?;
            Some(Domain::Name(ascii.into()))
        }
        domain => Some(domain),
    }
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

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Below(parent) => write!(f, ".{parent}"),
            Self::Every => f.write_str("*"),
        }
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
    fn a_pattern_takes_what_it_says() {
        for (text, domain, takes) in [
            ("example.net", "example.net", true),
            ("Example.NET", "example.net", true),
            ("example.net", "a.example.net", false),
            (".example.net", "a.example.net", true),
            (".example.net", "a.b.example.net", true),
            (".example.net", "example.net", false),
            (".example.net", "badexample.net", false),
            (".net", "example.net", true),
            ("*", "example.net", true),
            ("*", "[192.0.2.1]", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
            (".example.net", "[192.0.2.1]", false),
            ("bücher.example", "xn--bcher-kva.example", true),
        ] {
            assert_eq!(pattern(text).takes(&Domain::parse(domain).unwrap()), takes, "{text} {domain}");
        }
        for text in ["", ".", "..", "*.example.net", ".*", "a b", ".[192.0.2.1]", "[x]"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_one_that_takes_no_more() {
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", ".net", true),
            ("*", "example.net", true),
            (".net", ".example.net", true),
            (".net", ".net", true),
            (".net", "example.net", true),
            (".net", "net", false),
            (".example.net", ".net", false),
            (".example.net", ".badexample.net", false),
            ("example.net", "example.net", true),
            ("example.net", ".example.net", false),
            ("example.net", "*", false),
            (".net", "*", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} {narrow}");
        }
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
