//! Routes of the operator and the relay.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::time::Duration;

use crate::support::{
    World,
    peer::Does::{KeepSilent, Say},
};
use deliver::{Config, Destination, Hosts, NamedHost, Pattern, Protocol, Relay, StaticRoute};
use events::Kind::{Bounced, Deferred, Delivered};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.net";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const RELAY: &str = "10.0.0.7";

fn hosts(addresses: &[&str]) -> Hosts {
    let host = |address: &&str| NamedHost::Address(address.parse().unwrap(), None);
    Hosts { protocol: Protocol::Smtp, hosts: addresses.iter().map(host).collect() }
}

fn route(config: &mut Config, domain: &str, to: Destination) {
    config.routes.push(StaticRoute { domains: vec![Pattern::parse(domain).unwrap()], to });
}

fn relay(config: &mut Config) {
    config.relays = vec![Relay::of("relay", hosts(&[RELAY])).into()];
}

#[tokio::test]
async fn the_relay_gets_what_no_route_and_no_mailbox_takes() {
    let mut world = World::with(|config| {
        relay(config);
        route(config, "example.org", Destination::Mx);
    });
    let (relay, mx) = (world.peer(RELAY), world.peer("192.0.2.1"));
    world.send(OTTO, &[ANNA, BERT, OTTO, "x@[192.0.2.9]"], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT, OTTO, "x@[192.0.2.9]"]).await, [Delivered; 4]);
    let to = |peer: &crate::support::peer::Peer| {
        let mut to: Vec<String> = peer.got().into_iter().flat_map(|got| got.to).collect();
        to.sort();
        to
    };
    assert_eq!(to(&relay), [BERT, "x@[192.0.2.9]"]);
    assert_eq!(to(&mx), [ANNA]);
    assert_eq!(world.mailbox(OTTO).len(), 1);
}

#[tokio::test]
async fn hosts_of_a_route_are_tried_in_their_order() {
    let two = Destination::Hosts(hosts(&["192.0.2.8", "192.0.2.7"]));
    let mut world = World::with(|config| route(config, "*", two));
    world.peer("192.0.2.8").obey(vec![("CONNECT", Say("421 4.3.2 Not now"))]);
    world.peer("192.0.2.7");
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, &*event.mx.unwrap().host), (Delivered, "[192.0.2.7]"));
    assert_eq!(event.site.as_deref(), Some("[192.0.2.8]"));
    assert_eq!(world.peer("192.0.2.8").count("CONNECT"), 1);
}

#[tokio::test]
async fn what_the_relay_has_against_us_holds_all_mail_and_bounces_none() {
    for (line, reply) in [
        ("MAIL", "530 5.7.0 Authentication required"),
        ("RCPT", "550 5.4.5 Daily sending quota exceeded"),
        (".", "554 5.7.0 Too many messages from you"),
    ] {
        let mut world = World::with(relay);
        let peer = world.peer(RELAY);
        peer.obey(vec![(line, Say(reply))]);
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Deferred, "{reply}");
        world.send(OTTO, &[BERT], TEXT).await;
        let event = world.fate(BERT).await;
        assert_eq!((event.kind, event.attempt), (Deferred, None), "{reply}: nothing more is tried for now");
        assert_eq!(peer.count("MAIL"), 1, "{reply}");
        peer.obey(Vec::new());
        world.later(Duration::from_mins(2));
        assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered], "{reply}");
    }
}

#[tokio::test]
async fn a_recipient_that_the_relay_refuses_bounces() {
    let mut world = World::with(relay);
    world.peer(RELAY).obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Bounced);
}

#[tokio::test]
async fn a_route_whose_name_is_unknown_keeps_the_mail() {
    let nobody =
        Hosts { protocol: Protocol::Smtp, hosts: vec![NamedHost::Name("nobody.example".into(), None)] };
    let mut world = World::with(|config| route(config, "example.org", Destination::Hosts(nobody)));
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!(event.kind, Deferred);
    assert!(event.reply.unwrap().contains("4.4.4"));
    world.dns.set("nobody.example A 10.0.0.9");
    world.peer("10.0.0.9");
    world.later(Duration::from_mins(2));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}

