//! Content that does not fit where it goes: converted, or refused, or taken by a host that takes it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::time::Duration;

use crate::support::{
    World,
    peer::{Does::Say, Rules},
};
use events::Kind::{Bounced, Deferred, Delivered};
use mail::Body;

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const EIGHT_BIT: &str =
    "Subject: men\u{fc}\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncr\u{e8}me\r\n.\r\n";
const SIGNED: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ncr\u{e8}me\r\n--b--\r\n";
const BINARY: &str = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
                      Content-Transfer-Encoding: binary\r\n\r\na\nb\0c";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";

/// A host that offers nothing but PIPELINING and SIZE.
fn seven_bit() -> Rules {
    vec![("EHLO", Say("250-mx1.example.org\r\n250-PIPELINING\r\n250 SIZE 1000000"))]
}

/// What a message of this kind comes to: its fate, MAIL and the content that the host got.
async fn sent(body: Body, text: &str, rules: Rules) -> (events::Event, String, String) {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(rules);
    world.send_as(OTTO, &[ANNA], text, |envelope| envelope.body = body).await;
    let event = world.fate(ANNA).await;
    let mail = peer.lines.lock().unwrap().iter().find(|line| line.starts_with("MAIL")).cloned();
    let content = peer.got().pop().map(|got| got.content);
    (event, mail.unwrap_or_default(), content.unwrap_or_default())
}

#[tokio::test]
async fn eight_bit_content_is_encoded_for_a_host_without_8bitmime() {
    // RFC 6152 §3. Of what length it will be is not known beforehand, so SIZE is not said.
    let (event, mail, content) = sent(Body::EightBitMime, EIGHT_BIT, seven_bit()).await;
    assert_eq!((event.kind, &*mail), (Delivered, "MAIL FROM:<otto@here.test>"));
    assert!(event.reason.unwrap().contains("8BITMIME"));
    let (header, body) = content.split_once("\r\n\r\n").unwrap();
    assert!(header.contains("Content-Transfer-Encoding: quoted-printable"), "{header}");
    assert_eq!(body, "cr=C3=A8me\r\n..\r\n");
    let (event, mail, content) = sent(Body::EightBitMime, EIGHT_BIT, Vec::new()).await;
    assert_eq!((event.kind, event.reason), (Delivered, None));
    assert!(mail.ends_with(" BODY=8BITMIME") && content.contains("cr\u{e8}me"), "{mail} {content}");
}

#[tokio::test]
async fn content_that_is_seven_bit_in_fact_goes_as_it_is() {
    let text = "Subject: x\r\n\r\nascii\r\n";
    let (event, mail, content) = sent(Body::EightBitMime, text, seven_bit()).await;
    assert_eq!((event.kind, &*content), (Delivered, text));
    assert_eq!(mail, format!("MAIL FROM:<otto@here.test> SIZE={}", text.len()));
}

#[tokio::test]
async fn long_content_is_converted_whole() {
    let text = format!("{EIGHT_BIT}{}", "cr\u{e8}me br\u{fb}l\u{e9}e\r\n".repeat(20_000));
    let (event, _, content) = sent(Body::EightBitMime, &text, seven_bit()).await;
    assert_eq!(event.kind, Delivered);
    let encoded = content.split_once("\r\n\r\n").unwrap().1;
    assert!(encoded.is_ascii() && encoded.matches("cr=C3=A8me br=C3=BBl=C3=A9e\r\n").count() == 20_000);
}

#[tokio::test]
async fn binary_content_is_encoded_for_a_host_without_binarymime() {
    // RFC 3030 §3.
    for (rules, body) in [(Vec::new(), " BODY=8BITMIME"), (seven_bit(), "")] {
        let (event, mail, content) = sent(Body::BinaryMime, BINARY, rules).await;
        assert_eq!((event.kind, mail), (Delivered, format!("MAIL FROM:<otto@here.test>{body}")));
        assert!(content.contains("Content-Transfer-Encoding: base64\r\n\r\nYQpiAGM=\r\n"), "{content}");
    }
}

