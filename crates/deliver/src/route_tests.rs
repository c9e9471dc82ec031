//! Cases of RFC 5321 §5.1, each with the route that it must give.

use testkit::dns::FakeDns;

use super::*;
use crate::{
    fixtures,
    static_route::{NamedHost, Pattern},
};

const ZONES: &str = "
    example.org MX 20 mx2.example.org
    example.org MX 10 mx1.example.org
    mx1.example.org A 192.0.2.1
    mx1.example.org AAAA 2001:db8::1
    mx2.example.org A 192.0.2.2
    implicit.example A 192.0.2.3
    null.example MX 0 .
    mixed.example MX 0 .
    mixed.example MX 10 mx1.example.org
    empty.example TXT \"no address\"
    alias.example CNAME example.org
    hostless.example MX 10 nowhere.example
    halfway.example MX 10 broken.example
    halfway.example MX 20 mx2.example.org
    allbroken.example MX 10 broken.example
    allbroken.example MX 20 nowhere.example
    broken.example SERVFAIL
    slow.example TIMEOUT
    backup.example MX 10 mx1.example.org
    backup.example MX 20 ourselves.example.net
    backup.example MX 20 mx2.example.org
    backup.example MX 30 mx2.example.org
    ours.example MX 10 ourselves.example.net
    ours.example MX 20 mx2.example.org
    hidden.example MX 10 mx1.example.org
    hidden.example MX 20 other.example.net
    hidden.example MX 20 mx2.example.org
    other.example.net A 198.51.100.7
    ours2.example MX 10 other.example.net
    local.example MX 10 loop.example
    loop.example A 127.0.0.1
    loop.example AAAA fd00::1
    partly.example MX 10 loop.example
    partly.example MX 20 mx2.example.org
    xn--bcher-kva.example MX 10 mx1.example.org
";

fn rules() -> Rules {
    Rules {
        own: Own {
            names: vec!["ourselves.example.net".into()],
            sockets: vec!["0.0.0.0:25".parse().unwrap()],
            addresses: vec!["198.51.100.7".parse().unwrap()],
        },
        private_addresses: PrivateAddresses::Refuse,
        tls: TlsRules::default(),
        sts: None,
        port: 25,
        routes: Vec::new(),
        relays: Vec::new(),
        store: None,
        terms: fixtures::terms(),
    }
}

async fn routed(domain: &str, rules: &Rules) -> String {
    let resolved = resolve(&Domain::parse(domain).unwrap(), &FakeDns::new(ZONES), rules).await;
    match resolved.route {
        Ok(Route::Local) => "local".to_owned(),
        Ok(Route::Choice(_)) => "by sender".to_owned(),
        Ok(Route::Hop(route)) => {
            let hosts = route.hosts.iter().map(|host| format!("{} {}", host.preference, host.name));
            format!("{}: {}", route.site, hosts.collect::<Vec<_>>().join(", "))
        }
        Err(Unroutable::Defer(reply)) => {
            assert!(reply.is_transient());
            reply.to_string()[..9].to_owned()
        }
        Err(Unroutable::Bounce(reply)) => {
            let enhanced = reply.enhanced().unwrap();
            format!("{} {enhanced}", reply.code())
        }
    }
}

#[tokio::test]
async fn each_kind_of_domain_has_its_route() {
    for (domain, expected) in [
        ("example.org", "example.org: 10 mx1.example.org, 20 mx2.example.org"),
        ("implicit.example", "implicit.example: 0 implicit.example"),
        ("null.example", "556 5.1.10"),
        ("mixed.example", "example.org: 10 mx1.example.org"),
        ("empty.example", "550 5.1.2"),
        ("nowhere.example", "550 5.1.2"),
        ("alias.example", "example.org: 10 mx1.example.org, 20 mx2.example.org"),
        ("hostless.example", "550 5.4.4"),
        ("halfway.example", "example.org: 20 mx2.example.org"),
        ("allbroken.example", "451 4.4.3"),
        ("broken.example", "451 4.4.3"),
        ("slow.example", "451 4.4.3"),
        ("backup.example", "example.org: 10 mx1.example.org"),
        ("ours.example", "550 5.4.6"),
        ("hidden.example", "example.org: 10 mx1.example.org"),
        ("ours2.example", "550 5.4.6"),
        ("local.example", "550 5.4.4"),
        ("partly.example", "example.org: 20 mx2.example.org"),
        ("bücher.example", "example.org: 10 mx1.example.org"),
        ("[192.0.2.9]", "[192.0.2.9]: 0 [192.0.2.9]"),
        ("[IPv6:2001:db8::9]", "[IPv6:2001:db8::9]: 0 [IPv6:2001:db8::9]"),
        ("[127.0.0.1]", "550 5.4.4"),
        ("[10.0.0.1]", "550 5.4.4"),
        ("[198.51.100.7]", "550 5.4.6"),
    ] {
        assert_eq!(routed(domain, &rules()).await, expected, "{domain}");
    }
}

