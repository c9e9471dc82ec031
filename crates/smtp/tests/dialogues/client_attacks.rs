//! Attacks on the client's side: floods, garbage, replies that nobody asked for.

use mail::{Address, ReversePath};
use smtp::{
    ForwardPath, MailFrom, Protocol, RcptTo,
    client::{FailureKind, Session, Step, Transaction},
};

fn transaction() -> Transaction {
    let rcpt = |text: &str| RcptTo::new(ForwardPath::Address(Address::parse(text).unwrap()));
    let recipients = ["a@example.org", "b@example.org"].map(rcpt).into();
    Transaction { mail: MailFrom::new(ReversePath::Null), recipients }
}

/// Runs a session against a server that says these things, one at each read, and gives what it failed with.
fn fails(says: &[&[u8]]) -> Option<FailureKind> {
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    let mut says = says.iter();
    let mut begun = false;
    loop {
        match session.step() {
            Step::Read(_) => match says.next() {
                Some(octets) => session.receive(octets),
                None => session.end_of_input(),
            },
            Step::Secure => session.secured(),
            Step::Ready if begun => session.quit(),
            Step::Ready => {
                begun = true;
                session.begin(transaction());
            }
            Step::SendContent => {
                session.content(b"x\r\n");
                session.end_content();
            }
            Step::Done(_) => {}
            Step::Failed(failure) => return Some(failure.kind),
            Step::Closed => return None,
        }
    }
}

fn garbled(says: &[&[u8]]) -> bool {
    matches!(fails(says), Some(FailureKind::Garbled(_)))
}

#[test]
fn reply_floods_are_bounded() {
    let long_line = format!("220 {}\r\n", "x".repeat(5000));
    let no_line_end = "220-x".repeat(10_000);
    let many_lines = "220-x\r\n".repeat(10_000);
    let long_enough = format!("220 {}\r\n", "x".repeat(4000));
    assert!(garbled(&[long_line.as_bytes()]));
    assert!(garbled(&[no_line_end.as_bytes()]));
    assert!(garbled(&[many_lines.as_bytes()]));
    assert!(!garbled(&[long_enough.as_bytes()]));
    // In small parts, and more than is ever held.
    assert!(garbled(&vec![b"220-x\r\n".as_slice(); 1000]));
    assert!(garbled(&[&vec![b'x'; 10_000_000]]));
}

#[test]
fn garbage_is_no_reply() {
    for greeting in [
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "22\r\n",
        "220x\r\n",
        "2200 x\r\n",
        "199 x\r\n",
        "600 x\r\n",
        "220-a\r\n250 b\r\n",
        "+OK\r\n",
        "\u{16}\u{3}\u{1}\n",
        "250 Ok\r\n",
        "354 Go\r\n",
    ] {
        assert!(garbled(&[greeting.as_bytes()]), "{greeting:?}");
    }
}

#[test]
fn replies_before_their_commands_are_not_believed() {
    let (greeting, old, new) =
        (b"220 a\r\n".as_slice(), b"250 a\r\n".as_slice(), b"250-a\r\n250 PIPELINING\r\n");
    for says in [
        vec![b"220 a\r\n250 a\r\n".as_slice()],
        vec![b"220 a\r\n250-a"],
        vec![greeting, b"250 a\r\n250 Ok\r\n"],
        vec![greeting, b"500 a\r\n250 Ok\r\n"],
        vec![greeting, old, b"250 Ok\r\n250 Ok\r\n"],
        vec![greeting, old, b"250 Ok\r\n25"],
        vec![greeting, old, b"250 Ok\r\n", b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go\r\n25"],
        vec![greeting, new, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", b"250 Ok\r\n250 Ok\r\n"],
        vec![greeting, new, b"354 Ok\r\n"],
        vec![greeting, new, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n250 Go\r\n"],
        vec![greeting, new, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", b"354 Go\r\n"],
    ] {
        assert!(garbled(&says), "{says:?}");
    }
    // A 250 before the end of data is no promise.
    let early = fails(&[greeting, new, b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n250 Queued\r\n"]);
    assert!(matches!(early, Some(FailureKind::Reply(_))), "{early:?}");
}

#[test]
fn a_reply_that_comes_between_transactions_is_not_taken_for_that_to_mail() {
    for stray in ["250 Ok\r\n", "250-O", "2"] {
        let mut session = Session::new(Protocol::Smtp, "c".to_owned());
        session.receive(b"220 a\r\n");
        session.step();
        session.receive(b"250 a\r\n");
        assert_eq!(session.step(), Step::Ready);
        session.receive(stray.as_bytes());
        session.begin(transaction());
        let Step::Failed(failure) = session.step() else { panic!("{stray:?}") };
        assert!(matches!(failure.kind, FailureKind::Garbled(_)));
        assert_eq!(failure.decided, [None, None]);
    }
}

#[test]
fn smuggling_the_client_ends_the_data_only_where_it_means_to() {
    for content in [
        "a\n.\nb",
        "a\n.\r\nb",
        "a\r\n.\nb",
        "a\r.\rb",
        "a\r\r\n.\r\r\nb",
        "a\r\n.\r\nb",
        ".",
        ".\r\n",
        "\n.\n",
        "\r.\r",
    ] {
        for cut in 0..=content.len() {
            let mut session = Session::new(Protocol::Smtp, "c".to_owned());
            for reply in ["220 a\r\n", "250-a\r\n250 PIPELINING\r\n", "250 \r\n250 \r\n250 \r\n354 \r\n"] {
                session.receive(reply.as_bytes());
                if session.step() == Step::Ready {
                    session.begin(transaction());
                }
            }
            assert_eq!(session.step(), Step::SendContent);
            session.output().clear();
            session.content(&content.as_bytes()[..cut]);
            session.content(&content.as_bytes()[cut..]);
            session.end_content();
            let out = String::from_utf8(session.output().clone()).unwrap();
            assert!(!out.replace("\r\n", "").contains(['\r', '\n']), "{content:?}: {out:?}");
            let whole = format!("\r\n{out}");
            assert_eq!(whole.find("\r\n.\r\n"), Some(whole.len() - 5), "{content:?}: {out:?}");
        }
    }
}
