//! Addresses of ours that lead elsewhere: what the next host gets, and who hears of what it refuses.

use directory::ReturnPaths;
use events::Kind::{Bounced, Deferred, Delivered};
use mail::Envelope;

use crate::support::{World, peer::Does::Say};

const ANNA: &str = "anna@here.test";
const AWAY: &str = "away@here.test";
const BOTH: &str = "both@here.test";
const EVE: &str = "eve@example.org";
const DAN: &str = "dan@example.net";
const BERT: &str = "bert@example.net";
const TEXT: &str = "Authentication-Results: other.example; none\r\nSubject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const MX_NET: &str = "192.0.2.3";

fn world(signs: bool) -> World {
    World::with(|config| config.return_paths = ReturnPaths::new(["a secret"], 21, signs, None))
}

#[tokio::test]
async fn it_leaves_with_a_reverse_path_of_ours_and_nothing_of_it_changed() {
    let mut world = world(false);
    let peer = world.peer(MX1);
    world.send(BERT, &[AWAY], TEXT).await;
    let event = world.fate(AWAY).await;
    assert_eq!((event.kind, &*event.station), (Delivered, "deliver/forward"));
    assert_eq!(world.fate(EVE).await.kind, Delivered);
    let got = &peer.got()[0];
    assert!(
        got.from.starts_with("SRS0=") && got.from.ends_with("=example.net=bert@here.test"),
        "{}",
        got.from
    );
    let fields = "Delivered-To: away@here.test\r\nX-Forwarded-For: away@here.test\r\nX-Forwarded-To: eve@example.org\r\n";
    assert_eq!((&*got.to, &*got.content), (&[EVE.to_owned()][..], &*format!("{fields}{TEXT}")));
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn who_wrote_hears_of_what_the_next_host_refuses() {
    let mut world = world(false);
    world.peer(MX1).obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
    let back = world.peer(MX_NET);
    world.send(BERT, &[AWAY], TEXT).await;
    assert_eq!(world.fate(EVE).await.kind, Bounced);
    assert_eq!(world.fate(BERT).await.kind, Delivered);
    let report = &back.got()[0];
    assert_eq!((&*report.from, &*report.to), ("", &[BERT.to_owned()][..]));
    let words = |words: &str| assert!(report.content.contains(words), "{words}: {}", report.content);
    words("Original-Recipient: rfc822; away@here.test");
    words("550 5.1.1 Unknown");
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn nobody_hears_where_the_sender_is_forged_and_a_report_causes_none() {
    let mut world = world(false);
    world.peer(MX1).obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
    world.send_as(BERT, &[AWAY], TEXT, |envelope: &mut Envelope| envelope.may_bounce = false).await;
    world.fate(EVE).await;
    world.send("", &[AWAY], TEXT).await;
    world.fate(EVE).await;
    assert!(world.peer(MX1).count("MAIL FROM:<>") == 1, "a report stays one");
    assert_eq!(world.peer(MX_NET).count("CONNECT"), 0);
    assert!(world.queue().is_empty());
}

#[tokio::test]
async fn what_comes_back_to_the_address_is_a_loop() {
    let mut world = world(false);
    let text = format!("X: y\r\nDelivered-To: {}\r\n{TEXT}", AWAY.to_uppercase());
    world.peer(MX_NET);
    world.send(BERT, &[AWAY], &text).await;
    let event = world.fate(AWAY).await;
    assert_eq!(event.kind, Bounced);
    assert!(event.reply.unwrap().starts_with("554 5.4.6"));
    assert_eq!(world.fate(BERT).await.kind, Delivered, "and who wrote hears of it");
}

#[tokio::test]
async fn mailboxes_and_others_get_one_copy_each_and_learn_of_nobody() {
    let mut world = world(false);
    let (peer, other) = (world.peer(MX1), world.peer(MX_NET));
    // As it is received: mailboxes are recipients of their own.
    world.send(BERT, &[ANNA, BOTH], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BOTH, EVE, DAN]).await, [Delivered; 4]);
    // As a program of ours writes to it, which looks nobody up.
    world.send(BERT, &[BOTH], TEXT).await;
    assert_eq!(world.fates(&[BOTH, ANNA, EVE, DAN]).await, [Delivered; 4]);
    assert_eq!((world.mailbox(ANNA).len(), peer.got().len(), other.got().len()), (2, 2, 2));
    for content in [&peer.got()[0].content, &other.got()[0].content] {
        assert!(
            content.contains("X-Forwarded-For: both@here.test\r\n") && !content.contains("X-Forwarded-To")
        );
    }
}

