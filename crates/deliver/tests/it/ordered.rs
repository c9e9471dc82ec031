//! Mail that an operator orders to be given up.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::{
    World,
    peer::Does::{KeepSilent, Say},
};

use disk::Clock;
use events::{
    Event,
    Kind::{Bounced, Deferred, Delivered, Dsn},
};
use spool::{Selection, State};

const ANNA: &str = "anna@example.org";
const EVE: &str = "eve@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const WORDS: &str = "Given up by hand";
const MX1: &str = "192.0.2.1";

async fn bounce(world: &World, selection: Selection) -> spool::Changed {
    world.spool.bounce(selection, WORDS, world.clock.now()).await.unwrap()
}

fn is_bounce(event: &Event, recipient: &str) -> bool {
    event.kind == Bounced && event.recipient.as_deref() == Some(recipient)
}

#[tokio::test]
async fn what_waits_or_is_held_is_given_up_with_one_report_and_without_an_attempt() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    let id = world.send(OTTO, &[ANNA, EVE], TEXT).await;
    assert_eq!(world.fates(&[ANNA, EVE]).await, [Deferred, Deferred]);
    let eve = Selection { to: vec![spool::Pattern::address("eve@*").unwrap()], ..Selection::default() };
    world.spool.hold(eve, world.clock.now()).await.unwrap();
    let sessions = peer.count("CONNECT");
    let changed = bounce(&world, Selection::message(id)).await;
    assert_eq!((changed.recipients, changed.in_flight), (2, 0));
    let told = world.event(|event| is_bounce(event, ANNA)).await;
    assert_eq!((&*told.station, told.attempt), ("admin", None));
    assert_eq!(told.reply.as_deref(), Some("550 5.7.1 Given up by hand"));
    assert_eq!(told.reason.as_deref(), Some("an operator gave it up"));
    world.event(|event| is_bounce(event, EVE)).await;
    world.event(|event| event.kind == Dsn).await;
    world.fate(OTTO).await;
    let reports = world.mailbox(OTTO);
    assert_eq!(reports.len(), 1, "{reports:#?}");
    for line in [
        "Final-Recipient: rfc822; anna@example.org",
        "Final-Recipient: rfc822; eve@example.org",
        "Status: 5.7.1",
    ] {
        assert!(reports[0].contains(line), "{}", reports[0]);
    }
    assert!(!reports[0].contains("Last-Attempt-Date"), "{}", reports[0]);
    assert_eq!(peer.count("CONNECT"), sessions);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn an_order_during_an_attempt_is_taken_up_when_it_has_failed() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("DATA", KeepSilent)]);
    let id = world.send(OTTO, &[ANNA], TEXT).await;
    peer.heard("DATA", 1).await;
    let changed = bounce(&world, Selection::message(id)).await;
    assert_eq!((changed.recipients, changed.in_flight), (1, 1));
    assert_eq!(world.queue()[0].recipients[0].state, State::InFlight);
    // The peer's time is up, but only now.
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(1)).await;
    tokio::time::resume();
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    assert_eq!(world.fate(ANNA).await.kind, Bounced);
    assert_eq!(peer.count("DATA"), 1);
}

#[tokio::test]
async fn an_order_outlives_a_restart_and_an_unreadable_message_stays() {
    let mut world = World::cold();
    let id = world.send(OTTO, &[ANNA], TEXT).await;
    let damaged = world.send(OTTO, &["damaged@example.net"], TEXT).await;
    bounce(&world, Selection { ids: vec![id, damaged], ..Selection::default() }).await;
    world.damage("damaged");
    world.wake();
    assert_eq!(world.fate(ANNA).await.kind, Bounced);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let left = world.queue();
    assert_eq!(left.iter().map(|message| message.id).collect::<Vec<_>>(), [damaged]);
}

#[tokio::test]
async fn nobody_hears_who_did_not_want_to() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    let never = |envelope: &mut mail::Envelope| envelope.recipients[0].notify.failure = false;
    let id = world.send_as(OTTO, &[ANNA], TEXT, never).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    bounce(&world, Selection::message(id)).await;
    assert_eq!(world.fate(ANNA).await.kind, Bounced);
    assert!(world.queue().is_empty());
    assert!(world.seen.iter().all(|event| event.kind != Dsn));
}

#[tokio::test]
async fn a_panic_takes_the_order_back_and_the_next_one_is_carried_out() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    let broken = world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    let other = world.send(OTTO, &[EVE], TEXT).await;
    assert_eq!(world.fate(EVE).await.kind, Deferred);
    world.trap.arm_time();
    bounce(&world, Selection::message(broken)).await;
    bounce(&world, Selection::message(other)).await;
    world.event(|event| is_bounce(event, EVE)).await;
    let waiting = world.queue().into_iter().find(|message| message.id == broken).unwrap();
    assert_eq!(waiting.recipients[0].state, State::Deferred, "it waits as before");
}
