//! Delivery by LMTP: each recipient its own reply, and its own fate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::time::Duration;

use crate::support::{
    World,
    peer::Does::{Close, Say, SayAndClose},
};
use deliver::{Destination, Hosts, LocalDelivery, NamedHost, Pattern, Protocol, StaticRoute};
use events::Kind::{Bounced, Deferred, Delivered, Dsn};
use mail::Envelope;

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
async fn a_store_is_told_to_whom_a_message_is_junk() {
    let mut world = world();
    let store = world.peer(STORE);
    world.send_as(OTTO, &[ANNA, BERT, CARL], TEXT, |envelope| envelope.recipients[1].junk = true).await;
    assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered; 3]);
    let mut got: Vec<_> = store.got().iter().map(|got| (got.to.clone(), got.content.clone())).collect();
    got.sort();
    let marked = format!("X-Spam-Flag: YES\r\nX-Spam: Yes\r\n{TEXT}");
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(got, [(to(&[ANNA]), TEXT.to_owned()), (to(&[BERT]), marked), (to(&[CARL]), TEXT.to_owned())]);
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

/// A world whose own mailboxes are in a mail store.
fn with_store() -> World {
    World::with(|config| {
        let hosts = vec![NamedHost::Address(STORE.parse().unwrap(), Some(24))];
        config.local = LocalDelivery::Store(Hosts { protocol: Protocol::Lmtp, hosts });
    })
}

#[tokio::test]
async fn our_own_mailboxes_can_be_in_a_store() {
    let mut world = with_store();
    let store = world.peer(STORE);
    let all = ["anna+x@here.test", "team@here.test", "nobody@here.test"];
    world.send("", &all, TEXT).await;
    assert_eq!(world.fates(&all).await, [Delivered, Delivered, Bounced]);
    let told: Vec<String> = store.got().into_iter().flat_map(|got| got.to).collect();
    assert_eq!(told, ["anna+x@here.test", "anna@here.test", OTTO], "aliases are resolved here");
    assert!(world.mailbox("anna@here.test").is_empty());
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn an_alias_is_tried_again_until_each_of_its_mailboxes_has_its_copy() {
    let mut world = with_store();
    let store = world.peer(STORE);
    store.obey(vec![(". otto", Say("452 4.2.2 Over quota"))]);
    world.send("", &["team@here.test"], TEXT).await;
    assert_eq!(world.fate("team@here.test").await.kind, Deferred);
    store.obey(vec![("MAIL", Say("450 4.3.2 Down"))]);
    world.later(Duration::from_mins(2));
    assert_eq!(world.fate("team@here.test").await.kind, Deferred, "whatever happens to the store");
    store.obey(Vec::new());
    world.later(Duration::from_mins(6));
    assert_eq!(world.fate("team@here.test").await.kind, Delivered);
}

#[tokio::test]
async fn what_is_in_our_store_is_reported_as_delivered() {
    let mut world = with_store();
    let store = world.peer(STORE);
    let success = |envelope: &mut Envelope| {
        let notify = mail::Notify { success: true, failure: false, delay: false, given: true };
        envelope.recipients[0].notify = notify;
    };
    world.send_as(OTTO, &["anna@here.test"], TEXT, success).await;
    assert_eq!(world.fate("anna@here.test").await.kind, Delivered);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert!(store.got()[1].content.contains("Action: delivered"), "{:?}", store.got());
}

#[tokio::test]
async fn what_a_store_takes_is_reported_as_delivered() {
    let mut world = world();
    world.peer(STORE);
    let ask = |envelope: &mut Envelope| envelope.recipients[0].notify.success = true;
    world.send_as(OTTO, &[ANNA], TEXT, ask).await;
    assert_eq!(world.event(|event| event.kind == Dsn).await.actions, ["delivered"]);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert!(world.mailbox(OTTO)[0].contains("Diagnostic-Code: smtp; 250 "), "{:?}", world.mailbox(OTTO));
}
