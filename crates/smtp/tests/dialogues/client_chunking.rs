//! The client's side of CHUNKING and BINARYMIME: content as one chunk (RFC 3030).

use mail::Body;
use smtp::{
    Protocol,
    client::{FailureKind, Phase, Session, Step, Transaction},
};

use crate::client::{GREETING, failure, outcome, speak_at_every_split, transaction};

const CHUNKING: &str = "250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n";
const BINARY: &str = "250-mx.example.org\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";
/// What the dialogues send.
const CONTENT: &str = "Subject: x\r\n\r\n.dot\r\n";
const GROUP: &str = "250 Ok\r\n250 Ok\r\n550 No\r\n";

fn two() -> Transaction {
    sized(transaction(&["a@example.org", "b@example.org"]))
}

fn sized(mut transaction: Transaction) -> Transaction {
    transaction.mail.size = Some(CONTENT.len() as u64);
    transaction
}

fn talk(transactions: &[Transaction], says: &[&str]) -> (String, Vec<Step>) {
    speak_at_every_split(Protocol::Smtp, transactions, says)
}

#[test]
fn content_goes_as_one_chunk_behind_the_replies_to_rcpt() {
    let (out, steps) = talk(
        &[two(), two()],
        &[GREETING, CHUNKING, GROUP, "250 Queued\r\n", GROUP, "250 Queued\r\n", "221\r\n"],
    );
    let envelope = "MAIL FROM:<anna@example.net> BODY=8BITMIME\r\nRCPT TO:<a@example.org>\r\n\
                    RCPT TO:<b@example.org>\r\n";
    let message = format!("{envelope}BDAT {} LAST\r\n{CONTENT}", CONTENT.len());
    assert_eq!(out, format!("EHLO client.example.net\r\n{message}{message}QUIT\r\n"));
    for step in &steps[..2] {
        assert_eq!(outcome(step), [(Phase::DataFinal, 250), (Phase::Rcpt, 550)]);
    }
}

#[test]
fn commands_wait_for_their_replies_where_pipelining_is_not_offered() {
    let says =
        [GREETING, "250-mx\r\n250 CHUNKING\r\n", "250\r\n", "250\r\n", "550\r\n", "250\r\n", "221\r\n"];
    let (out, steps) = talk(&[two()], &says);
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250), (Phase::Rcpt, 550)]);
    assert!(out.contains(&format!("BDAT {} LAST\r\n{CONTENT}QUIT", CONTENT.len())), "{out}");
}

#[test]
fn no_content_is_sent_where_nobody_takes_it() {
    let (out, steps) = talk(
        &[two(), two()],
        &[
            GREETING,
            CHUNKING,
            "250 Ok\r\n550 No\r\n450 No\r\n",
            "250 Reset\r\n451 Later\r\n503 MAIL?\r\n503 MAIL?\r\n",
            "221\r\n",
        ],
    );
    assert_eq!(outcome(&steps[0]), [(Phase::Rcpt, 550), (Phase::Rcpt, 450)]);
    assert_eq!(outcome(&steps[1]), [(Phase::Mail, 451); 2]);
    assert!(!out.contains("BDAT") && !out.contains("DATA") && out.contains("RSET\r\nMAIL"), "{out}");
}

#[test]
fn a_refused_chunk_is_a_refused_message_and_the_server_is_reset_behind_it() {
    for code in [452, 503, 552, 554] {
        let (refusal, again) = (format!("{code} No\r\n"), format!("250 Reset\r\n{GROUP}"));
        let says = [GREETING, CHUNKING, GROUP, &refusal, &again, "250 Queued\r\n", "221\r\n"];
        let (out, steps) = talk(&[two(), two()], &says);
        assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, code), (Phase::Rcpt, 550)]);
        assert_eq!(outcome(&steps[1]), [(Phase::DataFinal, 250), (Phase::Rcpt, 550)]);
        assert!(out.contains(&format!("{CONTENT}RSET\r\nMAIL")), "{out}");
    }
}

#[test]
fn a_server_that_does_not_know_bdat_after_all_is_left() {
    // It took the content for commands.
    for code in [500, 502] {
        let refusal = format!("{code} What?\r\n500 What?\r\n500 What?\r\n");
        let (_, steps) = talk(&[two()], &[GREETING, CHUNKING, GROUP, &refusal]);
        let failure = failure(&steps);
        assert!(matches!(&failure.kind, FailureKind::Reply(reply) if reply.code() == code));
        assert_eq!((failure.phase, failure.decided[0].is_none()), (Phase::DataFinal, true));
    }
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(GREETING.as_bytes());
    session.step();
    session.receive(CHUNKING.as_bytes());
    assert_eq!(session.step(), Step::Ready);
    session.forgo_chunking();
    session.begin(two());
    assert!(session.output().ends_with(b"DATA\r\n"));
}

