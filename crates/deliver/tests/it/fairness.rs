//! Mail that has nothing to do with a destination in trouble does not wait for it.
#![allow(clippy::unwrap_used, reason = "tests may")]

use crate::support::{World, peer::Does};
use events::Kind::Delivered;

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

/// As many lookups hang as there may be at a time.
#[tokio::test]
async fn a_silent_name_server_holds_up_nothing_whose_way_is_known() {
    let mut world = World::with(|config| config.lookups_max = 2);
    world.peer("192.0.2.1");
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    world.dns.set("one.example HANG\ntwo.example HANG\nthree.example HANG");
    for name in ["one", "two", "three"] {
        world.send("", &[&format!("x@{name}.example")], TEXT).await;
    }
    while world.dns.queries().iter().filter(|query| query.contains(".example MX")).count() < 2 {
        tokio::task::yield_now().await;
    }
    world.send("", &[ANNA, OTTO], TEXT).await;
    assert_eq!(world.fates(&[ANNA, OTTO]).await, [Delivered; 2]);
}

/// A list of hundreds to one domain, then one message to another domain with the same hosts.
#[tokio::test]
async fn a_backlog_to_one_domain_does_not_hold_up_another_with_the_same_hosts() {
    const BACKLOG: usize = 300;
    let mut world = World::asleep(|config| {
        config.ready_max = 16;
        config.connections_per_site = 1;
    });
    world.dns.set("other.example MX 10 mx1.example.org\nother.example MX 20 mx2.example.org");
    let peer = world.peer("192.0.2.1");
    for n in 0..BACKLOG {
        world.send("", &[&format!("r{n}@example.org")], TEXT).await;
    }
    world.clock.advance(std::time::Duration::from_secs(1));
    world.send("", &["x@other.example"], TEXT).await;
    world.wake();
    assert_eq!(world.fate("x@other.example").await.kind, Delivered);
    let before = peer.got().iter().position(|got| got.to == ["x@other.example"]).unwrap();
    assert!(before < BACKLOG / 3, "{before} messages of the backlog came first");
    let seen = world.seen.iter().filter(|event| event.kind == Delivered).count();
    for _ in seen..=BACKLOG {
        world.event(|event| event.kind == Delivered).await;
    }
    assert!(world.queue().is_empty());
}

/// As many connections as there may be are wanted for a host that never says a word.
#[tokio::test]
async fn a_dead_destination_does_not_take_the_connections_of_one_that_takes_mail() {
    let mut world = World::with(|config| {
        config.connections = 4;
        config.transactions_per_connection = 1;
    });
    world.peer("192.0.2.1");
    let dead = world.peer("192.0.2.3");
    dead.obey(vec![("CONNECT", Does::KeepSilent)]);
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    for n in 0..6 {
        world.send("", &[&format!("r{n}@example.net")], TEXT).await;
    }
    dead.heard("CONNECT", 3).await;
    for _ in 0..3 {
        world.send("", &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
    }
    assert_eq!(dead.count("CONNECT"), 3, "a quarter is kept");
}
