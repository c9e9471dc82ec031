//! What delivery holds in memory and takes of the machine has bounds, and at a bound mail waits and nothing is lost.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::{fmt::Write as _, time::Duration};

use disk::Clock;

use crate::support::{World, peer::Does};
use events::Kind::{Bounced, Deferred, Delivered};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.net";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

/// So many recipients, each in a domain with a host of its own.
fn strangers(world: &World, count: usize) -> Vec<String> {
    let mut zones = String::new();
    for n in 0..count {
        let _infallible =
            writeln!(zones, "d{n}.example MX 10 mx.d{n}.example\nmx.d{n}.example A 198.51.100.{n}");
    }
    world.dns.set(&zones);
    (0..count).map(|n| format!("x@d{n}.example")).collect()
}

async fn send(world: &World, recipients: &[String]) {
    for recipient in recipients {
        world.send("", &[recipient], TEXT).await;
    }
}

fn texts(recipients: &[String]) -> Vec<&str> {
    recipients.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn domains_beyond_the_workers_there_may_be_wait_in_the_queue() {
    let mut world = World::with(|config| (config.connections, config.workers_waiting_max) = (4, 2));
    world.peer("192.0.2.1");
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    let recipients = strangers(&world, 20);
    for n in 0..20 {
        world.peer(&format!("198.51.100.{n}")).obey(vec![("CONNECT", Does::KeepSilent)]);
    }
    send(&world, &recipients).await;
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered, "a site that takes mail gets a worker all the same");
    let in_hand = world.spool.stats().in_flight;
    assert!(in_hand <= 6, "{in_hand} recipients are in the hands of workers");
    world.stop().await;
}

#[tokio::test]
async fn who_waited_for_a_worker_has_its_turn() {
    let mut world = World::with(|config| (config.connections, config.workers_waiting_max) = (2, 0));
    let recipients = strangers(&world, 20);
    send(&world, &recipients).await;
    assert_eq!(world.fates(&texts(&recipients)).await, [Deferred; 20]);
}

#[tokio::test]
async fn more_domains_than_are_ended_at_a_time_are_ended_all_the_same() {
    const DOMAINS: usize = 100;
    let mut world = World::asleep(|_| {});
    let recipients: Vec<String> = (0..DOMAINS).map(|n| format!("x@null{n}.example")).collect();
    let zones: Vec<String> = (0..DOMAINS).map(|n| format!("null{n}.example MX 0 .")).collect();
    world.dns.set(&zones.join("\n"));
    send(&world, &recipients).await;
    world.wake();
    assert_eq!(world.fates(&texts(&recipients)).await, [Bounced; DOMAINS]);
}

/// Two connections there may be, and two hosts have one each that idles.
#[tokio::test]
async fn an_idle_connection_gives_its_place_to_who_waits_for_one() {
    let mut world = World::with(|config| config.connections = 2);
    world.peer("192.0.2.1");
    world.peer("192.0.2.3");
    world.peer("198.51.100.0");
    for recipient in [ANNA, BERT] {
        world.send("", &[recipient], TEXT).await;
        assert_eq!(world.fate(recipient).await.kind, Delivered);
    }
    let third = strangers(&world, 1);
    send(&world, &third).await;
    assert_eq!(world.fate(&third[0]).await.kind, Delivered);
    let left = world.peer("192.0.2.1").count("QUIT") + world.peer("192.0.2.3").count("QUIT");
    assert_eq!(left, 1, "one was given up, and not both");
}

#[tokio::test]
async fn what_sites_taught_us_has_an_end() {
    let mut world = World::asleep(|config| {
        config.lessons_max = 6;
        // None of them is due again here.
        config.retry = vec![Duration::from_hours(1)];
    });
    let recipients = strangers(&world, 10);
    let sites = world.wake();
    for recipient in &recipients {
        world.send("", &[recipient], TEXT).await;
        assert_eq!(world.fate(recipient).await.kind, Deferred);
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(sites.status().len(), 10);
    world.clock.advance(Duration::from_mins(1));
    world.peer("192.0.2.1");
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(sites.status().len(), 7, "those that rest longest, and the one that takes mail");
}

#[tokio::test]
async fn a_connection_for_which_there_is_no_descriptor_is_opened_a_little_later() {
    let mut world = World::new();
    world.peer("192.0.2.1");
    world.network.lack_descriptors(2);
    world.send("", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}

#[tokio::test]
async fn a_want_of_descriptors_is_not_held_against_a_site() {
    let mut world = World::asleep(|config| config.timeouts.connect = Duration::ZERO);
    let sites = world.wake();
    world.peer("192.0.2.1");
    world.network.lack_descriptors(1);
    world.send("", &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.attempt), (Deferred, None), "nothing was tried");
    assert!(event.reply.unwrap().starts_with("451 4.3.0 no connection can be opened here"));
    assert!(event.next_due.unwrap().since(world.clock.now()) >= Duration::from_mins(1));
    assert!(sites.status()[0].last_refusal.is_none());
    world.send("", &["bert@example.org"], TEXT).await;
    assert_eq!(world.fate("bert@example.org").await.kind, Delivered, "the site does not rest");
}
