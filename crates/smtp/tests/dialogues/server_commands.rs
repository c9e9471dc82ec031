//! What each command is answered, and when it is legal.

use crate::common::{DATA, GREETING, HELO, MAIL, RCPT, Script, Talk, at_every_split, reply};
use smtp::server::{Answer, Limits, Offers, Phase, Question};

fn dialogue(script: Script<'_>) {
    at_every_split(Limits::default(), |_| None, script, |_| {});
}

#[test]
fn a_message_is_taken() {
    let end: (&[u8], &str) = (b"Subject: x\r\n\r\n..dot\r\n...\r\nlast\r\n.\r\n", "250 2.0.0 Queued\r\n");
    let script = [GREETING, HELO, MAIL, RCPT, DATA, end, (b"QUIT\r\n", "221 2.0.0 Bye\r\n")];
    at_every_split(
        Limits::default(),
        |_| None,
        &script,
        |talk| {
            assert_eq!(talk.contents, [b"Subject: x\r\n\r\n.dot\r\n..\r\nlast\r\n"]);
            assert!(talk.closed);
            let asked = [
                "connected",
                "hello client.example.net false",
                "MAIL FROM:<anna@example.net>",
                "RCPT TO:<bert@example.org>",
                "data",
                "end",
            ];
            assert_eq!(talk.asked, asked);
        },
    );
}

#[test]
fn an_empty_message_ends_at_once() {
    at_every_split(
        Limits::default(),
        |_| None,
        &[GREETING, HELO, MAIL, RCPT, DATA, (b".\r\n", "250 2.0.0 Queued\r\n"), MAIL],
        |talk| assert_eq!(talk.contents, [b""]),
    );
}

#[test]
fn ehlo_tells_what_is_offered() {
    dialogue(&[
        GREETING,
        (
            b"EHLO [IPv6:2001:db8::1]\r\n",
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n\
             250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n\
             250 LIMITS MAILMAX=10000 RCPTMAX=1000\r\n",
        ),
    ]);
}

#[test]
fn a_hello_needs_a_valid_name() {
    let unclear = "501 5.5.4 Invalid domain or address literal\r\n";
    dialogue(&[
        GREETING,
        (b"EHLO\r\n", "501 5.5.4 Wrong arguments\r\n"),
        (b"HELO a b\r\n", unclear),
        (b"EHLO <script>\r\n", unclear),
        (b"EHLO [1.2.3]\r\n", unclear),
        ("EHLO bücher.example\r\n".as_bytes(), unclear),
        (b"HELO _under-score\r\n", "250 mx.example.org\r\n"),
        (b"helo [192.0.2.1]  \r\n", "250 mx.example.org\r\n"),
    ]);
}

#[test]
fn commands_out_of_order_change_nothing() {
    // RFC 5321 §4.1.4.
    dialogue(&[
        GREETING,
        (b"MAIL FROM:<anna@example.net>\r\n", "503 5.5.1 Send HELO or EHLO first\r\n"),
        (b"DATA\r\n", "503 5.5.1 Send HELO or EHLO first\r\n"),
        (b"RSET\r\nNOOP\r\n", "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"),
        HELO,
        (b"RCPT TO:<bert@example.org>\r\n", "503 5.5.1 Send MAIL first\r\n"),
        (b"DATA\r\n", "503 5.5.1 Send MAIL first\r\n"),
        MAIL,
        (b"DATA\r\n", "503 5.5.1 Send RCPT first\r\n"),
        (b"MAIL FROM:<other@example.net>\r\n", "503 5.5.1 A transaction is already open\r\n"),
        RCPT,
        DATA,
        (b"x\r\n.\r\n", "250 2.0.0 Queued\r\n"),
        (b"RCPT TO:<bert@example.org>\r\n", "503 5.5.1 Send MAIL first\r\n"),
    ]);
}

#[test]
fn rset_and_ehlo_forget_the_transaction() {
    let script =
        [GREETING, HELO, MAIL, RCPT, (b"RSET\r\n".as_slice(), "250 2.0.0 Ok\r\n"), MAIL, RCPT, HELO, MAIL];
    at_every_split(
        Limits::default(),
        |_| None,
        &script,
        |talk| {
            let resets = talk.asked.iter().filter(|asked| *asked == "reset").count();
            assert_eq!(resets, 2);
        },
    );
}

