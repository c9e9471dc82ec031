//! Reports: one for a wave of attempts, and never without the outcome that it tells of.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use disk::Clock;
use spool::Selection;
use testkit::disk::SimDisk;

use crate::support::{
    World,
    peer::Does::{KeepSilent, Say},
};
use events::Kind::{Bounced, Deferred, Delivered, Dsn, Held, Removed};
use mail::Notify;

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const MX3: &str = "192.0.2.3";

#[tokio::test]
async fn all_that_fails_in_one_wave_is_told_in_one_report() {
    let mut world = World::asleep(|_| {});
    world.peer(MX1).obey(vec![("RCPT TO:<carl", Say("550 5.1.1 Unknown"))]);
    world.peer(MX3).obey(vec![("RCPT", Say("550 5.7.1 Not you"))]);
    let failed = ["carl@example.org", "dora@example.net", "ed@null.example", "fred@nowhere.example"];
    let delivered = ["anna@here.test", "bert@example.org"];
    world.send(OTTO, &[&failed[..], &delivered[..]].concat(), TEXT).await;
    world.wake();
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let reports = world.mailbox(OTTO);
    let [report] = &reports[..] else { panic!("{reports:#?}") };
    for recipient in failed {
        assert!(report.contains(&format!("Final-Recipient: rfc822; {recipient}\n")), "{recipient}: {report}");
    }
    for recipient in delivered {
        assert!(!report.contains(recipient), "{recipient}: {report}");
    }
    assert!(report.contains("Subject: Your message could not be delivered to 4 of 6 recipients\n"));
    assert_eq!(world.seen.iter().filter(|event| event.kind == Dsn).count(), 1);
    assert!(world.queue().is_empty());
}

/// Carl is refused while Dora's host keeps silent.
async fn with_a_silent_host() -> World {
    let mut world = World::asleep(|_| {});
    world.peer(MX1).obey(vec![("RCPT TO:<carl", Say("550 5.1.1 Unknown"))]);
    world.peer(MX3).obey(vec![("CONNECT", KeepSilent)]);
    world.send(OTTO, &["carl@example.org", "bert@example.org", "dora@example.net"], TEXT).await;
    world.wake();
    world.event(|event| event.kind == Delivered).await;
    assert!(world.seen.iter().all(|event| event.kind != Bounced), "{:?}", world.seen);
    world
}

#[tokio::test]
async fn a_report_does_not_wait_long_for_a_host_that_keeps_silent() {
    let mut world = with_a_silent_host().await;
    world.clock.advance(Duration::from_mins(1));
    // Something new in the queue lets the dispatcher see the time.
    world.send("", &["anna@here.test"], TEXT).await;
    assert_eq!(world.fate("carl@example.org").await.kind, Bounced);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let report = world.mailbox(OTTO).remove(0);
    assert!(report.contains("carl@example.org") && !report.contains("dora@example.net"), "{report}");
    assert_eq!(world.queue().len(), 1, "Dora is still tried");
}

#[tokio::test]
async fn a_report_does_not_wait_for_anything_when_the_server_stops() {
    let mut world = with_a_silent_host().await;
    world.stop().await;
    assert_eq!(world.fate("carl@example.org").await.kind, Bounced);
    let owed: Vec<_> = world.queue().into_iter().flat_map(|message| message.recipients).collect();
    let mut owed: Vec<_> = owed.iter().map(|recipient| &*recipient.forward_path).collect();
    owed.sort_unstable();
    assert_eq!(owed, ["dora@example.net", OTTO]);
}

#[tokio::test]
async fn a_report_and_the_failure_that_it_tells_of_are_both_there_or_neither() {
    let mut seen = BTreeSet::new();
    for seed in 0..12 {
        let disk = SimDisk::default();
        let mut world = World::asleep_on(Arc::new(disk.clone()));
        let peer = world.peer(MX1);
        peer.obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
        world.peer(MX3).obey(vec![("CONNECT", KeepSilent)]);
        world.send("otto@example.net", &["carl@example.org"], TEXT).await;
        if seed % 3 > 0 {
            // That of the batch, not of a spare segment in the making.
            disk.fail_sync_of("seg");
        }
        world.wake();
        peer.heard("RCPT", 1).await;
        world.stop().await;
        let owed = world.owed_after_a_crash(&disk, seed).await;
        assert!(
            matches!(&owed[..], [one] if one == "carl@example.org" || one == "otto@example.net"),
            "{owed:?}"
        );
        seen.extend(owed);
    }
    assert_eq!(seen.len(), 2, "the crash came before and after");
}

#[tokio::test]
async fn a_delay_is_told_once_whatever_is_kept_in_memory() {
    const HOUR: Duration = Duration::from_hours(1);
    for mut world in [World::asleep(|_| {}), World::cold()] {
        world.wake();
        world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        world.later(3 * HOUR);
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        assert!(world.seen.iter().all(|event| event.kind != Dsn), "{:?}", world.seen);
        world.later(HOUR);
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        assert_eq!(world.event(|event| event.kind == Dsn).await.actions, ["delayed"]);
        assert_eq!(world.fate(OTTO).await.kind, Delivered);
        world.stop().await;
        world.wake();
        world.later(HOUR);
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        world.peer(MX1).obey(Vec::new());
        world.later(HOUR);
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
        let reports = world.mailbox(OTTO);
        let [report] = &reports[..] else { panic!("{reports:#?}") };
        for line in ["Action: delayed", "Status: 4.2.0", "Remote-MTA: dns; mx1.example.org"] {
            assert!(report.contains(&format!("\n{line}\n")), "{line}: {report}");
        }
        assert!(report.contains("\nWill-Retry-Until: "), "{report}");
        assert!(!report.contains("\nhello\n"), "the header section is enough: {report}");
    }
}

#[tokio::test]
async fn a_delay_is_told_to_those_only_who_want_to_hear() {
    let notify = |delay| Notify { success: false, failure: true, delay, given: true };
    for (fields, notify, is_told) in [
        ("", Notify::default(), true),
        ("", notify(false), false),
        ("List-Id: <all.example.org>\r\n", Notify::default(), false),
        ("Precedence: bulk\r\n", notify(true), true),
    ] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![("RCPT", Say("450 4.2.0 Later"))]);
        let content = format!("{fields}{TEXT}");
        world.send_as(OTTO, &[ANNA], &content, |envelope| envelope.recipients[0].notify = notify).await;
        for _ in 0..3 {
            assert_eq!(world.fate(ANNA).await.kind, Deferred);
            world.later(Duration::from_hours(4));
        }
        world.fate(ANNA).await;
        let reports = world.seen.iter().filter(|event| event.kind == Dsn).count();
        assert_eq!(reports, usize::from(is_told), "{fields} {notify:?}");
    }
}

#[tokio::test]
async fn what_an_operator_has_removed_meanwhile_is_not_reported() {
    let mut world = with_a_silent_host().await;
    let id = world.queue()[0].id;
    world.spool.remove(Selection::message(id), world.clock.now()).await.unwrap();
    world.stop().await;
    // What is committed behind it is seen behind it.
    let other = world.send("", &["anna@here.test"], TEXT).await;
    let queue: Vec<_> = world.queue().iter().map(|message| message.id).collect();
    assert_eq!(queue, [other], "a report was sent");
    world.spool.hold(Selection::message(other), world.clock.now()).await.unwrap();
    world.event(|event| event.kind == Held).await;
    let after: Vec<_> =
        world.seen.iter().skip_while(|event| event.kind != Removed).map(|event| event.kind).collect();
    assert_eq!(after, [Removed, Held], "it has one end");
}
