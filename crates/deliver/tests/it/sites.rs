//! What sites teach us, and that a restart does not forget it (mail-rules 9).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::{path::PathBuf, time::Duration};

use disk::Clock;

use crate::support::{
    World,
    peer::Does::{Say, SayAndClose},
};
use events::Kind::{Deferred, Delivered};

const ANNA: &str = "anna@example.net";
const BERT: &str = "bert@example.net";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX: &str = "192.0.2.3";
const MINUTE: Duration = Duration::from_mins(1);

fn file(world: &World) -> PathBuf {
    world.dir.path().join("sites.jsonl")
}

/// Fails to reach `example.net`, and stops.
async fn suspended() -> World {
    let mut world = World::new();
    world.peer(MX).obey(vec![("CONNECT", SayAndClose("421 4.3.2 Not today"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.stop().await;
    world
}

#[tokio::test]
async fn a_restart_does_not_forget_a_suspension() {
    let mut world = suspended().await;
    world.wake();
    world.send(OTTO, &[BERT], TEXT).await;
    let event = world.fate(BERT).await;
    assert_eq!(event.kind, Deferred);
    assert!(event.reply.unwrap().contains("Not today"), "the words of the host are known still");
    assert_eq!(world.peer(MX).count("CONNECT"), 1, "nothing was tried");
}

#[tokio::test]
async fn failures_in_a_row_are_counted_over_restarts() {
    let mut world = suspended().await;
    world.clock.advance(2 * MINUTE);
    world.wake();
    world.send(OTTO, &[BERT], TEXT).await;
    let until = world.fate(BERT).await.next_due.unwrap();
    assert_eq!(world.peer(MX).count("CONNECT"), 2);
    // The second rest has five minutes, a tenth more or less.
    assert!(until.since(world.clock.now()) >= 4 * MINUTE, "{until}");
}

#[tokio::test]
async fn a_success_is_remembered_too() {
    let mut world = suspended().await;
    world.peer(MX).obey(Vec::new());
    world.clock.advance(2 * MINUTE);
    world.wake();
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Delivered);
    world.stop().await;
    let text = std::fs::read_to_string(file(&world)).unwrap();
    assert!(!text.contains("until"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_use_is_left_behind() {
    for (from, to) in [("Not today", "Not Today"), ("\"version\":1", "\"version\":2"), ("{", "")] {
        let mut world = suspended().await;
        let text = std::fs::read_to_string(file(&world)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file(&world), text.replacen(from, to, 1)).unwrap();
        world.peer(MX).obey(Vec::new());
        world.wake();
        world.send(OTTO, &[BERT], TEXT).await;
        assert_eq!(world.fate(BERT).await.kind, Delivered, "{to}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_stops_nothing() {
    let mut world = World::with(|config| config.sites_file = Some("/proc/none/sites.jsonl".into()));
    let peer = world.peer(MX);
    peer.obey(vec![("RCPT TO:<anna", Say("421 4.3.2 Enough"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Delivered);
    world.stop().await;
}

#[tokio::test]
async fn how_sites_fare_can_be_looked_at() {
    let mut world = World::asleep(|_| {});
    world.peer(MX).obey(vec![("CONNECT", SayAndClose("421 4.3.2 Not today"))]);
    world.peer("192.0.2.1");
    let sites = world.wake();
    assert!(sites.status().is_empty());
    world.send(OTTO, &[ANNA, "x@example.org", "anna@here.test"], TEXT).await;
    world.fates(&[ANNA, "x@example.org", "anna@here.test"]).await;
    let all = sites.status();
    let names: Vec<&str> = all.iter().map(|status| &*status.site).collect();
    assert_eq!(names, ["example.net", "example.org"], "local delivery is no site");
    let refusal = all[0].last_refusal.as_ref().unwrap();
    assert_eq!((refusal.reply.code(), refusal.host.as_deref()), (421, Some("mx.example.net")));
    assert_eq!((all[0].lanes.len(), all[0].lanes[0].failures), (1, 1));
    assert!(all[1].last_refusal.is_none() && all[1].lanes[0].suspension.is_none());
}

/// Five connections are refused at once; the site gets two, not none.
#[tokio::test]
async fn connections_that_are_refused_together_are_one_refusal() {
    let mut world = World::asleep(|_| {});
    let peer = world.peer(MX);
    peer.obey(vec![("MAIL", Say("421 4.7.0 Too many connections"))]);
    let names: Vec<String> = (0..5).map(|n| format!("r{n}@example.net")).collect();
    for name in &names {
        world.send(OTTO, &[name], TEXT).await;
    }
    let sites = world.wake();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(world.fates(&names).await, [Deferred; 5]);
    assert_eq!(sites.status()[0].connections_allowed, 2);
    peer.obey(Vec::new());
    world.later(2 * MINUTE);
    assert_eq!(world.fates(&names).await, [Delivered; 5]);
    let grown = sites.status()[0].connections_allowed;
    assert!((2..=3).contains(&grown), "{grown}: carefully, for each round of successes");
}

/// To defer a long backlog takes longer than the rest lasts. What is left then is no longer turned away, or it would be
/// deferred to a time that is over, again and again, and never tried.
#[tokio::test]
async fn a_backlog_is_turned_away_no_longer_than_the_site_rests() {
    let mut world = World::cold();
    world.peer(MX).obey(vec![("CONNECT", SayAndClose("421 4.3.2 Not today"))]);
    world.wake();
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.stop().await;
    world.peer(MX).obey(Vec::new());
    for _ in 0..150 {
        world.send(OTTO, &[BERT], TEXT).await;
    }
    let begun = world.clock.now();
    world.wake();
    while world.queue().iter().filter(|message| message.recipients[0].due > begun).count() < 5 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(2 * MINUTE);
    for _ in 0..=150 {
        world.event(|event| event.kind == Delivered).await;
    }
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn whoever_asks_for_the_mail_of_a_domain_ends_the_rest_of_its_site_alone() {
    let mut world = World::new();
    for mx in ["192.0.2.1", "192.0.2.2", MX] {
        world.peer(mx).obey(vec![("CONNECT", SayAndClose("421 4.3.2 Not today"))]);
    }
    for recipient in [ANNA, "carl@example.org"] {
        world.send(OTTO, &[recipient], TEXT).await;
        assert_eq!(world.fate(recipient).await.kind, Deferred);
    }
    world.spool.retry_domain(&mail::Domain::parse("example.org").unwrap(), world.clock.now());
    assert_eq!(world.fate("carl@example.org").await.attempt, Some(2), "it was tried");
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Deferred);
    assert_eq!(world.peer(MX).count("CONNECT"), 1, "the other site rests");
}
