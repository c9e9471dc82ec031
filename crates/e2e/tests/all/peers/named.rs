//! What servers of ours may do that strangers may not: XCLIENT and ETRN; and what a peer hears of rules and of a relay.

use std::process::Command;

use e2e::{Client, House, Loopback, Postfix, queue_id, said};

use super::{Ours, SOON, hand_over};

/// Sends by swaks as a proxy for a client; gives its exit code and the session.
fn swaks(port: u16, to: &str, client: &[&str]) -> (i32, String) {
    let mut command = Command::new("swaks");
    command.args(["--server", "127.0.0.1", "--port", &port.to_string(), "--helo", "proxy.test"]);
    command.args(["--from", "x@client.test", "--to", to, "--header", "Subject: proxied"]).args(client);
    let said = said(&mut command, b"");
    (said.code, said.out + &said.err)
}

const BEHIND: [&str; 4] = ["--xclient-addr", "203.0.113.7", "--xclient-name", "behind.test"];

#[test]
fn a_client_behind_a_proxy_is_who_it_is() {
    let ours = Ours::routing("peer.test", "xclient_networks = [\"127.0.0.1\"]", "");
    let port = ours.server.smtp().port();
    let (code, session) = swaks(port, "anna@here.test", &BEHIND);
    assert_eq!(code, 0, "{session}");
    let mail = ours.house.maildir("anna@here.test").wait_for("proxied", SOON);
    let received = mail.field("Received").unwrap();
    assert!(received.contains("from proxy.test (behind.test [203.0.113.7])"), "{received}");
    // The proxy itself may relay; its client may not.
    let (code, session) = swaks(port, "x@peer.test", &BEHIND);
    assert_ne!(code, 0, "{session}");
    assert!(session.contains("550 5.7.1 Relaying denied"), "{session}");
}

#[test]
fn who_is_no_proxy_is_not_offered_it() {
    let ours = Ours::routing("peer.test", "xclient_networks = [\"192.0.2.1\"]", "");
    let (code, session) = swaks(ours.server.smtp().port(), "anna@here.test", &BEHIND);
    assert_ne!(code, 0, "{session}");
    assert!(!session.contains("250-XCLIENT") && !session.contains("250 XCLIENT"), "{session}");
    let mut client = ours.server.client();
    client.expect("XCLIENT ADDR=203.0.113.7", 550);
}

#[test]
fn a_server_that_was_away_asks_for_its_mail() {
    let net = Loopback::claim();
    let port = net.port();
    let house = House::new(&format!(
        "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\netrn_networks = [\"127.0.0.1/32\"]\n\
         [queue]\nretry = [\"1d\"]\n\
         [[route]]\ndomains = \"peer.test\"\nto = \"smtp:{}:{port}\"\n",
        net.host(1)
    ));
    let server = house.start();
    let (code, text) =
        server.client().mail("anna@here.test", &["x@peer.test"], "Subject: waits\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    house.wait_for_event(&queue_id(&text), "deferred", "x@peer.test");
    let postfix = Postfix::start(&net, 1, port, "");
    let mut client = Client::connect(server.smtp());
    assert!(client.expect("EHLO mx.peer.test", 250).contains("ETRN"));
    client.expect("ETRN other.test", 251);
    client.expect("ETRN @peer.test", 253);
    postfix.maildir().wait_for("waits", SOON);
    house.wait_for_empty_queue(SOON);
}

#[test]
fn postfix_is_the_relay_for_all_other_domains() {
    let net = Loopback::claim();
    let port = net.port();
    let house = House::new(&format!(
        "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n[relay]\nhost = \"{}\"\nport = {port}\n",
        net.host(1)
    ));
    let server = house.start();
    let postfix = Postfix::start(&net, 1, port, "virtual_mailbox_domains = one.test two.test three.test\n");
    let (code, text) = server
        .client()
        .mail("anna@here.test", &["a@one.test", "b@two.test", "c@three.test"], "Subject: out\r\n\r\nx\r\n")
        .unwrap();
    assert_eq!(code, 250, "{text}");
    postfix.maildir().wait_for("Subject: out", SOON);
    house.wait_for_empty_queue(SOON);
    for recipient in ["a@one.test", "b@two.test", "c@three.test"] {
        house.wait_for_event(&queue_id(&text), "delivered", recipient);
    }
}

#[test]
fn postfix_hears_what_rules_decide() {
    let rules = "[[rule]]\nname = \"no-lottery\"\naction = \"reject\"\nreply = \"554 5.7.1 We have won already\"\n\
        headers = \"Subject: *lottery*\"\n\
        [[rule]]\nname = \"look-first\"\naction = \"hold\"\nrecipients = \"ben@here.test\"\n";
    let ours = Ours::routing("peer.test", "", rules);
    let postfix = Postfix::start(&ours.net, 1, ours.port, &ours.relayhost());
    hand_over(postfix.address(), "<x@peer.test>", &["<anna@here.test>"], "Subject: The Lottery\r\n\r\nx\r\n");
    let report = postfix.maildir().wait_for("We have won already", SOON);
    assert!(report.contains("Status: 5.7.1"), "{}", report.text());
    hand_over(
        postfix.address(),
        "<x@peer.test>",
        &["<anna@here.test>", "<ben@here.test>"],
        "Subject: both\r\n\r\nx\r\n",
    );
    let mail = ours.house.maildir("anna@here.test").wait_for("Subject: both", SOON);
    let id = mail.queue_id();
    assert_eq!(ours.house.queue()[0]["recipients"][0]["state"], "held");
    assert_eq!(ours.house.command(&["queue", "release", &id]).code, 0);
    ours.house.maildir("ben@here.test").wait_for("Subject: both", SOON);
}
