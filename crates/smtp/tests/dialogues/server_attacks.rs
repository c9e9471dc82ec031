//! Attacks on the server's side: smuggling, injection, other protocols, talking out of turn.

use smtp::server::{Answer, Limits, Question};

use crate::common::{DATA, EHLO, GREETING, HELO, MAIL, RCPT, Script, Talk, at_every_split, reply};

/// What a smuggler wants to be taken for commands.
const SMUGGLED: &str = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nevil\r\n";
const BARE: &str = "550 5.6.0 Message contains a bare CR or LF; lines must end in CRLF\r\n";

/// Sequences that some implementation took for the end of data (CVE-2023-51764, -51765, -51766 and after).
const FALSE_ENDS: [&str; 14] = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r\n.\r",
    "\r.\r\n",
    "\n.\r",
    "\r.\n",
    "\r\r\n.\r\r\n",
    "\r\n.\r\r\n",
    "\r\n\n.\r\n",
    "\n\r\n.\n",
    "\n\n.\n\n",
    "\r\n.\n\r\n",
];

fn not_smuggled(talk: &Talk) {
    assert!(!talk.asked.iter().any(|asked| asked.contains("evil")), "{:?}", talk.asked);
}

#[test]
fn smuggling_only_crlf_dot_crlf_ends_the_data() {
    for end in FALSE_ENDS {
        let content = format!("Subject: x\r\n\r\nbody{end}{SMUGGLED}.\r\nNOOP\r\n");
        let script = [GREETING, HELO, MAIL, RCPT, DATA, (content.as_bytes(), BARE)];
        at_every_split(
            Limits::default(),
            |_| None,
            &script,
            |talk| {
                not_smuggled(talk);
                assert!(talk.closed && talk.contents.is_empty());
                assert_eq!(talk.asked.last().map(String::as_str), Some("reset"));
            },
        );
    }
}

#[test]
fn smuggling_a_false_end_at_the_very_start_ends_nothing() {
    for end in [".\n", ".\r", "\n.\r\n", ".\r\r\n", "\r.\r\n", ".\n\r\n"] {
        let content = format!("{end}{SMUGGLED}.\r\n");
        let script = [GREETING, HELO, MAIL, RCPT, DATA, (content.as_bytes(), BARE)];
        at_every_split(
            Limits::default(),
            |_| None,
            &script,
            |talk| {
                not_smuggled(talk);
                assert!(talk.closed);
            },
        );
    }
}

#[test]
fn smuggling_cr_cr_lf_is_not_condensed() {
    // The-Login/SMTP-Smuggling-Tools no. 4: here the true end follows the bare CR, and nothing behind it counts.
    let content = format!("body\r\r\n.\r\n{SMUGGLED}.\r\n");
    let script = [GREETING, HELO, MAIL, RCPT, DATA, (content.as_bytes(), BARE)];
    at_every_split(
        Limits::default(),
        |_| None,
        &script,
        |talk| {
            not_smuggled(talk);
            assert!(talk.closed);
        },
    );
}

#[test]
fn smuggling_fails_where_line_ends_are_normalised_too() {
    let policy = |question: &Question| (*question == Question::Data).then_some(Answer::Normalise);
    for end in FALSE_ENDS {
        let content = format!("body{end}{SMUGGLED}.\r\n");
        let script = [GREETING, HELO, MAIL, RCPT, DATA, (content.as_bytes(), "250 2.0.0 Queued\r\n")];
        at_every_split(Limits::default(), policy, &script, |talk| {
            not_smuggled(talk);
            let content = std::str::from_utf8(&talk.contents[0]).unwrap();
            assert!(!content.replace("\r\n", "").contains(['\r', '\n']), "{content:?}");
            assert!(content.ends_with(SMUGGLED), "{content:?}");
        });
    }
}

#[test]
fn a_nul_in_content_is_refused_and_the_session_goes_on() {
    let nul: (&[u8], &str) = (b"a\0b\r\n\0\r\n.\r\n", "550 5.6.0 Message contains a NUL octet\r\n");
    at_every_split(
        Limits::default(),
        |_| None,
        &[GREETING, HELO, MAIL, RCPT, DATA, nul, MAIL],
        |talk| {
            assert!(talk.contents.is_empty());
        },
    );
}