#[tokio::test]
async fn junk_that_nobody_released_stays() {
    let mut world = world(false);
    let junk = |envelope: &mut Envelope| envelope.recipients[0].junk = true;
    world.send_as(BERT, &[AWAY], TEXT, junk).await;
    let event = world.fate(AWAY).await;
    assert_ne!(event.kind, Delivered);
    assert_eq!(world.peer(MX1).count("CONNECT") + world.peer(MX_NET).count("CONNECT"), 0);
    let released = |envelope: &mut Envelope| {
        envelope.recipients[0].junk = true;
        envelope.recipients[0].paused = std::time::Duration::from_mins(1);
    };
    world.send_as(BERT, &[AWAY], TEXT, released).await;
    assert_eq!(world.fates(&[AWAY, EVE]).await, [Delivered; 2]);
}

#[tokio::test]
async fn without_a_secret_it_waits() {
    let mut world = World::new();
    world.send(BERT, &[AWAY], TEXT).await;
    assert_eq!(world.fate(AWAY).await.kind, Deferred);
    assert_eq!(world.queue().len(), 1);
}

#[tokio::test]
async fn a_catch_all_may_lead_elsewhere() {
    let mut world = world(false);
    let peer = world.peer(MX1);
    world.send(BERT, &["who@caught.test"], TEXT).await;
    assert_eq!(world.fates(&["who@caught.test", EVE]).await, [Delivered; 2]);
    assert!(peer.got()[0].from.ends_with("@caught.test"), "{}", peer.got()[0].from);
}

#[tokio::test]
async fn reverse_paths_of_accounts_are_signed_where_that_is_wished() {
    for (signs, begin) in [(true, "prvs="), (false, "anna@")] {
        let mut world = world(signs);
        let peer = world.peer(MX1);
        let by_login = |envelope: &mut Envelope| envelope.account = Some(ANNA.into());
        world.send_as(ANNA, &[EVE], TEXT, by_login).await;
        assert_eq!(world.fate(EVE).await.kind, Delivered);
        // And what she writes to an address that leads elsewhere is hers still.
        world.send_as(ANNA, &[AWAY], TEXT, by_login).await;
        assert_eq!(world.fates(&[AWAY, EVE]).await, [Delivered; 2]);
        // Of who has shown nothing it is not known, so the address is one of the server's.
        world.send(ANNA, &[AWAY], TEXT).await;
        assert_eq!(world.fates(&[AWAY, EVE]).await, [Delivered; 2]);
        let from: Vec<String> = peer.got().iter().map(|got| got.from.clone()).collect();
        assert!(from[0].starts_with(begin) && from[0].ends_with(ANNA), "{from:?}");
        assert!(from[1].starts_with(begin) && from[1].ends_with(ANNA), "{from:?}");
        assert!(from[2].starts_with("SRS0="), "{from:?}");
        // A report of ours goes to her mailbox, whatever was said to the host.
        world.peer(MX1).obey(vec![("RCPT", Say("550 5.1.1 Unknown"))]);
        world.send_as(ANNA, &[EVE], TEXT, by_login).await;
        assert_eq!(world.fates(&[EVE, ANNA]).await, [Bounced, Delivered]);
    }
}
