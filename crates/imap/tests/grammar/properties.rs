//! What holds for any input.

use imap::{
    Grammar, Request, SequenceSet,
    framing::{Fault, Limits, Read, Reader},
    utf7,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::strategies::request;

/// Octets that are nearly commands.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "a ",
        "UID ",
        "FETCH ",
        "SEARCH ",
        "STORE ",
        "1:*",
        "$",
        "(",
        ")",
        " ",
        "BODY",
        "[",
        "]",
        "<0.1>",
        "{3}\r\n",
        "{3+}\r\nabc",
        "~{1}\r\n",
        "\"",
        "\\",
        "NOT ",
        "OR ",
        "ALL",
        "RETURN ",
        "LIST ",
        "\"\" ",
        "%",
        "INBOX",
        "&",
        "&AOQ-",
        "SELECT ",
        "QRESYNC (1 1",
        "NOTIFY SET ",
        "selected ",
        "MessageNew ",
        "SINCE ",
        "1-Feb-1994",
        "APPEND ",
        "\r\n",
        "+FLAGS ",
        "\\Seen",
        "NIL",
        "METADATA ",
        "GETMETADATA ",
        "/private/a",
        "MODSEQ ",
        "HEADER.FIELDS ",
        "LOGIN ",
        "AUTHENTICATE PLAIN ",
        "=",
        "ä",
        "\0",
        "*",
        ",",
        ":",
        "9",
    ];
    vec(prop_oneof![6 => proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..3)], 0..20)
        .prop_map(|words| words.concat())
}

fn parts<'a>(octets: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    places.sort_unstable();
    places.push(octets.len());
    let mut from = 0;
    places.into_iter().map(|to| &octets[std::mem::replace(&mut from, to)..to]).collect()
}

/// What a reader makes of octets: each event shown, pieces put together.
fn read(parts: Vec<&[u8]>, limits: Limits) -> Vec<String> {
    let (mut reader, mut events, mut content) = (Reader::new(limits), Vec::new(), Vec::new());
    for part in parts {
        let mut rest = part;
        loop {
            let (now, later) = rest.split_at(rest.len().min(reader.wants()));
            reader.push(now);
            rest = later;
            loop {
                match reader.read() {
                    Read::Hungry => break,
                    Read::Literal(literal) if literal.binary => reader.accept_message(),
                    Read::Literal(literal) if reader.fits(literal) => reader.accept_part(),
                    Read::Literal(_) => reader.refuse(Fault::TooLong),
                    Read::Piece(piece) => content.extend(piece),
                    Read::LastPiece(piece) => {
                        content.extend(piece);
                        events.push(format!("message {}", std::mem::take(&mut content).escape_ascii()));
                    }
                    Read::Command(text) => events.push(format!("command {}", text.escape_ascii())),
                    Read::Faulty { text, fault } => {
                        // How much of it is kept depends on how it came.
                        let tag = text.split(|octet| *octet == b' ').next().unwrap_or_default();
                        events.push(format!(
                            "{fault:?} {}",
                            tag.get(..tag.len().min(8)).unwrap_or_default().escape_ascii()
                        ));
                        if fault == Fault::Endless {
                            return events;
                        }
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
            assert!(reader.wants() > 0, "hungry, and takes nothing");
        }
        assert!(reader.text().len() <= limits.command_octets_max + 64 * 1024 + 200);
    }
    events
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(b"a NOOP\r\n".to_vec()), 1 => Just(b"b LOGIN {3}\r\nabc {2+}\r\nxy\r\n".to_vec()), 1 => Just(b"c X ~{12}\r\nhello\r\nworld\r\n".to_vec()),
        1 => Just(b"d X ~{70000+}\r\n".to_vec()), 1 => Just(vec![b'x'; 300]), 1 => (0_usize..3000).prop_map(|octets| vec![b'x'; octets]), 1 => Just(b" {0000000000000000000000000000000000000000000005+}\r\n".to_vec()), 1 => Just(b"{".to_vec()), 1 => Just(b"e X {99+}\r\n".to_vec()),
        1 => Just(b"{200000+}\r\n".to_vec()), 1 => Just(b"f {18446744073709551616}\r\n".to_vec()), 1 => Just(b"\r".to_vec()), 1 => Just(b"\n".to_vec()),
        1 => Just(b"}\r\n".to_vec()), 1 => vec(any::<u8>(), 0..4), 1 => Just(b"g X {60}\r\n".to_vec()),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(request in request(), utf8 in any::<bool>()) {
        let octets = request.to_octets(utf8);
        let grammar = Grammar { utf8, ..Grammar::default() };
        let text = octets.strip_suffix(b"\r\n").unwrap();
        prop_assert_eq!(Request::parse(text, grammar), Ok(request), "{}", text.escape_ascii());
        // And a reader finds its end.
        let mut reader = Reader::new(Limits::default());
        reader.push(&octets);
        let found = loop {
            match reader.read() {
                Read::Literal(_) => reader.accept_part(),
                other => break other,
            }
        };
        prop_assert_eq!(found, Read::Command(text.to_vec()));
        prop_assert!(!reader.is_inside());
    }

    #[test]
    fn no_octets_panic(octets in prop_oneof![vec(any::<u8>(), 0..60), nearly()], utf8 in any::<bool>()) {
        let grammar = Grammar { utf8, ..Grammar::default() };
        if let Ok(request) = Request::parse(&octets, grammar) {
            let written = request.to_octets(utf8);
            let again = Request::parse(written.strip_suffix(b"\r\n").unwrap(), grammar);
            prop_assert_eq!(again, Ok(request), "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn however_it_is_split_the_same_is_read(octets in stream(), cuts in vec(any::<Index>(), 0..6), patient in any::<bool>()) {
        let discarded_octets_max = if patient { 100_000 } else { 700 };
        let limits = Limits { command_octets_max: 200, discarded_octets_max };
        let whole = read(vec![&octets], limits);
        prop_assert_eq!(&read(parts(&octets, &cuts), limits), &whole);
        prop_assert_eq!(&read(octets.chunks(1).collect(), limits), &whole);
    }

    #[test]
    fn a_name_in_modified_utf7_is_read_back(name in "[a-z&ä台😀 \\-,/]{0,20}", octets in vec(any::<u8>(), 0..20)) {
        prop_assert_eq!(utf7::decode(utf7::encode(&name).as_bytes()), Some(name));
        if let Some(name) = utf7::decode(&octets) {
            prop_assert_eq!(utf7::encode(&name).into_bytes(), octets);
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in(numbers in vec(1_u32..60, 0..20), star in proptest::option::of(0_u32..60), last in 0_u32..60) {
        let set = SequenceSet::of(numbers.iter().copied());
        let set = star.map_or(set.clone(), |from| set.and_to_last(from));
        let expected: Vec<u32> = (1..100).filter(|number| {
            let up_to_last = last > 0 && star.is_some_and(|from| {
                let from = if from == 0 { last } else { from };
                (from.min(last)..=from.max(last)).contains(number)
            });
            numbers.contains(number) || up_to_last
        }).collect();
        prop_assert_eq!(set.ranges(last).into_iter().flatten().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!((1..100).filter(|number| set.contains(*number, last)).collect::<Vec<_>>(), expected);
    }
}
