//! Several relays, chosen by who sends and who gets the mail; budgets, and what happens when one takes none.
#![allow(clippy::unwrap_used, reason = "tests may")]

use disk::Clock as _;
use std::{sync::Arc, time::Duration};

use deliver::{Config, Hosts, NamedHost, Pattern, Protocol, Relay, RelayLimits, SenderPattern};
use events::Kind::{Bounced, Deferred, Delivered, Expired};

use crate::support::{
    World,
    peer::Does::{Close, Say},
};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.net";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const ONE: &str = "10.0.0.7";
const TWO: &str = "10.0.0.8";

fn relay(name: &str, address: &str) -> Relay {
    let hosts = vec![NamedHost::Address(address.parse().unwrap(), None)];
    Relay::of(name, Hosts { protocol: Protocol::Smtp, hosts })
}

fn domain(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn with(relays: Vec<Relay>) -> impl FnOnce(&mut Config) {
    move |config| config.relays = relays.into_iter().map(Arc::new).collect()
}

#[tokio::test]
async fn whose_mail_it_is_decides_and_what_nobody_takes_goes_to_the_mx() {
    let mut one = relay("one", ONE);
    one.senders = vec![SenderPattern::Domain(domain("here.test"))];
    let mut two = relay("two", TWO);
    two.senders = vec![SenderPattern::Domain(domain("other.test"))];
    let mut world = World::with(with(vec![one, two]));
    let (one, two, mx) = (world.peer(ONE), world.peer(TWO), world.peer("192.0.2.1"));
    for (from, to) in [(OTTO, &one), ("x@other.test", &two), ("x@third.test", &mx)] {
        world.send(from, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered, "{from}");
        assert_eq!(to.got().last().unwrap().from, from);
    }
    assert_eq!((one.got().len(), two.got().len(), mx.got().len()), (1, 1, 1));
}

#[tokio::test]
async fn for_whom_it_is_decides_too() {
    let mut one = relay("one", ONE);
    one.recipients = vec![domain("example.org")];
    let mut world = World::with(with(vec![one, relay("two", TWO)]));
    let (one, two) = (world.peer(ONE), world.peer(TWO));
    world.send(OTTO, &[ANNA, BERT], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered]);
    assert_eq!(
        (one.got()[0].to.clone(), two.got()[0].to.clone()),
        (vec![ANNA.to_owned()], vec![BERT.to_owned()])
    );
}

#[tokio::test]
async fn what_one_does_not_take_now_goes_to_the_next_at_once() {
    for does in [("CONNECT", Close), ("MAIL", Say("550 5.4.5 Daily sending quota exceeded"))] {
        let one = Relay { fallback: vec!["two".into()], ..relay("one", ONE) };
        let mut two = relay("two", TWO);
        two.recipients = vec![domain("nobody.test")];
        let mut world = World::with(with(vec![one, two]));
        let (one, two) = (world.peer(ONE), world.peer(TWO));
        one.obey(vec![does]);
        world.send(OTTO, &[ANNA], TEXT).await;
        let first = world.fate(ANNA).await;
        assert_eq!(first.kind, Deferred, "{does:?}");
        assert_eq!(world.fate(ANNA).await.kind, Delivered, "{does:?}");
        world.send(OTTO, &[BERT], TEXT).await;
        assert_eq!(world.fate(BERT).await.kind, Delivered);
        assert_eq!((one.got().len(), two.got().len()), (0, 2));
        // Once the rest is over, the first is the first again.
        one.obey(Vec::new());
        world.later(Duration::from_mins(2));
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
        assert_eq!(one.got().len(), 1, "{does:?}");
    }
}

/// Who asks for a retry while a rest is told to what waits must not have all of that looked at again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_while_a_relay_rests_again_leaves_nothing_in_a_circle() {
    let mut one = relay("one", ONE);
    one.senders = vec![SenderPattern::Domain(domain("here.test"))];
    let mut world = World::with(with(vec![one]));
    let one = world.peer(ONE);
    one.obey(vec![("CONNECT", Close)]);
    let all: Vec<String> = (0..150).map(|number| format!("{number}@example.org")).collect();
    for address in &all {
        world.send(OTTO, &[address], TEXT).await;
    }
    for _ in 0..30 {
        world.event(|event| event.kind == Deferred).await;
        world.spool.retry_all(world.clock.now());
    }
    one.obey(Vec::new());
    world.spool.retry_all(world.clock.now());
    let mut left = all.len();
    while left > 0 {
        match world.event(|event| [Delivered, Deferred].contains(&event.kind)).await.kind {
            Delivered => left -= 1,
            // A connection that was closed before.
            _ => {
                world.spool.retry_all(world.clock.now());
            }
        }
    }
}

