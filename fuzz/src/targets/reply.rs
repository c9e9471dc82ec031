//! The client's reader of replies, by its first reply: wherever the octets are cut, the same reply ends at the same octet.

use smtp::{
    Protocol,
    client::{Phase, Session, Step},
};

/// What a session keeps of a reply it has not read to its end is bounded, and so is the reply: lines, and octets of one.
const REPLY_OCTETS_MAX: usize = 128 * 4096;

pub(crate) fn run(said: &[u8]) {
    let one_by_one = |session: &mut Session, octets: &[u8]| {
        octets.iter().position(|octet| {
            session.receive(&[*octet]);
            !waits(&session.step())
        })
    };
    let mut session = greeted();
    let Some(last) = one_by_one(&mut session, said) else {
        let mut whole = greeted();
        whole.receive(said);
        assert!(waits(&whole.step()), "whole, it is a reply");
        return;
    };
    assert!(last < REPLY_OCTETS_MAX);
    let mut whole = greeted();
    whole.receive(&said[..last]);
    assert!(waits(&whole.step()), "it ends before the octet that ended it");
    whole.receive(&said[last..=last]);
    let mut at_once = greeted();
    at_once.receive(&said[..=last]);
    assert_eq!(whole.step(), at_once.step());
    assert_eq!(whole.output(), at_once.output());
}

fn greeted() -> Session {
    let mut session = Session::new(Protocol::Smtp, "mail.example.com".to_owned());
    assert!(waits(&session.step()));
    session
}

fn waits(step: &Step) -> bool {
    *step == Step::Read(Phase::Greeting)
}
