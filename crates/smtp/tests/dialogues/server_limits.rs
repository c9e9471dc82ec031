//! What a client may do at most.

use smtp::server::{Answer, Limits, Offers, Question, Session};

use crate::common::{DATA, GREETING, HELO, MAIL, RCPT, Talk, at_every_split, reply};

#[test]
fn a_long_line_is_discarded_whole_and_answered_once() {
    let limits = Limits { command_line_octets_max: 600, ..Limits::default() };
    let fits = format!("NOOP {}\r\n", "x".repeat(593));
    let long = format!("NOOP {}\r\n", "x\r.\0\n".repeat(300));
    at_every_split(
        limits,
        |_| None,
        &[
            GREETING,
            HELO,
            (fits.as_bytes(), "250 2.0.0 Ok\r\n"),
            (format!("x{fits}").as_bytes(), "500 5.5.2 Line too long\r\n"),
            (b"NOOP\r\n", "250 2.0.0 Ok\r\n"),
        ],
        |_| {},
    );
    let mut talk = Talk::with(limits, |_| None);
    talk.send("");
    assert_eq!(talk.send(long.as_bytes()), "500 5.5.2 Lines must end in CRLF\r\n");
    assert_eq!(talk.send("NOOP\r\n"), "250 2.0.0 Ok\r\n");
}

#[test]
fn a_line_without_end_ends_the_session_and_is_not_kept() {
    let mut talk = Talk::hello();
    let chunk = vec![b'x'; 4096];
    let mut sent = 0;
    while !talk.closed {
        assert!(sent < 200_000);
        talk.send(&chunk);
        sent += chunk.len();
        assert!(talk.closed || talk.session.wants() >= 60 * 1024);
    }
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let limits = Limits { errors_max: 3, ..Limits::default() };
    let unknown: (&[u8], &str) = (b"XYZZY\r\n", "500 5.5.1 Command not recognized\r\n");
    let last: (&[u8], &str) = (b"DATA\r\nNOOP\r\n", "421 4.7.0 Too many errors, closing\r\n");
    at_every_split(limits, |_| None, &[GREETING, unknown, unknown, last], |talk| assert!(talk.closed));
    // An accepted message makes up for them.
    let end: (&[u8], &str) = (b".\r\n", "250 2.0.0 Queued\r\n");
    let script = [GREETING, unknown, HELO, unknown, MAIL, RCPT, DATA, end, unknown, unknown];
    at_every_split(limits, |_| None, &script, |talk| assert!(!talk.closed));
}

#[test]
fn idle_commands_without_end_are_errors() {
    let limits = Limits { errors_max: 2, idle_commands_max: 5, ..Limits::default() };
    let mut talk = Talk::with(limits, |_| None);
    talk.send("");
    assert_eq!(talk.send("NOOP\r\nRSET\r\nHELP\r\n").lines().count(), 4);
    assert_eq!(talk.send("VRFY a\r\nNOOP\r\nNOOP\r\n").lines().count(), 3);
    assert_eq!(talk.send("EHLO a\r\n"), "421 4.7.0 Too many errors, closing\r\n");
    assert!(talk.closed);
}

#[test]
fn a_proxy_that_only_changes_clients_has_an_end() {
    let limits = Limits { errors_max: 20, idle_commands_max: 5, ..Limits::default() };
    let proxy = |question: &Question| {
        let connects = matches!(question, Question::Connected | Question::Proxied(_));
        connects.then_some(Answer::Greet(Offers { xclient: true, etrn: true, ..Offers::default() }))
    };
    let mut talk = Talk::with(limits, proxy);
    talk.send("");
    for _ in 0..5 {
        assert_eq!(talk.send("XCLIENT ADDR=192.0.2.1\r\n"), "220 mx.example.org ESMTP Postrider\r\n");
    }
    assert_eq!(talk.send("XCLIENT ADDR=192.0.2.1\r\n"), "421 4.7.0 Too many errors, closing\r\n");
    assert!(talk.closed);
}