#[test]
fn injection_of_lines_into_a_command_is_refused_as_one() {
    // A CR, LF or NUL inside of a command line, as it comes from a form field that nobody checked.
    let (bare_lf, octet) =
        ("500 5.5.2 Lines must end in CRLF\r\n", "500 5.5.2 Invalid octet in command line\r\n");
    for (line, said) in [
        ("EHLO a\nMAIL FROM:<evil@example.net>\r\n", bare_lf),
        ("EHLO a\rMAIL FROM:<evil@example.net>\r\n", octet),
        ("EHLO a\r\rMAIL FROM:<evil@example.net>\r\n", octet),
        ("EHLO a\r\r\n", octet),
        ("MAIL FROM:<evil@example.net>\nRCPT TO:<victim@example.org>\nDATA\nevil\n.\n\r\n", bare_lf),
        ("MAIL FROM:<anna@example.net>\rRCPT TO:<evil@example.org>\n\n\r\n", bare_lf),
        ("RSET\n\r\r\nevil\r\n", bare_lf),
        ("NOOP \0evil\r\n", octet),
    ] {
        // `RSET\n\r\r\n` ends at its CR LF; what follows is an unknown command.
        let said = if line.ends_with("\r\nevil\r\n") {
            format!("{said}500 5.5.1 Command not recognized\r\n")
        } else {
            said.to_owned()
        };
        let script = [GREETING, HELO, (line.as_bytes(), said.as_str()), MAIL];
        at_every_split(Limits::default(), |_| None, &script, not_smuggled);
    }
}

#[test]
fn octets_that_are_not_utf8_are_refused() {
    let said = "500 5.5.2 Invalid octet in command line\r\n";
    let script: Script<'_> = &[GREETING, HELO, (b"MAIL FROM:<\xff@example.net>\r\n", said), MAIL];
    at_every_split(Limits::default(), |_| None, script, |_| {});
}