#[tokio::test]
async fn a_kept_connection_carries_nothing_for_a_host_that_has_moved() {
    let mut world = World::new();
    let (old, new) = (world.peer("192.0.2.1"), world.peer("192.0.2.99"));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    world.dns.set("mx1.example.org A 192.0.2.99");
    world.clock.advance(Duration::from_hours(24));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((old.got().len(), new.got().len()), (1, 1));
    assert_eq!(old.count("QUIT"), 1, "it is closed in good manners");
}

#[tokio::test]
async fn an_attempt_ends_with_its_budget_of_addresses() {
    let silent = ["192.0.2.11", "192.0.2.12", "192.0.2.13"];
    let mut world = World::with(|config| {
        config.addresses_max = 2;
        config.timeouts.greeting = Duration::from_millis(10);
        route(config, "*", Destination::Hosts(hosts(&silent)));
    });
    for address in silent {
        world.peer(address).obey(vec![("CONNECT", KeepSilent)]);
    }
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    let tried = |world: &World| silent.map(|address| world.peer(address).count("CONNECT"));
    assert_eq!(tried(&world), [1, 1, 0]);
    world.peer(silent[2]).obey(Vec::new());
    world.later(Duration::from_secs(55));
    assert_eq!(world.fate(ANNA).await.kind, Delivered, "those that failed are tried last");
    assert_eq!(tried(&world), [1, 1, 1]);
}

/// RFC 5321 §5.1: each address is tried until one takes the mail, over several attempts if need be.
#[tokio::test]
async fn a_backup_behind_many_dead_addresses_is_reached_in_the_end() {
    let mut world = World::new();
    let dead: Vec<String> = (1..=12).map(|n| format!("many.example A 192.0.2.{}", 100 + n)).collect();
    let dead = dead.join("\n");
    world.dns.set(&format!(
        "example.com MX 10 many.example\nexample.com MX 20 backup.example\n{dead}\nbackup.example A 192.0.2.9"
    ));
    let backup = world.peer("192.0.2.9");
    world.send(OTTO, &["x@example.com"], TEXT).await;
    assert_eq!(world.fate("x@example.com").await.kind, Deferred);
    let mut kinds = Vec::new();
    for interval in [20, 100, 300] {
        world.later(Duration::from_mins(interval));
        kinds.push(world.fate("x@example.com").await.kind);
        if kinds.last() == Some(&Delivered) {
            break;
        }
    }
    assert_eq!(kinds, [Deferred, Delivered], "five addresses in each attempt, never the same first");
    assert_eq!(backup.got().len(), 1);
}

/// An attempt has an end, whatever the addresses do; RFC 5321 §5.1 wants two of them tried.
#[tokio::test]
async fn an_attempt_goes_to_no_further_address_when_its_time_is_over() {
    for (search, tried) in [(Duration::ZERO, 2), (Duration::from_mins(1), 4)] {
        let mut world = World::with(|config| {
            route(
                config,
                "*",
                Destination::Hosts(hosts(&["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"])),
            );
            config.timeouts.greeting = Duration::from_millis(10);
            config.timeouts.search = search;
        });
        let peers = ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"].map(|address| world.peer(address));
        for peer in &peers {
            peer.obey(vec![("CONNECT", KeepSilent)]);
        }
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        assert_eq!(peers.iter().map(|peer| peer.count("CONNECT")).sum::<usize>(), tried, "{search:?}");
    }
}

#[tokio::test]
async fn changed_routes_and_intervals_hold_for_what_is_tried_next() {
    let mut world = World::new();
    let (before, after) = (world.peer("192.0.2.1"), world.peer("192.0.2.7"));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    world.change(|config| route(config, "example.org", Destination::Hosts(hosts(&["192.0.2.7"]))));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((before.got().len(), after.got().len()), (1, 1), "the route found before is forgotten");
    after.obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    world.change(|config| config.retry = vec![Duration::from_hours(2)]);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    let wait = event.next_due.unwrap().since(event.at);
    assert!(wait > Duration::from_hours(1), "{wait:?}");
}
