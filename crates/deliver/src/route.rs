//! Where mail for a domain goes: by a route of the operator, else RFC 5321 §5.1 as a decision over DNS answers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dns::{Answer, BoxFuture, DnsError, Mx, Resolve, Security};
use mail::{Domain, EnhancedStatus, Reply};
use mta_sts::Policy;
use smtp::Protocol;

use crate::{
    choice::{self, Choice},
    config::{Config, LocalDelivery, PrivateAddresses},
    dane,
    guard::{Own, is_public},
    join::join_all,
    named,
    next_hop::{Chosen, Credential, Host, NextHop, Place, Terms},
    relay::Relay,
    site_name,
    static_route::{self, Destination, Hosts, StaticRoute},
    sts::{Asking, Policies},
    tls_policy::{Demand, TlsRules},
};

/// The most MX hosts whose addresses are looked up; more only help who wants to keep us busy.
const HOSTS_MAX: usize = 10;
/// How long a failure is remembered: it may be mended any minute.
const FAILURE_TTL: Duration = Duration::from_secs(30);

/// Where mail for a domain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Into mailboxes of this machine.
    Local,
    /// To other hosts.
    Hop(Arc<NextHop>),
    /// To one of several relays, by who sends it.
    Choice(Arc<Choice>),
}

/// Why mail for a domain goes nowhere, in the form of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unroutable {
    /// It may be so tomorrow: 4yz.
    Defer(Reply),
    /// It will not: 5yz.
    Bounce(Reply),
}

/// A decision, and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Where to, or why nowhere.
    pub(crate) route: Result<Route, Unroutable>,
    /// By the records' times to live.
    pub(crate) ttl: Duration,
}

/// What a route is judged by, beside the DNS.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The operator's routes; the first that takes a domain holds.
    pub(crate) routes: Vec<StaticRoute>,
    /// Take what no route takes.
    pub(crate) relays: Vec<Arc<Relay>>,
    /// Keeps the mailboxes of our domains, if we do not.
    pub(crate) store: Option<Hosts>,
    /// How to recognise ourselves.
    pub(crate) own: Own,
    /// Whether private addresses will do where a stranger's DNS leads.
    pub(crate) private_addresses: PrivateAddresses,
    /// The port of hosts whose port nobody names.
    pub(crate) port: u16,
    /// How sessions are held.
    pub(crate) terms: Terms,
    /// How they are protected.
    pub(crate) tls: TlsRules,
    /// Who knows what domains ask for (MTA-STS); none: nobody is asked.
    pub(crate) sts: Option<Arc<Policies>>,
}

/// Finds the route of a domain that is not local.
pub(crate) async fn resolve(domain: &Domain, resolver: &dyn Resolve, rules: &Rules) -> Resolved {
    let Some(domain) = directory::in_ascii(domain.clone()) else {
        return failed(bounce((5, 1, 2), format!("{domain} is not a valid domain name")));
    };
    let takers: Vec<&Arc<Relay>> = rules.relays.iter().filter(|relay| relay.takes(&domain)).collect();
    match (static_route::find(&rules.routes, &domain), takers.first()) {
        (Some(Destination::Hosts(hosts)), _) => named::resolve(hosts, Chosen::ByRoute, resolver, rules).await,
        (Some(Destination::MxOf(name)), _) => {
            named::kept(by_name(name, Chosen::ByRoute, resolver, rules).await)
        }
        // It takes everybody's mail, and nobody else does when it does not.
        (None, Some(first)) if first.senders.is_empty() && first.fallback.is_empty() => {
            named::by_relay(first, resolver, rules).await
        }
        (None, Some(_)) => choice::resolve(&domain, &takers, resolver, rules).await,
        (Some(Destination::Mx), _) | (None, None) => by_dns(&domain, resolver, rules).await,
    }
}

/// Finds the store that keeps our mailboxes.
pub(crate) async fn to_store(store: &Hosts, resolver: &dyn Resolve, rules: &Rules) -> Resolved {
    named::resolve(store, Chosen::AsStore, resolver, rules).await
}

pub(crate) async fn by_dns(domain: &Domain, resolver: &dyn Resolve, rules: &Rules) -> Resolved {
    match domain {
        Domain::Literal(address) => literal(*address, domain, rules),
        Domain::Name(name) => by_name(name, Chosen::ByDns, resolver, rules).await,
    }
}

/// An address literal is its own MX (RFC 5321 §4.1.3, §5.1).
fn literal(address: IpAddr, domain: &Domain, rules: &Rules) -> Resolved {
    let name: Arc<str> = domain.to_string().into();
    if rules.is_own(address, Chosen::ByDns) {
        return failed(loops(&name));
    }
    if !rules.allows(address, Chosen::ByDns) {
        return failed(private(&name));
    }
    let places = rules.places(&[address]);
    let tls = rules.tls.demand(rules.tls.of(domain), &name);
    let hosts = vec![Host { preference: 0, name: Arc::clone(&name), places, tls }];
    let hop = NextHop::new(name, hosts, rules.terms.clone(), Chosen::ByDns, Security::Insecure);
    Resolved { route: Ok(Route::Hop(Arc::new(hop))), ttl: Duration::from_hours(1) }
}