#[tokio::test]
async fn test_networks_may_use_loopback_but_never_reach_ourselves() {
    let mut rules = rules();
    rules.private_addresses = PrivateAddresses::Allow;
    rules.port = 2526;
    rules.own.sockets = vec!["127.0.0.1:2525".parse().unwrap()];
    assert_eq!(routed("local.example", &rules).await, "loop.example: 10 loop.example");
    rules.port = 2525;
    assert_eq!(routed("local.example", &rules).await, "550 5.4.6");
}

#[tokio::test]
async fn domains_of_the_same_hosts_share_a_lane() {
    let dns = FakeDns::new(ZONES);
    let lane = async |domain: &str| match resolve(&Domain::parse(domain).unwrap(), &dns, &rules()).await.route
    {
        Ok(Route::Hop(route)) => route.lane.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(lane("example.org").await, lane("alias.example").await);
    assert_ne!(lane("example.org").await, lane("mixed.example").await);
}

#[tokio::test]
async fn private_addresses_are_named_with_the_setting_that_allows_them() {
    let resolved = resolve(&Domain::parse("local.example").unwrap(), &FakeDns::new(ZONES), &rules()).await;
    let Err(Unroutable::Bounce(reply)) = resolved.route else { panic!("{resolved:?}") };
    assert!(reply.text().contains("private_addresses"), "{reply}");
}

// --- routes of the operator ---

fn hosts(hosts: Vec<NamedHost>) -> Hosts {
    Hosts { protocol: Protocol::Smtp, hosts }
}

fn name(name: &str, port: Option<u16>) -> NamedHost {
    NamedHost::Name(name.into(), port)
}

fn route(domain: &str, to: Destination) -> StaticRoute {
    StaticRoute { domains: vec![Pattern::parse(domain).unwrap()], to }
}

#[tokio::test]
async fn a_route_comes_before_the_dns_and_a_relay_behind_the_routes() {
    let mut rules = rules();
    let inner = NamedHost::Address("10.0.0.7".parse().unwrap(), Some(2525));
    let to = |named| Destination::Hosts(hosts(named));
    rules.routes = vec![
        route("null.example", to(vec![name("mx2.example.org", None), inner])),
        route(".example.org", Destination::MxOf("example.org".into())),
        route("example.org", Destination::Mx),
        route("[192.0.2.9]", to(vec![name("loop.example", Some(10_025))])),
    ];
    let relay = hosts(vec![name("mx1.example.org", Some(587))]);
    rules.relays = vec![Arc::new(Relay::of("relay", relay))];
    for (domain, expected) in [
        ("null.example", "mx2.example.org: 0 mx2.example.org, 1 [10.0.0.7]"),
        ("any.example.org", "example.org: 10 mx1.example.org, 20 mx2.example.org"),
        ("example.org", "example.org: 10 mx1.example.org, 20 mx2.example.org"),
        ("[192.0.2.9]", "loop.example:10025: 0 loop.example"),
        ("elsewhere.example", "mx1.example.org:587: 0 mx1.example.org"),
        ("[192.0.2.8]", "mx1.example.org:587: 0 mx1.example.org"),
    ] {
        assert_eq!(routed(domain, &rules).await, expected, "{domain}");
    }
}

#[tokio::test]
async fn a_route_that_leads_nowhere_keeps_the_mail_and_one_that_leads_here_does_not() {
    let mut rules = rules();
    rules.own.sockets.push("127.0.0.1:2525".parse().unwrap());
    let to = |named| Destination::Hosts(hosts(vec![named]));
    let address = |address: &str, port| NamedHost::Address(address.parse().unwrap(), Some(port));
    for (destination, expected) in [
        (to(name("nowhere.example", None)), "451 4.4.4"),
        (to(name("empty.example", None)), "451 4.4.4"),
        (to(name("broken.example", None)), "451 4.4.4"),
        (Destination::MxOf("null.example".into()), "451 4.4.4"),
        (Destination::MxOf("nowhere.example".into()), "451 4.4.4"),
        (Destination::MxOf("slow.example".into()), "451 4.4.3"),
        (Destination::MxOf("local.example".into()), "550 5.4.6"),
        (Destination::MxOf("ours.example".into()), "550 5.4.6"),
        (to(name("ourselves.example.net", None)), "550 5.4.6"),
        (to(name("other.example.net", Some(25))), "550 5.4.6"),
        (to(address("127.0.0.1", 2525)), "550 5.4.6"),
        (to(address("127.0.0.1", 25)), "550 5.4.6"),
        (to(address("127.0.0.1", 10_025)), "[127.0.0.1]:10025: 0 [127.0.0.1]"),
    ] {
        let shown = destination.texts();
        rules.routes = vec![route("example.net", destination)];
        assert_eq!(routed("example.net", &rules).await, expected, "{shown:?}");
    }
}

#[tokio::test]
async fn hosts_behind_ourselves_in_a_route_are_left_out() {
    let mut rules = rules();
    let named = ["mx1.example.org", "other.example.net", "mx2.example.org"];
    let named = named.iter().map(|host| name(host, None)).collect();
    rules.routes = vec![route("*", Destination::Hosts(hosts(named)))];
    assert_eq!(routed("example.net", &rules).await, "mx1.example.org: 0 mx1.example.org");
}