/// A host that turns out to be of no use has cost nothing of the budget.
#[tokio::test]
async fn the_last_room_of_a_budget_is_not_lost_to_a_host_that_is_of_no_use() {
    let hosts = [ONE, TWO].map(|address| NamedHost::Address(address.parse().unwrap(), None)).to_vec();
    let hosts = Hosts { protocol: Protocol::Smtp, hosts };
    let mut world = World::with(with(vec![Relay { hosts, ..limited(1) }]));
    let (one, two) = (world.peer(ONE), world.peer(TWO));
    one.obey(vec![("EHLO", Say("250-peer.example\r\n250 SIZE 10"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((one.got().len(), two.got().len()), (0, 1));
}

fn limited(per_day: u32) -> Relay {
    let limits = RelayLimits { recipients_per_day: Some(per_day), recipients_per_message: None };
    Relay { limits, ..relay("one", ONE) }
}

/// mail-rules 12: the rest waits as long as it takes, and its lifetime stands still.
#[tokio::test]
async fn what_is_beyond_the_budget_waits_and_does_not_expire() {
    let mut world = World::with(|config| {
        with(vec![limited(3)])(config);
        config.expire = Duration::from_hours(1);
        config.delay_notice = None;
    });
    let one = world.peer(ONE);
    world.send(OTTO, &["a@example.org", "b@example.org"], TEXT).await;
    assert_eq!(world.fates(&["a@example.org", "b@example.org"]).await, [Delivered, Delivered]);
    world.send(OTTO, &["c@example.org", "d@example.org"], TEXT).await;
    let fates = world.fates(&["c@example.org", "d@example.org"]).await;
    assert_eq!(fates, [Delivered, Deferred], "one has room");
    world.send(OTTO, &["e@example.org"], TEXT).await;
    let event = world.fate("e@example.org").await;
    assert_eq!((event.kind, event.attempt), (Deferred, None));
    assert!(event.reply.unwrap().contains("3 recipients within a day"));
    assert_eq!(one.got().len(), 2);
    world.later(Duration::from_mins(24 * 60 + 11));
    assert_eq!(world.fates(&["d@example.org", "e@example.org"]).await, [Delivered, Delivered]);
    assert!(world.mailbox(OTTO).is_empty());
}

#[tokio::test]
async fn what_was_not_taken_costs_nothing() {
    let mut world = World::with(with(vec![limited(1)]));
    let one = world.peer(ONE);
    one.obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Bounced);
    one.obey(Vec::new());
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Delivered);
}

/// mail-rules 10: what the relay has against us ends no lifetime; what it has against the message does.
#[tokio::test]
async fn a_relay_that_wants_a_login_holds_mail_beyond_its_lifetime_and_the_postmaster_is_told_once() {
    let mut world = World::with(|config| {
        with(vec![relay("one", ONE)])(config);
        config.expire = Duration::from_hours(2);
        config.delay_notice = None;
    });
    let one = world.peer(ONE);
    one.obey(vec![("MAIL", Say("530 5.7.0 Authentication required"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    // Somewhat longer than the relay rests each time.
    let mut told = 0;
    for minutes in [2, 6, 17, 35, 61, 61] {
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
        world.later(Duration::from_mins(minutes));
    }
    let is_alert = |event: &events::Event| {
        event.reason.as_deref().is_some_and(|reason| reason.contains("the relay one takes no mail"))
    };
    if !world.seen.iter().any(is_alert) {
        world.event(is_alert).await;
    }
    one.obey(Vec::new());
    while world.fate(ANNA).await.kind != Delivered {
        world.later(Duration::from_mins(5));
    }
    assert!(!world.seen.iter().any(|event| event.kind == Expired));
    told += world.seen.iter().filter(|event| is_alert(event)).count();
    assert_eq!(told, 1);
}