#[tokio::test]
async fn signed_content_is_refused_unless_a_host_takes_it_as_it_is() {
    let (event, mail, _) = sent(Body::EightBitMime, SIGNED, seven_bit()).await;
    // The second host was not reached: it might take it.
    assert_eq!((event.kind, &*mail), (Deferred, ""));
    for (offers, kind) in [(seven_bit(), Bounced), (Vec::new(), Delivered)] {
        let mut world = World::new();
        world.peer(MX1).obey(seven_bit());
        world.peer(MX2).obey(offers);
        world.send_as(OTTO, &[ANNA], SIGNED, |envelope| envelope.body = Body::EightBitMime).await;
        let event = world.fate(ANNA).await;
        assert_eq!(event.kind, kind);
        if kind == Bounced {
            let reply = event.reply.unwrap();
            assert!(reply.starts_with("550 5.6.3 ") && reply.contains("signed"), "{reply}");
        }
        assert_eq!((world.peer(MX1).count("MAIL"), world.peer(MX1).count("QUIT")), (0, 1));
    }
}

#[tokio::test]
async fn a_mailbox_gets_binary_content_encoded() {
    let mut world = World::new();
    world.send_as("anna@example.net", &[OTTO], BINARY, |envelope| envelope.body = Body::BinaryMime).await;
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    let filed = world.mailbox(OTTO).remove(0);
    assert!(filed.ends_with("Content-Transfer-Encoding: base64\n\nYQpiAGM=\n"), "{filed}");
    let signed = SIGNED.replace("cr\u{e8}me", "\0");
    world.send_as("anna@example.net", &[OTTO], &signed, |envelope| envelope.body = Body::BinaryMime).await;
    let event = world.fate(OTTO).await;
    assert_eq!(event.kind, Bounced);
    assert!(event.reply.unwrap().starts_with("550 5.6.1 "));
}

#[tokio::test]
async fn content_too_large_for_one_host_goes_to_another() {
    // RFC 1870 §4.
    let small = "250-mx\r\n250-PIPELINING\r\n250 SIZE 10";
    for (second, kind) in [("250-mx\r\n250 SIZE 1000000", Delivered), (small, Bounced)] {
        let mut world = World::new();
        world.peer(MX1).obey(vec![("EHLO", Say(small))]);
        world.peer(MX2).obey(vec![("EHLO", Say(second))]);
        world.send(OTTO, &[ANNA], "Subject: x\r\n\r\nhello\r\n").await;
        let event = world.fate(ANNA).await;
        assert_eq!((event.kind, world.peer(MX1).count("MAIL")), (kind, 0), "{event:?}");
        if kind == Bounced {
            assert!(event.reply.unwrap().starts_with("552 5.3.4 "));
            assert_eq!(world.fate(OTTO).await.kind, Delivered);
            let report = world.mailbox(OTTO).remove(0);
            assert!(
                report.contains("which is 10 octets") && !report.contains("Diagnostic-Code: smtp"),
                "{report}"
            );
        }
    }
}

/// An attempt has a budget of addresses for those that cannot be reached. A host that was reached and lacks something
/// does not use it up: the one that takes the message may stand behind any number of them.
#[tokio::test]
async fn signed_content_reaches_the_one_host_that_takes_it_behind_many_that_do_not() {
    let mut world = World::new();
    let line = |number: u8| {
        world.peer(&format!("192.0.2.10{number}")).obey(if number < 7 { seven_bit() } else { Vec::new() });
        format!("many.example MX {number} mx{number}.example\nmx{number}.example A 192.0.2.10{number}\n")
    };
    let zone: Vec<String> = (1..=7).map(line).collect();
    world.dns.set(&zone.concat());
    world.send_as(OTTO, &["anna@many.example"], SIGNED, |envelope| envelope.body = Body::EightBitMime).await;
    let event = world.fate("anna@many.example").await;
    assert_eq!((event.kind, event.mx.unwrap().host.as_str()), (Delivered, "mx7.example"));
}

#[tokio::test]
async fn signed_content_waits_if_there_was_no_time_to_ask_all_hosts() {
    let mut world = World::with(|config| config.timeouts.search = Duration::ZERO);
    world.dns.set(
        "three.example MX 1 mx1.example.org\nthree.example MX 2 mx2.example.org\nthree.example MX 3 mx.example.net",
    );
    world.peer(MX1).obey(seven_bit());
    world.peer(MX2).obey(seven_bit());
    world.send_as(OTTO, &["anna@three.example"], SIGNED, |envelope| envelope.body = Body::EightBitMime).await;
    assert_eq!(world.fate("anna@three.example").await.kind, Deferred);
}
