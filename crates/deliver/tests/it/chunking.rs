//! Content in chunks, to hosts that offer CHUNKING, and binary content to those that offer BINARYMIME too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use crate::support::{
    World,
    peer::Does::{Close, Say},
};
use events::Kind::{Bounced, Deferred, Delivered};
use mail::Body;

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\n.dots\r\n.\r\n";
const BINARY: &str = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\0\r\n.\r\nd";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";
const CHUNKING: &str = "250-mx1.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING";
const BINARYMIME: &str = "250-mx1.example.org\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING";

#[tokio::test]
async fn messages_arrive_unchanged_as_chunks_over_one_connection() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(CHUNKING)), ("RCPT TO:<bert", Say("550 5.1.1 Unknown"))]);
    let long = format!("Subject: x\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(20_000));
    for text in [TEXT, &long, "\r\n"] {
        world.send(OTTO, &[ANNA, BERT], text).await;
        assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Bounced]);
        assert!(peer.got().pop().unwrap().content == text);
    }
    assert_eq!((peer.count("BDAT"), peer.count("DATA"), peer.count("CONNECT")), (3, 0, 1));
}

#[tokio::test]
async fn a_chunk_that_is_refused_or_cut_off_decides_as_the_final_dot_does() {
    for (does, kind) in [
        (Say("554 5.6.0 Spam"), Bounced),
        (Say("452 4.3.1 Full"), Deferred),
        (Say("421 4.3.2 Going down"), Deferred),
        (Close, Deferred),
    ] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![("EHLO", Say(CHUNKING)), (".", does)]);
        world.peer(MX2);
        world.send(OTTO, &[ANNA], TEXT).await;
        assert_eq!(world.fate(ANNA).await.kind, kind, "{does:?}");
        assert_eq!(world.peer(MX2).count("CONNECT"), 0, "{does:?}");
    }
}

#[tokio::test]
async fn binary_content_goes_unchanged_to_a_host_that_takes_it() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(BINARYMIME))]);
    world.send_as(OTTO, &[ANNA], BINARY, |envelope| envelope.body = Body::BinaryMime).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(peer.got()[0].content, BINARY);
    assert_eq!(peer.count("MAIL FROM:<otto@here.test> BODY=BINARYMIME"), 1);
    // Where 8BITMIME is not offered, BINARYMIME covers 8-bit content too.
    let eight_bit = "Subject: x\r\n\r\ncr\u{e8}me\r\n";
    world.send_as(OTTO, &[ANNA], eight_bit, |envelope| envelope.body = Body::EightBitMime).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(peer.got()[1].content, eight_bit);
    assert_eq!(peer.count("MAIL FROM:<otto@here.test> BODY=BINARYMIME"), 2);
}

#[tokio::test]
async fn a_host_that_does_not_know_bdat_after_all_gets_the_message_by_data() {
    // RFC 3030 §2: it takes the content for commands.
    for (ehlo, body, text) in [(CHUNKING, Body::SevenBit, TEXT), (BINARYMIME, Body::BinaryMime, BINARY)] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        peer.obey(vec![("EHLO", Say(ehlo)), ("BDAT", Say("500 5.5.1 What?"))]);
        world.send_as(OTTO, &[ANNA], text, |envelope| envelope.body = body).await;
        let event = world.fate(ANNA).await;
        assert_eq!((event.kind, event.attempt), (Delivered, Some(1)), "{event:?}");
        assert_eq!((peer.count("BDAT"), peer.count("DATA"), peer.count("CONNECT")), (1, 1, 2));
        let content = peer.got().pop().unwrap().content;
        assert!(body == Body::SevenBit || content.contains("Content-Transfer-Encoding: base64"), "{content}");
    }
}
