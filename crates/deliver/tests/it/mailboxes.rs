//! Final delivery into the mailstore.

use std::time::Duration;

use deliver::{Config, LocalDelivery};
use events::Kind::{Bounced, Deferred, Delivered};
use mailstore::{Content, Delivery};

use crate::support::World;

const ANNA: &str = "anna@here.test";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

fn in_mailstore(config: &mut Config) {
    config.local = LocalDelivery::Mailstore;
}

#[tokio::test]
async fn a_message_is_filed_as_it_came_with_its_trace() {
    let mut world = World::with(in_mailstore);
    world.send("bert@example.org", &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, &*event.station), (Delivered, "deliver/local"));
    let filed = format!("Return-Path: <bert@example.org>\r\nDelivered-To: anna@here.test\r\n{TEXT}");
    assert_eq!(world.stored(ANNA, "INBOX"), [filed]);
    assert!(world.mailbox(ANNA).is_empty(), "and in no Maildir");
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn an_alias_is_filed_once_for_each_account() {
    let mut world = World::with(in_mailstore);
    world.send("bert@example.org", &["team@here.test", "twice@here.test"], TEXT).await;
    assert_eq!(world.fates(&["team@here.test", "twice@here.test"]).await, [Delivered, Delivered]);
    assert_eq!((world.stored(ANNA, "INBOX").len(), world.stored(OTTO, "INBOX").len()), (2, 1));
    assert_eq!(world.mailstore().verify().unwrap(), []);
}

#[tokio::test]
async fn many_and_large_messages_are_filed_whole() {
    let mut world = World::asleep(in_mailstore);
    for _ in 0..100 {
        world.send("bert@example.org", &[ANNA, OTTO], TEXT).await;
    }
    let text = format!("Subject: x\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(100_000));
    world.send("bert@example.org", &["team@here.test"], &text).await;
    world.wake();
    for _ in 0..201 {
        world.event(|event| event.kind == Delivered).await;
    }
    for account in [ANNA, OTTO] {
        let stored = world.stored(account, "INBOX");
        assert_eq!(stored.len(), 101);
        assert!(stored.iter().any(|message| message.ends_with(&text)));
    }
    assert_eq!(world.mailstore().verify().unwrap(), []);
}

#[tokio::test]
async fn a_detail_is_a_folder_if_there_is_one() {
    let mut world = World::with(in_mailstore);
    let anna = world.mailstore().account(ANNA, 0).await.unwrap();
    world.mailstore().create(anna, "News", None, 0).await.unwrap();
    let to = ["anna+news@here.test", "anna+other@here.test", "anna+trash@here.test"];
    world.send("bert@example.org", &to, TEXT).await;
    assert_eq!(world.fates(&to).await, [Delivered; 3]);
    assert_eq!(world.stored(ANNA, "News").len(), 1);
    assert!(world.stored(ANNA, "News")[0].contains("Delivered-To: anna+news@here.test\r\n"));
    assert_eq!(world.stored(ANNA, "INBOX").len(), 2);
}

#[tokio::test]
async fn a_full_mailbox_defers_until_there_is_room() {
    let mut world = World::with(in_mailstore);
    let anna = world.mailstore().account(ANNA, 0).await.unwrap();
    world.mailstore().set_quota(anna, Some(50), None).await.unwrap();
    world.send("bert@example.org", &[ANNA, OTTO], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!(event.kind, Deferred);
    assert!(event.reply.unwrap().starts_with("452 4.2.2"));
    world.mailstore().set_quota(anna, None, None).await.unwrap();
    world.later(Duration::from_mins(2));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((world.stored(ANNA, "INBOX").len(), world.stored(OTTO, "INBOX").len()), (1, 1));
}

#[tokio::test]
async fn what_waits_too_long_for_room_bounces() {
    let mut world = World::with(|config| {
        in_mailstore(config);
        config.over_quota_wait = Some(Duration::from_mins(3));
    });
    let anna = world.mailstore().account(ANNA, 0).await.unwrap();
    world.mailstore().set_quota(anna, Some(50), None).await.unwrap();
    world.send("bert@example.org", &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, &event.reply.unwrap()[..9]), (Deferred, "452 4.2.2"));
    world.later(Duration::from_mins(10));
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, &event.reply.unwrap()[..9]), (Bounced, "552 5.2.2"));
}

#[tokio::test]
async fn what_was_filed_before_a_crash_is_not_filed_again() {
    let mut world = World::asleep(in_mailstore);
    let id = world.send("bert@example.org", &[OTTO, "team@here.test"], TEXT).await;
    // What a former life filed, and did not live to write down in the spool.
    let before = Delivery {
        account: ANNA.to_owned(),
        folder: None,
        junk: false,
        key: format!("{id}R1 {ANNA}").into_bytes(),
        head: Vec::new(),
        content: Content::new(TEXT.into()),
        now: 0,
    };
    world.mailstore().deliver(vec![before]).await.remove(0).unwrap();
    world.wake();
    assert_eq!(world.fates(&[OTTO, "team@here.test"]).await, [Delivered; 2]);
    assert_eq!((world.stored(ANNA, "INBOX").len(), world.stored(OTTO, "INBOX").len()), (1, 2));
}
