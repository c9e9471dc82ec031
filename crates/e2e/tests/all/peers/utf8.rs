//! Addresses and header fields in UTF-8 (RFC 6531, RFC 6532).

use e2e::{Exim, EximSettings, Postfix};

use super::{Ours, SOON, hand_over};

const ACCOUNT: &str = "[[account]]\nlogin = \"jürgen@here.test\"\n";
/// The name of its Maildir.
const DIRECTORY: &str = "j%C3%BCrgen@here.test";
const TEXT: &str =
    "From: Jürgen <jürgen@here.test>\r\nTo: <δοκιμή@peer.test>\r\nSubject: Grüße\r\n\r\nin UTF-8\r\n";

#[test]
fn postfix_gets_addresses_and_fields_in_utf8() {
    let ours = Ours::routing("peer.test", "", ACCOUNT);
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    let id = ours.takes("<jürgen@here.test> SMTPUTF8", &["<δοκιμή@peer.test>"], TEXT);
    let mail = postfix.maildir().wait_for("in UTF-8", SOON);
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<jürgen@here.test>"));
    assert_eq!(mail.field("X-Original-To").as_deref(), Some("δοκιμή@peer.test"));
    assert_eq!(mail.field("Subject").as_deref(), Some("Grüße"));
    ours.house.wait_for_event(&id, "delivered", "δοκιμή@peer.test");
}

#[test]
fn postfix_brings_addresses_and_fields_in_utf8() {
    let ours = Ours::routing("peer.test", "", ACCOUNT);
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    hand_over(postfix.address(), "<δοκιμή@peer.test> SMTPUTF8", &["<jürgen@here.test>"], TEXT);
    let mail = ours.house.maildir(DIRECTORY).wait_for("in UTF-8", SOON);
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<δοκιμή@peer.test>"));
    assert_eq!(mail.field("Subject").as_deref(), Some("Grüße"));
    let received = mail.field("Received").unwrap();
    assert!(received.contains("with UTF8SMTP id"), "{received}");
}

#[test]
fn where_postfix_offers_no_smtputf8_the_sender_hears_it() {
    let ours = Ours::routing("peer.test", "", ACCOUNT);
    let settings = "smtpd_discard_ehlo_keywords = smtputf8\n";
    let _postfix = Postfix::start(&ours.net, 1, ours.port, settings);
    ours.takes("<jürgen@here.test> SMTPUTF8", &["<δοκιμή@peer.test>"], TEXT);
    // RFC 6533: the report is for an address in UTF-8, so it is in UTF-8 itself.
    let report = ours.house.maildir(DIRECTORY).wait_for("Status: 5.6.7", SOON);
    assert!(report.contains("δοκιμή@peer.test"), "{}", report.text());
}

#[test]
fn exim_takes_and_brings_addresses_in_utf8() {
    let ours = Ours::routing("exim.test", "", ACCOUNT);
    let settings =
        EximSettings { main: "smtputf8_advertise_hosts = *\n", next_hop: Some(ours.server.smtp()) };
    let exim = Exim::start(&ours.net, 1, ours.port, settings);
    ours.takes("<jürgen@here.test> SMTPUTF8", &["<δοκιμή@exim.test>"], TEXT);
    let mail = exim.maildir().wait_for("in UTF-8", SOON);
    assert_eq!(mail.field("Return-path").as_deref(), Some("<jürgen@here.test>"));
    hand_over(exim.address(), "<δοκιμή@exim.test> SMTPUTF8", &["<jürgen@here.test>"], TEXT);
    let mail = ours.house.maildir(DIRECTORY).wait_for("in UTF-8", SOON);
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<δοκιμή@exim.test>"));
}
