//! Routes whose hosts the operator names: no MX is asked for, and private addresses are welcome.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dns::{BoxFuture, DnsError, Resolve, Security};
use mail::{Domain, EnhancedStatus, Reply};
use smtp::Protocol;

use crate::{
    dane,
    join::join_all,
    next_hop::{Chosen, Credential, Host, NextHop, Place, Terms},
    relay::Relay,
    route::{self, Resolved, Route, Rules, Unroutable},
    static_route::{Hosts, NamedHost},
    tls_policy::{Demand, TlsRules},
};

/// How long what needs no DNS is remembered.
const FOREVER: Duration = Duration::from_hours(1);

/// The places of a host, and how long they are known.
type Found = Result<(Vec<Place>, Duration), DnsError>;

/// The next hop that these hosts are.
///
/// If we are one of them, we and those behind us are left out, as in a list of MXs (RFC 5321 §5.1): machines that share
/// a configuration must not hand mail around in a circle.
pub(crate) async fn resolve(
    named: &Hosts,
    chosen: Chosen,
    resolver: &dyn Resolve,
    rules: &Rules,
) -> Resolved {
    look_up_all(named, chosen, None, resolver, rules).await
}

/// The next hop that a relay is.
pub(crate) fn by_relay<'a>(
    relay: &'a Arc<Relay>,
    resolver: &'a dyn Resolve,
    rules: &'a Rules,
) -> BoxFuture<'a, Resolved> {
    Box::pin(look_up_all(&relay.hosts, Chosen::AsRelay, Some(relay), resolver, rules))
}

async fn look_up_all(
    named: &Hosts,
    chosen: Chosen,
    relay: Option<&Arc<Relay>>,
    resolver: &dyn Resolve,
    rules: &Rules,
) -> Resolved {
    let demanded = relay.and_then(|relay| relay.tls.as_ref());
    let lookups = named.hosts.iter().map(|host| look_up(host, resolver, rules.port)).collect();
    let (mut hosts, mut trouble, mut looped, mut ttl) = (Vec::new(), None, false, FOREVER);
    for (preference, (host, found)) in (0..).zip(named.hosts.iter().zip(join_all(lookups).await)) {
        if rules.is_ourselves(host, &found) {
            looped = true;
            break;
        }
        match found {
            Ok((places, known)) => {
                ttl = ttl.min(known);
                let name = name(host);
                // LMTP is spoken between servers that know each other, mostly on one machine.
                let tls = match named.protocol {
                    Protocol::Lmtp => Demand::Clear,
                    Protocol::Smtp => {
                        if let Some(policy) = demanded {
                            rules.tls.demand(policy, &name)
                        } else {
                            let (tls, known) = demand(host, &name, resolver, rules).await;
                            ttl = ttl.min(known);
                            tls
                        }
                    }
                };
                hosts.push(Host { preference, name, places, tls });
            }
            Err(error) => trouble = Some(format!("{host}: {error}")),
        }
    }
    let Some(first) = hosts.first() else {
        return route::failed(match (looped, trouble) {
            (true, None) => route::loops("this domain, by a route of ours,"),
            (_, trouble) => nowhere(&trouble.unwrap_or_default()),
        });
    };
    let site = first.with_port().into();
    let credential = relay.map_or(Credential::None, |relay| Credential::Relay(Arc::clone(relay)));
    let terms = Terms { protocol: named.protocol, credential, ..rules.terms.clone() };
    let hop = NextHop::new(site, hosts, terms, chosen, Security::Insecure);
    Resolved { route: Ok(Route::Hop(Arc::new(hop))), ttl }
}

/// What a route of ours finds wrong is ours to mend: the mail waits for that. Only a circle does not end by itself.
pub(crate) fn kept(resolved: Resolved) -> Resolved {
    match resolved.route {
        Err(Unroutable::Bounce(reply)) if reply.enhanced() != Some(EnhancedStatus::new(5, 4, 6)) => {
            route::failed(nowhere(reply.text()))
        }
        route => Resolved { route, ttl: resolved.ttl },
    }
}

/// RFC 3463 §3.5: unable to route.
fn nowhere(why: &str) -> Unroutable {
    let text = format!("the route that this server has for the domain leads nowhere: {why}");
    Unroutable::Defer(Reply::new(451, EnhancedStatus::new(4, 4, 4), text))
}

fn look_up<'a>(host: &'a NamedHost, resolver: &'a dyn Resolve, default_port: u16) -> BoxFuture<'a, Found> {
    Box::pin(async move {
        match host {
            NamedHost::Unix(path) => Ok((vec![Place::Unix(path.as_path().into())], FOREVER)),
            NamedHost::Address(address, port) => {
                let address = SocketAddr::new(*address, port.unwrap_or(default_port));
                Ok((vec![Place::Tcp(address)], FOREVER))
            }
            NamedHost::Name(name, port) => {
                let answer = resolver.addresses(name).await?;
                let place = |address| Place::Tcp(SocketAddr::new(address, port.unwrap_or(default_port)));
                Ok((answer.records.into_iter().map(place).collect(), answer.ttl))
            }
        }
    })
}

/// What it is called in events and replies.
fn name(host: &NamedHost) -> Arc<str> {
    match host {
        NamedHost::Name(name, _) => (**name).into(),
        NamedHost::Address(address, _) => Domain::Literal(*address).to_string().into(),
        NamedHost::Unix(_) => host.to_string().into(),
    }
}

/// What is asked of a host, and how long that holds. Its name is the operator's word, so its own zone alone has to be secure for DANE.
async fn demand(host: &NamedHost, name: &str, resolver: &dyn Resolve, rules: &Rules) -> (Demand, Duration) {
    let policy = rules.tls.of(&domain(host));
    let mut ttl = FOREVER;
    if let (NamedHost::Name(name, port), true) = (host, TlsRules::heeds_domain(policy)) {
        let (found, known) = dane::demand(resolver, name, port.unwrap_or(rules.port), None).await;
        ttl = known;
        if let Some(found) = found {
            return (found, ttl);
        }
    }
    (rules.tls.demand(policy, name), ttl)
}

/// By what the rules for TLS know it. A socket has no such name, and no rule.
fn domain(host: &NamedHost) -> Domain {
    match host {
        NamedHost::Name(name, _) => Domain::Name(name.clone()),
        NamedHost::Address(address, _) => Domain::Literal(*address),
        NamedHost::Unix(_) => Domain::Name(Box::default()),
    }
}

impl Rules {
    fn is_ourselves(&self, host: &NamedHost, found: &Found) -> bool {
        let is_own = |place: &Place| place.tcp().is_some_and(|at| self.own.is_socket(at.ip(), at.port()));
        let by_address = found.as_ref().is_ok_and(|(places, _)| places.iter().any(is_own));
        // Another port of our own name is another server, such as a filter.
        let by_name = match host {
            NamedHost::Name(name, port) => self.own.takes_mail_at(name, port.unwrap_or(self.port)),
            NamedHost::Address(..) | NamedHost::Unix(_) => false,
        };
        by_address || by_name
    }
}
