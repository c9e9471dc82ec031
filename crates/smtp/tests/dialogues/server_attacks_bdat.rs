//! BDAT confusion within a transaction: DATA and BDAT mixed, one inside of the other, counts that do not fit. What is
//! counted is content, whatever it looks like, and what is not counted never is.

use smtp::server::Limits;

use crate::common::{DATA, EHLO, GREETING, MAIL, RCPT, Script, Talk, at_every_split};

const EVIL: &str = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.org>\r\n";
const QUEUED: &str = "250 2.0.0 Queued\r\n";

/// In a transaction that has a recipient: says this, hears that, and leaves these contents.
fn leaves(says: &str, hears: &str, contents: &[&str]) {
    let script: Script<'_> = &[GREETING, EHLO, MAIL, RCPT, (says.as_bytes(), hears)];
    at_every_split(
        Limits::default(),
        |_| None,
        script,
        |talk: &Talk| {
            assert!(!talk.asked.iter().any(|asked| asked.contains("evil")), "{:?}", talk.asked);
            let left: Vec<&[u8]> = talk.contents.iter().map(Vec::as_slice).collect();
            let expected: Vec<&[u8]> = contents.iter().map(|content| content.as_bytes()).collect();
            assert_eq!(left, expected, "{:?}", talk.asked);
        },
    );
}

/// RFC 3030 §2: with DATA refused, what would have been its content is commands; the chunks before it are kept.
#[test]
fn bdat_confusion_data_amid_chunks_is_refused() {
    let says = "BDAT 5\r\none\r\nDATA\r\nNOOP\r\nBDAT 5 LAST\r\ntwo\r\n";
    let hears = "250 2.0.0 5 octets received\r\n503 5.5.1 Bad sequence of commands\r\n250 2.0.0 Ok\r\n250 2.0.0 Queued\r\n";
    leaves(says, hears, &["one\r\ntwo\r\n"]);
}

#[test]
fn bdat_confusion_a_chunk_inside_of_data_is_content() {
    let inner = format!("BDAT {} LAST\r\n{EVIL}", EVIL.len());
    let data = format!("{inner}.\r\n");
    let script: Script<'_> = &[GREETING, EHLO, MAIL, RCPT, DATA, (data.as_bytes(), QUEUED)];
    at_every_split(
        Limits::default(),
        |_| None,
        script,
        |talk| {
            assert_eq!(talk.contents, [inner.as_bytes()]);
        },
    );
}

#[test]
fn bdat_confusion_commands_inside_of_a_chunk_are_content() {
    for inner in [
        format!("BDAT {} LAST\r\n{EVIL}", EVIL.len()),
        format!("BDAT 0 LAST\r\n{EVIL}"),
        format!("RSET\r\n{EVIL}"),
        format!("QUIT\r\n{EVIL}"),
        format!(".\r\n{EVIL}DATA\r\n.\r\n"),
    ] {
        leaves(&format!("BDAT {} LAST\r\n{inner}", inner.len()), QUEUED, &[&inner]);
        // The same in two chunks, cut where the inner command begins to look like one.
        let (head, tail) = inner.split_at(3);
        let two = format!("BDAT {}\r\n{head}BDAT {} LAST\r\n{tail}", head.len(), tail.len());
        leaves(&two, &format!("250 2.0.0 3 octets received\r\n{QUEUED}"), &[&inner]);
    }
}

/// RFC 3030 §2: `BDAT 0 LAST` ends a message, and there is no second end.
#[test]
fn bdat_confusion_0_last_ends_a_message_once() {
    let mail_first = "503 5.5.1 Send MAIL first\r\n";
    leaves("BDAT 0 LAST\r\nBDAT 0 LAST\r\n", &format!("{QUEUED}{mail_first}"), &[""]);
    leaves(
        "BDAT 5\r\none\r\nBDAT 0\r\nBDAT 0 LAST\r\nBDAT 5 LAST\r\ntwo\r\nNOOP\r\n",
        &format!(
            "250 2.0.0 5 octets received\r\n250 2.0.0 0 octets received\r\n{QUEUED}{mail_first}250 2.0.0 Ok\r\n"
        ),
        &["one\r\n"],
    );
}

/// Octets beyond the count are commands, and octets that are missing are taken from what follows: never both.
#[test]
fn bdat_confusion_a_count_that_does_not_fit() {
    leaves("BDAT 5 LAST\r\none\r\nNOOP\r\n", &format!("{QUEUED}250 2.0.0 Ok\r\n"), &["one\r\n"]);
    leaves(
        "BDAT 5 LAST\r\none\r\nNO\r\n",
        &format!("{QUEUED}500 5.5.1 Command not recognized\r\n"),
        &["one\r\n"],
    );
    leaves(
        "BDAT 11 LAST\r\none\r\nNOOP\r\nNOOP\r\n",
        &format!("{QUEUED}250 2.0.0 Ok\r\n"),
        &["one\r\nNOOP\r\n"],
    );
}
