//! STARTTLS on the server's side (RFC 3207), and TLS from the first octet (RFC 8314).

use smtp::server::{Answer, Authentication, Limits, Offers, Question, Step};

use crate::common::{EHLO, GREETING, HELO, MAIL, RCPT, Talk, at_every_split, tls};

const OFFERED: Offers =
    Offers { xclient: false, etrn: false, starttls: true, auth: Authentication::Unknown, schedule: None };
const STARTTLS: (&[u8], &str) = (b"STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n");

fn offering(question: &Question) -> Option<Answer> {
    matches!(question, Question::Connected).then_some(Answer::Greet(OFFERED))
}

/// The reply to EHLO while STARTTLS is offered.
fn offered() -> String {
    EHLO.1.replace("250 LIMITS", "250-LIMITS") + "250 STARTTLS\r\n"
}

#[test]
fn starttls_forgets_all_that_was_said_before() {
    let offered = offered();
    let hello = (EHLO.0, offered.as_str());
    let refused = "503 5.5.1 Send HELO or EHLO first\r\n";
    let script = [GREETING, hello, STARTTLS, (MAIL.0, refused), EHLO, MAIL, RCPT];
    at_every_split(Limits::default(), offering, &script, |talk| {
        let asked: Vec<&str> = talk.asked.iter().map(String::as_str).collect();
        let hello = "hello client.example.net true";
        assert_eq!(asked[..4], ["connected", hello, "secured by TLSv1.3", hello]);
    });
}

#[test]
fn starttls_is_offered_once_and_only_where_it_can_be_had() {
    let offered = offered();
    let again = (STARTTLS.0, "503 5.5.1 TLS is up already\r\n");
    let script = [GREETING, (EHLO.0, offered.as_str()), STARTTLS, EHLO, again];
    at_every_split(Limits::default(), offering, &script, |talk| assert!(!talk.closed));
    let none = (STARTTLS.0, "502 5.5.1 Command not implemented\r\n");
    at_every_split(Limits::default(), |_| None, &[GREETING, EHLO, none], |talk| assert!(!talk.closed));
}

#[test]
fn starttls_has_its_place_and_no_parameter() {
    let offered = offered();
    let script = [
        GREETING,
        (STARTTLS.0, "503 5.5.1 Send HELO or EHLO first\r\n"),
        (EHLO.0, offered.as_str()),
        (b"STARTTLS now\r\n", "501 5.5.4 Wrong arguments\r\n"),
        MAIL,
        (STARTTLS.0, "503 5.5.1 Mail transaction in progress\r\n"),
        RCPT,
        (b"RSET\r\n", "250 2.0.0 Ok\r\n"),
        STARTTLS,
        HELO,
    ];
    at_every_split(Limits::default(), offering, &script, |talk| {
        assert!(talk.asked.contains(&"secured by TLSv1.3".to_owned()));
    });
}

/// CVE-2011-0411: what is pipelined behind STARTTLS came in clear. It is carried out neither in clear nor under TLS.
#[test]
fn starttls_injection_is_answered_554_and_nothing_of_it_is_done() {
    for injected in ["NOOP\r\n", "MAIL FROM:<evil@example.net>\r\n", "EHLO evil.example.net\r\n", "x", "\r\n"]
    {
        let mut talk = Talk::with(Limits::default(), offering);
        talk.send(EHLO.0);
        let said = talk.send(format!("STARTTLS\r\n{injected}"));
        assert_eq!(said, "554 5.5.1 Client sent before it was its turn\r\n", "{injected:?}");
        assert!(talk.closed, "{injected:?}");
        assert_eq!(talk.asked, ["connected", "hello client.example.net true"], "{injected:?}");
    }
}

/// What a driver hands over too late all the same is not read under TLS.
#[test]
fn starttls_injection_between_command_and_handshake_is_thrown_away() {
    let mut talk = Talk::with(Limits::default(), offering);
    talk.send(EHLO.0);
    talk.session.receive(b"STARTTLS\r\n");
    assert_eq!(talk.session.step(), Step::Secure);
    talk.session.receive(b"EHLO evil.example.net\r\n");
    assert_eq!(talk.session.step(), Step::Secure);
    talk.session.secured(tls());
    talk.run();
    assert_eq!(talk.asked.last().map(String::as_str), Some("secured by TLSv1.3"));
    assert!(!talk.closed);
}

#[test]
fn tls_may_come_before_the_greeting() {
    let mut talk = Talk::with(Limits::default(), offering);
    talk.session.secured(tls());
    assert_eq!(talk.send(""), GREETING.1);
    assert_eq!(talk.asked, ["secured by TLSv1.3", "connected"]);
    assert_eq!(talk.send(STARTTLS.0), "503 5.5.1 TLS is up already\r\n");
}

#[test]
fn a_policy_that_refuses_the_session_under_tls_ends_it() {
    let mut talk = Talk::with(Limits::default(), |question| match question {
        Question::Secured(_) => Some(Answer::Refuse(crate::common::reply(550, (5, 7, 1), "No"))),
        other => offering(other),
    });
    talk.send(EHLO.0);
    assert_eq!(talk.send(STARTTLS.0), format!("{}550 5.7.1 No\r\n", STARTTLS.1));
    assert!(talk.closed);
}

#[test]
fn a_handshake_that_nobody_asked_for_ends_the_session() {
    let mut talk = Talk::hello();
    talk.session.secured(tls());
    talk.run();
    assert!(talk.closed);
}
