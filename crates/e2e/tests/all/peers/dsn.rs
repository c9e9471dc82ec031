//! Reports as RFC 3461 has them, asked for on one side and written on the other.

use e2e::{Exim, EximSettings, Mail, Postfix};

use super::{Ours, SOON, hand_over};

const FROM_ANNA: &str = "<anna@here.test> RET=HDRS ENVID=QQ+2B314159";
const SUCCESS: &str = "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;first+2Bname@old.test";

fn text(subject: &str) -> String {
    format!("From: anna@here.test\r\nSubject: {subject}\r\n\r\nthe body of {subject}\r\n")
}

/// A report about what is asked for above: with the header section alone.
fn has(report: &Mail, words: &[&str]) {
    for word in words {
        assert!(report.contains(word), "no `{word}` in\n{}", report.text());
    }
    assert!(!report.contains("the body of"), "{}", report.text());
}

#[test]
fn postfix_tells_our_sender_of_success() {
    let ours = Ours::routing("peer.test", "", "");
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    ours.takes(FROM_ANNA, &[&format!("<x@peer.test> {SUCCESS}")], &text("glad"));
    postfix.maildir().wait_for("the body of glad", SOON);
    let report = ours.house.maildir("anna@here.test").wait_for("Action: delivered", SOON);
    let words = [
        "Reporting-MTA: dns; mx.peer.test",
        "Original-Envelope-Id: QQ+314159",
        "Final-Recipient: rfc822; x@peer.test",
        "first+name@old.test",
        "Subject: glad",
    ];
    has(&report, &words);
}

#[test]
fn we_tell_a_sender_behind_postfix_of_success() {
    let ours = Ours::routing("peer.test", "", "");
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    let from = "<x@peer.test> RET=HDRS ENVID=QQ+2B314159";
    hand_over(postfix.address(), from, &[&format!("<anna@here.test> {SUCCESS}")], &text("glad"));
    ours.house.maildir("anna@here.test").wait_for("the body of glad", SOON);
    let report = postfix.maildir().wait_for("Action: delivered", SOON);
    let words = [
        "Reporting-MTA: dns; mx.here.test",
        "Original-Envelope-Id: QQ+314159",
        "Original-Recipient: rfc822; first+name@old.test",
        "Final-Recipient: rfc822; anna@here.test",
        "Status: 2.",
        "Subject: glad",
    ];
    has(&report, &words);
}

#[test]
fn where_postfix_offers_no_dsn_we_tell_that_it_was_relayed() {
    let ours = Ours::routing("peer.test", "", "");
    let settings = format!("{}smtpd_discard_ehlo_keywords = dsn\n", ours.relayhost());
    let postfix = Postfix::start(&ours.net, 1, ours.port, &settings);
    ours.takes(FROM_ANNA, &[&format!("<x@peer.test> {SUCCESS}")], &text("glad"));
    postfix.maildir().wait_for("the body of glad", SOON);
    let report = ours.house.maildir("anna@here.test").wait_for("Action: relayed", SOON);
    has(&report, &["Reporting-MTA: dns; mx.here.test", "Original-Envelope-Id: QQ+314159", "x@peer.test"]);
    ours.house.wait_for_empty_queue(SOON);
    assert_eq!(ours.house.maildir("anna@here.test").messages().len(), 1);
}

#[test]
fn who_wants_to_hear_nothing_hears_nothing() {
    let ours = Ours::routing("other.test", "", "");
    let _postfix = Postfix::start(&ours.net, 1, ours.port, "mynetworks = 192.0.2.1/32");
    let to = ["<x@other.test> NOTIFY=NEVER", "<y@other.test> NOTIFY=DELAY", "<z@other.test> NOTIFY=FAILURE"];
    let id = ours.takes(FROM_ANNA, &to, &text("lost"));
    for recipient in ["x@other.test", "y@other.test", "z@other.test"] {
        ours.house.wait_for_event(&id, "bounced", recipient);
    }
    let report = ours.house.maildir("anna@here.test").wait_for("Action: failed", SOON);
    has(&report, &["Final-Recipient: rfc822; z@other.test", "Relay access denied", "Subject: lost"]);
    assert!(!report.contains("x@other.test") && !report.contains("y@other.test"), "{}", report.text());
    ours.house.wait_for_empty_queue(SOON);
    assert_eq!(ours.house.maildir("anna@here.test").messages().len(), 1);
}

