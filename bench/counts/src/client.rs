//! The client's side of a session, with a server that takes everything.

use std::hint::black_box;

use mail::ReversePath;
use smtp::{
    ForwardPath, MailFrom, Protocol, RcptTo,
    client::{Session, Step, Transaction},
};

use crate::texts::{address, content_10k};

const GREETING: &[u8] = b"220 mx.example.org ESMTP Postfix\r\n";
const HELLO: &[u8] =
    b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n250-ETRN\r\n250-8BITMIME\r\n\
    250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";

/// The beginning of a session: a greeting, EHLO, and a reply of nine lines.
pub(crate) fn hello(times: u64) {
    for _ in 0..times {
        black_box(greeted());
    }
}

/// A message of 10 KiB for one recipient in a session that is kept.
pub(crate) fn message(times: u64) {
    let content = content_10k();
    let (Some(sender), Some(recipient)) = (address("anna@example.com"), address("bert@example.org")) else {
        return;
    };
    let mut mail = MailFrom::new(ReversePath::Address(sender));
    mail.size = Some(content.len() as u64);
    let recipients = vec![RcptTo::new(ForwardPath::Address(recipient))];
    let transaction = Transaction { mail, recipients };
    let mut session = greeted();
    for _ in 0..times {
        session.begin(black_box(&transaction).clone());
        session.output().clear();
        session.receive(b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
        black_box(session.step());
        session.content(black_box(&content));
        session.end_content();
        black_box(&*session.output());
        session.output().clear();
        session.receive(b"250 2.0.0 Ok: queued as 4Qx7Yz\r\n");
        while !matches!(black_box(session.step()), Step::Ready | Step::Closed) {}
    }
}

fn greeted() -> Session {
    let mut session = Session::new(Protocol::Smtp, "mail.example.com".to_owned());
    session.receive(black_box(GREETING));
    black_box(session.step());
    session.receive(black_box(HELLO));
    black_box(session.step());
    session.output().clear();
    session
}
