//! Postfix and Dovecot hand mail to our LMTP listener.

use e2e::{Client, Dovecot, House, Loopback, Postfix};

use super::{SOON, hand_over};

const CONFIG: &str = "[receive]\nlmtp_networks = [\"127.0.0.0/8\"]\n\
    [[listener]]\nservice = \"lmtp\"\nbind = [\"127.0.0.1:0\"]\n";

#[test]
fn postfix_hands_over_by_lmtp_and_hears_of_each_recipient() {
    let house = House::new(CONFIG);
    let server = house.start();
    let net = Loopback::claim();
    let next = format!("default_transport = lmtp:inet:{}\n", server.listener("lmtp"));
    let postfix = Postfix::start(&net, 1, net.port(), &next);
    let to = ["<anna@here.test>", "<nobody@here.test>", "<ben@here.test>", "<dave@elsewhere.test>"];
    hand_over(postfix.address(), "<x@peer.test>", &to, "Subject: by LMTP\r\n\r\n.dot\r\ntext\r\n");
    for address in ["anna@here.test", "ben@here.test"] {
        let mail = house.maildir(address).wait_for("by LMTP", SOON);
        assert_eq!(mail.body(), b".dot\ntext\n");
        let received = mail.field("Received").unwrap();
        assert!(received.contains("with LMTP id"), "{received}");
    }
    // What is not ours is not relayed, whoever hands it over.
    let report = postfix.maildir().wait_for("nobody@here.test", SOON);
    assert!(report.contains("5.1.1") && report.contains("Relaying denied"), "{}", report.text());
    assert!(!report.contains("anna@here.test"), "{}", report.text());
    assert_eq!(house.maildir("anna@here.test").messages().len(), 1);
}

/// Dovecot as a proxy in front of us: each of our replies is told to its own client.
#[test]
fn dovecot_hands_over_as_a_proxy() {
    let house = House::new(CONFIG);
    let server = house.start();
    let net = Loopback::claim();
    let dovecot = Dovecot::start_proxy(&net, 1, net.port(), server.listener("lmtp"));
    let mut client = Client::connect(dovecot.address());
    client.expect("LHLO client.test", 250);
    client.expect("MAIL FROM:<x@peer.test>", 250);
    client.expect("RCPT TO:<anna@here.test>", 250);
    client.expect("RCPT TO:<nobody@here.test>", 550);
    client.expect("RCPT TO:<dave@elsewhere.test>", 550);
    client.expect("RCPT TO:<ben@here.test>", 250);
    client.expect("DATA", 354);
    client.send(b"Subject: by a proxy\r\n\r\n..dot\r\ntext\r\n.\r\n").unwrap();
    for address in ["anna@here.test", "ben@here.test"] {
        let (code, text) = client.reply().unwrap();
        assert_eq!(code, 250, "{text}\n{}", dovecot.log());
        let mail = house.maildir(address).wait_for("by a proxy", SOON);
        assert_eq!(mail.body(), b".dot\ntext\n");
    }
    house.wait_for_empty_queue(SOON);
}
