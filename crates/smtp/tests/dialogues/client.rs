//! The client's side against scripted servers.

use mail::{Address, Body, Reply, ReversePath};
use smtp::{
    ForwardPath, MailFrom, Protocol, RcptTo,
    client::{Failure, FailureKind, Outcome, Phase, Session, Step, Transaction},
};

pub(crate) const ESMTP: &str =
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
pub(crate) const GREETING: &str = "220 mx.example.org ESMTP\r\n";

pub(crate) fn transaction(recipients: &[&str]) -> Transaction {
    let reverse_path = ReversePath::Address(Address::parse("anna@example.net").unwrap());
    let rcpt = |text: &&str| RcptTo::new(ForwardPath::Address(Address::parse(text).unwrap()));
    Transaction {
        mail: MailFrom { size: Some(100), body: Body::EightBitMime, ..MailFrom::new(reverse_path) },
        recipients: recipients.iter().map(rcpt).collect(),
    }
}

/// What the server says at each read; then it closes the session.
pub(crate) fn talk(
    protocol: Protocol,
    transactions: Vec<Transaction>,
    says: &[&[u8]],
) -> (String, Vec<Step>) {
    converse(Session::new(protocol, "client.example.net".to_owned()), transactions, says)
}

/// The same in a session made by the test. A handshake shows as `(TLS)` in what the client says.
pub(crate) fn converse(
    mut session: Session,
    mut transactions: Vec<Transaction>,
    says: &[&[u8]],
) -> (String, Vec<Step>) {
    let (mut steps, mut says, mut out) = (Vec::new(), says.iter(), Vec::new());
    transactions.reverse();
    loop {
        match session.step() {
            Step::Read(_) => {
                out.append(session.output());
                match says.next() {
                    Some(octets) => session.receive(octets),
                    None => session.end_of_input(),
                }
            }
            Step::Secure => {
                out.append(session.output());
                out.extend_from_slice(b"(TLS)\r\n");
                session.secured();
            }
            Step::Ready => match transactions.pop() {
                Some(transaction) => session.begin(transaction),
                None => session.quit(),
            },
            Step::SendContent => {
                session.content(b"Subject: x\r\n\r\n.dot\r\n");
                session.end_content();
            }
            step @ Step::Done(_) => steps.push(step),
            step @ (Step::Failed(_) | Step::Closed) => {
                out.append(session.output());
                steps.push(step);
                return (String::from_utf8(out).unwrap(), steps);
            }
        }
    }
}

/// The same whole and with what the server says cut everywhere.
fn talk_at_every_split(transactions: &[Transaction], says: &[&str]) -> (String, Vec<Step>) {
    speak_at_every_split(Protocol::Smtp, transactions, says)
}

/// The same in either protocol.
pub(crate) fn speak_at_every_split(
    protocol: Protocol,
    transactions: &[Transaction],
    says: &[&str],
) -> (String, Vec<Step>) {
    let whole: Vec<&[u8]> = says.iter().map(|say| say.as_bytes()).collect();
    let result = talk(protocol, transactions.to_vec(), &whole);
    let octets: Vec<&[u8]> = says.iter().flat_map(|say| say.as_bytes().chunks(1)).collect();
    assert_eq!(talk(protocol, transactions.to_vec(), &octets), result);
    for (at, say) in whole.iter().enumerate() {
        for cut in 1..say.len() {
            let mut parts = whole.clone();
            parts.splice(at..=at, [&say[..cut], &say[cut..]]);
            assert_eq!(talk(protocol, transactions.to_vec(), &parts), result, "{at} cut at {cut}");
        }
    }
    result
}

pub(crate) fn outcome(step: &Step) -> Vec<(Phase, u16)> {
    let Step::Done(outcome) = step else { panic!("{step:?}") };
    outcome.recipients.iter().map(|(phase, reply)| (*phase, reply.code())).collect()
}

pub(crate) fn failure(steps: &[Step]) -> &Failure {
    let [.., Step::Failed(failure)] = steps else { panic!("{steps:?}") };
    failure
}

#[test]
fn a_message_goes_out_in_one_group_where_pipelining_is_offered() {
    let (out, steps) = talk_at_every_split(
        &[transaction(&["a@example.org", "b@example.org"])],
        &[
            GREETING,
            ESMTP,
            "250 2.1.0 Ok\r\n251 2.1.5 Will forward\r\n550-5.1.1 No\r\n550 5.1.1 such user\r\n354 Go\r\n",
            "250 2.0.0 Queued\r\n",
            "221 Bye\r\n",
        ],
    );
    assert_eq!(
        out,
        "EHLO client.example.net\r\nMAIL FROM:<anna@example.net> SIZE=100 BODY=8BITMIME\r\n\
         RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
         Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    );
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250), (Phase::Rcpt, 550)]);
    let Step::Done(done) = &steps[0] else { panic!() };
    let no = Reply::new(550, "5.1.1".parse().unwrap(), "No\nsuch user");
    assert_eq!(**done, Outcome { recipients: vec![done.recipients[0].clone(), (Phase::Rcpt, no)] });
    assert_eq!(steps[1..], [Step::Closed]);
}

