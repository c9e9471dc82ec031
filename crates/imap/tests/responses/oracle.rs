//! Beside imap-codec: what we say it understands, and what it makes of that says the same again.

use imap::response::{Dialect, Outgoing, Response};
use imap_codec::{ResponseCodec, decode::Decoder, encode::Encoder};
use proptest::prelude::*;

use crate::strategies::response;

/// The words of a response, whatever form their strings have.
fn words(octets: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut rest) = (Vec::new(), octets);
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b' ' | b'\r' | b'\n' => after,
            b'(' | b')' => {
                words.push(vec![*first]);
                after
            }
            b'"' => {
                let (mut word, mut escaped, mut length) = (b"=".to_vec(), false, 0);
                for octet in after {
                    length += 1;
                    match octet {
                        _ if escaped => {
                            word.push(*octet);
                            escaped = false;
                        }
                        b'\\' => escaped = true,
                        b'"' => break,
                        octet => word.push(*octet),
                    }
                }
                words.push(word);
                &after[length..]
            }
            b'{' => {
                let digits = after.iter().position(|octet| *octet == b'}').unwrap();
                let length: usize = std::str::from_utf8(&after[..digits]).unwrap().parse().unwrap();
                let content = &after[digits + 3..];
                words.push([b"=", &content[..length]].concat());
                &content[length..]
            }
            _ => {
                let length =
                    rest.iter().position(|octet| matches!(octet, b' ' | b'\r' | b'(' | b')')).unwrap();
                let word = &rest[..length];
                // A name is an atom here and a string there; NIL is only NIL as an atom.
                words.push(if word == b"NIL" { word.to_vec() } else { [b"=", word].concat() });
                &rest[length..]
            }
        };
    }
    words
}

/// What is compared: words without regard to case, as most are; and the first days of a month, which we write with a space and
/// imap-codec with a zero (RFC 9051 §9, `date-day-fixed`, has both).
fn comparable(word: &[u8]) -> String {
    let text = word.escape_ascii().to_string().to_lowercase();
    match text.strip_prefix("= ") {
        Some(day) if day.get(1..2) == Some("-") && day.len() == 25 => format!("=0{day}"),
        _ => text,
    }
}

/// What makes up nested structures takes more stack than a test has.
const STACK_OCTETS: usize = 32 * 1024 * 1024;

#[test]
fn another_client_understands() {
    let check = std::thread::Builder::new().stack_size(STACK_OCTETS).spawn(|| {
        let config = ProptestConfig { cases: 2000, ..ProptestConfig::default() };
        proptest!(config, |(response in response())| understood(&response)?);
    });
    check.unwrap().join().unwrap();
}

fn understood(response: &Response) -> Result<(), TestCaseError> {
    let parts = response.write(Dialect::default());
    let [Outgoing::Octets(ours)] = &*parts else { return Err(TestCaseError::fail("streams")) };
    let shown = ours.escape_ascii().to_string();
    let decoded = ResponseCodec::default().decode(ours);
    let Ok((rest, theirs)) = decoded else {
        return Err(TestCaseError::fail(format!("{shown}: {decoded:?}")));
    };
    prop_assert!(rest.is_empty(), "{}", shown);
    let again = ResponseCodec::default().encode(&theirs).dump();
    let text = |octets: &[u8]| words(octets).iter().map(|word| comparable(word)).collect::<Vec<_>>();
    prop_assert_eq!(text(ours), text(&again), "{}\n{}", shown, again.escape_ascii());
    Ok(())
}
