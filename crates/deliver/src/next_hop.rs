//! The next hop of mail: hosts in their order, and the terms on which sessions with them are held.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use dns::Security;
use smtp::Protocol;

use crate::{relay::Relay, tls_policy::Demand};

/// Where mail goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextHop {
    /// The site: who runs these hosts, as far as one can tell.
    pub(crate) site: Arc<str>,
    /// Hosts and terms as one text. What has equal hosts on equal terms shares its connections.
    pub(crate) lane: Arc<str>,
    /// The hosts by preference; each has an address.
    pub(crate) hosts: Vec<Host>,
    /// How sessions with them are held.
    pub(crate) terms: Terms,
    /// Who chose it.
    pub(crate) chosen: Chosen,
    /// Whether DNSSEC vouches for the list of hosts; DANE will ask.
    pub(crate) security: Security,
    /// What finds nobody here goes elsewhere at once.
    pub(crate) has_fallback: bool,
}

/// A host of a next hop: an MX, or one that a route names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Lower is tried first.
    pub(crate) preference: u16,
    /// Its name, or an address literal.
    pub(crate) name: Arc<str>,
    /// Where it listens.
    pub(crate) places: Vec<Place>,
    /// How sessions with it must be protected.
    pub(crate) tls: Demand,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address and a TCP port.
    Tcp(SocketAddr),
    /// A socket of this machine.
    Unix(Arc<Path>),
}

/// On whose word mail goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// That of whoever owns the domain, in the DNS.
    ByDns,
    /// Ours, by a route. What it refuses for us ourselves is no judgement of the message.
    ByRoute,
    /// Ours: the relay that takes all mail for other places. We have an account there, so to speak.
    AsRelay,
    /// Ours: the store that keeps our mailboxes.
    AsStore,
}

/// What all sessions of a lane have in common: the part of a [`PoolKey`] that does not depend on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What is spoken.
    pub(crate) protocol: Protocol,
    /// The address that we come from; none leaves the choice to the kernel.
    pub(crate) source: Option<IpAddr>,
    /// Our name in EHLO or LHLO.
    pub(crate) hello: Arc<str>,
    /// The login.
    pub(crate) credential: Credential,
}

/// As whom we come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// As anybody.
    None,
    /// As a relay knows us: with our account there, if we have one.
    Relay(Arc<Relay>),
}

/// What an open session is good for (mail-rules 18): only mail whose next hop admits it may go over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolKey {
    /// The host's name, by which a certificate would be checked.
    pub(crate) host: Arc<str>,
    /// Address and port.
    pub(crate) place: Place,
    /// How it had to be protected, trust anchors included.
    pub(crate) tls: Demand,
    /// All else.
    pub(crate) terms: Terms,
}

impl NextHop {
    /// Puts it together. `hosts` are in the order of their preference.
    pub(crate) fn new(
        site: Arc<str>,
        hosts: Vec<Host>,
        terms: Terms,
        chosen: Chosen,
        security: Security,
    ) -> Self {
        let lane = lane(&hosts, &terms);
        Self { site, lane, hosts, terms, chosen, security, has_fallback: false }
    }

    /// Whether mail for here may go over a session that was opened with this key. Within a lane this fails only when
    /// a host has moved to another address, or two lists of hosts differ in addresses but not in names.
    pub(crate) fn admits(&self, key: &PoolKey) -> bool {
        let known =
            |host: &Host| host.name == key.host && host.places.contains(&key.place) && host.tls == key.tls;
        self.terms == key.terms && self.hosts.iter().any(known)
    }
}

/// Different hosts, ports, orders, terms or demands give different texts: `;` separates preferences, `,` equals.
fn lane(hosts: &[Host], terms: &Terms) -> Arc<str> {
    // What is usual for the protocol goes without saying, and what holds for all is said once.
    let usual = match terms.protocol {
        Protocol::Smtp => Demand::Opportunistic,
        Protocol::Lmtp => Demand::Clear,
    };
    let common =
        hosts.first().map(|first| &first.tls).filter(|tls| hosts.iter().all(|host| host.tls == **tls));
    let name = |host: &Host| match common {
        None if host.tls != usual => format!("{} ({})", host.with_port(), host.tls),
        _ => host.with_port(),
    };
    let group = |group: &[Host]| {
        let mut names: Vec<String> = group.iter().map(name).collect();
        names.sort_unstable();
        names.join(",")
    };
    let groups: Vec<String> = hosts.chunk_by(|a, b| a.preference == b.preference).map(group).collect();
    let common = common.filter(|tls| **tls != usual).map(|tls| format!(" {tls}")).unwrap_or_default();
    format!("{} {terms}{common}", groups.join(";")).into()
}

impl Terms {
    /// The relay that it is, if it is one.
    pub(crate) fn relay(&self) -> Option<&Arc<Relay>> {
        match &self.credential {
            Credential::None => None,
            Credential::Relay(relay) => Some(relay),
        }
    }
}

impl Host {
    /// Its name and port, as an operator would write them; the port of mail is not told.
    pub(crate) fn with_port(&self) -> String {
        match self.places.first() {
            Some(Place::Tcp(address)) if address.port() != 25 => format!("{}:{}", self.name, address.port()),
            _ => self.name.to_string(),
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, source, hello, credential } = self;
        write!(f, "{protocol} as {hello}")?;
        if let Some(source) = source {
            write!(f, " from {source}")?;
        }
        match credential {
            Credential::None => Ok(()),
            Credential::Relay(relay) => {
                write!(f, " by relay {}", relay.name)?;
                relay.account.as_ref().map_or(Ok(()), |account| write!(f, " with login {}", account.login))
            }
        }
    }
}