#[test]
fn any_octets_go_unchanged_under_binarymime() {
    let content = b"a\r\n.\r\nb\rc\nd\0.\n";
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    let mut binary = transaction(&["a@example.org"]);
    (binary.mail.body, binary.mail.size) = (Body::BinaryMime, Some(content.len() as u64));
    let mut out = Vec::new();
    for reply in [GREETING, BINARY, "250 Ok\r\n250 Ok\r\n"] {
        session.receive(reply.as_bytes());
        if session.step() == Step::Ready {
            session.begin(binary.clone());
        }
        out.append(session.output());
    }
    assert_eq!(session.step(), Step::SendContent);
    content.chunks(3).for_each(|piece| session.content(piece));
    session.end_content();
    out.append(session.output());
    let said = b"MAIL FROM:<anna@example.net> BODY=BINARYMIME\r\nRCPT TO:<a@example.org>\r\nBDAT 14 LAST\r\n";
    assert!(out.ends_with(&[said, content.as_slice()].concat()), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn binary_content_never_goes_by_data() {
    let mut binary = two();
    binary.mail.body = Body::BinaryMime;
    let mut unknown = binary.clone();
    unknown.mail.size = None;
    for (transaction, ehlo) in
        [(&binary, CHUNKING), (&binary, "250-mx.example.org\r\n250 BINARYMIME\r\n"), (&unknown, BINARY)]
    {
        let (out, steps) = talk(std::slice::from_ref(transaction), &[GREETING, ehlo, "221\r\n"]);
        assert_eq!(outcome(&steps[0]), [(Phase::Mail, 554); 2], "{ehlo}");
        assert_eq!(out, "EHLO client.example.net\r\nQUIT\r\n");
    }
}

#[test]
fn content_of_unknown_length_goes_by_data() {
    let mut unknown = two();
    unknown.mail.size = None;
    let says = [GREETING, CHUNKING, "250 Ok\r\n250 Ok\r\n550 No\r\n354 Go\r\n", "250 Queued\r\n", "221\r\n"];
    let (out, steps) = talk(&[unknown], &says);
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250), (Phase::Rcpt, 550)]);
    assert!(out.contains("DATA\r\n") && !out.contains("BDAT"), "{out}");
}

#[test]
fn bdat_confusion_no_octet_goes_beyond_the_chunk_and_no_command_into_it() {
    // What is too long would be taken for commands; behind what is too short, the next command for content.
    for (said, pieces) in
        [(3_u64, &["ab\r\n"][..]), (3, &["ab", "c", "QUIT\r\n"]), (5, &["ab\r\n"]), (1, &[])]
    {
        let mut long = transaction(&["a@example.org"]);
        long.mail.size = Some(said);
        let mut session = Session::new(Protocol::Smtp, "c".to_owned());
        for reply in [GREETING, CHUNKING, "250 Ok\r\n250 Ok\r\n"] {
            session.receive(reply.as_bytes());
            if session.step() == Step::Ready {
                session.begin(long.clone());
            }
        }
        session.output().clear();
        assert_eq!(session.step(), Step::SendContent);
        for piece in pieces {
            session.content(piece.as_bytes());
        }
        session.end_content();
        assert!(session.output().len() as u64 <= said, "{pieces:?}");
        let steps = [session.step()];
        assert!(matches!(failure(&steps).kind, FailureKind::Garbled(_)), "{pieces:?}");
        assert_eq!((failure(&steps).phase, failure(&steps).decided[0].is_none()), (Phase::DataBlock, true));
        session.output().clear();
        session.quit();
        assert!(session.output().is_empty(), "QUIT would be content");
    }
}

#[test]
fn a_reply_before_the_chunk_is_complete_is_none_to_it() {
    for early in ["250 Queued\r\n", "552 Too large\r\n", "25"] {
        let group = format!("{GROUP}{early}");
        let says = [GREETING, CHUNKING, &group].map(str::as_bytes);
        let (_, steps) = crate::client::talk(Protocol::Smtp, vec![two()], &says);
        assert_eq!(failure(&steps).decided[0], None, "{early}");
        assert_eq!(failure(&steps).phase, Phase::DataBlock, "{early}");
    }
}

#[test]
fn lmtp_has_a_chunk_only_where_it_must_and_then_a_reply_for_each_recipient() {
    let three = sized(transaction(&["a@example.org", "b@example.org", "c@example.org"]));
    let mut binary = three.clone();
    binary.mail.body = Body::BinaryMime;
    let group = "250 Ok\r\n250 Ok\r\n550 No\r\n250 Ok\r\n";
    let data = format!("{group}354 Go\r\n");
    let finals = "250 Saved\r\n452 Full\r\n";
    let says = [GREETING, BINARY, &data, finals, group, finals, "221\r\n"];
    let (out, steps) = speak_at_every_split(Protocol::Lmtp, &[three, binary], &says);
    for step in &steps[..2] {
        assert_eq!(outcome(step), [(Phase::DataFinal, 250), (Phase::Rcpt, 550), (Phase::DataFinal, 452)]);
    }
    assert!(out.contains("DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nMAIL"), "{out}");
    assert!(
        out.contains("BODY=BINARYMIME\r\n") && out.contains(" LAST\r\nSubject: x\r\n\r\n.dot\r\nQUIT"),
        "{out}"
    );
}
