//! The server's side of a session, with a policy that takes everything.

use std::{hint::black_box, sync::Arc};

use mail::{EnhancedStatus, Reply};
use smtp::{
    Protocol,
    server::{Answer, Config, Limits, Question, Session, Step},
    stuffing::Encoder,
};

use crate::texts::content_10k;

/// A pipelined message of 10 KiB in a session that is kept.
pub(crate) fn message(times: u64) {
    let limits = Limits { transactions_max: u32::MAX, ..Limits::default() };
    let (protocol, hostname) = (Protocol::Smtp, "mx.example.org".to_owned());
    let mut session = Session::new(Arc::new(Config { protocol, hostname, software: "Postrider", limits }));
    let mut content = Vec::new();
    let mut encoder = Encoder::default();
    encoder.encode(&content_10k(), &mut content);
    encoder.finish(&mut content);
    exchange(&mut session, b"");
    exchange(&mut session, b"EHLO mail.example.com\r\n");
    let group =
        b"MAIL FROM:<anna@example.com> SIZE=10240 BODY=8BITMIME\r\nRCPT TO:<bert@example.org>\r\nDATA\r\n";
    for _ in 0..times {
        exchange(&mut session, black_box(group));
        exchange(&mut session, black_box(&content));
    }
}

/// Hands octets over and carries out what they ask for.
fn exchange(session: &mut Session, octets: &[u8]) {
    session.receive(octets);
    while let Step::Ask(question) = session.step() {
        let answer = match question {
            Question::EndOfContent { .. } => {
                Answer::Replied(Reply::new(250, EnhancedStatus::new(2, 0, 0), "Queued as 06EXAMPLE"))
            }
            _ => Answer::Proceed,
        };
        session.answer(answer);
    }
    black_box(&*session.output());
    session.output().clear();
}