#[test]
fn a_refused_hello_leaves_the_transaction_open() {
    // RFC 5321 §4.1.4: "MUST stay in the same state".
    let policy = |question: &Question| match question {
        Question::Hello { name, .. } if name == "bad.example" => {
            Some(Answer::Refuse(reply(550, (5, 7, 1), "Not you")))
        }
        _ => None,
    };
    let script =
        [GREETING, HELO, MAIL, (b"EHLO bad.example\r\n".as_slice(), "550 5.7.1 Not you\r\n"), RCPT, DATA];
    at_every_split(Limits::default(), policy, &script, |talk| {
        assert!(!talk.asked.contains(&"reset".to_owned()));
    });
}

#[test]
fn a_refused_proxy_stays_who_it_is() {
    let later = |question: &Question| match question {
        Question::Connected => Some(Answer::Greet(Offers { xclient: true, etrn: true, ..Offers::default() })),
        Question::Proxied(_) => Some(Answer::Refuse(reply(451, (4, 3, 0), "Not now"))),
        _ => None,
    };
    let closing = |question: &Question| match question {
        Question::Connected => Some(Answer::Greet(Offers { xclient: true, etrn: true, ..Offers::default() })),
        Question::Proxied(_) => Some(Answer::Refuse(reply(421, (4, 3, 2), "Not now"))),
        _ => None,
    };
    let command = b"XCLIENT ADDR=192.0.2.1\r\n".as_slice();
    let script = [GREETING, HELO, (command, "451 4.3.0 Not now\r\n"), MAIL, RCPT, DATA];
    at_every_split(Limits::default(), later, &script, |_| {});
    let script = [GREETING, HELO, (command, "421 4.3.2 Not now\r\n")];
    at_every_split(Limits::default(), closing, &script, |talk| assert!(talk.closed));
}

#[test]
fn a_turn_is_granted_with_the_policys_words_or_the_usual_ones() {
    let policy = |question: &Question| match question {
        Question::Connected => Some(Answer::Greet(Offers { etrn: true, ..Offers::default() })),
        Question::Turn(node) if node.to_string() == "@a.example" => {
            Some(Answer::Replied(reply(251, (2, 0, 0), "Nothing")))
        }
        Question::Turn(node) if node.to_string() == "b.example" => {
            Some(Answer::Refuse(reply(458, (4, 3, 0), "Not now")))
        }
        _ => None,
    };
    let script = [
        GREETING,
        HELO,
        (b"ETRN @A.example\r\n".as_slice(), "251 2.0.0 Nothing\r\n"),
        (b"ETRN b.example\r\n", "458 4.3.0 Not now\r\n"),
        (b"ETRN c.example\r\n", "250 2.0.0 Queuing started\r\n"),
        MAIL,
        (b"ETRN c.example\r\n", "503 5.5.1 Mail transaction in progress\r\n"),
        RCPT,
    ];
    at_every_split(Limits::default(), policy, &script, |_| {});
}

#[test]
fn arguments_are_checked() {
    let (arguments, path) = ("501 5.5.4 Wrong arguments\r\n", "501 5.1.3 Invalid forward-path\r\n");
    dialogue(&[
        GREETING,
        HELO,
        (b"RSET now\r\n", arguments),
        (b"QUIT now\r\n", arguments),
        (b"VRFY\r\n", arguments),
        (b"MAIL\r\n", arguments),
        (b"MAIL TO:<a@example.net>\r\n", arguments),
        (b"MAIL FROM:a@example.net\r\n", "501 5.1.7 Invalid reverse-path\r\n"),
        (b"MAIL FROM:<a@example.net\r\n", "501 5.1.7 Invalid reverse-path\r\n"),
        (b"mail from:<\"a>b\\\"\"@[192.0.2.1]> size=10 body=8bitmime\r\n", "250 2.1.0 Sender ok\r\n"),
        (b"RCPT TO:<>\r\n", path),
        (b"RCPT TO:<a@>\r\n", path),
        (b"RCPT TO:<a b@example.org>\r\n", path),
        (b"RCPT TO:<a@example.org>x\r\n", path),
        (b"RCPT TO:<@a.example,b:c@example.org>\r\n", path),
        (b"RCPT TO:<a@example.org> AUTH=<>\r\n", "555 5.5.4 Parameter not recognized, or given twice\r\n"),
        (b"DATA now\r\n", arguments),
        (
            b"NOOP anything at all\r\nHELP me\r\n",
            "250 2.0.0 Ok\r\n214-2.0.0 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT\r\n214 2.0.0 See RFC 5321\r\n",
        ),
    ]);
}