#[test]
fn alpaca_other_protocols_are_closed_at_once() {
    for line in [
        "GET / HTTP/1.1\r\nHost: mx.example.org\r\n\r\n",
        "POST /x HTTP/1.1\r\n",
        "CONNECT mx.example.org:25 HTTP/1.1\r\n",
        "get\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "{\"method\":",
        "\u{16}\u{3}\u{1}",
    ] {
        let request = format!("{line}{SMUGGLED}");
        let refused = (request.as_bytes(), "554 5.5.1 This is SMTP\r\n");
        for script in
            [vec![GREETING, refused], vec![GREETING, HELO, refused], vec![GREETING, HELO, MAIL, refused]]
        {
            at_every_split(
                Limits::default(),
                |_| None,
                &script,
                |talk| {
                    not_smuggled(talk);
                    assert!(talk.closed);
                },
            );
        }
    }
}

/// Discarding what follows a bare LF lays open the beginning of the next line, however much came at once.
#[test]
fn alpaca_other_protocols_are_closed_at_once_behind_a_faulty_line() {
    let refused = "500 5.5.2 Lines must end in CRLF\r\n554 5.5.1 This is SMTP\r\n";
    for line in [&b"NOOP\nx\r\n{"[..], b"NOOP\n\r\n\x16"] {
        at_every_split(
            Limits::default(),
            |_| None,
            &[GREETING, (line, refused)],
            |talk| assert!(talk.closed),
        );
    }
}

#[test]
fn alpaca_no_reply_repeats_what_the_client_sent() {
    let mark = "xssmark";
    let mut talk = Talk::with(Limits { errors_max: 100, ..Limits::default() }, |_| None);
    let mut said = talk.send("");
    for line in [
        "EHLO {}.example",
        "HELO <{}>",
        "{}",
        "VRFY {}",
        "EXPN {}",
        "HELP {}",
        "NOOP {}",
        "MAIL FROM:<{}@{}.example> {}=1",
        "MAIL FROM:<{}@{}>",
        "MAIL FROM:{}",
        "RCPT TO:<{}@{}>",
        "RCPT TO:<nobody@{}>",
        "RCPT TO:<{}>",
        "RCPT TO:<a@b> {}=2",
        "DATA {}",
        "QUIT {}",
        "GET {}",
    ] {
        said += &talk.send(format!("{}\r\n", line.replace("{}", mark)));
    }
    assert!(talk.closed && said.lines().count() > 17);
    assert!(!said.contains(mark), "{said}");
}

#[test]
fn early_talkers_are_not_greeted() {
    let mut talk = Talk::new();
    talk.session.receive(b"EHLO a\r\n");
    assert_eq!(talk.send(""), "554 5.5.1 Client sent before it was its turn\r\n");
    assert!(talk.closed);
    assert_eq!(talk.asked, ["connected"]);
}

#[test]
fn unauthorised_pipelining_behind_hello_and_data_ends_the_session() {
    for (before, group) in [
        ("", "EHLO a\r\nMAIL FROM:<evil@example.net>\r\n"),
        ("", "HELO a\r\nM"),
        ("HELO a\r\n", "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nRCPT TO:<evil@b>\r\n.\r\n"),
        ("HELO a\r\n", "MAIL FROM:<>\r\nRCPT TO:<nobody@b>\r\nDATA\r\nMAIL FROM:<evil@b>\r\n.\r\n"),
    ] {
        let mut talk = Talk::new();
        talk.send(before);
        let said = talk.send(group);
        assert!(said.ends_with("554 5.5.1 Client sent before it was its turn\r\n"), "{said}");
        assert!(talk.closed && !said.contains("354"));
        not_smuggled(&talk);
    }
}

#[test]
fn bdat_confusion_no_chunk_is_obeyed_wherever_it_comes() {
    let evil = "MAIL FROM:<evil@example.net>\r\n";
    let chunk = format!("BDAT {} LAST\r\n{evil}", evil.len());
    let (first, then) = ("503 5.5.1 Send MAIL first\r\n", "NOOP\r\n");
    let said = |reply: &str| format!("{reply}250 2.0.0 Ok\r\n");
    let group = format!("{chunk}{then}");
    let nobody = format!("RCPT TO:<nobody@example.org>\r\n{chunk}{then}");
    for (before, group, said) in [
        (vec![GREETING], group.clone(), said("503 5.5.1 Send HELO or EHLO first\r\n")),
        (vec![GREETING, EHLO], group.clone(), said(first)),
        (vec![GREETING, EHLO, MAIL], group.clone(), said("503 5.5.1 Send RCPT first\r\n")),
        (vec![GREETING, HELO, MAIL, RCPT], group.clone(), said("503 5.5.1 Bad sequence of commands\r\n")),
        (
            vec![GREETING, EHLO, MAIL],
            nobody,
            said("550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n"),
        ),
        (vec![GREETING, EHLO, MAIL, RCPT], group.clone(), said("250 2.0.0 Queued\r\n")),
        (
            vec![GREETING, EHLO, MAIL, RCPT, DATA],
            format!(".\r\n{group}"),
            said(&format!("250 2.0.0 Queued\r\n{first}")),
        ),
    ] {
        let mut script = before;
        script.push((group.as_bytes(), said.as_str()));
        at_every_split(Limits::default(), |_| None, &script, not_smuggled);
    }
}

#[test]
fn bdat_confusion_no_chunk_is_obeyed_behind_a_refused_greeting() {
    let policy = |question: &Question| {
        (*question == Question::Connected).then(|| Answer::Refuse(reply(554, (5, 7, 1), "No")))
    };
    let only = "503 5.5.1 Only QUIT is accepted here\r\n";
    let script = [(&b""[..], "554 5.7.1 No\r\n"), (b"BDAT 6\r\nQUIT\r\n", only), (b"NOOP\r\n", only)];
    at_every_split(Limits::default(), policy, &script, |talk| assert!(!talk.closed));
}

#[test]
fn bdat_confusion_of_sizes_ends_the_session() {
    for line in [
        "BDAT 18446744073709551616",
        "BDAT -1",
        "BDAT +1",
        "BDAT 0x10",
        "BDAT 1 2",
        "BDAT 1 LAST LAST",
        "BDAT",
        "bdat x",
        "BDAT\t36",
        " BDAT 36",
        "BDAT 36\0",
        "BDAT 36\n",
        "BDAT 36\r",
        &format!("BDAT 36{}", "x".repeat(5000)),
    ] {
        let mut talk = Talk::hello();
        let said = talk.send(format!("{line}\r\nMAIL FROM:<evil@example.net>\r\n"));
        assert_eq!(said, "501 5.5.4 Wrong arguments\r\n", "{line}");
        assert!(talk.closed);
        not_smuggled(&talk);
    }
}

#[test]
fn bdat_confusion_behind_a_bare_lf_ends_the_session() {
    let said = "500 5.5.2 Lines must end in CRLF\r\n501 5.5.4 Wrong arguments\r\n";
    for line in ["NOOP\nBDAT 36\r\n", "NOOP\nBDAT 36\n", "\nNOOP\nbdat 36 LAST\r\n"] {
        let group = format!("{line}{SMUGGLED}");
        at_every_split(
            Limits::default(),
            |_| None,
            &[GREETING, EHLO, (group.as_bytes(), said)],
            |talk| {
                not_smuggled(talk);
                assert!(talk.closed);
            },
        );
    }
}

#[test]
fn bdat_smuggling_no_end_of_data_ends_a_chunk() {
    for end in ["\r\n.\r\n", "\r\n..\r\n", ".\r\n"] {
        let body = format!("body{end}{SMUGGLED}");
        let chunk = format!("BDAT {} LAST\r\n{body}", body.len());
        let script = [GREETING, EHLO, MAIL, RCPT, (chunk.as_bytes(), "250 2.0.0 Queued\r\n")];
        at_every_split(
            Limits::default(),
            |_| None,
            &script,
            |talk| {
                not_smuggled(talk);
                assert_eq!(talk.contents, [body.as_bytes()]);
            },
        );
    }
    for end in FALSE_ENDS.iter().filter(|end| end.replace("\r\n", "").contains(['\r', '\n'])) {
        let body = format!("body{end}{SMUGGLED}");
        let chunk = format!("BDAT {} LAST\r\n{body}", body.len());
        at_every_split(
            Limits::default(),
            |_| None,
            &[GREETING, EHLO, MAIL, RCPT, (chunk.as_bytes(), BARE), MAIL],
            |talk| {
                not_smuggled(talk);
                assert!(talk.contents.is_empty());
            },
        );
    }
}

#[test]
fn bdat_confusion_a_refused_chunk_spoils_all_of_its_message() {
    let policy = |question: &Question| {
        matches!(question, Question::Data).then(|| Answer::Refuse(reply(451, (4, 3, 0), "Not now")))
    };
    // The next chunks, on their way already, hear the same; then all is as before.
    let group = b"BDAT 6\r\nNOOP\r\nBDAT 0\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
    let said = "451 4.3.0 Not now\r\n451 4.3.0 Not now\r\n451 4.3.0 Not now\r\n250 2.0.0 Ok\r\n";
    let spoilt: (&[u8], &str) = (b"BDAT 6\r\nNOOP\r\n", "451 4.3.0 Not now\r\n");
    let rcpt_first: (&[u8], &str) = (RCPT.0, "503 5.5.1 Send MAIL first\r\n");
    let reset: (&[u8], &str) = (b"RSET\r\n", "250 2.0.0 Ok\r\n");
    for script in [
        vec![GREETING, EHLO, MAIL, RCPT, (group, said), MAIL],
        vec![GREETING, EHLO, MAIL, RCPT, spoilt, rcpt_first, MAIL, RCPT],
        vec![GREETING, EHLO, MAIL, RCPT, spoilt, reset, MAIL, RCPT],
    ] {
        at_every_split(Limits::default(), policy, &script, |talk| {
            assert!(talk.contents.is_empty() && talk.asked.iter().any(|asked| asked == "reset"));
        });
    }
}

#[test]
fn no_chunk_is_held_whole_nor_is_one_of_the_largest_size_read_for_ever() {
    let mut talk = Talk::hello();
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 1000000\r\n");
    let octets = vec![b'x'; 1_000_000];
    assert_eq!(talk.send(&octets), "250 2.0.0 1000000 octets received\r\n");
    assert_eq!(talk.send("BDAT 0 LAST\r\n"), "250 2.0.0 Queued\r\n");
    assert_eq!(talk.contents[0].len(), 1_000_002);
    assert!(talk.pieces.iter().all(|piece| *piece <= 64 * 1024 + 2), "{:?}", talk.pieces);
    let limits = Limits { message_size_max: 100_000, ..Limits::default() };
    for before in ["", "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"] {
        let mut talk = Talk::with(limits, |_| None);
        talk.send("EHLO a\r\n");
        talk.send(before);
        assert_eq!(talk.send("BDAT 18446744073709551615\r\n"), "");
        assert_eq!(talk.send(&octets), "552 5.3.4 Message exceeds the maximum size\r\n");
        assert!(talk.closed);
    }
}

#[test]
fn empty_chunks_do_no_work() {
    let limits = Limits { idle_commands_max: 3, errors_max: 2, ..Limits::default() };
    let mut talk = Talk::with(limits, |_| None);
    talk.send("EHLO a\r\n");
    talk.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
    let said = talk.send("BDAT 0\r\n".repeat(9));
    assert!(said.ends_with("421 4.7.0 Too many errors, closing\r\n"), "{said}");
    assert!(talk.closed);
}
