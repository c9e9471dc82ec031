//! Time, DNS, backlog and shutdown.

use std::{sync::Arc, time::Duration};

use crate::support::{
    World,
    peer::Does::{KeepSilent, Say},
};
use disk::Clock;
use testkit::disk::SimDisk;

use events::Kind::{Bounced, Deferred, Delivered, Expired};

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn what_the_dns_says_decides() {
    let mut world = World::new();
    world.dns.set("broken.example SERVFAIL\nprivate.example A 10.0.0.1");
    for (recipient, kind, status) in [
        ("a@null.example", Bounced, "5.1.10"),
        ("a@nowhere.example", Bounced, "5.1.2"),
        ("a@broken.example", Deferred, "4.4.3"),
        ("a@private.example", Bounced, "5.4.4"),
        ("a@[127.0.0.1]", Bounced, "5.4.4"),
    ] {
        world.send("", &[recipient], TEXT).await;
        let event = world.fate(recipient).await;
        assert_eq!(event.kind, kind, "{recipient}");
        assert!(event.reply.as_deref().unwrap().contains(status), "{event:?}");
    }
}

#[tokio::test]
async fn a_route_is_looked_up_once_while_it_holds() {
    let mut world = World::new();
    world.peer(MX1);
    for _ in 0..5 {
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
    }
    let lookups = |world: &World| world.dns.queries().iter().filter(|query| query.ends_with(" MX")).count();
    assert_eq!(lookups(&world), 1);
    world.clock.advance(DAY);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(lookups(&world), 2);
}

#[tokio::test]
async fn a_message_expires_after_its_last_attempt_and_is_reported_once() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.later(4 * DAY);
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    assert_eq!(world.fate(OTTO).await.kind, Delivered, "a report of the delay");
    world.later(DAY);
    assert_eq!(world.fate(ANNA).await.kind, Expired);
    assert_eq!(peer.count("RCPT"), 3, "one more attempt was made");
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let mut reports = world.mailbox(OTTO);
    reports.retain(|report| report.contains("Action: failed"));
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("4.4.7"), "{}", reports[0]);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn a_server_that_was_off_for_long_tries_before_it_gives_up() {
    let mut world = World::asleep(|_| {});
    world.send(OTTO, &[ANNA], TEXT).await;
    world.clock.advance(9 * DAY);
    world.peer(MX1);
    world.wake();
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_lets_nothing_expire() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    let right = world.clock.now();
    // As `later`, but that nothing of it is time.
    world.spool.retry_all(right);
    world.clock.set(right.after(400 * DAY));
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    let told = world.seen.iter().filter(|event| event.recipient.as_deref() == Some(OTTO)).count();
    assert_eq!(told, 0, "nobody hears of a delay that is none");
    world.later(DAY / 2);
    assert_eq!(world.fate(ANNA).await.kind, Expired, "it has shown so for half a day");
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_no_mail_waiting() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    let right = world.clock.now();
    world.clock.set(right.after(400 * DAY));
    let id = world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.clock.set(right);
    // Whatever is due wakes the schedule, which does not look at a clock that stands still.
    world.send(OTTO, &["bob@example.org"], TEXT).await;
    assert_eq!(world.fate("bob@example.org").await.kind, Deferred);
    let waiting = world.queue().into_iter().find(|message| message.id == id).unwrap();
    let due = waiting.recipients[0].due;
    assert!(due > right && due < right.after(Duration::from_mins(2)), "{due}: it waits as long as it was to");
}

#[tokio::test]
async fn what_was_put_off_by_a_clock_that_is_right_by_now_is_tried_at_the_start() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
    let right = world.clock.now();
    world.clock.set(right.after(400 * DAY));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.stop().await;
    world.clock.set(right);
    world.wake();
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
}

#[tokio::test]
async fn a_backlog_larger_than_the_ready_queue_is_delivered_to_the_last() {
    let mut world = World::asleep(|config| {
        config.ready_max = 4;
        config.connections_per_site = 3;
        config.transactions_per_connection = 7;
    });
    let peer = world.peer(MX1);
    for n in 0..100 {
        world.send(OTTO, &[&format!("r{n}@example.org")], TEXT).await;
    }
    world.wake();
    for _ in 0..100 {
        world.event(|event| event.kind == Delivered).await;
    }
    assert_eq!(peer.got().len(), 100);
    assert!(peer.count("CONNECT") >= 100 / 7);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn a_stop_lets_a_transaction_end() {
    let mut world = World::new();
    world.peer(MX1);
    world.send(OTTO, &[ANNA], TEXT).await;
    world.peer(MX1).heard("MAIL", 1).await;
    world.stop().await;
    assert_eq!(world.peer(MX1).got().len(), 1);
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}

#[tokio::test]
async fn a_transaction_that_does_not_end_in_time_is_cut_and_its_mail_kept() {
    let mut world = World::with(|config| config.shutdown = Duration::from_millis(20));
    let peer = world.peer(MX1);
    peer.obey(vec![("DATA", KeepSilent)]);
    world.send(OTTO, &[ANNA], TEXT).await;
    peer.heard("DATA", 1).await;
    world.stop().await;
    assert!(peer.got().is_empty());
    assert_eq!(world.queue().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_host_that_keeps_silent() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("CONNECT", KeepSilent)]);
    world.send(OTTO, &[ANNA], TEXT).await;
    peer.heard("CONNECT", 1).await;
    // Settings allow half a minute, and the test's patience is less.
    world.stop().await;
    assert_eq!(world.queue()[0].recipients[0].attempts, 0, "nothing was tried that counts");
    peer.obey(Vec::new());
    world.wake();
    assert_eq!(world.fate(ANNA).await.kind, Delivered, "it was given back");
}