#[test]
fn source_routes_are_dropped_and_postmaster_needs_no_domain() {
    let ok = "250 2.1.5 Recipient ok\r\n";
    let script = [
        GREETING,
        HELO,
        (b"MAIL FROM:   <@a.example,@b.example:anna@example.net>\r\n".as_slice(), "250 2.1.0 Sender ok\r\n"),
        (b"RCPT TO: <@a.example:bert@example.org>\r\n", ok),
        (b"RCPT TO:<PostMaster>\r\n", ok),
    ];
    at_every_split(
        Limits::default(),
        |_| None,
        &script,
        |talk| {
            let asked =
                ["MAIL FROM:<anna@example.net>", "RCPT TO:<bert@example.org>", "RCPT TO:<postmaster>"];
            assert_eq!(talk.asked[2..], asked);
        },
    );
}

#[test]
fn parameters_of_mail_are_checked() {
    let (unknown, invalid) =
        ("555 5.5.4 Parameter not recognized, or given twice\r\n", "501 5.5.4 Invalid parameter\r\n");
    let large = "552 5.3.4 Message exceeds the maximum size\r\n";
    let cases: &[(&str, &str)] = &[
        ("SIZE=1 SIZE=1", unknown),
        ("BODY=7BIT BODY=7BIT", unknown),
        ("SMTPUTF8 SMTPUTF8", unknown),
        ("AUTH=<>", unknown),
        ("AUTH=<>", unknown),
        ("SIZE", invalid),
        ("SIZE=", invalid),
        ("SIZE=-1", invalid),
        ("SIZE=+1", invalid),
        ("SIZE=123456789012345678901", invalid),
        ("BODY=9BIT", invalid),
        ("SMTPUTF8=yes", invalid),
        ("-X=1", invalid),
        ("X==", invalid),
        ("SIZE=99999999999999999999", large),
        ("SIZE=52428801", large),
        ("SIZE=52428800", "250 2.1.0 Sender ok\r\n"),
    ];
    for (parameters, expected) in cases {
        let mail = format!("MAIL FROM:<a@example.net> {parameters}\r\n");
        dialogue(&[GREETING, HELO, (mail.as_bytes(), expected)]);
    }
}

#[test]
fn utf8_addresses_need_smtputf8() {
    // RFC 6531 §3.5.
    let needs = "553 5.6.7 Address needs SMTPUTF8, which was not asked for\r\n";
    let mail_needs = "550 5.6.7 Address needs SMTPUTF8, which was not asked for\r\n";
    dialogue(&[
        GREETING,
        HELO,
        ("MAIL FROM:<änna@example.net>\r\n".as_bytes(), mail_needs),
        MAIL,
        ("RCPT TO:<bert@bücher.example>\r\n".as_bytes(), needs),
        (b"RSET\r\n", "250 2.0.0 Ok\r\n"),
    ]);
    let mut talk = Talk::hello();
    assert_eq!(talk.send("MAIL FROM:<änna@example.net> SMTPUTF8\r\n"), "250 2.1.0 Sender ok\r\n");
    assert_eq!(talk.send("RCPT TO:<bert@bücher.example>\r\n"), "250 2.1.5 Recipient ok\r\n");
}

#[test]
fn what_is_not_offered_is_told_from_what_is_unknown() {
    dialogue(&[
        GREETING,
        HELO,
        (
            b"STARTTLS\r\nAUTH PLAIN\r\n",
            "502 5.5.1 Command not implemented\r\n502 5.5.1 Command not implemented\r\n",
        ),
        (b"LHLO a\r\n", "500 5.5.1 This is not LMTP: send EHLO\r\n"),
        (b"XYZZY\r\n\r\n", "500 5.5.1 Command not recognized\r\n500 5.5.1 Command not recognized\r\n"),
    ]);
}

#[test]
fn vrfy_and_expn_are_the_policys_at_any_time() {
    let policy = |question: &Question| match question {
        Question::Verify(text) if text == "anna" => {
            Some(Answer::Replied(reply(250, (2, 1, 5), "<anna@example.org>")))
        }
        _ => None,
    };
    let script: Script<'_> = &[
        GREETING,
        (b"VRFY anna\r\n", "250 2.1.5 <anna@example.org>\r\n"),
        (b"VRFY bert\r\n", "252 2.0.0 Cannot verify, but will accept mail and attempt delivery\r\n"),
        (b"EXPN list\r\n", "502 5.5.1 Lists are not expanded here\r\n"),
    ];
    at_every_split(Limits::default(), policy, script, |_| {});
}

#[test]
fn a_pipelined_group_gets_its_replies_in_order() {
    let mut talk = Talk::hello();
    talk.send("");
    let said = talk.send(
        "MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
    );
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "550", "250", "354"]);
    assert_eq!(talk.phase, Some(Phase::Content));
}

