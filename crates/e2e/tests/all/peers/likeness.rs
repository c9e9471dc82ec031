//! The same words said to Postfix and to us: where the codes of the replies differ, the difference is one that we mean.

use std::collections::HashSet;

use e2e::{Client, House, Loopback, Postfix};

/// Sessions, line by line; `@@` stands for the own domain of each. A line of `BDAT` is followed by its chunk.
const SESSIONS: &[&[&str]] = &[
    &["NOOP", "RSET", "MAIL FROM:<a@c.test>", "EHLO", "HELO c.test", "QUIT"],
    &[
        "EHLO c.test",
        "RCPT TO:<x@@>",
        "DATA",
        "MAIL FROM:<a@c.test>",
        "DATA",
        "MAIL FROM:<b@c.test>",
        "RCPT TO:<x@@>",
        "RCPT TO:<x@@> NOTIFY=NEVER",
        "RSET",
        "RCPT TO:<x@@>",
        "QUIT",
    ],
    &["EHLO c.test", "MAIL FROM:<>", "RCPT TO:<x@@>", "DATA", "Subject: x\r\n\r\n.", "QUIT"],
    &["EHLO c.test", "MAIL FROM:<>", "RCPT TO:<postmaster>", "RCPT TO:<Postmaster@@>", "RSET", "QUIT"],
    &[
        "EHLO c.test",
        "MAIL FROM:<a@c.test> SIZE=99999999999",
        "MAIL FROM:<a@c.test> SIZE=1k",
        "MAIL FROM:<a@c.test> BODY=9BIT",
        "MAIL FROM:<a@c.test> RET=SOME",
        "MAIL FROM:<a@c.test> ENVID=a=b",
        "MAIL FROM:<a@c.test> FOO=BAR",
        "MAIL FROM:<a@c.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+2Bb",
        "RCPT TO:<x@@> NOTIFY=NEVER,SUCCESS",
        "RCPT TO:<x@@> NOTIFY=ALWAYS",
        "RCPT TO:<x@@> ORCPT=x@@",
        "RCPT TO:<x@@> FOO=BAR",
        "RCPT TO:<x@@> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;y+2Bz@c.test",
        "QUIT",
    ],
    &["EHLO c.test", "VRFY x@@", "VRFY", "EXPN staff", "FOO", "STARTTLS", "AUTH PLAIN AGEAYg==", "QUIT"],
    &["EHLO c.test", "BDAT 3\r\nabc", "MAIL FROM:<a@c.test>", "BDAT 3\r\nabc", "QUIT"],
    &[
        "EHLO c.test",
        "MAIL FROM:<a@c.test>",
        "RCPT TO:<x@@>",
        "BDAT 4\r\na: b",
        "DATA",
        "RCPT TO:<x@@>",
        "BDAT 6 LAST\r\n\r\n\r\nc\n",
        "QUIT",
    ],
    &[
        "EHLO c.test",
        "MAIL FROM:<a@c.test> SMTPUTF8",
        "RCPT TO:<δ@c.test>",
        "RSET",
        "MAIL FROM:<δ@c.test>",
        "QUIT",
    ],
    &[
        "XCLIENT NAME=b.test ADDR=203.0.113.7",
        "EHLO c.test",
        "MAIL FROM:<a@c.test>",
        "RCPT TO:<x@elsewhere.test>",
        "RCPT TO:<x@@>",
        "XCLIENT ADDR=203.0.113.8",
        "QUIT",
    ],
    &[
        "EHLO c.test",
        "XCLIENT",
        "XCLIENT ADDR=1.2.3",
        "XCLIENT NAME=-",
        "XCLIENT FOO=BAR",
        "XCLIENT PROTO=X",
        "XCLIENT HELO=b.test PROTO=ESMTP",
        "MAIL FROM:<a@c.test>",
        "XCLIENT HELO=b.test",
        "RSET",
        "XCLIENT NAME=[UNAVAILABLE] ADDR=203.0.113.9 HELO=b.test",
        "MAIL FROM:<a@c.test>",
        "RCPT TO:<x@elsewhere.test>",
        "QUIT",
    ],
    &[
        "ETRN waits.test",
        "EHLO c.test",
        "ETRN waits.test",
        "ETRN",
        "ETRN a b",
        "MAIL FROM:<>",
        "ETRN waits.test",
        "QUIT",
    ],
];