#[test]
fn a_sender_behind_postfix_hears_that_an_alias_was_expanded() {
    let alias = "[[alias]]\naddress = \"team@here.test\"\nto = [\"anna@here.test\", \"ben@here.test\"]\n";
    let ours = Ours::routing("peer.test", "", alias);
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    let from = "<x@peer.test> RET=HDRS ENVID=QQ+2B314159";
    hand_over(postfix.address(), from, &["<team@here.test> NOTIFY=SUCCESS"], &text("glad"));
    for address in ["anna@here.test", "ben@here.test"] {
        ours.house.maildir(address).wait_for("the body of glad", SOON);
    }
    // Whom the alias stands for is no business of the sender's (RFC 3461 §5.2.7.3).
    let report = postfix.maildir().wait_for("Action: expanded", SOON);
    has(&report, &["Original-Envelope-Id: QQ+314159", "Final-Recipient: rfc822; team@here.test"]);
    assert!(!report.contains("ben@here.test"), "{}", report.text());
    ours.house.wait_for_empty_queue(SOON);
    assert_eq!(postfix.maildir().messages().len(), 1);
}

/// As Exim is delivered, it offers DSN to nobody.
fn exim(ours: &Ours) -> Exim {
    let settings = EximSettings { main: "dsn_advertise_hosts = *\n", next_hop: Some(ours.server.smtp()) };
    Exim::start(&ours.net, 1, ours.port, settings)
}

#[test]
fn exim_tells_our_sender_of_success() {
    let ours = Ours::routing("exim.test", "", "");
    let exim = exim(&ours);
    ours.takes(FROM_ANNA, &[&format!("<x@exim.test> {SUCCESS}")], &text("glad"));
    exim.maildir().wait_for("the body of glad", SOON);
    let report = ours.house.maildir("anna@here.test").wait_for("Action: delivered", SOON);
    let words = [
        "Reporting-MTA: dns; mx.exim.test",
        "Original-Envelope-ID: QQ+2B314159",
        "Final-Recipient: rfc822;x@exim.test",
        "Original-Recipient: rfc822;first+2Bname@old.test",
    ];
    has(&report, &words);
}

#[test]
fn we_tell_a_sender_behind_exim_of_success() {
    let ours = Ours::routing("exim.test", "", "");
    let exim = exim(&ours);
    let from = "<x@exim.test> RET=HDRS ENVID=QQ+2B314159";
    hand_over(exim.address(), from, &[&format!("<anna@here.test> {SUCCESS}")], &text("glad"));
    ours.house.maildir("anna@here.test").wait_for("the body of glad", SOON);
    let report = exim.maildir().wait_for("Action: delivered", SOON);
    let words = [
        "Reporting-MTA: dns; mx.here.test",
        "Original-Envelope-Id: QQ+314159",
        "Original-Recipient: rfc822; first+name@old.test",
        "Final-Recipient: rfc822; anna@here.test",
    ];
    has(&report, &words);
}

#[test]
fn exim_refuses_and_our_report_keeps_to_what_was_asked() {
    let ours = Ours::routing("exim.test", "", "");
    let _exim = exim(&ours);
    let to = [format!("<no@exim.test> {SUCCESS}"), "<x@exim.test> NOTIFY=FAILURE".to_owned()];
    ours.takes(FROM_ANNA, &[&to[0], &to[1]], &text("lost"));
    let report = ours.house.maildir("anna@here.test").wait_for("Action: failed", SOON);
    let words = [
        "Original-Envelope-Id: QQ+314159",
        "Original-Recipient: rfc822; first+name@old.test",
        "Final-Recipient: rfc822; no@exim.test",
        "No such hermit",
    ];
    has(&report, &words);
    assert!(!report.contains("x@exim.test"), "{}", report.text());
}