#[test]
fn an_old_server_gets_helo_and_one_command_at_a_time() {
    let (out, steps) = talk_at_every_split(
        &[transaction(&["a@example.org"])],
        &[
            GREETING,
            "502 What?\r\n",
            "250 mx\r\n",
            "250 Ok\r\n",
            "250 Ok\r\n",
            "354\r\n",
            "250\r\n",
            "221\r\n",
        ],
    );
    assert_eq!(
        out,
        "EHLO client.example.net\r\nHELO client.example.net\r\nMAIL FROM:<anna@example.net>\r\n\
         RCPT TO:<a@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    );
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)]);
}

#[test]
fn nothing_goes_on_in_lock_step_after_a_refusal() {
    let t = transaction(&["a@example.org", "b@example.org"]);
    let (out, steps) = talk_at_every_split(
        &[t.clone(), t],
        &[GREETING, "250 mx\r\n", "451 Later\r\n", "250 Ok\r\n", "550 No\r\n", "550 No\r\n", "221\r\n"],
    );
    assert_eq!(outcome(&steps[0]), [(Phase::Mail, 451); 2]);
    assert_eq!(outcome(&steps[1]), [(Phase::Rcpt, 550); 2]);
    assert!(!out.contains("DATA") && !out.contains("RSET"), "{out}");
}

#[test]
fn an_open_transaction_is_reset_before_the_next() {
    let t = transaction(&["a@example.org"]);
    let (out, steps) = talk_at_every_split(
        &[t.clone(), t.clone(), t],
        &[
            GREETING,
            ESMTP,
            "250 Ok\r\n450 Busy\r\n503 No recipients\r\n",
            "250 Reset\r\n250 Ok\r\n250 Ok\r\n451 Not now\r\n",
            "250 Reset\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n",
            "554 No\r\n",
            "221\r\n",
        ],
    );
    assert_eq!(outcome(&steps[0]), [(Phase::Rcpt, 450)]);
    assert_eq!(outcome(&steps[1]), [(Phase::DataInit, 451)]);
    assert_eq!(outcome(&steps[2]), [(Phase::DataFinal, 554)]);
    assert_eq!(out.matches("RSET\r\nMAIL").count(), 2);
}

#[test]
fn a_354_though_all_recipients_were_refused_gets_an_empty_message() {
    // RFC 2920 §3.1.
    let t = transaction(&["a@example.org"]);
    let (out, steps) = talk_at_every_split(
        &[t.clone(), t],
        &[
            GREETING,
            ESMTP,
            "250 Ok\r\n550 No\r\n354 Go\r\n",
            "554 No valid recipients\r\n",
            "550 No\r\n503 MAIL?\r\n503 MAIL?\r\n",
            "221\r\n",
        ],
    );
    assert!(out.contains("DATA\r\n.\r\nMAIL"), "{out}");
    assert_eq!(outcome(&steps[0]), [(Phase::Rcpt, 550)]);
    assert_eq!(outcome(&steps[1]), [(Phase::Mail, 550)]);
}

