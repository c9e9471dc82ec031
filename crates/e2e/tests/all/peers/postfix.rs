//! Postfix as a peer, in both directions.

use e2e::{Client, Loopback, Postfix, World, eventually_true};

use super::{Ours, SOON};

#[test]
fn postfix_files_what_is_for_its_domain() {
    let net = Loopback::claim();
    let postfix = Postfix::start(&net, 1, net.port(), "");
    let mut client = Client::connect(postfix.address());
    client.expect("EHLO client.test", 250);
    let text = "Subject: hello\r\n\r\nto be filed\r\n";
    let (code, reply) = client.mail("a@client.test", &["x@peer.test"], text).unwrap();
    assert_eq!(code, 250, "{reply}");
    let mail = postfix.maildir().wait_for("to be filed", SOON);
    assert_eq!(mail.body(), b"to be filed\n");
}

/// A Postfix that sends all mail to a server of ours.
fn before_us() -> (Ours, Postfix) {
    let ours = Ours::routing("peer.test", "", "");
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    (ours, postfix)
}

#[test]
fn postfix_relays_to_us_what_is_for_our_domain() {
    let (ours, postfix) = before_us();
    let mut client = Client::connect(postfix.address());
    client.expect("EHLO client.test", 250);
    let text = "From: a@client.test\r\nSubject: through Postfix\r\n\r\n.a dot\r\n..two\r\n\r\nlast line\r\n";
    let (code, reply) = client.mail("a@client.test", &["anna@here.test"], text).unwrap();
    assert_eq!(code, 250, "{reply}");
    let mail = ours.house.maildir("anna@here.test").wait_for("through Postfix", SOON);
    assert_eq!(mail.body(), b".a dot\n..two\n\nlast line\n");
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<a@client.test>"));
    postfix.wait_for_log(&["status=sent (250 2.0.0"]);
}

#[test]
fn postfix_hears_of_an_unknown_recipient_and_bounces_it() {
    let (_ours, postfix) = before_us();
    let mut client = Client::connect(postfix.address());
    client.expect("EHLO client.test", 250);
    let (code, _) =
        client.mail("x@peer.test", &["nobody@here.test"], "Subject: lost\r\n\r\nlost\r\n").unwrap();
    assert_eq!(code, 250);
    let report = postfix.maildir().wait_for("nobody@here.test", SOON);
    assert!(report.contains("5.1.1"), "{}", report.text());
}

#[test]
fn we_deliver_to_postfix_by_its_mx() {
    let mut world = World::new("peer MX 10 mx.peer\nmx.peer A @1\n", "retry = [\"1s\"]");
    let postfix = Postfix::start(&world.net, 1, world.port, "");
    let id = world.send(&["x@peer.test", "y@peer.test"], "to-postfix");
    let mail = postfix.maildir().wait_for("to-postfix", SOON);
    assert_eq!(mail.body(), b"body of to-postfix\n");
    world.house.wait_for_empty_queue(SOON);
    let told = world.house.wait_for_trace(&id, "queued as");
    assert!(told.contains("mx.peer.test"), "{told}");
    // One transaction for both.
    postfix.wait_for_log(&["nrcpt=2"]);
    // It counts the commands of a session when that has ended.
    world.stop();
    eventually_true("one chunk in the log of Postfix", SOON, || {
        postfix.log().contains("mail=1 rcpt=2 bdat=1 quit=1")
    });
}

#[test]
fn postfix_refuses_a_recipient_and_the_sender_hears_its_words() {
    let world = World::new("peer MX 10 mx.peer\nmx.peer A @1\nother MX 10 mx.peer\n", "retry = [\"1s\"]");
    let _postfix = Postfix::start(&world.net, 1, world.port, "mynetworks = 192.0.2.1/32");
    world.send(&["x@other.test"], "to-be-refused");
    let report = world.report_about("x@other.test");
    assert!(report.contains("Relay access denied"), "{}", report.text());
    assert!(report.contains("Status: 5.7.1"), "{}", report.text());
}