#[test]
fn data_without_valid_recipients_is_refused_and_the_group_is_no_error() {
    let mut talk = Talk::with(Limits { errors_max: 1, ..Limits::default() }, |question| match question {
        Question::Mail(mail) if mail.size == Some(1) => {
            Some(Answer::Refuse(reply(451, (4, 7, 1), "Try later")))
        }
        _ => None,
    });
    talk.send("EHLO a\r\n");
    let said = talk.send("MAIL FROM:<>\r\nRCPT TO:<nobody@a>\r\nDATA\r\n");
    assert!(said.ends_with("554 5.5.1 No valid recipients\r\n"), "{said}");
    let said = talk.send("RSET\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<a@a>\r\nRCPT TO:<b@a>\r\nDATA\r\n");
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "451", "503", "503", "503"]);
    assert!(!talk.closed);
}

#[test]
fn a_refused_greeting_leaves_only_quit() {
    // RFC 5321 §3.1.
    let policy = |question: &Question| match question {
        Question::Connected => Some(Answer::Refuse(reply(554, (5, 7, 1), "No mail from you"))),
        _ => None,
    };
    let quit_only = "503 5.5.1 Only QUIT is accepted here\r\n";
    let script: Script<'_> = &[
        (b"", "554 5.7.1 No mail from you\r\n"),
        (b"EHLO a\r\n", quit_only),
        (b"NOOP\r\n", quit_only),
        (b"QUIT\r\n", "221 2.0.0 Bye\r\n"),
    ];
    at_every_split(Limits::default(), policy, script, |talk| assert!(talk.closed));
    let mut talk = Talk::with(Limits::default(), |question| match question {
        Question::Connected => Some(Answer::Refuse(reply(421, (4, 7, 0), "Too many sessions"))),
        _ => None,
    });
    assert_eq!(talk.send(""), "421 4.7.0 Too many sessions\r\n");
    assert!(talk.closed);
}

#[test]
fn a_transaction_stays_open_when_data_is_refused() {
    let policy = |question: &Question| match question {
        Question::Data => Some(Answer::Refuse(reply(451, (4, 3, 1), "Spool full"))),
        _ => None,
    };
    let refused: (&[u8], &str) = (b"DATA\r\n", "451 4.3.1 Spool full\r\n");
    at_every_split(Limits::default(), policy, &[GREETING, HELO, MAIL, RCPT, refused, RCPT, refused], |_| {});
}

#[test]
fn no_250_without_the_policys_word() {
    let policy = |question: &Question| match question {
        Question::EndOfContent { .. } => Some(Answer::Proceed),
        _ => None,
    };
    let end: (&[u8], &str) = (b"x\r\n.\r\n", "451 4.3.0 Local error in processing\r\n");
    at_every_split(Limits::default(), policy, &[GREETING, HELO, MAIL, RCPT, DATA, end, MAIL], |_| {});
    let mut talk = Talk::with(Limits::default(), |question| match question {
        Question::Mail(_) => Some(Answer::Refuse(reply(250, (2, 0, 0), "Ok"))),
        _ => None,
    });
    talk.send("HELO a\r\n");
    assert_eq!(talk.send("MAIL FROM:<>\r\n"), "451 4.3.0 Local error in processing\r\n");
}

#[test]
fn timeout_shutdown_and_end_of_input_end_the_session() {
    let mut talk = Talk::hello();
    talk.session.timed_out();
    talk.run();
    assert!(talk.closed);
    assert!(talk.send("").ends_with("421 4.4.2 Timeout, closing\r\n"));

    // Content under way is answered before the session ends.
    let mut talk = Talk::hello();
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@a>\r\nDATA\r\n");
    talk.session.shut_down();
    assert_eq!(talk.send("x\r\n"), "");
    let said = talk.send(".\r\n");
    assert_eq!(said, "250 2.0.0 Queued\r\n421 4.3.2 Service is shutting down\r\n");
    assert!(talk.closed);

    let mut talk = Talk::hello();
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@a>\r\nDATA\r\n");
    talk.send("x\r\n.\r");
    talk.session.end_of_input();
    assert_eq!(talk.send(""), "");
    assert!(talk.closed && talk.contents.is_empty());

    let mut talk = Talk::hello();
    talk.session.receive(b"NOOP\r\nNO");
    talk.session.end_of_input();
    assert_eq!(talk.send(""), "250 2.0.0 Ok\r\n");
    assert!(talk.closed);
}
