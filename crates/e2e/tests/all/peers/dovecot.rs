//! Dovecot's LMTP server as a peer.

use std::time::Duration;

use e2e::{Client, Dovecot, House, Loopback, Mailbox, World};

const SOON: Duration = Duration::from_mins(1);
/// One with room and one without.
const MAILBOXES: &[Mailbox<'_>] = &[
    Mailbox { address: "x@lmtp.test", quota: None },
    Mailbox { address: "full@lmtp.test", quota: Some(10) },
];

#[test]
fn dovecot_answers_for_each_recipient() {
    let net = Loopback::claim();
    let dovecot = Dovecot::start(&net, 1, net.port(), MAILBOXES);
    let mut client = Client::connect(dovecot.address());
    client.expect("LHLO client.test", 250);
    client.expect("MAIL FROM:<a@client.test>", 250);
    client.expect("RCPT TO:<x@lmtp.test>", 250);
    client.expect("RCPT TO:<full@lmtp.test>", 250);
    client.expect("RCPT TO:<nobody@lmtp.test>", 550);
    client.expect("DATA", 354);
    client.send(b"Subject: for two\r\n\r\ntext\r\n.\r\n").unwrap();
    // RFC 2033 §4.2: a reply for each accepted recipient, in their order.
    assert_eq!(client.reply().unwrap().0, 250);
    let (code, text) = client.reply().unwrap();
    assert_eq!((code, text.contains("5.2.2")), (552, true), "{text}");
    dovecot.maildir("x@lmtp.test").wait_for("for two", SOON);
    assert!(dovecot.maildir("full@lmtp.test").messages().is_empty());
}

/// By TCP and by its socket: each recipient has the fate that Dovecot gives it.
#[test]
fn a_route_delivers_to_dovecot_by_either_way() {
    let net = Loopback::claim();
    let dovecot = Dovecot::start(&net, 1, net.port(), MAILBOXES);
    let by_socket = format!("unix:{}", dovecot.socket().display());
    for (subject, to) in [("by-tcp", dovecot.address().to_string()), ("by-socket", by_socket)] {
        let route = format!("[[route]]\ndomains = \"lmtp.test\"\nto = \"lmtp:{to}\"\n");
        let world = World::with("", "retry = [\"1h\"]", &route);
        let id = world.send(&["x@lmtp.test", "full@lmtp.test", "nobody@lmtp.test"], subject);
        dovecot.maildir("x@lmtp.test").wait_for(subject, SOON);
        let delivered = world.house.wait_for_event(&id, "delivered", "x@lmtp.test");
        assert_eq!(delivered["station"], "deliver/remote", "{delivered}");
        for (recipient, status) in [("full@lmtp.test", "5.2.2"), ("nobody@lmtp.test", "5.1.1")] {
            let bounced = world.house.wait_for_event(&id, "bounced", recipient);
            assert!(bounced["reply"].as_str().unwrap().contains(status), "{bounced}");
        }
        world.report_about("full@lmtp.test");
        world.house.wait_for_empty_queue(SOON);
    }
    assert!(dovecot.maildir("full@lmtp.test").messages().is_empty());
}

#[test]
fn mail_waits_while_dovecot_is_down_and_arrives_when_it_is_back() {
    let net = Loopback::claim();
    let (host, port) = (net.host(1), net.port());
    let route = format!("[[route]]\ndomains = \"lmtp.test\"\nto = \"lmtp:{host}:{port}\"\n");
    let world = World::with("", "retry = [\"1s\"]", &route);
    let id = world.send(&["x@lmtp.test"], "later");
    world.house.wait_for_event(&id, "deferred", "x@lmtp.test");
    let dovecot = Dovecot::start(&net, 1, port, MAILBOXES);
    dovecot.maildir("x@lmtp.test").wait_for("later", SOON);
    world.house.wait_for_empty_queue(SOON);
    assert_eq!(dovecot.maildir("x@lmtp.test").messages().len(), 1);
}

/// Our own mailboxes in Dovecot's keeping: accounts and aliases are ours, quotas are Dovecot's.
#[test]
fn the_mailboxes_of_our_domain_are_in_dovecot() {
    let net = Loopback::claim();
    let mailbox = |address| Mailbox { address, quota: None };
    let mailboxes = ["anna@here.test", "ben@here.test", "postmaster@here.test"].map(mailbox);
    let dovecot = Dovecot::start(&net, 1, net.port(), &mailboxes);
    let by_socket = format!("unix:{}", dovecot.socket().display());
    for (subject, to) in [("own-by-tcp", dovecot.address().to_string()), ("own-by-socket", by_socket)] {
        let house = House::new(&format!(
            "[[alias]]\naddress = \"all@here.test\"\nto = [\"anna@here.test\", \"ben@here.test\"]\n\
             [deliver]\nlocal = \"lmtp:{to}\"\n"
        ));
        let server = house.start();
        let mut client = server.client();
        let all = ["all@here.test", "postmaster@here.test"];
        let (code, text) =
            client.mail("x@elsewhere.test", &all, &format!("Subject: {subject}\r\n\r\ntext\r\n")).unwrap();
        assert_eq!(code, 250, "{text}");
        for address in ["anna@here.test", "ben@here.test", "postmaster@here.test"] {
            dovecot.maildir(address).wait_for(subject, SOON);
        }
        house.wait_for_empty_queue(SOON);
        client.expect("MAIL FROM:<x@elsewhere.test>", 250);
        client.expect("RCPT TO:<nobody@here.test>", 550);
        assert!(!house.data().join("mail").exists(), "no Maildir is made");
    }
}