#[tokio::test]
async fn nothing_is_sent_when_the_spool_could_not_remember_it() {
    for fails in [false, true] {
        let disk = SimDisk::default();
        let mut world = World::asleep_on(Arc::new(disk.clone()));
        let peer = world.peer(MX1);
        world.send(OTTO, &[ANNA], TEXT).await;
        if fails {
            disk.fail_sync_of("seg");
            world.send(OTTO, &["bert@here.test"], TEXT).await;
            assert!(world.spool.is_poisoned());
        }
        world.wake();
        if !fails {
            assert_eq!(world.fate(ANNA).await.kind, Delivered);
        }
        // Work that is due is begun before the word to stop is heard.
        tokio::task::yield_now().await;
        world.stop().await;
        assert_eq!(peer.count("CONNECT"), usize::from(!fails));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_among_many_domains_peers_and_threads() {
    const MESSAGES: usize = 1000;
    let mut world = World::asleep(|config| {
        config.ready_max = 8;
        config.transactions_per_connection = 5;
        config.timeouts.idle = Duration::from_millis(1);
    });
    for n in 0..20 {
        world.dns.set(&format!(
            "d{n}.example MX 10 mx{0}.site{1}.example\nmx{0}.site{1}.example A 192.0.2.{2}",
            n % 7,
            n % 3,
            100 + n % 7
        ));
        world
            .peer(&format!("192.0.2.{}", 100 + n % 7))
            .obey(vec![("RCPT TO:<later", Say("450 4.2.0 Later"))]);
    }
    world.wake();
    for n in 0..MESSAGES {
        let local = if n % 10 == 0 { "later" } else { "now" };
        world.send("", &[&format!("{local}{n}@d{}.example", n % 20)], TEXT).await;
    }
    let mut delivered = 0;
    while delivered < MESSAGES - MESSAGES / 10 {
        world.event(|event| event.kind == Delivered).await;
        delivered += 1;
    }
    for n in 0..7 {
        world.peer(&format!("192.0.2.{}", 100 + n)).obey(Vec::new());
    }
    while delivered < MESSAGES {
        world.later(Duration::from_mins(1));
        world.event(|event| event.kind == Delivered).await;
        delivered += 1;
    }
    let mut got: Vec<_> = (0..7).flat_map(|n| world.peer(&format!("192.0.2.{}", 100 + n)).got()).collect();
    got.sort_by(|a, b| a.to.cmp(&b.to));
    assert_eq!(got.len(), MESSAGES);
    got.dedup_by(|a, b| a.to == b.to);
    assert_eq!(got.len(), MESSAGES, "a message came twice");
    assert!(world.queue().is_empty());
}

/// To defer a long backlog takes longer than the first interval: then it is for another lookup, and not deferred again.
#[tokio::test]
async fn a_backlog_of_a_domain_that_cannot_be_looked_up_is_deferred_once_for_each_lookup() {
    let mut world = World::cold();
    world.dns.set("broken.example SERVFAIL");
    for _ in 0..90 {
        world.send(OTTO, &["a@broken.example"], TEXT).await;
    }
    let begun = world.clock.now();
    world.wake();
    while world.queue().iter().filter(|message| message.recipients[0].due > begun).count() < 5 {
        tokio::task::yield_now().await;
    }
    world.dns.set("broken.example A 192.0.2.1");
    world.peer(MX1);
    world.clock.advance(Duration::from_mins(2));
    while world.queue().iter().any(|message| message.recipients[0].attempts == 0) {
        tokio::task::yield_now().await;
    }
    world.later(Duration::from_mins(2));
    // Lets the dispatcher see the time, should all have been deferred before the clock was set: it knows of an earlier due time
    // than any that could be put in now.
    world.change(|_| {});
    for _ in 0..90 {
        world.event(|event| event.kind == Delivered).await;
    }
    let again = |event: &&events::Event| event.kind == Deferred && event.attempt == Some(2);
    assert_eq!(world.seen.iter().find(again), None);
}

/// Once what was checked out stayed so until a restart.
#[tokio::test]
async fn a_panic_while_a_domain_is_put_off_gives_it_back() {
    let mut world = World::new();
    world.dns.set("broken.example SERVFAIL");
    world.trap.arm_chance();
    world.send(OTTO, &["a@broken.example"], TEXT).await;
    let is_put_off = |world: &World| {
        let waiting = &world.queue()[0];
        // It must not break the next one at once.
        waiting.recipients[0].due > waiting.received
    };
    while !is_put_off(&world) {
        tokio::task::yield_now().await;
    }
    world.send(OTTO, &["b@broken.example"], TEXT).await;
    assert_eq!(world.fate("b@broken.example").await.kind, Deferred, "its domain goes on");
    world.later(Duration::from_hours(1));
    assert_eq!(world.fate("a@broken.example").await.kind, Deferred);
}
