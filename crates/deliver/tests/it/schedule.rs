//! Mail whose sender says when it is to go, by when, and how urgent it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::time::Duration;

use disk::Clock;
use events::Kind::{Bounced, Deferred, Delivered, Expired};
use mail::{DeliverBy, Envelope, Notify};

use crate::support::{World, peer::Does::Say};

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";
const HOUR: Duration = Duration::from_hours(1);
const LATER: &str = "450 4.2.0 Later";

/// RFC 4865 §4: no retry of an operator's sends it early.
#[tokio::test]
async fn what_is_to_be_released_later_waits_for_its_time() {
    let mut world = World::new();
    world.peer(MX1);
    let until = world.clock.now().after(HOUR);
    world
        .send_as(OTTO, &[ANNA], TEXT, |envelope| {
            envelope.hold_until = Some(until);
            envelope.recipients[0].due = until;
        })
        .await;
    world.spool.retry_all(world.clock.now());
    world.send("", &[OTTO], TEXT).await;
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert_eq!(world.queue().len(), 1, "it waits");
    world.clock.advance(HOUR);
    // The scheduler sleeps by another clock until something is due earlier than what it knows of.
    world.send_as("", &[OTTO], TEXT, |envelope| envelope.recipients[0].due = until.before(HOUR)).await;
    assert_eq!(world.fates(&[ANNA, OTTO]).await, [Delivered; 2]);
}

const HEEDS: &str = "250-mx1.example.org\r\n250 DELIVERBY";

fn by(deadline: mail::Timestamp, return_then: bool, trace: bool) -> impl FnOnce(&mut Envelope) {
    move |envelope| envelope.deliver_by = Some(DeliverBy { deadline, return_then, trace })
}

/// RFC 2852 §4, the mode R.
#[tokio::test]
async fn what_is_worthless_later_is_returned_and_not_tried_again() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(HEEDS)), ("RCPT", Say(LATER))]);
    let deadline = world.clock.now().after(Duration::from_secs(40));
    world.send_as(OTTO, &[ANNA], TEXT, by(deadline, true, false)).await;
    let deferred = world.fate(ANNA).await;
    assert_eq!((deferred.kind, deferred.next_due), (Deferred, Some(deadline)), "not past its time");
    peer.obey(Vec::new());
    world.later(Duration::from_secs(40));
    assert_eq!(world.fate(ANNA).await.kind, Expired);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert_eq!(peer.count("RCPT"), 1, "it would have been taken");
    assert!(world.mailbox(OTTO)[0].contains("the time that the sender gave for delivery is over"));
}

/// RFC 2852 §4: who wants it back after a time does not want it where nobody would send it back.
#[tokio::test]
async fn what_is_to_be_returned_goes_to_no_host_without_deliverby() {
    for (second, kind) in [(None, Bounced), (Some(HEEDS), Delivered)] {
        let mut world = World::new();
        world.peer(MX1);
        world.peer(MX2).obey(second.map(|offers| vec![("EHLO", Say(offers))]).unwrap_or_default());
        let deadline = world.clock.now().after(HOUR);
        world.send_as(OTTO, &[ANNA], TEXT, by(deadline, true, false)).await;
        let event = world.fate(ANNA).await;
        assert_eq!(event.kind, kind, "{event:?}");
        assert_eq!(event.reply.unwrap().starts_with("550 5.3.3"), kind == Bounced);
        assert_eq!(world.peer(MX1).count("MAIL"), 0);
    }
}

/// RFC 2852 §4: the sender hears from where on nobody would give it its notice, whether that host tells of deliveries or not.
#[tokio::test]
async fn who_asked_for_a_notice_hears_of_a_relay_that_would_give_none() {
    for offers in ["250-mx1\r\n250 DSN", "250-mx1\r\n250 SIZE", "250-mx1\r\n250-DSN\r\n250 DELIVERBY"] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![("EHLO", Say(offers))]);
        let deadline = world.clock.now().after(HOUR);
        world.send_as(OTTO, &[ANNA], TEXT, by(deadline, false, false)).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
        if offers.contains("DELIVERBY") {
            assert!(world.queue().is_empty(), "nothing is told");
        } else {
            assert_eq!(world.fate(OTTO).await.kind, Delivered);
            assert!(world.mailbox(OTTO)[0].contains("Action: relayed"), "{offers}");
        }
    }
}

/// RFC 2852 §4, the mode N.
#[tokio::test]
async fn a_sender_who_asks_for_it_hears_that_its_mail_is_late_and_it_goes_on() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("RCPT", Say(LATER))]);
    let deadline = world.clock.now().after(Duration::from_secs(40));
    world.send_as(OTTO, &[ANNA], TEXT, by(deadline, false, false)).await;
    let deferred = world.fate(ANNA).await;
    assert_eq!((deferred.kind, deferred.next_due), (Deferred, Some(deadline)));
    world.later(Duration::from_secs(40));
    assert_eq!(world.fates(&[ANNA, OTTO]).await, [Deferred, Delivered]);
    assert!(world.mailbox(OTTO)[0].contains("Action: delayed"));
    peer.obey(Vec::new());
    world.later(HOUR);
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}

/// RFC 2852 §4, the trace; and what goes on to a host that knows these words.
#[tokio::test]
async fn a_relay_is_told_on_demand_and_hosts_are_told_what_they_know() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say("250-mx1.example.org\r\n250-DELIVERBY\r\n250 MT-PRIORITY"))]);
    let deadline = world.clock.now().after(Duration::from_secs(40));
    let urgent = |envelope: &mut Envelope| {
        by(deadline, true, true)(envelope);
        envelope.priority = 4;
        envelope.recipients[0].notify = Notify { success: false, ..Notify::default() };
    };
    world.send_as(OTTO, &[ANNA], TEXT, urgent).await;
    assert_eq!(world.fates(&[ANNA, OTTO]).await, [Delivered; 2]);
    assert!(world.mailbox(OTTO)[0].contains("Action: relayed"));
    let lines = peer.lines.lock().unwrap().clone();
    assert!(lines.contains(&"MAIL FROM:<otto@here.test> BY=40;RT MT-PRIORITY=4".to_owned()), "{lines:?}");
}

/// RFC 6710 §5: what is more urgent goes first, in a backlog too; what is less, last.
#[tokio::test]
async fn the_most_urgent_mail_goes_first() {
    const BACKLOG: usize = 100;
    let mut world = World::asleep(|config| {
        config.ready_max = 16;
        config.connections_per_site = 1;
    });
    let peer = world.peer(MX1);
    let patient = |envelope: &mut Envelope| envelope.priority = -2;
    world.send_as("", &["patient@example.org"], TEXT, patient).await;
    for n in 0..BACKLOG {
        world.send("", &[&format!("r{n}@example.org")], TEXT).await;
    }
    world.clock.advance(Duration::from_secs(1));
    let urgent = |envelope: &mut Envelope| envelope.priority = 4;
    world.send_as("", &["urgent@example.org"], TEXT, urgent).await;
    world.wake();
    for _ in 0..BACKLOG + 2 {
        world.event(|event| event.kind == Delivered).await;
    }
    let got = peer.got();
    assert_eq!(got.first().unwrap().to, ["urgent@example.org"]);
    assert_eq!(got.last().unwrap().to, ["patient@example.org"]);
}