async fn by_name(name: &str, chosen: Chosen, resolver: &dyn Resolve, rules: &Rules) -> Resolved {
    let (answer, implicit) = match resolver.mx(name).await {
        Ok(answer) if answer.security == Security::Bogus => {
            return failed(dns_trouble(name, "the answer is bogus"));
        }
        Ok(answer) => (answer, false),
        // RFC 5321 §5.1: without MX records the domain is its own MX, an implicit one.
        Err(DnsError::NoRecords) => (implicit_mx(name), true),
        Err(DnsError::NoSuchName) => {
            return failed(bounce((5, 1, 2), format!("the domain {name} does not exist")));
        }
        Err(DnsError::Temporary(reason)) => return failed(dns_trouble(name, &reason)),
    };
    if dns::is_null_mx(&answer.records) {
        // RFC 7505 §4.1 and RFC 7504: 556, and the enhanced status code that was made for it.
        let text = format!("{name} takes no mail: it has a null MX");
        return failed(Unroutable::Bounce(Reply::new(556, EnhancedStatus::new(5, 1, 10), text)));
    }
    let mut candidates = Candidates::look_up(answer, resolver, rules).await;
    // An implicit MX is as secure as its address is.
    if implicit || candidates.security == Security::Secure {
        candidates.ask_for_dane(name, resolver, rules).await;
    }
    candidates.ask_for_policy(name, rules).await;
    candidates.decide(name, implicit, chosen, rules)
}

fn implicit_mx(name: &str) -> Answer<Vec<Mx>> {
    Answer::insecure(vec![Mx::new(0, name)], Duration::from_hours(1))
}

/// A host before it is judged.
struct Candidate {
    mx: Mx,
    addresses: Result<Vec<IpAddr>, DnsError>,
    /// What its TLSA records ask for, if it has some.
    dane: Option<Demand>,
}

/// The hosts of a domain with their addresses.
struct Candidates {
    hosts: Vec<Candidate>,
    /// The preference of our own name in the list.
    own_preference: Option<u16>,
    security: Security,
    /// What the domain asks for (MTA-STS).
    policy: Option<Policy>,
    ttl: Duration,
}

impl Candidates {
    async fn look_up(answer: Answer<Vec<Mx>>, resolver: &dyn Resolve, rules: &Rules) -> Self {
        let Answer { mut records, security, mut ttl } = answer;
        records.retain(|mx| !mx.is_root());
        records.sort();
        records.dedup_by(|a, b| a.exchange == b.exchange);
        let own_preference =
            records.iter().find(|mx| rules.own.is_name(&mx.exchange)).map(|mx| mx.preference);
        records.retain(|mx| own_preference.is_none_or(|own| mx.preference < own));
        records.truncate(HOSTS_MAX);
        let answers = join_all(records.iter().map(|mx| resolver.addresses(&mx.exchange)).collect()).await;
        let mut hosts = Vec::with_capacity(records.len());
        for (mx, answer) in records.into_iter().zip(answers) {
            let addresses = answer.map(|answer| {
                ttl = ttl.min(answer.ttl);
                answer.records
            });
            hosts.push(Candidate { mx, addresses, dane: None });
        }
        Self { hosts, own_preference, security, policy: None, ttl }
    }

    /// Looks TLSA records up, unless the operator asks for something else.
    async fn ask_for_dane(&mut self, domain: &str, resolver: &dyn Resolve, rules: &Rules) {
        if !TlsRules::heeds_domain(rules.tls.of(&Domain::Name(domain.into()))) {
            return;
        }
        let reachable = |host: &&mut Candidate| host.addresses.is_ok();
        let hosts: Vec<&mut Candidate> = self.hosts.iter_mut().filter(reachable).collect();
        let lookups = hosts.iter().map(|host| {
            let asked: BoxFuture<'_, _> =
                Box::pin(dane::demand(resolver, &host.mx.exchange, rules.port, Some(domain)));
            asked
        });
        let found = join_all(lookups.collect()).await;
        let mut least = self.ttl;
        for (host, (demand, ttl)) in hosts.into_iter().zip(found) {
            host.dane = demand;
            least = least.min(ttl);
        }
        self.ttl = least;
    }

    /// Asks what the domain asks for, unless that is settled: by its TLSA records (mail-rules 19), or by the operator.
    async fn ask_for_policy(&mut self, domain: &str, rules: &Rules) {
        let Some(sts) = &rules.sts else { return };
        let by_dane = self.hosts.iter().all(|host| host.dane.is_some());
        if by_dane || !TlsRules::heeds_domain(rules.tls.of(&Domain::Name(domain.into()))) {
            return;
        }
        let private = rules.private_addresses == PrivateAddresses::Allow;
        let asking = Asking { roots: rules.tls.roots.clone(), private };
        if let Some((policy, left)) = sts.of(domain, &asking).await {
            self.policy = Some(policy);
            self.ttl = self.ttl.min(left);
        }
    }

