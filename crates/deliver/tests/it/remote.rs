//! Peers that behave in every way, and the fate that each recipient must have.

use std::time::Duration;

use crate::support::{
    World,
    peer::Does::{Close, KeepSilent, Say, SayAndClose},
};
use events::Kind::{Bounced, Deferred, Delivered};
use spool::State;

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.org";
const CARL: &str = "carl@example.org";
/// Reports to her end in a Maildir.
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n.\r\n..dots\r\n";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";

#[tokio::test]
async fn messages_arrive_unchanged_over_one_connection() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    for _ in 0..3 {
        world.send(OTTO, &[ANNA], TEXT).await;
        let event = world.fate(ANNA).await;
        assert_eq!(event.kind, Delivered, "{event:?}");
        assert_eq!(event.reply.as_deref(), Some("250 2.0.0 Taken"));
        assert_eq!(event.mx.unwrap().host, "mx1.example.org");
        assert_eq!((event.site.as_deref(), event.attempt), (Some("example.org"), Some(1)));
    }
    assert_eq!(peer.count("CONNECT"), 1);
    let got = peer.got();
    assert_eq!(got.len(), 3);
    assert_eq!((&*got[0].from, &*got[0].to), (OTTO, &[ANNA.to_owned()][..]));
    assert_eq!(got[0].content, TEXT.replace("\r\n.", "\r\n.."));
    assert!(world.queue().is_empty());
    world.stop().await;
    assert_eq!(peer.count("QUIT"), 1, "a kept connection is closed in good manners");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut world = World::with(|config| config.timeouts.idle = Duration::from_millis(10));
    world.peer(MX1);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    world.peer(MX1).heard("QUIT", 1).await;
}

#[tokio::test]
async fn content_of_many_pieces_arrives_whole() {
    let mut world = World::new();
    let text = format!("Subject: x\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(20_000));
    world.peer(MX1);
    world.send(OTTO, &[ANNA], &text).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert!(world.peer(MX1).got()[0].content == text);
}

#[tokio::test]
async fn a_greeting_that_refuses_says_nothing_of_the_message() {
    for greeting in ["554 5.7.1 No", "521 No mail here", "421 4.3.2 Not now", "450 Busy", "<html>"] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![("CONNECT", Say(greeting))]);
        world.peer(MX2);
        world.send(OTTO, &[ANNA], TEXT).await;
        let event = world.fate(ANNA).await;
        assert_eq!((event.kind, &*event.mx.unwrap().host), (Delivered, "mx2.example.org"), "{greeting}");
    }
}

#[tokio::test]
async fn when_every_host_refuses_to_greet_the_message_waits() {
    let mut world = World::new();
    for mx in [MX1, MX2] {
        world.peer(mx).obey(vec![("CONNECT", Say("554 5.7.1 No"))]);
    }
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.reply.as_deref()), (Deferred, Some("554 5.7.1 No")));
    assert!(world.mailbox(OTTO).is_empty());
}

#[tokio::test]
async fn a_host_that_keeps_silent_is_left_for_the_next() {
    let mut world = World::with(|config| config.timeouts.greeting = Duration::from_millis(10));
    world.peer(MX1).obey(vec![("CONNECT", KeepSilent)]);
    world.peer(MX2);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(world.peer(MX2).got().len(), 1);
}

#[tokio::test]
async fn each_recipient_has_its_own_fate_and_one_report_tells_of_the_refused() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![
        ("RCPT TO:<bert", Say("450 4.2.1 Later")),
        ("RCPT TO:<carl", Say("550 5.1.1 Unknown")),
        ("RCPT TO:<dora", Say("552 5.2.2 Too many")),
    ]);
    let recipients = [ANNA, BERT, CARL, "dora@example.org"];
    world.send(OTTO, &recipients, TEXT).await;
    assert_eq!(world.fates(&recipients).await, [Delivered, Deferred, Bounced, Deferred]);
    assert_eq!(peer.got()[0].to, [ANNA]);
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let reports = world.mailbox(OTTO);
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].contains("550 5.1.1 Unknown") && reports[0].contains("carl@example.org"),
        "{}",
        reports[0]
    );
    assert!(!reports[0].contains("bert@example.org"), "{}", reports[0]);
    let queue = world.queue();
    assert_eq!(queue.len(), 1);
    let owed: Vec<_> = queue[0].recipients.iter().map(|recipient| &*recipient.forward_path).collect();
    assert_eq!(owed, [BERT, "dora@example.org"]);
    peer.obey(Vec::new());
    world.later(Duration::from_mins(2));
    assert_eq!(world.fates(&[BERT, "dora@example.org"]).await, [Delivered, Delivered]);
}

#[tokio::test]
async fn a_reply_about_the_message_holds_for_all_that_were_accepted() {
    for (line, reply, kind) in [
        ("MAIL", "550 5.7.1 Not from you", Bounced),
        ("MAIL", "451 4.7.1 Greylisted", Deferred),
        ("DATA", "554 5.7.1 No", Bounced),
        ("DATA", "451 4.3.0 Later", Deferred),
        (".", "554 5.6.0 Spam", Bounced),
        (".", "452 4.3.1 Full", Deferred),
    ] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![(line, Say(reply))]);
        world.peer(MX2);
        world.send(OTTO, &[ANNA, BERT], TEXT).await;
        assert_eq!(world.fates(&[ANNA, BERT]).await, [kind, kind], "{line} {reply}");
        assert_eq!(world.peer(MX2).count("CONNECT"), 0, "{line} {reply}: it is not the host's fault");
    }
}