/// What we mean to say otherwise: the line, Postfix's code, ours, and why.
const DIFFERENT: &[(&str, u16, u16, &str)] = &[
    (
        "MAIL FROM:<a@c.test>",
        250,
        503,
        "a greeting comes first (RFC 5321 §4.1.4); Postfix asks for none by default",
    ),
    ("DATA", 554, 503, "without any RCPT it is the order that is wrong (RFC 5321 §3.3 allows both)"),
    ("MAIL FROM:<a@c.test> BODY=9BIT", 555, 501, "the parameter is known, its value is not"),
    ("MAIL FROM:<a@c.test> ENVID=a=b", 552, 501, "Postfix still minds the SIZE of the MAIL that it refused"),
    ("EXPN staff", 500, 502, "known and not done (RFC 5321 §4.2.4)"),
    ("AUTH PLAIN AGEAYg==", 503, 502, "known and not done (RFC 5321 §4.2.4)"),
    (
        "MAIL FROM:<a@c.test>",
        503,
        250,
        "behind a BDAT out of order a transaction may begin: its chunk is read",
    ),
    ("BDAT 3\r\nabc", 551, 503, "it is the order that is wrong"),
    ("MAIL FROM:<δ@c.test>", 250, 550, "an address in UTF-8 asks for SMTPUTF8 (RFC 6531 §3.5)"),
    ("RCPT TO:<x@elsewhere.test>", 554, 550, "RFC 5321 §3.6.2 has 550 for this"),
    ("XCLIENT ADDR=203.0.113.8", 503, 550, "who is no proxy learns nothing of our state"),
    ("ETRN waits.test", 250, 503, "a greeting comes first"),
    ("ETRN waits.test", 250, 251, "Postfix does not look whether anything waits"),
    ("ETRN", 500, 501, "the command is known, its argument is missing (RFC 1985)"),
    ("ETRN a b", 500, 501, "the command is known, its argument is wrong (RFC 1985)"),
];

fn replies(to: std::net::SocketAddr, domain: &str, lines: &[&str]) -> Vec<(String, u16, String)> {
    let mut client = Client::connect(to);
    let mut replies = Vec::new();
    for line in lines {
        let said = line.replace("@@", &format!("@{domain}"));
        let end = if line.starts_with("BDAT") { "" } else { "\r\n" };
        client.send(format!("{said}{end}").as_bytes()).unwrap();
        let Ok((code, text)) = client.reply() else { break };
        replies.push(((*line).to_owned(), code, text));
    }
    replies
}

#[test]
fn we_reply_as_postfix_does_or_know_why_not() {
    let net = Loopback::claim();
    let settings = "smtpd_authorized_xclient_hosts = 127.0.0.0/8\nfast_flush_domains = waits.test\n\
        smtpd_delay_reject = no\n";
    let postfix = Postfix::start(&net, 1, net.port(), settings);
    let house = House::new(
        "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\nxclient_networks = [\"127.0.0.1/32\"]\n\
         etrn_networks = [\"127.0.0.1/32\"]\n[[alias]]\naddress = \"x@here.test\"\nto = [\"anna@here.test\"]\n",
    );
    let server = house.start();
    let (mut unexpected, mut seen) = (Vec::new(), HashSet::new());
    for session in SESSIONS {
        let theirs = replies(postfix.address(), "peer.test", session);
        let ours = replies(server.smtp(), "here.test", session);
        for ((line, their, their_text), (_, our, our_text)) in theirs.iter().zip(&ours) {
            match DIFFERENT.iter().position(|(known, a, b, _)| known == line && (a, b) == (their, our)) {
                Some(known) => drop(seen.insert(known)),
                None if their == our => {}
                None => unexpected.push(format!("{line:?}\n  Postfix: {their_text}  we: {our_text}")),
            }
        }
        if theirs.len() != ours.len() {
            unexpected.push(format!("{session:?}: {} and {} replies", theirs.len(), ours.len()));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let gone: Vec<_> = DIFFERENT.iter().enumerate().filter(|(at, _)| !seen.contains(at)).collect();
    assert!(gone.is_empty(), "these differ no more: {gone:?}");
}
