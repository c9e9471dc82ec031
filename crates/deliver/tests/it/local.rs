//! Final delivery and reports: what lies in a Maildir in the end.

use std::{fs, time::Duration};

use crate::support::{World, peer::Does::Say};
use events::Kind::{self, Bounced, Deferred, Delivered};
use mail::{Envelope, Notify};

const ANNA: &str = "anna@here.test";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

#[tokio::test]
async fn a_message_is_filed_with_its_trace_and_lf() {
    let mut world = World::new();
    world.send("bert@example.org", &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, &*event.station), (Delivered, "deliver/local"));
    let filed = "Return-Path: <bert@example.org>\nDelivered-To: anna@here.test\nSubject: x\n\nhello\n";
    assert_eq!(world.mailbox(ANNA), [filed]);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn an_alias_of_two_is_filed_twice() {
    let mut world = World::new();
    world.send("bert@example.org", &["team@here.test"], TEXT).await;
    assert_eq!(world.fate("team@here.test").await.kind, Delivered);
    assert_eq!((world.mailbox(ANNA).len(), world.mailbox(OTTO).len()), (1, 1));
}

#[tokio::test]
async fn an_alias_that_leads_to_one_mailbox_twice_is_filed_there_once() {
    let mut world = World::new();
    world.send("bert@example.org", &["twice@here.test"], TEXT).await;
    assert_eq!(world.fate("twice@here.test").await.kind, Delivered);
    assert_eq!(world.mailbox(ANNA).len(), 1);
}