    fn decide(mut self, domain: &str, implicit: bool, chosen: Chosen, rules: &Rules) -> Resolved {
        let looped = self.drop_ourselves(chosen, rules);
        if looped && self.hosts.is_empty() {
            return failed(loops(domain));
        }
        let asked = rules.tls.of(&Domain::Name(domain.into()));
        let sts = self.policy.take();
        let tls_of = |host: &str| match &sts {
            Some(policy) => rules.tls.demand_by(policy, asked, host),
            None => rules.tls.demand(asked, host),
        };
        let (mut refused, mut trouble) = (false, None);
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for Candidate { mx, addresses, dane } in self.hosts {
            let mut addresses = match addresses {
                Ok(addresses) => addresses,
                Err(error) => {
                    trouble = trouble.or(Some(error).filter(DnsError::is_temporary));
                    continue;
                }
            };
            let found = addresses.len();
            addresses.retain(|address| rules.allows(*address, chosen));
            refused |= addresses.len() < found;
            if !addresses.is_empty() {
                let places = rules.places(&addresses);
                let tls = dane.unwrap_or_else(|| tls_of(&mx.exchange));
                hosts.push(Host { preference: mx.preference, name: mx.exchange.into(), places, tls });
            }
        }
        match (hosts.first(), trouble) {
            (Some(best), _) => {
                let site = site_name::of(&best.name);
                let hop = NextHop::new(site, hosts, rules.terms.clone(), chosen, self.security);
                Resolved { route: Ok(Route::Hop(Arc::new(hop))), ttl: self.ttl }
            }
            (None, Some(error)) => failed(dns_trouble(domain, &error.to_string())),
            (None, None) if refused => failed(private(domain)),
            (None, None) if implicit => {
                failed(bounce((5, 1, 2), format!("{domain} has neither an MX nor an address")))
            }
            (None, None) => failed(bounce((5, 4, 4), format!("no MX of {domain} has an address"))),
        }
    }

    /// RFC 5321 §5.1: if we are in the list, hosts of our preference and worse ones are dropped, or mail would go in
    /// circles. Whether we were in it.
    fn drop_ourselves(&mut self, chosen: Chosen, rules: &Rules) -> bool {
        let is_own = |host: &&Candidate| {
            let addresses = host.addresses.as_deref().unwrap_or_default();
            addresses.iter().any(|address| rules.is_own(*address, chosen))
        };
        let by_address = self.hosts.iter().find(is_own).map(|host| host.mx.preference);
        let Some(own) = by_address.into_iter().chain(self.own_preference).min() else { return false };
        self.hosts.retain(|host| host.mx.preference < own);
        true
    }
}

impl Rules {
    /// As the settings say.
    pub(crate) fn new(config: &Config, own: Own, sts: Option<Arc<Policies>>) -> Self {
        let terms = Terms {
            protocol: Protocol::Smtp,
            source: None,
            hello: config.hostname.as_str().into(),
            credential: Credential::None,
        };
        Self {
            routes: config.routes.clone(),
            relays: config.relays.clone(),
            store: match &config.local {
                LocalDelivery::Maildir | LocalDelivery::Mailstore => None,
                LocalDelivery::Store(store) => Some(store.clone()),
            },
            own,
            private_addresses: config.private_addresses,
            port: config.port,
            terms,
            tls: TlsRules {
                rules: config.tls_rules.clone(),
                usual: config.tls.clone(),
                roots: config.roots.clone(),
            },
            sts,
        }
    }

    /// Loopback in a stranger's DNS is no word about us: whoever reads it finds himself. Where private addresses are
    /// refused it is passed over like them.
    fn is_own(&self, address: IpAddr, chosen: Chosen) -> bool {
        let refused = address.to_canonical().is_loopback() && !self.allows(address, chosen);
        !refused && self.own.is_socket(address, self.port)
    }

    /// Where the operator sends mail himself, any address will do.
    fn allows(&self, address: IpAddr, chosen: Chosen) -> bool {
        chosen != Chosen::ByDns || self.private_addresses == PrivateAddresses::Allow || is_public(address)
    }

    fn places(&self, addresses: &[IpAddr]) -> Vec<Place> {
        addresses.iter().map(|address| Place::Tcp(SocketAddr::new(*address, self.port))).collect()
    }
}

pub(crate) fn failed(why: Unroutable) -> Resolved {
    Resolved { route: Err(why), ttl: FAILURE_TTL }
}

fn bounce((class, subject, detail): (u8, u16, u16), text: String) -> Unroutable {
    Unroutable::Bounce(Reply::new(550, EnhancedStatus::new(class, subject, detail), text))
}

fn dns_trouble(name: &str, reason: &str) -> Unroutable {
    let text = format!("looking {name} up failed: {reason}");
    Unroutable::Defer(Reply::new(451, EnhancedStatus::new(4, 4, 3), text))
}

pub(crate) fn loops(domain: &str) -> Unroutable {
    bounce((5, 4, 6), format!("mail for {domain} loops back to this host, which does not take it"))
}

fn private(domain: &str) -> Unroutable {
    let text = format!(
        "{domain} leads to private addresses only, where this host does not send (private_addresses = \"refuse\")"
    );
    bounce((5, 4, 4), text)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
