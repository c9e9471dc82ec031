//! Messages come out of mbox files as they went in, and those of other programs as they meant them.

use proptest::prelude::*;

use super::*;

/// All messages of a file, each with its octets.
fn read(file: &[u8]) -> Vec<(Letter, String)> {
    let mut reader = Reader::new(file, "INBOX".to_owned(), 7000);
    let (mut all, mut octets) = (Vec::new(), Vec::new());
    while let Some(part) = reader.next_part().unwrap() {
        match part {
            Part::Octets(more) => octets.extend(more),
            Part::Message(letter) => {
                all.push((letter, String::from_utf8(mem::take(&mut octets)).unwrap()));
            }
        }
    }
    assert!(octets.is_empty());
    assert_eq!(reader.octets_read(), file.len() as u64);
    all
}

fn written<'a>(messages: impl IntoIterator<Item = &'a (Letter, Vec<u8>)>, piece: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (letter, octets) in messages {
        writer.begin(letter).unwrap();
        octets.chunks(piece).for_each(|piece| writer.write(piece).unwrap());
        writer.end().unwrap();
    }
    writer.into_inner()
}

#[test]
fn messages_are_told_apart_by_lines_behind_blank_ones() {
    let file = "From anna@example.org Mon Nov 23 18:00:00 2026\nSubject: one\n\nFrom here it is text.\n\
                >From the file\n>>From a quotation\n> From x\n\n\
                From MAILER-DAEMON Tue Nov 24 06:05:04 2026\nSubject: two\n\n\nFrom me to you, no date\n\n\n\
                From - Tue Nov 24 06:05 +0130 2026\nSubject: three\n\n";
    let read = read(file.as_bytes());
    let octets: Vec<&str> = read.iter().map(|(_, octets)| octets.as_str()).collect();
    assert_eq!(
        octets,
        [
            "Subject: one\r\n\r\nFrom here it is text.\r\nFrom the file\r\n>From a quotation\r\n> From x\r\n",
            "Subject: two\r\n\r\n\r\nFrom me to you, no date\r\n\r\n",
            // The one blank line is that before the next message, or the end.
            "Subject: three\r\n",
        ]
    );
    let dates: Vec<i64> = read.iter().map(|(letter, _)| letter.internal_date).collect();
    assert_eq!(dates, [1_795_456_800_000, 1_795_500_304_000, 1_795_494_900_000]);
    assert_eq!(read[0].0.source, "From anna@example.org Mon Nov 23 18:00:00 2026");
}

#[test]
fn flags_are_taken_out_wherever_other_programs_put_them() {
    let file = "From a Mon Nov 23 18:00:00 2026\nSubject: one\nStatus: RO\nX-Status: AF\nStatus: solved\n\
                X-Keywords: $Label1 work\n\t  more\nTo: x\n\nStatus: O\n\n\
                From b@x Mon Nov 23 18:00:00 2026\nStatus: O\nX-Status: \nX-Keywords:\nStatus: RO\nTo: y\n\nHi\n";
    let read = read(file.as_bytes());
    assert_eq!(read[0].1, "Subject: one\r\nStatus: solved\r\nTo: x\r\n\r\nStatus: O\r\n");
    assert_eq!(read[0].0.flags, ["\\Seen", "\\Answered", "\\Flagged"]);
    assert_eq!(read[0].0.keywords, ["$Label1", "work"]);
    // Ours stand first, each once.
    assert_eq!(read[1].1, "Status: RO\r\nTo: y\r\n\r\nHi\r\n");
    assert!(read[1].0.flags.is_empty());
}

#[test]
fn the_same_message_twice_is_two_and_they_are_called_the_same_at_each_reading() {
    let one = "From a@x Mon Nov 23 18:00:00 2026\nSubject: one\n\nHi\n\n";
    let other = "From a@x Mon Nov 23 18:00:00 2026\nSubject: other\n\nHi\n\n";
    let sources = |file: String| -> Vec<String> {
        read(file.as_bytes()).into_iter().map(|(letter, _)| letter.source).collect()
    };
    let line = "From a@x Mon Nov 23 18:00:00 2026";
    assert_eq!(sources(format!("{one}{other}{one}")), [line, line, &format!("{line} #2")]);
    // What comes first says nothing about what comes behind it.
    assert_eq!(sources(format!("{other}{one}{one}")), [line, line, &format!("{line} #2")]);
}

#[test]
fn what_is_no_mbox_file_is_refused_and_an_empty_one_is_one() {
    assert!(Reader::new(b"Subject: x\n\n".as_slice(), String::new(), 0).next_part().is_err());
    assert!(read(b"").is_empty());
    let only = read(b"\nFrom nobody knows when\nSubject: x\n\nno line end");
    assert_eq!((only[0].0.internal_date, only[0].1.as_str()), (7000, "Subject: x\r\n\r\nno line end"));
}

#[test]
fn long_lines_and_large_messages_come_in_pieces() {
    let long = format!("{}\r\nFrom x\r\n", "x".repeat(300_000));
    let letter = Letter { folder: "INBOX".to_owned(), ..Letter::default() };
    let file = written(&[(letter, long.clone().into_bytes())], 1000);
    let mut reader = Reader::new(file.as_slice(), "INBOX".to_owned(), 0);
    let mut all = Vec::new();
    while let Some(Part::Octets(piece)) = reader.next_part().unwrap() {
        assert!(piece.len() < 4 * PIECE_OCTETS);
        all.extend(piece);
    }
    assert!(all == long.as_bytes());
}

fn flags() -> impl Strategy<Value = Vec<String>> {
    let flags: Vec<String> = LETTERS.iter().map(|(_, flag)| (*flag).to_owned()).collect();
    proptest::sample::subsequence(flags, 0..=LETTERS.len())
}

proptest! {
    #[test]
    fn what_is_written_is_read_the_same(
        messages in proptest::collection::vec(
            (
                "((From |>|F|Status: |Status: RO|X-Status: A|X-Keywords: b|Fro|[a-z]|\t|é| |From a Mon Nov 23 18:00:00 2026){0,3}\r\n){0,8}",
                flags(),
                proptest::collection::vec("[a-z$]{1,8}", 0..3),
                0_i64..4_000_000_000,
            ),
            0..4,
        ),
        piece in 1_usize..20,
    ) {
        let messages: Vec<(Letter, Vec<u8>)> = messages
            .into_iter()
            .map(|(text, flags, keywords, seconds)| {
                let letter = Letter {
                    folder: "INBOX".to_owned(),
                    flags,
                    keywords,
                    internal_date: seconds * 1000,
                    ..Letter::default()
                };
                (letter, text.into_bytes())
            })
            .collect();
        let read = read(&written(&messages, piece));
        prop_assert_eq!(read.len(), messages.len());
        for ((letter, octets), (read, text)) in messages.iter().zip(&read) {
            prop_assert_eq!(text.as_bytes(), octets.as_slice());
            prop_assert_eq!(&read.flags, &letter.flags);
            prop_assert_eq!(&read.keywords, &letter.keywords);
            prop_assert_eq!(read.internal_date, letter.internal_date);
        }
    }
}
