//! The client's side of LMTP: a reply for each recipient at the end (RFC 2033).

use proptest::{collection::vec, prelude::*};
use smtp::{
    Protocol,
    client::{FailureKind, Phase, Session, Step, Transaction},
};

use crate::client::{self, failure, outcome, speak_at_every_split, transaction};

const GREETING: &str = "220 store.example.org LMTP\r\n";
const LHLO: &str = "250-store.example.org\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n";

fn talk(transactions: &[Transaction], says: &[&str]) -> (String, Vec<Step>) {
    speak_at_every_split(Protocol::Lmtp, transactions, says)
}

fn three() -> Transaction {
    transaction(&["a@example.org", "b@example.org", "c@example.org"])
}

/// The codes that were decided before a session failed.
fn decided(steps: &[Step]) -> Vec<Option<(Phase, u16)>> {
    failure(steps).decided.iter().map(|d| d.as_ref().map(|(phase, reply)| (*phase, reply.code()))).collect()
}

#[test]
fn each_accepted_recipient_has_a_final_reply_of_its_own_in_order() {
    let (out, steps) = talk(
        &[three(), transaction(&["d@example.org"])],
        &[
            GREETING,
            LHLO,
            "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No\r\n250 2.1.5 Ok\r\n354 Go\r\n",
            "452-4.2.2 Over\r\n452 4.2.2 quota\r\n250 2.0.0 Saved\r\n",
            "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go\r\n",
            "552 5.2.2 Over quota\r\n",
            "221 Bye\r\n",
        ],
    );
    assert!(out.starts_with("LHLO client.example.net\r\nMAIL FROM:<anna@example.net>\r\n"), "{out}");
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 452), (Phase::Rcpt, 550), (Phase::DataFinal, 250)]);
    assert_eq!(outcome(&steps[1]), [(Phase::DataFinal, 552)]);
    assert!(!out.contains("RSET") && steps[2..] == [Step::Closed], "{out}");
}

#[test]
fn who_was_answered_before_the_session_broke_off_keeps_that_fate() {
    let group = "250 Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n";
    let first = [Some((Phase::DataFinal, 250)), None, None];
    for (end, kept, garbled) in [
        ("250 Saved\r\n", first, false),
        ("250 Saved\r\n25", first, false),
        ("250 Saved\r\n421 4.3.2 Shutting down\r\n250 Saved\r\n", first, false),
        ("250 Saved\r\n354 Go\r\n250 Saved\r\n", first, true),
        ("250 Saved\r\nsaved\r\n250 Saved\r\n", first, true),
        (
            "250 Saved\r\n550 5.2.1 Closed\r\n",
            [Some((Phase::DataFinal, 250)), Some((Phase::DataFinal, 550)), None],
            false,
        ),
    ] {
        let (_, steps) = talk(&[three()], &[GREETING, LHLO, group, end]);
        assert_eq!(decided(&steps), kept, "{end:?}");
        assert_eq!(failure(&steps).phase, Phase::DataFinal);
        assert_eq!(matches!(failure(&steps).kind, FailureKind::Garbled(_)), garbled, "{end:?}");
    }
}

#[test]
fn a_timeout_between_final_replies_keeps_those_that_came() {
    let mut session = Session::new(Protocol::Lmtp, "c".to_owned());
    for reply in [GREETING, LHLO, "250\r\n250\r\n250\r\n250\r\n354\r\n"] {
        session.receive(reply.as_bytes());
        if session.step() == Step::Ready {
            session.begin(three());
        }
    }
    session.end_content();
    session.receive(b"250 Saved\r\n");
    assert_eq!(session.step(), Step::Read(Phase::DataFinal));
    session.timed_out();
    let steps = [session.step()];
    assert_eq!(decided(&steps), [Some((Phase::DataFinal, 250)), None, None]);
    assert_eq!(failure(&steps).kind, FailureKind::TimedOut);
}

#[test]
fn there_is_no_helo_to_fall_back_to() {
    let (out, steps) = talk(&[three()], &["220 mx.example.org ESMTP\r\n", "500 5.5.1 LHLO?\r\n"]);
    assert_eq!(out, "LHLO client.example.net\r\n");
    assert!(matches!(&failure(&steps).kind, FailureKind::Reply(reply) if reply.code() == 500));
    assert_eq!(failure(&steps).phase, Phase::Hello);
}

#[test]
fn more_replies_than_recipients_end_the_session_and_change_no_outcome() {
    let group = "250 Ok\r\n550 No\r\n550 No\r\n250 Ok\r\n354 Go\r\n";
    let says = [GREETING, LHLO, group, "250 Saved\r\n250 Saved\r\n"].map(str::as_bytes);
    let (_, steps) = client::talk(Protocol::Lmtp, vec![three(), three()], &says);
    assert_eq!(outcome(&steps[0]), [(Phase::Rcpt, 550), (Phase::Rcpt, 550), (Phase::DataFinal, 250)]);
    let [_, Step::Failed(failure)] = &steps[..] else { panic!("{steps:?}") };
    assert!(matches!(failure.kind, FailureKind::Garbled(_)), "{failure:?}");
}

#[test]
fn a_354_though_all_recipients_were_refused_ends_the_session() {
    let group = "250 Ok\r\n550 No\r\n451 Later\r\n550 No\r\n354 Go\r\n";
    let (out, steps) = talk(&[three()], &[GREETING, LHLO, group]);
    assert!(out.ends_with("DATA\r\n"), "{out}");
    assert_eq!(decided(&steps), [550, 451, 550].map(|code| Some((Phase::Rcpt, code))));
}

proptest! {
    #[test]
    fn a_final_reply_goes_to_the_recipient_it_is_for(
        taken in vec(any::<bool>(), 1..8), finals in vec(prop_oneof![Just(250_u16), Just(452), Just(550)], 8),
        lost in 0..9_usize,
    ) {
        let addresses: Vec<String> = (0..taken.len()).map(|number| format!("r{number}@example.org")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let accepted = taken.iter().filter(|taken| **taken).count();
        prop_assume!(accepted > 0);
        let rcpts: String =
            taken.iter().map(|taken| if *taken { "250 Ok\r\n" } else { "554 No\r\n" }).collect();
        let group = format!("250 Ok\r\n{rcpts}354 Go\r\n");
        let said = accepted.saturating_sub(lost);
        let end = finals[..said].iter().map(|code| format!("{code} So\r\n")).collect::<Vec<_>>().concat();
        let end = if end.is_empty() { vec![] } else { vec![end.as_str()] };
        let (_, steps) = talk(&[transaction(&addresses)], &[vec![GREETING, LHLO, &group], end].concat());
        let mut finals = finals[..said].iter();
        let expected: Vec<Option<(Phase, u16)>> = taken.iter().map(|taken| match taken {
            true => finals.next().map(|code| (Phase::DataFinal, *code)),
            false => Some((Phase::Rcpt, 554)),
        }).collect();
        let got = match &steps[0] {
            step @ Step::Done(_) => outcome(step).into_iter().map(Some).collect(),
            _ => decided(&steps),
        };
        prop_assert_eq!(got, expected);
    }
}