#[test]
fn recipients_over_the_limit_are_for_another_transaction() {
    let limits = Limits { recipients_max: 2, ..Limits::default() };
    let more: (&[u8], &str) = (b"RCPT TO:<carl@example.org>\r\n", "452 4.5.3 Too many recipients\r\n");
    let nobody: (&[u8], &str) = (b"RCPT TO:<nobody@example.org>\r\n", "550 5.1.1 No such user\r\n");
    let end: (&[u8], &str) = (b".\r\n", "250 2.0.0 Queued\r\n");
    at_every_split(
        limits,
        |_| None,
        &[GREETING, HELO, MAIL, nobody, RCPT, RCPT, more, DATA, end, MAIL, RCPT],
        |_| {},
    );
}

#[test]
fn transactions_over_the_limit_need_another_session() {
    let limits = Limits { transactions_max: 1, ..Limits::default() };
    let end: (&[u8], &str) = (b".\r\n", "250 2.0.0 Queued\r\n");
    let over: (&[u8], &str) = (MAIL.0, "421 4.7.0 Too many messages, connect again\r\n");
    let script = [GREETING, HELO, MAIL, RCPT, DATA, end, over];
    at_every_split(limits, |_| None, &script, |talk| assert!(talk.closed));
}

#[test]
fn content_over_the_limit_is_refused_at_its_end() {
    let limits = Limits { message_size_max: 10, ..Limits::default() };
    let end: (&[u8], &str) = (b"..345678\r\n.\r\n", "250 2.0.0 Queued\r\n");
    let over: (&[u8], &str) =
        (b"123456789\r\nmore\r\n.\r\n", "552 5.3.4 Message exceeds the maximum size\r\n");
    let script = [GREETING, HELO, MAIL, RCPT, DATA, end, MAIL, RCPT, DATA, over, MAIL];
    at_every_split(
        limits,
        |_| None,
        &script,
        |talk| {
            // Ten octets with their dot taken off are not over the limit of ten.
            assert_eq!(talk.contents, [b".345678\r\n"]);
            assert!(!talk.closed);
        },
    );
}

#[test]
fn content_without_end_ends_the_session() {
    let mut talk = Talk::with(Limits { message_size_max: 1000, ..Limits::default() }, |_| None);
    talk.send("");
    talk.send("HELO a\r\n");
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    let mut said = String::new();
    for _ in 0..100 {
        said += &talk.send("0123456789\r\n".repeat(1000));
    }
    assert_eq!(said, "552 5.3.4 Message exceeds the maximum size\r\n");
    assert!(talk.closed && talk.contents.is_empty());
}

#[test]
fn large_content_comes_in_pieces_of_bounded_size() {
    let mut talk = Talk::hello();
    talk.send("MAIL FROM:<> SIZE=1000000\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    let content = "A line of thirty-two octets....\r\n".repeat(30_000);
    for chunk in content.as_bytes().chunks(9_999) {
        talk.send(chunk);
    }
    assert_eq!(talk.send(".\r\n"), "250 2.0.0 Queued\r\n");
    assert!(talk.contents[0] == content.as_bytes());
    assert!(talk.pieces.len() > 10 && talk.pieces.iter().all(|piece| *piece <= 64 * 1024));
}

#[test]
fn content_that_the_policy_refuses_is_read_to_its_end() {
    let mut talk = Talk::with(Limits::default(), |question| match question {
        Question::Content(_) => Some(Answer::Refuse(reply(452, (4, 3, 1), "Spool full"))),
        _ => None,
    });
    talk.send("HELO a\r\n");
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    assert_eq!(talk.send("0123456789\r\n".repeat(20_000)), "");
    assert_eq!(talk.pieces.len(), 1);
    assert_eq!(talk.send(".\r\nNOOP\r\n"), "452 4.3.1 Spool full\r\n250 2.0.0 Ok\r\n");
    assert_eq!(talk.asked.last().map(String::as_str), Some("reset"));
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 512, "{}", size_of::<Session>());
}