#[test]
fn many_recipients_go_out_in_bounded_groups() {
    let addresses: Vec<String> = (0..500).map(|n| format!("r{n}@example.org")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(GREETING.as_bytes());
    session.step();
    session.receive(ESMTP.as_bytes());
    assert_eq!(session.step(), Step::Ready);
    session.output().clear();
    session.begin(transaction(&addresses));
    let (mut groups, mut answered) = (0, 0);
    while session.step() != Step::SendContent {
        let out = String::from_utf8(std::mem::take(session.output())).unwrap();
        let commands = out.lines().count();
        assert!((1..=64).contains(&commands));
        groups += 1;
        answered += commands;
        let last = if out.ends_with("DATA\r\n") { "354 Go\r\n" } else { "250 Ok\r\n" };
        session.receive(("250 Ok\r\n".repeat(commands - 1) + last).as_bytes());
    }
    assert_eq!(answered, 502);
    assert!(groups < 12, "{groups}");
}

#[test]
fn what_the_server_cannot_take_is_not_sent() {
    let mut utf8 = transaction(&["a@example.org"]);
    utf8.mail.smtputf8 = true;
    let utf8_path = transaction(&["ä@example.org"]);
    let mut large = transaction(&["a@example.org", "b@example.org"]);
    large.mail.size = Some(11);
    let mut binary = transaction(&["a@example.org"]);
    binary.mail.body = Body::BinaryMime;
    binary.mail.size = None;
    let (out, steps) = talk_at_every_split(
        &[utf8, utf8_path, large, binary],
        &[GREETING, "250-mx\r\n250 SIZE 10\r\n", "221\r\n"],
    );
    assert_eq!(out, "EHLO client.example.net\r\nQUIT\r\n");
    assert_eq!(outcome(&steps[0]), [(Phase::Mail, 550)]);
    assert_eq!(outcome(&steps[1]), [(Phase::Mail, 550)]);
    assert_eq!(outcome(&steps[2]), [(Phase::Mail, 552); 2]);
    assert_eq!(outcome(&steps[3]), [(Phase::Mail, 554)]);
}

#[test]
fn utf8_is_said_where_it_is_needed() {
    let (out, _) =
        talk(Protocol::Smtp, vec![transaction(&["ä@example.org"])], &[GREETING.as_bytes(), ESMTP.as_bytes()]);
    assert!(out.contains(" BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<ä@example.org>\r\n"), "{out}");
}

#[test]
fn a_refused_greeting_or_hello_fails_the_session_and_quit_is_polite() {
    for (says, phase, code) in [
        (&["554 Not you\r\n"][..], Phase::Greeting, 554),
        (&["421-Busy\r\n421 Later\r\n"], Phase::Greeting, 421),
        (&[GREETING, "451 Later\r\n"], Phase::Hello, 451),
        (&[GREETING, "550 No\r\n", "550 No\r\n"], Phase::Hello, 550),
    ] {
        let (_, steps) = talk_at_every_split(&[transaction(&["a@example.org"])], says);
        let failure = failure(&steps);
        let FailureKind::Reply(reply) = &failure.kind else { panic!("{failure:?}") };
        assert_eq!((failure.phase, reply.code()), (phase, code));
        assert!(failure.decided.is_empty());
    }
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(b"554 Not you\r\n");
    assert!(matches!(session.step(), Step::Failed(_)));
    session.quit();
    assert_eq!(session.step(), Step::Read(Phase::Quit));
    assert_eq!(session.output().as_slice(), b"QUIT\r\n");
    session.end_of_input();
    assert_eq!(session.step(), Step::Closed);
}

#[test]
fn a_failure_tells_what_was_decided_and_where_it_happened() {
    let t = transaction(&["a@example.org", "b@example.org", "c@example.org"]);
    let group = "250 Ok\r\n250 Ok\r\n550 No\r\n";
    for (says, phase, decided) in [
        (vec![GREETING, ESMTP], Phase::Mail, [None, None, None]),
        (vec![GREETING, ESMTP, group], Phase::Rcpt, [None, Some(550), None]),
        (
            vec![GREETING, ESMTP, "250 Ok\r\n550 No\r\n421 Bye\r\n250 Ok\r\n"],
            Phase::Rcpt,
            [Some(550), None, None],
        ),
        (vec![GREETING, ESMTP, group, "250 Ok\r\n354 Go\r\n"], Phase::DataFinal, [None, Some(550), None]),
        (
            vec![GREETING, ESMTP, group, "250 Ok\r\n354 Go\r\n", "421 Bye\r\n"],
            Phase::DataFinal,
            [None, Some(550), None],
        ),
    ] {
        let (_, steps) = talk_at_every_split(std::slice::from_ref(&t), &says);
        let failure = failure(&steps);
        assert_eq!(failure.phase, phase, "{says:?}");
        let codes: Vec<Option<u16>> =
            failure.decided.iter().map(|d| d.as_ref().map(|(_, reply)| reply.code())).collect();
        assert_eq!(codes, decided, "{says:?}");
        match &failure.kind {
            FailureKind::Closed => {}
            FailureKind::Reply(reply) => assert_eq!(reply.code(), 421),
            kind => panic!("{kind:?}"),
        }
    }
}

#[test]
fn an_idle_session_notices_that_the_server_leaves() {
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(GREETING.as_bytes());
    session.step();
    session.receive(ESMTP.as_bytes());
    assert_eq!(session.step(), Step::Ready);
    session.receive(b"421 4.4.2 Idle\r\n");
    session.end_of_input();
    let Step::Failed(failure) = session.step() else { panic!() };
    assert!(matches!(failure.kind, FailureKind::Reply(_)));
    session.begin(transaction(&["a@example.org"]));
    assert_eq!(session.step(), Step::Closed);
}

#[test]
fn a_timeout_keeps_what_was_decided() {
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(GREETING.as_bytes());
    session.step();
    session.receive(ESMTP.as_bytes());
    session.step();
    session.begin(transaction(&["a@example.org", "b@example.org"]));
    session.receive(b"250 Ok\r\n550 No\r\n");
    assert_eq!(session.step(), Step::Read(Phase::Rcpt));
    session.timed_out();
    let Step::Failed(failure) = session.step() else { panic!() };
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert!(failure.decided[0].is_some() && failure.decided[1].is_none());
}
