//! Delivery by LMTP: each recipient its own reply, and its own fate.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::time::Duration;

use crate::support::{
    World,
    peer::Does::{Close, Say, SayAndClose},
};
use deliver::{Destination, Hosts, NamedHost, Pattern, Protocol, StaticRoute};
use events::Kind::{Bounced, Deferred, Delivered};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.org";
const CARL: &str = "carl@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const STORE: &str = "10.0.0.9";

/// A world where mail for `example.org` goes to a mail store.
fn world() -> World {
    World::with(|config| {
        let hosts = vec![NamedHost::Address(STORE.parse().unwrap(), Some(24))];
        let to = Destination::Hosts(Hosts { protocol: Protocol::Lmtp, hosts });
        config.routes.push(StaticRoute { domains: vec![Pattern::parse("example.org").unwrap()], to });
    })
}

#[tokio::test]
async fn each_recipient_fares_as_the_store_says_of_it() {
    let mut world = world();
    let store = world.peer(STORE);
    store.obey(vec![
        (". bert", Say("452 4.2.2 Over quota")),
        (". carl", Say("554 5.2.0 Refused by a filter")),
    ]);
    world.send(OTTO, &[ANNA, BERT, CARL], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered, Deferred, Bounced]);
    assert_eq!((store.count("LHLO"), store.count("EHLO"), store.got().len()), (1, 0, 1));
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert!(world.mailbox(OTTO)[0].contains("554 5.2.0 Refused by a filter"));
    store.obey(Vec::new());
    world.later(Duration::from_mins(2));
    assert_eq!(world.fate(BERT).await.kind, Delivered);
    assert_eq!(store.count("CONNECT"), 1, "the session is kept");
}

#[tokio::test]
async fn a_store_that_leaves_amid_its_replies_gets_nothing_twice_that_it_answered_for() {
    for does in [Close, SayAndClose("421 4.3.2 Shutting down"), Say("saved")] {
        let mut world = world();
        let store = world.peer(STORE);
        store.obey(vec![(". bert", does)]);
        world.send(OTTO, &[ANNA, BERT, CARL], TEXT).await;
        assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered, Deferred, Deferred], "{does:?}");
        store.obey(Vec::new());
        world.later(Duration::from_mins(2));
        assert_eq!(world.fates(&[BERT, CARL]).await, [Delivered, Delivered], "{does:?}");
        let anna = store.got().iter().filter(|got| got.to == [ANNA]).count();
        assert_eq!(anna, 1, "{does:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_speak_lmtp_gets_no_mail_and_bounces_none() {
    let mut world = world();
    world.peer(STORE).obey(vec![("LHLO", Say("500 5.5.1 What?"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.reply.as_deref()), (Deferred, Some("500 5.5.1 What?")));
    assert_eq!(world.peer(STORE).count("HELO"), 0);
}
