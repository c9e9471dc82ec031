//! Addresses and header sections beyond ASCII, at hosts with SMTPUTF8 and without it (RFC 6531).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use crate::support::{World, peer::Does::Say};
use events::Kind::{Bounced, Deferred, Delivered};

const ANNA: &str = "anna@example.org";
const DELTA: &str = "\u{3b4}@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const UTF8_TEXT: &str = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
                         --b\r\nContent-Description: men\u{fc}\r\n\r\nhello\r\n--b--\r\n";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";
const SMTPUTF8: &str = "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8";

#[tokio::test]
async fn a_message_that_only_asks_for_smtputf8_goes_to_hosts_without_it() {
    for (offers, mail) in [
        (None, "MAIL FROM:<otto@here.test> SIZE=21"),
        (Some(SMTPUTF8), "MAIL FROM:<otto@here.test> SMTPUTF8"),
    ] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        peer.obey(offers.map(|offers| vec![("EHLO", Say(offers))]).unwrap_or_default());
        world.send_as(OTTO, &[ANNA], TEXT, |envelope| envelope.smtputf8 = true).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
        assert_eq!(peer.lines.lock().unwrap()[2], mail);
    }
}

#[tokio::test]
async fn a_header_section_beyond_ascii_needs_smtputf8_at_any_level() {
    for (second, kind) in [(None, Bounced), (Some(SMTPUTF8), Delivered)] {
        let mut world = World::new();
        world.peer(MX1);
        world.peer(MX2).obey(second.map(|offers| vec![("EHLO", Say(offers))]).unwrap_or_default());
        world.send_as(OTTO, &[ANNA], UTF8_TEXT, |envelope| envelope.smtputf8 = true).await;
        let event = world.fate(ANNA).await;
        assert_eq!(event.kind, kind, "{event:?}");
        assert_eq!(event.reply.unwrap().starts_with("550 5.6.7"), kind == Bounced);
        assert_eq!(world.peer(MX1).count("MAIL"), 0);
    }
}

#[tokio::test]
async fn who_needs_smtputf8_is_no_obstacle_to_the_others() {
    for (second, kind) in [(None, Bounced), (Some(SMTPUTF8), Delivered)] {
        let mut world = World::new();
        world.peer(MX1);
        world.peer(MX2).obey(second.map(|offers| vec![("EHLO", Say(offers))]).unwrap_or_default());
        world.send_as(OTTO, &[DELTA, ANNA], TEXT, |envelope| envelope.smtputf8 = true).await;
        assert_eq!(world.fates(&[DELTA, ANNA]).await, [kind, Delivered]);
        assert_eq!(world.peer(MX1).got()[0].to, [ANNA]);
    }
}

#[tokio::test]
async fn a_domain_is_said_in_ascii_where_utf8_is_not_taken() {
    for (offers, to) in [(None, "anna@xn--bcher-kva.example"), (Some(SMTPUTF8), "anna@b\u{fc}cher.example")] {
        let mut world = World::new();
        world.dns.set("xn--bcher-kva.example MX 10 mx1.example.org");
        let peer = world.peer(MX1);
        peer.obey(offers.map(|offers| vec![("EHLO", Say(offers))]).unwrap_or_default());
        let anna = "anna@b\u{fc}cher.example";
        world.send_as("otto@b\u{fc}cher.example", &[anna], TEXT, |envelope| envelope.smtputf8 = true).await;
        assert_eq!(world.fate(anna).await.kind, Delivered);
        assert_eq!((&*peer.got()[0].to[0], &*peer.got()[0].from), (to, &*to.replace("anna", "otto")));
    }
}

#[tokio::test]
async fn a_kept_connection_that_lacks_smtputf8_is_not_opened_again_for_the_same_message() {
    for (second, kind) in [(Some(SMTPUTF8), Delivered), (None, Deferred)] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        if let Some(offers) = second {
            world.peer(MX2).obey(vec![("EHLO", Say(offers))]);
        }
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
        world.send_as(OTTO, &[ANNA], UTF8_TEXT, |envelope| envelope.smtputf8 = true).await;
        assert_eq!(world.fate(ANNA).await.kind, kind);
        assert_eq!(peer.count("CONNECT"), 1);
        // The first host is well, so the lane does not rest.
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, Delivered);
    }
}
