//! A session of the client with any server: it ends, says only whole lines, and has an outcome for each recipient.
//!
//! The first octet is the size of pieces, the second the protocol and whether the size of the content is told and TLS wanted.

use mail::ReversePath;
use smtp::{
    ForwardPath, MailFrom, Protocol, RcptTo,
    client::{Phase, Session, Step, Transaction},
};

use crate::source::pieces;

const CONTENT: &[u8] = b"Subject: dots\r\n\r\n.\r\n..\r\nend\r\n";
/// More steps than a server of so many octets can make a client take.
const STEPS_MAX: usize = 20_000;
const TRANSACTIONS_MAX: u32 = 20;

pub(crate) fn run(octets: &[u8]) {
    let [size, knob, said @ ..] = octets else { return };
    let protocol = if knob & 1 == 1 { Protocol::Lmtp } else { Protocol::Smtp };
    let mut mail = MailFrom::new(ReversePath::Null);
    mail.size = (knob & 2 == 2).then_some(CONTENT.len() as u64);
    let recipients: Vec<RcptTo> =
        ["a@b", "c@d"].map(|text| RcptTo::new(ForwardPath::Address(text.parse().unwrap()))).into();
    let mut session = Session::new(protocol, "mail.example.com".to_owned());
    if knob & 4 == 4 {
        session = session.with_tls_where_offered();
    }
    let (mut said, mut begun) = (pieces(said, *size), 0);
    for _ in 0..STEPS_MAX {
        match session.step() {
            Step::Read(_) => match said.next() {
                Some(piece) => session.receive(piece),
                None => session.end_of_input(),
            },
            Step::Secure => session.secured(),
            // A message may be refused without a word to the server: that must not go on for ever.
            Step::Ready if begun == TRANSACTIONS_MAX => session.quit(),
            Step::Ready => {
                begun += 1;
                session.begin(Transaction { mail: mail.clone(), recipients: recipients.clone() });
            }
            Step::SendContent => {
                session.content(CONTENT);
                session.end_content();
            }
            Step::Done(outcome) => {
                assert_eq!(outcome.recipients.len(), recipients.len());
                let has = |(phase, reply): &(Phase, mail::Reply)| {
                    !reply.is_completion() || *phase == Phase::DataFinal
                };
                assert!(outcome.recipients.iter().all(has), "delivered before the end of data: {outcome:?}");
            }
            Step::Failed(failure) => {
                assert!(failure.decided.is_empty() || failure.decided.len() == recipients.len());
                session.quit();
            }
            Step::Closed => {
                only_lines(session.output());
                return;
            }
        }
        only_lines(session.output());
        session.output().clear();
    }
    panic!("no end");
}

/// Neither a bare CR nor a bare LF, and nothing that is not a whole line.
fn only_lines(said: &[u8]) {
    assert!(said.is_empty() || said.ends_with(b"\r\n"));
    assert_eq!(testkit::by_the_book::normalised(said), said);
}
