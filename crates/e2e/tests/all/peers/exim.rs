//! Exim as a peer, in both directions.

use std::time::Duration;

use e2e::{Client, Exim, EximSettings, House, Loopback, World};

const SOON: Duration = Duration::from_mins(1);
const ZONE: &str = "exim MX 10 mx.exim\nmx.exim A @1\n";

/// An Exim that sends everything for other domains to our server.
fn relaying(net: &Loopback, server: &e2e::Postrider) -> Exim {
    Exim::start(net, 1, net.port(), EximSettings { next_hop: Some(server.smtp()), ..EximSettings::default() })
}

/// A session with Exim.
fn client(exim: &Exim) -> Client {
    let mut client = Client::connect(exim.address());
    client.expect("EHLO client.test", 250);
    client
}

#[test]
fn we_deliver_to_exim_by_its_mx() {
    let world = World::new(ZONE, "retry = [\"1s\"]");
    let exim = Exim::start(&world.net, 1, world.port, EximSettings::default());
    let id = world.send(&["x@exim.test", "y@exim.test", "z@exim.test"], "to-exim");
    let mail = exim.maildir().wait_for("to-exim", SOON);
    assert_eq!(mail.body(), b"body of to-exim\n");
    assert_eq!(mail.field("Return-path").as_deref(), Some("<anna@here.test>"));
    world.house.wait_for_empty_queue(SOON);
    // Exim's final reply names its own id of the message.
    let told = world.house.wait_for_trace(&id, "OK id=");
    assert!(told.contains("mx.exim.test"), "{told}");
    exim.wait_for_log(&[" <= anna@here.test"]);
    let log = exim.log();
    let arrivals = log.lines().filter(|line| line.contains(" <= anna@here.test"));
    let arrivals: Vec<&str> = arrivals.collect();
    assert_eq!(arrivals.len(), 1, "one transaction for all three: {log}");
    assert!(arrivals.concat().contains("for x@exim.test y@exim.test z@exim.test"), "{log}");
}

#[test]
fn exim_refuses_a_recipient_and_another_has_to_wait() {
    let world = World::new(ZONE, "retry = [\"1h\"]");
    let exim = Exim::start(&world.net, 1, world.port, EximSettings::default());
    let id = world.send(&["x@exim.test", "no@exim.test", "y@exim.test", "later@exim.test"], "in-part");
    let report = world.report_about("no@exim.test");
    assert!(report.contains("No such hermit"), "{}", report.text());
    for other in ["x@exim.test", "y@exim.test", "later@exim.test"] {
        assert!(!report.contains(&format!("Final-Recipient: rfc822; {other}")), "{}", report.text());
    }
    exim.maildir().wait_for("in-part", SOON);
    let told = world.house.wait_for_trace(&id, "Never at home");
    assert!(told.contains("later@exim.test"), "{told}");
    assert_eq!(world.house.recipient_state(&id, "later@exim.test").as_deref(), Some("deferred"));
    exim.wait_for_log(&["for x@exim.test y@exim.test"]);
}

#[test]
fn eight_bit_mail_reaches_exim_octet_by_octet() {
    let world = World::new(ZONE, "retry = [\"1s\"]");
    let exim = Exim::start(&world.net, 1, world.port, EximSettings::default());
    let mut client = world.server().client();
    let text = "From: anna@here.test\r\nSubject: eight-bit\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        Grüße aus Köln\r\n.a dot\r\n..two\r\n";
    let from = "<anna@here.test> BODY=8BITMIME";
    let (code, reply) = client.mail_as(from, &["<x@exim.test>"], text).unwrap();
    assert_eq!(code, 250, "{reply}");
    let mail = exim.maildir().wait_for("eight-bit", SOON);
    assert_eq!(String::from_utf8_lossy(&mail.body()), "Grüße aus Köln\n.a dot\n..two\n");
    // Announced as BODY=8BITMIME.
    exim.wait_for_log(&["M8S=8"]);
}

#[test]
fn exim_relays_to_us_what_is_for_our_domain() {
    let house = House::new("");
    let server = house.start();
    let net = Loopback::claim();
    let exim = relaying(&net, &server);
    let text = "From: x@exim.test\r\nSubject: through Exim\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        .a dot\r\n..two\r\n\r\nGrüße\r\n";
    let from = "<x@exim.test> BODY=8BITMIME";
    let (code, reply) = client(&exim).mail_as(from, &["<anna@here.test>", "<ben@here.test>"], text).unwrap();
    assert_eq!(code, 250, "{reply}");
    for address in ["anna@here.test", "ben@here.test"] {
        let mail = house.maildir(address).wait_for("through Exim", SOON);
        assert_eq!(String::from_utf8_lossy(&mail.body()), ".a dot\n..two\n\nGrüße\n");
        assert_eq!(mail.field("Return-Path").as_deref(), Some("<x@exim.test>"));
    }
    let id = house.maildir("anna@here.test").messages().pop().unwrap().queue_id();
    // Our reply stands in its log.
    exim.wait_for_log(&[&format!("Queued as {id}")]);
}

#[test]
fn exim_hears_of_an_unknown_recipient_and_the_other_gets_the_mail() {
    let house = House::new("");
    let server = house.start();
    let net = Loopback::claim();
    let exim = relaying(&net, &server);
    let to = ["anna@here.test", "nobody@here.test"];
    let (code, _) = client(&exim).mail("x@exim.test", &to, "Subject: half\r\n\r\nhalf\r\n").unwrap();
    assert_eq!(code, 250);
    let report = exim.maildir().wait_for("nobody@here.test", SOON);
    assert!(report.contains("5.1.1"), "{}", report.text());
    let mail = house.maildir("anna@here.test").wait_for("half", SOON);
    assert_eq!(mail.body(), b"half\n");
    assert_eq!(house.maildir("anna@here.test").messages().len(), 1);
}