#[tokio::test]
async fn a_421_in_a_transaction_defers() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT TO:<bert", Say("421 4.3.2 Enough"))]);
    world.send(OTTO, &[ANNA, BERT], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Deferred, Deferred]);
}

#[tokio::test]
async fn a_connection_cut_before_the_content_goes_on_with_the_next_host() {
    let mut world = World::new();
    world.peer(MX1).obey(vec![("RCPT", Close)]);
    world.peer(MX2);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(world.peer(MX2).got().len(), 1);
}

#[tokio::test]
async fn a_connection_cut_in_the_content_or_after_the_dot_defers() {
    for line in ["CONTENT", "."] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        peer.obey(vec![(line, Close)]);
        world.peer(MX2);
        world.send(OTTO, &[ANNA], TEXT).await;
        let event = world.fate(ANNA).await;
        assert_eq!(event.kind, Deferred, "{line}");
        assert!(event.reply.unwrap().contains("4.4.2"), "{line}");
        assert_eq!(world.peer(MX2).count("CONNECT"), 0, "{line}");
        peer.obey(Vec::new());
        world.later(Duration::from_mins(2));
        assert_eq!(world.fate(ANNA).await.kind, Delivered, "{line}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_is_gone_costs_nothing() {
    let mut world = World::new();
    let (one, two) = (world.peer(MX1), world.peer(MX2));
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    one.obey(vec![("MAIL", Close)]);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.attempt), (Delivered, Some(1)));
    assert_eq!(
        (one.count("CONNECT"), two.count("CONNECT")),
        (2, 1),
        "the first host is tried afresh, then the next"
    );
}

#[tokio::test]
async fn hosts_that_cannot_be_reached_rest_and_nobody_else_is_tried_meanwhile() {
    let mut world = World::new();
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.attempt), (Deferred, Some(1)));
    assert!(event.reply.unwrap().starts_with("451 4.4.1"));
    world.send(OTTO, &[BERT], TEXT).await;
    let event = world.fate(BERT).await;
    assert_eq!((event.kind, event.attempt), (Deferred, None));
    assert!(event.reason.is_some());
    world.peer(MX1);
    world.later(Duration::from_mins(2));
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered]);
}

#[tokio::test]
async fn recipients_beyond_the_limit_go_in_another_transaction() {
    let mut world = World::with(|config| config.recipients_per_transaction = 2);
    let peer = world.peer(MX1);
    world.send(OTTO, &[ANNA, BERT, CARL], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered; 3]);
    let to: Vec<_> = peer.got().into_iter().map(|got| got.to.len()).collect();
    assert_eq!((to, peer.count("CONNECT")), (vec![2, 1], 1));
}

#[tokio::test]
async fn a_host_that_closes_after_each_transaction_gets_all_the_same() {
    let mut world = World::with(|config| config.recipients_per_transaction = 1);
    world.dns.set("example.org MX 10 mx1.example.org");
    let peer = world.peer(MX1);
    peer.obey(vec![(".", SayAndClose("250 2.0.0 Taken"))]);
    world.send(OTTO, &[ANNA, BERT, CARL], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered; 3]);
    assert_eq!((peer.got().len(), peer.count("CONNECT")), (3, 3));
}

#[tokio::test]
async fn a_message_that_needs_smtputf8_is_refused_only_if_no_host_takes_it() {
    let text = "Subject: men\u{fc}\r\n\r\nhello\r\n";
    let utf8 = "250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8";
    for (second, kind) in [(None, Bounced), (Some(utf8), Delivered)] {
        let mut world = World::new();
        world.peer(MX1);
        world.peer(MX2).obey(second.map(|reply| vec![("EHLO", Say(reply))]).unwrap_or_default());
        world.send_as(OTTO, &[ANNA], text, |envelope| envelope.smtputf8 = true).await;
        assert_eq!(world.fate(ANNA).await.kind, kind, "{second:?}");
    }
    let mut world = World::new();
    world.peer(MX1);
    world.send_as(OTTO, &[ANNA], text, |envelope| envelope.smtputf8 = true).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred, "the second host was not reached");
}

#[tokio::test]
async fn damaged_content_never_looks_whole_to_the_peer() {
    let mut world = World::cold();
    let text =
        format!("Subject: x\r\n\r\n{}The end\r\n", "0123456789abcdef0123456789abcdef\r\n".repeat(20_000));
    let peer = world.peer(MX1);
    world.send(OTTO, &[ANNA], &text).await;
    world.damage("The end");
    world.wake();
    let event = world.fate(ANNA).await;
    assert_eq!(event.kind, Deferred);
    assert!(event.reply.unwrap().contains("4.3.0"));
    assert_eq!((peer.count("CONTENT"), peer.count("."), peer.got().len()), (1, 0, 0));
}

/// Once its recipients stayed in flight until a restart, and the site had a worker less.
#[tokio::test]
async fn a_worker_that_panics_gives_back_its_work_and_its_place() {
    let mut world = World::with(|config| config.connections_per_site = 1);
    world.peer(MX1);
    world.network.panic_once();
    let broken = world.send(OTTO, &[ANNA], TEXT).await;
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Delivered, "the place is free for another");
    let waiting = &world.queue()[0];
    assert_eq!((waiting.id, waiting.recipients[0].state), (broken, State::Queued));
    assert!(waiting.recipients[0].due > waiting.received, "it must not break the next one at once");
    world.later(Duration::from_hours(1));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
}