impl Place {
    /// The address and port, if it has them.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether it is reached by IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        self.tcp().is_some_and(|address| address.is_ipv6())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn hop(hosts: &[(u16, &str, &str)]) -> NextHop {
        let host = |(preference, name, address): &(u16, &str, &str)| Host {
            preference: *preference,
            name: (*name).into(),
            places: vec![Place::Tcp(address.parse().unwrap())],
            tls: Demand::Opportunistic,
        };
        let hosts = hosts.iter().map(host).collect();
        NextHop::new("site".into(), hosts, fixtures::terms(), Chosen::ByDns, Security::Insecure)
    }

    fn verify(name: &str) -> Demand {
        Demand::Verify { names: [name.into()].into(), roots: None }
    }

    fn login(login: &str, password: &str) -> Credential {
        let hosts = crate::Hosts { protocol: Protocol::Smtp, hosts: Vec::new() };
        let proof = crate::Proof::Password(sasl::Password::new(password));
        let account = Some(crate::Account { login: login.into(), proof });
        Credential::Relay(Arc::new(Relay { account, ..Relay::of("x", hosts) }))
    }

    #[test]
    fn a_lane_is_hosts_ports_order_and_terms() {
        let (one, two) = ("192.0.2.1:25", "192.0.2.2:25");
        let lane = |hosts: &[(u16, &str, &str)]| hop(hosts).lane.to_string();
        let first = lane(&[(10, "a", one), (20, "b", two)]);
        assert_eq!(first, "a;b smtp as mx.example");
        assert_eq!(first, lane(&[(1, "a", one), (2, "b", one)]), "names and ranks count, not numbers");
        for other in [
            lane(&[(10, "b", two), (20, "a", one)]),
            lane(&[(10, "a", one), (10, "b", two)]),
            lane(&[(10, "a", "192.0.2.1:2525"), (20, "b", two)]),
            lane(&[(10, "a", one)]),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(lane(&[(10, "b", two), (10, "a", one)]), lane(&[(5, "a", one), (5, "b", two)]));
        let mut others = vec![fixtures::terms(); 5];
        others[0].protocol = Protocol::Lmtp;
        others[1].hello = "other.example".into();
        others[2].source = Some("192.0.2.9".parse().unwrap());
        (others[3].credential, others[4].credential) = (login("anna", "tiger"), login("ben", "tiger"));
        let hosts = || hop(&[(10, "a", one), (20, "b", two)]).hosts;
        for terms in others {
            let other = NextHop::new("site".into(), hosts(), terms, Chosen::ByDns, Security::Insecure);
            assert_ne!(*other.lane, first);
        }
        let under = |one: Demand, other: Demand| {
            let mut hosts = hosts();
            (hosts[0].tls, hosts[1].tls) = (one, other);
            NextHop::new("site".into(), hosts, fixtures::terms(), Chosen::ByDns, Security::Insecure)
                .lane
                .to_string()
        };
        for (one, other, lane) in [
            (Demand::Opportunistic, Demand::Opportunistic, &*first),
            (Demand::Clear, Demand::Clear, "a;b smtp as mx.example in clear"),
            (Demand::Must, Demand::Must, "a;b smtp as mx.example over TLS"),
            (Demand::Must, Demand::Opportunistic, "a (over TLS);b smtp as mx.example"),
            (verify("x"), verify("y"), "a (over TLS as x);b (over TLS as y) smtp as mx.example"),
        ] {
            assert_eq!(under(one, other), lane);
        }
    }

    /// Each field of the key of mail-rules 18 that has more than one value today.
    #[test]
    fn a_session_carries_only_mail_that_its_key_admits() {
        let hop = hop(&[(10, "a", "192.0.2.1:25"), (20, "b", "192.0.2.2:25")]);
        let under = |host: &str, place: &str, terms: Terms, tls: Demand| PoolKey {
            host: host.into(),
            place: Place::Tcp(place.parse().unwrap()),
            tls,
            terms,
        };
        let key = |host: &str, place: &str, terms: Terms| under(host, place, terms, Demand::Opportunistic);
        let good = fixtures::terms;
        assert!(hop.admits(&key("a", "192.0.2.1:25", good())));
        assert!(hop.admits(&key("b", "192.0.2.2:25", good())));
        for (what, key) in [
            ("name", key("c", "192.0.2.1:25", good())),
            ("address of another", key("a", "192.0.2.2:25", good())),
            ("address", key("a", "192.0.2.3:25", good())),
            ("port", key("a", "192.0.2.1:26", good())),
            ("protocol", key("a", "192.0.2.1:25", Terms { protocol: Protocol::Lmtp, ..good() })),
            ("HELO", key("a", "192.0.2.1:25", Terms { hello: "x".into(), ..good() })),
            ("TLS", under("a", "192.0.2.1:25", good(), Demand::Clear)),
            ("more than TLS", under("a", "192.0.2.1:25", good(), verify("a"))),
            ("login", key("a", "192.0.2.1:25", Terms { credential: login("anna", "tiger"), ..good() })),
            ("source", key("a", "192.0.2.1:25", Terms { source: "192.0.2.9".parse().ok(), ..good() })),
        ] {
            assert!(!hop.admits(&key), "{what}");
        }
        let mut hop = hop;
        hop.terms.credential = login("anna", "tiger");
        let known = |password| Terms { credential: login("anna", password), ..good() };
        assert!(hop.admits(&key("a", "192.0.2.1:25", known("tiger"))));
        assert!(!hop.admits(&key("a", "192.0.2.1:25", known("changed"))), "the password was changed");
    }
}
