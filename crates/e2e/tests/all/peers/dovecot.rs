//! Dovecot's LMTP server as a peer.

use std::time::Duration;

use e2e::{Client, Dovecot, Loopback, Mailbox};

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
