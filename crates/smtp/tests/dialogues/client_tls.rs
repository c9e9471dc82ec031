//! STARTTLS on the client's side (RFC 3207).

use smtp::{
    Protocol,
    client::{FailureKind, Phase, Session, Step},
};

use crate::client::{ESMTP, GREETING, converse, failure, outcome, transaction};

const OFFERED: &str = "250-mx.example.org\r\n250-PIPELINING\r\n250-DSN\r\n250 STARTTLS\r\n";
const GO: &str = "220 2.0.0 Go ahead\r\n";
const TAKEN: &str = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go\r\n";

fn session(protocol: Protocol) -> Session {
    Session::new(protocol, "client.example.net".to_owned()).with_tls_where_offered()
}

fn talk(says: &[&str]) -> (String, Vec<Step>) {
    let octets: Vec<&[u8]> = says.iter().map(|say| say.as_bytes()).collect();
    converse(session(Protocol::Smtp), vec![transaction(&["a@example.org"])], &octets)
}

#[test]
fn tls_is_begun_where_it_is_offered_and_the_server_asked_anew_what_it_offers() {
    let (out, steps) = talk(&[GREETING, OFFERED, GO, ESMTP, TAKEN, "250 2.0.0 Queued\r\n", "221 Bye\r\n"]);
    let (before, after) = out.split_once("(TLS)\r\n").unwrap();
    assert_eq!(before, "EHLO client.example.net\r\nSTARTTLS\r\n");
    assert!(
        after.starts_with(
            "EHLO client.example.net\r\nMAIL FROM:<anna@example.net> SIZE=100 BODY=8BITMIME\r\n"
        )
    );
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)]);
}

#[test]
fn what_was_offered_in_clear_is_forgotten_under_tls() {
    let mut session = session(Protocol::Smtp);
    for said in [GREETING, OFFERED, GO] {
        session.step();
        session.receive(said.as_bytes());
    }
    assert_eq!(session.step(), Step::Secure);
    assert!(session.capabilities().dsn);
    session.secured();
    assert!(!session.capabilities().dsn);
    session.step();
    session.receive(b"250 mx.example.org\r\n");
    assert_eq!(session.step(), Step::Ready);
    assert!(!session.capabilities().starttls);
}

#[test]
fn a_server_that_offers_it_under_tls_again_is_not_asked_again() {
    let (out, _) = talk(&[GREETING, OFFERED, GO, OFFERED, TAKEN, "250 2.0.0 Queued\r\n", "221 Bye\r\n"]);
    assert_eq!(out.matches("STARTTLS").count(), 1, "{out}");
}

/// mail-rules 10, 19: no refusal of STARTTLS is one of the message.
#[test]
fn a_server_that_says_no_is_spoken_to_in_clear() {
    for no in ["454 4.7.0 Not now\r\n", "502 5.5.1 What\r\n", "554 5.7.0 Never\r\n"] {
        let (out, steps) = talk(&[GREETING, OFFERED, no, TAKEN, "250 2.0.0 Queued\r\n", "221 Bye\r\n"]);
        assert!(!out.contains("(TLS)") && out.contains("MAIL FROM"), "{out}");
        assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)], "{no}");
    }
}

#[test]
fn who_does_not_want_tls_does_not_ask_for_it() {
    let plain = Session::new(Protocol::Smtp, "client.example.net".to_owned());
    let (out, _) = converse(plain, Vec::new(), &[GREETING.as_bytes(), OFFERED.as_bytes()]);
    assert!(!out.contains("STARTTLS"), "{out}");
}

/// CVE-2021-38371: replies put behind the 220 in clear must not be read as if they had come under TLS.
#[test]
fn starttls_response_injection_ends_the_session() {
    for injected in [ESMTP, "250 x\r\n", "2"] {
        let says = [GREETING, OFFERED, &format!("{GO}{injected}")].map(str::to_owned);
        let (out, steps) = talk(&says.each_ref().map(String::as_str));
        assert!(!out.contains("(TLS)") && !out.contains("MAIL"), "{out}");
        let failed = failure(&steps);
        assert_eq!(failed.phase, Phase::StartTls);
        assert!(matches!(failed.kind, FailureKind::Garbled(_)), "{failed:?}");
    }
}

#[test]
fn what_is_no_reply_to_starttls_ends_the_session() {
    for (said, garbled) in [("250 Ok\r\n", true), ("354 Go\r\n", true), ("421 4.3.2 Bye\r\n", false)] {
        let (_, steps) = talk(&[GREETING, OFFERED, said]);
        let failed = failure(&steps);
        assert_eq!(failed.phase, Phase::StartTls);
        assert_eq!(matches!(failed.kind, FailureKind::Garbled(_)), garbled, "{failed:?}");
    }
}

#[test]
fn a_handshake_out_of_turn_ends_the_session() {
    let mut session = session(Protocol::Smtp);
    session.step();
    session.secured();
    assert!(matches!(session.step(), Step::Failed(_)));
}

#[test]
fn lmtp_begins_anew_with_lhlo() {
    let says = [GREETING, OFFERED, GO, ESMTP, "221 Bye\r\n"].map(str::as_bytes);
    let (out, _) = converse(session(Protocol::Lmtp), Vec::new(), &says);
    assert_eq!(out, "LHLO client.example.net\r\nSTARTTLS\r\n(TLS)\r\nLHLO client.example.net\r\nQUIT\r\n");
}
