//! Where a directory is, and how people stand in it.

use std::{fmt, net::IpAddr, time::Duration};

use mail::{Address, Domain};
use net::Anchors;

use crate::{Filter, Template, filter::Node};

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is: several that have the same, the one to be asked first coming first.
    pub servers: Vec<Server>,
    /// Whose certificates are believed.
    pub anchors: Anchors,
    /// As whom we search; `None`: as nobody.
    pub bind: Option<(String, Secret)>,
    /// Below which entry people are.
    pub base: String,
    /// How deep below it.
    pub scope: Scope,
    /// The domains that it serves, in ASCII; the first is that of names without one. Never none.
    pub domains: Vec<Domain>,
    /// Which entries are people.
    pub filter: Filter,
    /// Who has a login, if not the one of that attribute.
    pub login_filter: Option<Filter>,
    /// Who has an address, if not the one of those attributes.
    pub address_filter: Option<Filter>,
    /// What people are called when they bind; `None`: as the entry that is found is called.
    pub user_dn: Option<Template>,
    /// What of an entry is what.
    pub attributes: Attributes,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often all people are fetched.
    pub refresh: Duration,
    /// How long a copy holds while no server answers.
    pub outage_max: Duration,
    /// How many connections there may be to search by, and as many to bind by.
    pub connections_max: usize,
}

/// What of an entry is what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The login: an address, or a name at the first domain.
    pub login: String,
    /// All addresses.
    pub addresses: Vec<String>,
    /// By which nobody logs in, if its value says so.
    pub disabled: Option<String>,
    /// The words of roles.
    pub roles: Option<String>,
}

/// How deep a search goes (RFC 4511 §4.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What is right below the base.
    OneLevel,
    /// All below the base, and itself.
    Subtree,
}

/// What is told to nobody but the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is put under TLS.
    pub tls: Tls,
}

/// How a connection is put under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Before a word of LDAP: `ldaps://`.
    Implicit,
    /// First of all (RFC 4511 §4.14).
    StartTls,
    /// Not at all.
    None,
}

/// Why a text is no URL of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It begins with something else.
    #[error("it begins neither with ldap:// nor with ldaps://")]
    Scheme,
    /// There is more than a host and a port.
    #[error("it has more than a host and a port")]
    More,
    /// The host is none, or the port.
    #[error("there is no host, or its port is none")]
    Host,
}

impl Server {
    /// Reads `ldaps://host`, `ldap://host:port` (RFC 4516, as far as the port). `ldap://` means StartTLS.
    ///
    /// # Errors
    /// It is no such URL.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let (tls, port) = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => (Tls::StartTls, 389),
            "ldaps" => (Tls::Implicit, 636),
            _ => return Err(BadUrl::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '@', '%']) {
            return Err(BadUrl::More);
        }
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, after) = match bracketed {
            Some((host, after)) => (host, after),
            None => rest.find(':').map_or((rest, ""), |at| rest.split_at(at)),
        };
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(BadUrl::Host)?,
            None if after.is_empty() => port,
            None => return Err(BadUrl::Host),
        };
        let is_host = match bracketed {
            Some(_) => host.parse::<IpAddr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|o| o.is_ascii_alphanumeric() || b"-._".contains(&o))
            }
        };
        is_host.then(|| Self { host: host.to_owned(), port, tls }).ok_or(BadUrl::Host)
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls == Tls::Implicit { "ldaps" } else { "ldap" };
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl Config {
    /// What of entries is needed.
    pub(crate) fn wanted(&self) -> Vec<String> {
        let Attributes { login, addresses, disabled, roles } = &self.attributes;
        let mut wanted: Vec<String> =
            [login].into_iter().chain(addresses).chain(disabled).chain(roles).cloned().collect();
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// Who has a login.
    pub(crate) fn by_login(&self, login: &Address) -> Node {
        let own = match &self.login_filter {
            Some(filter) => filter.node().clone(),
            None => self.has_value(&self.attributes.login, login),
        };
        Node::And(vec![self.filter.node().clone(), own])
    }

    /// Who has an address.
    pub(crate) fn by_address(&self, address: &Address) -> Node {
        let own = self.address_filter.as_ref().map(|filter| filter.node().clone());
        let own = own.unwrap_or_else(|| {
            let Attributes { login, addresses, .. } = &self.attributes;
            let others = addresses.iter().filter(|name| *name != login);
            Node::Or([login].into_iter().chain(others).map(|name| self.has_value(name, address)).collect())
        });
        Node::And(vec![self.filter.node().clone(), own])
    }

    /// The value of an attribute is an address, in a form that `person` reads.
    fn has_value(&self, attribute: &str, address: &Address) -> Node {
        let mut values = vec![Node::equal(attribute, address.to_string())];
        if is_typed(attribute) {
            values.push(Node::equal(attribute, format!("smtp:{address}")));
        }
        if self.domains.first() == Some(address.domain())
            && attribute.eq_ignore_ascii_case(&self.attributes.login)
        {
            values.push(Node::equal(attribute, address.local_part()));
        }
        Node::Or(values)
    }
}

/// Whether values have what they are before them, as `smtp:`: so it is in Active Directory.
fn is_typed(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case("proxyAddresses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_their_urls() {
        for (text, host, port, tls) in [
            ("ldap://ldap.example.org", "ldap.example.org", 389, Tls::StartTls),
            ("LDAPS://ldap.example.org/", "ldap.example.org", 636, Tls::Implicit),
            ("ldap://192.0.2.1:3389", "192.0.2.1", 3389, Tls::StartTls),
            ("ldaps://[2001:db8::1]:1636", "2001:db8::1", 1636, Tls::Implicit),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!((server.host.as_str(), server.port, server.tls), (host, port, tls), "{text}");
            assert_eq!(Server::parse(&server.to_string()).unwrap(), server);
        }
        for (text, why) in [
            ("ldap.example.org", BadUrl::Scheme),
            ("http://ldap.example.org", BadUrl::Scheme),
            ("ldap://ldap.example.org/dc=example", BadUrl::More),
            ("ldap://user@ldap.example.org", BadUrl::More),
            ("ldap://", BadUrl::Host),
            ("ldap://host:0", BadUrl::Host),
            ("ldap://host:x", BadUrl::Host),
            ("ldap://[host]", BadUrl::Host),
            ("ldap://ho st", BadUrl::Host),
        ] {
            assert_eq!(Server::parse(text), Err(why), "{text}");
        }
        assert!(Server::parse("ldap://[::1]").unwrap().is_loopback());
        assert!(!Server::parse("ldap://192.0.2.1").unwrap().is_loopback());
    }
}
