//! Content that a peer cannot take as it is, and content in chunks.

use e2e::{Exim, EximSettings, Postfix};

use super::{Ours, SOON, hand_over};

const TEXT: &str = "From: anna@here.test\r\nSubject: eight bits\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße aus Köln\r\n";

#[test]
fn where_postfix_offers_no_8bitmime_the_text_is_encoded() {
    let ours = Ours::routing("peer.test", "", "");
    let settings = "smtpd_discard_ehlo_keywords = 8bitmime\n";
    let postfix = Postfix::start(&ours.net, 1, ours.port, settings);
    ours.takes("<anna@here.test> BODY=8BITMIME", &["<x@peer.test>"], TEXT);
    let mail = postfix.maildir().wait_for("eight bits", SOON);
    assert!(mail.octets.is_ascii(), "{}", mail.text());
    assert_eq!(mail.field("Content-Transfer-Encoding").as_deref(), Some("quoted-printable"));
    assert_eq!(String::from_utf8(mail.body()).unwrap(), "Gr=C3=BC=C3=9Fe aus K=C3=B6ln\n");
}

#[test]
fn eight_bits_that_nobody_declared_are_encoded_as_well() {
    let ours = Ours::routing("peer.test", "", "");
    let settings = "smtpd_discard_ehlo_keywords = 8bitmime\n";
    let postfix = Postfix::start(&ours.net, 1, ours.port, settings);
    ours.takes("<anna@here.test>", &["<x@peer.test>"], TEXT);
    let mail = postfix.maildir().wait_for("eight bits", SOON);
    assert!(mail.octets.is_ascii(), "{}", mail.text());
}

/// Hands a binary message to us in three chunks.
fn binary(ours: &Ours, to: &str) {
    let header = "From: anna@here.test\r\nSubject: binary\r\nMIME-Version: 1.0\r\n\
        Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let mut client = ours.server.client();
    client.expect("MAIL FROM:<anna@here.test> BODY=BINARYMIME", 250);
    client.expect(&format!("RCPT TO:<{to}>"), 250);
    for (chunk, last) in [(header.as_bytes(), ""), (b"\0\r\n.\r\n\xff\r", ""), (b"\n\n", " LAST")] {
        client.send(format!("BDAT {}{last}\r\n", chunk.len()).as_bytes()).unwrap();
        client.send(chunk).unwrap();
        assert_eq!(client.reply().unwrap().0, 250);
    }
}

/// base64 of the octets above.
const ENCODED: &str = "AA0KLg0K/w0KCg==\n";

#[test]
fn binary_content_reaches_postfix_encoded() {
    let ours = Ours::routing("peer.test", "", "");
    let postfix = Postfix::start(&ours.net, 1, ours.port, "");
    binary(&ours, "x@peer.test");
    let mail = postfix.maildir().wait_for("Subject: binary", SOON);
    assert_eq!(mail.field("Content-Transfer-Encoding").as_deref(), Some("base64"));
    assert_eq!(String::from_utf8(mail.body()).unwrap(), ENCODED);
}

#[test]
fn binary_content_reaches_our_own_mailbox_encoded() {
    let ours = Ours::routing("peer.test", "", "");
    binary(&ours, "ben@here.test");
    let mail = ours.house.maildir("ben@here.test").wait_for("Subject: binary", SOON);
    assert_eq!(mail.field("Content-Transfer-Encoding").as_deref(), Some("base64"));
    assert_eq!(String::from_utf8(mail.body()).unwrap(), ENCODED);
}

#[test]
fn exim_brings_its_mail_in_chunks() {
    let ours = Ours::routing("exim.test", "", "");
    let settings = EximSettings { next_hop: Some(ours.server.smtp()), ..EximSettings::default() };
    let exim = Exim::start(&ours.net, 1, ours.port, settings);
    let large = format!("Subject: chunks\r\n\r\n{}", "0123456789abcdef.\r\n.dot\r\n".repeat(20_000));
    hand_over(exim.address(), "<x@exim.test>", &["<anna@here.test>", "<ben@here.test>"], &large);
    let expected = "0123456789abcdef.\n.dot\n".repeat(20_000);
    for address in ["anna@here.test", "ben@here.test"] {
        let mail = ours.house.maildir(address).wait_for("Subject: chunks", SOON);
        assert!(mail.body() == expected.as_bytes(), "{} octets", mail.body().len());
    }
    // K: by BDAT.
    exim.wait_for_log(&["=> anna@here.test", " K "]);
}

/// Lines with dots, as many as make a large message.
fn large(subject: &str) -> (String, Vec<u8>) {
    let lines = "0123456789abcdef.\r\n.dot\r\n..\r\n".repeat(20_000);
    (
        format!("From: anna@here.test\r\nSubject: {subject}\r\n\r\n{lines}"),
        lines.replace('\r', "").into_bytes(),
    )
}

#[test]
fn postfix_gets_its_mail_in_chunks() {
    let ours = Ours::routing("peer.test", "", "");
    let postfix = Postfix::start(&ours.net, 1, ours.port, "");
    let (content, lines) = large("chunks");
    let id = ours.takes("<anna@here.test>", &["<x@peer.test>", "<y@peer.test>"], &content);
    let mail = postfix.maildir().wait_for("Subject: chunks", SOON);
    assert!(mail.body() == lines, "{} octets", mail.body().len());
    ours.house.wait_for_event(&id, "delivered", "y@peer.test");
    e2e::eventually_true("Postfix to count a BDAT", SOON, || postfix.log().contains(" bdat=1 "));
}

#[test]
fn exim_gets_its_mail_in_chunks() {
    let ours = Ours::routing("exim.test", "", "");
    let exim = Exim::start(&ours.net, 1, ours.port, EximSettings::default());
    let (content, lines) = large("chunks");
    ours.takes("<anna@here.test>", &["<x@exim.test>", "<no@exim.test>"], &content);
    let mail = exim.maildir().wait_for("Subject: chunks", SOON);
    assert!(mail.body() == lines, "{} octets", mail.body().len());
    exim.wait_for_log(&["<= anna@here.test", " K "]);
    let report = ours.house.maildir("anna@here.test").wait_for("no@exim.test", SOON);
    assert!(report.contains("No such hermit"), "{}", report.text());
}