#[tokio::test]
async fn many_messages_are_filed_one_file_each() {
    let mut world = World::asleep(|_| {});
    for _ in 0..100 {
        world.send("bert@example.org", &[ANNA, OTTO], TEXT).await;
    }
    world.wake();
    for _ in 0..200 {
        world.event(|event| event.kind == Delivered).await;
    }
    assert_eq!((world.mailbox(ANNA).len(), world.mailbox(OTTO).len()), (100, 100));
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn content_larger_than_memory_may_hold_is_filed_whole() {
    let mut world = World::new();
    let text = format!("Subject: x\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(100_000));
    world.send("bert@example.org", &["team@here.test"], &text).await;
    assert_eq!(world.fate("team@here.test").await.kind, Delivered);
    for account in [ANNA, OTTO] {
        assert!(world.mailbox(account)[0].ends_with(&text.replace("\r\n", "\n")));
    }
}

#[tokio::test]
async fn a_message_that_was_in_this_mailbox_before_is_a_loop() {
    let mut world = World::new();
    let text = format!("Delivered-To: {ANNA}\r\n{TEXT}");
    world.send(OTTO, &[ANNA], &text).await;
    let event = world.fate(ANNA).await;
    assert_eq!(event.kind, Bounced);
    assert!(event.reply.unwrap().starts_with("554 5.4.6"));
    assert_eq!(world.fate(OTTO).await.kind, Delivered, "the report quotes the field, and is no loop");
    assert!(world.mailbox(ANNA).is_empty());
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_written_defers() {
    let mut world = World::asleep(|_| {});
    let mail = world.dir.path().join("mail");
    fs::create_dir_all(&mail).unwrap();
    fs::write(mail.join(ANNA), b"a file in the way").unwrap();
    world.wake();
    world.send("bert@example.org", &[ANNA, OTTO], TEXT).await;
    assert_eq!(world.fates(&[ANNA, OTTO]).await, [Deferred, Delivered]);
    fs::remove_file(mail.join(ANNA)).unwrap();
    world.later(Duration::from_mins(2));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((world.mailbox(ANNA).len(), world.mailbox(OTTO).len()), (1, 1));
}

#[tokio::test]
async fn a_failure_causes_one_report_that_is_filed() {
    let mut world = World::new();
    world.send(OTTO, &["nobody@here.test", "none@here.test"], TEXT).await;
    assert_eq!(world.fates(&["nobody@here.test", "none@here.test"]).await, [Bounced, Bounced]);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let reports = world.mailbox(OTTO);
    assert_eq!(reports.len(), 1);
    assert!(reports[0].starts_with("Return-Path: <>\nDelivered-To: otto@here.test\n"), "{}", reports[0]);
    assert!(reports[0].contains("5.1.1") && reports[0].contains("nobody@here.test"), "{}", reports[0]);
    assert!(world.queue().is_empty());
    assert_eq!(world.seen.iter().filter(|event| event.kind == Kind::Dsn).count(), 1);
}

#[tokio::test]
async fn success_is_reported_to_whoever_asks_for_it() {
    let mut world = World::new();
    world.peer("192.0.2.1");
    let ask = |envelope: &mut Envelope| {
        envelope.envid = Some("QQ314159".into());
        for recipient in &mut envelope.recipients {
            recipient.notify = Notify { success: true, failure: true, delay: false, given: true };
        }
    };
    world.send_as(OTTO, &[ANNA, "bert@example.org"], TEXT, ask).await;
    for _ in 0..2 {
        assert_eq!(world.fate(OTTO).await.kind, Delivered);
    }
    let reports = world.seen.iter().filter(|event| event.kind == Kind::Dsn);
    let mut actions: Vec<_> = reports.flat_map(|event| event.actions.clone()).collect();
    actions.sort();
    assert_eq!(actions, ["delivered", "relayed"]);
    let reports = world.mailbox(OTTO).join("");
    for said in [
        "Action: delivered\n",
        "Action: relayed\n",
        "Remote-MTA: dns; mx1.example.org\n",
        "Original-Envelope-Id: QQ314159\n",
    ] {
        assert!(reports.contains(said), "{said}: {reports}");
    }
    assert!(!reports.contains("\nhello\n"), "the header section is enough: {reports}");
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn a_report_goes_to_a_remote_sender_from_the_null_reverse_path() {
    let mut world = World::new();
    let peer = world.peer("192.0.2.3");
    world.send("carl@example.net", &["nobody@here.test"], TEXT).await;
    assert_eq!(world.fate("nobody@here.test").await.kind, Bounced);
    assert_eq!(world.fate("carl@example.net").await.kind, Delivered);
    let got = &peer.got()[0];
    assert_eq!((&*got.from, &*got.to), ("", &["carl@example.net".to_owned()][..]));
}

#[tokio::test]
async fn a_report_that_fails_reaches_the_postmaster_and_causes_no_other() {
    let mut world = World::new();
    world.peer("192.0.2.3").obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
    world.send("carl@example.net", &["nobody@here.test"], TEXT).await;
    assert_eq!(world.fate("carl@example.net").await.kind, Bounced);
    world.event(|event| event.kind == Kind::DiscardedReport).await;
    world.event(|event| event.kind == Delivered).await;
    assert_eq!(world.mailbox(ANNA).len() + world.mailbox(OTTO).len(), 1);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn nobody_hears_of_mail_that_must_not_bounce() {
    for case in ["null", "may-not", "junk", "never"] {
        let mut world = World::new();
        let from = if case == "null" { "" } else { OTTO };
        let change = |envelope: &mut Envelope| match case {
            "may-not" => envelope.may_bounce = false,
            "junk" => envelope.recipients[0].junk = true,
            "never" => envelope.recipients[0].notify.failure = false,
            _ => {}
        };
        world.send_as(from, &["nobody@here.test"], TEXT, change).await;
        let fate = world.fate("nobody@here.test").await;
        let said = match case {
            "may-not" => Some(
                "it cannot be delivered, and its sender is not told, for that address is shown to be forged",
            ),
            "junk" => Some("it cannot be delivered, and its sender is not told, for it is junk"),
            _ => None,
        };
        let kind = if said.is_some() { Kind::Dropped } else { Bounced };
        assert_eq!((fate.kind, fate.reason.as_deref()), (kind, said), "{case}");
        // What comes after it in the queue shows that nothing came with it.
        world.send("bert@example.org", &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered, "{case}");
        assert!(world.queue().is_empty() && world.mailbox(OTTO).is_empty(), "{case}");
        assert!(world.seen.iter().all(|event| event.kind != Kind::Dsn), "{case}");
    }
}

#[tokio::test]
async fn junk_is_filed_apart_and_says_so() {
    let mut world = World::new();
    for text in [TEXT.to_owned(), format!("{TEXT}{}", "0123456789\r\n".repeat(200_000))] {
        world
            .send_as("eve@example.org", &[ANNA, OTTO], &text, |envelope| envelope.recipients[0].junk = true)
            .await;
        assert_eq!(world.fates(&[ANNA, OTTO]).await, [Delivered; 2]);
    }
    let filed = |path: &str| {
        world.mailbox(path).into_iter().map(|mail| mail.contains("X-Spam-Flag: YES\nX-Spam: Yes\n"))
    };
    assert_eq!(filed(OTTO).collect::<Vec<_>>(), [false; 2]);
    assert_eq!(filed(ANNA).count(), 0, "nothing in the inbox");
    assert_eq!(filed(&format!("{ANNA}/.Junk")).collect::<Vec<_>>(), [true; 2]);
}
