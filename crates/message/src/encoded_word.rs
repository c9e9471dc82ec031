//! Encoded words: how fields say in ASCII what is beyond it (RFC 2047).

use std::ops::Range;

/// A charset that is decoded; words in others stay as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// UTF-8, and ASCII in it.
    Utf8,
    /// ISO 8859-1: each octet is its code point.
    Latin1,
}

/// An encoded word in a text.
struct Word {
    place: Range<usize>,
    charset: Charset,
    octets: Vec<u8>,
}

/// The text of an unfolded field value with its encoded words decoded. What is no legal word stays as it stands, and octets
/// that are no text become U+FFFD: this is for reading, not for writing fields.
pub fn decoded(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut at = 0;
    // A character may be split between words (RFC 2047 §5 forbids it, and it is common).
    let mut open: Option<(Charset, Vec<u8>)> = None;
    while let Some(word) = next_word(value, at) {
        let between = value.get(at..word.place.start).unwrap_or_default();
        match &mut open {
            // RFC 2047 §6.2: white space between encoded words is not shown.
            Some((charset, octets)) if between.trim_ascii().is_empty() && *charset == word.charset => {
                octets.extend(word.octets);
            }
            _ => {
                let adjoins = open.is_some() && between.trim_ascii().is_empty();
                flush(&mut text, open.take());
                if !adjoins {
                    text.push_str(&String::from_utf8_lossy(between));
                }
                open = Some((word.charset, word.octets));
            }
        }
        at = word.place.end;
    }
    flush(&mut text, open);
    text.push_str(&String::from_utf8_lossy(value.get(at..).unwrap_or_default()));
    text
}

fn flush(text: &mut String, open: Option<(Charset, Vec<u8>)>) {
    match open {
        None => {}
        Some((Charset::Utf8, octets)) => text.push_str(&String::from_utf8_lossy(&octets)),
        Some((Charset::Latin1, octets)) => text.extend(octets.into_iter().map(char::from)),
    }
}

/// The first encoded word at or behind a place:
///
/// ```text
/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="      ; RFC 2047 §2
/// ```
fn next_word(value: &[u8], from: usize) -> Option<Word> {
    let mut at = from;
    loop {
        at += memchr::memmem::find(value.get(at..)?, b"=?")?;
        if let Some(word) = word(value, at) {
            return Some(word);
        }
        at += 2;
    }
}

/// What is amiss with the encoded words of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amiss {
    /// What is meant to be one cannot be decoded.
    Broken,
    /// One is a part of an address (RFC 2047 §5).
    InAddress,
}

/// What is amiss with the encoded words of an unfolded value, first of all. A charset that is not known here is none of our
/// business, and a character in two words is decoded by all.
pub(crate) fn amiss(value: &[u8], addresses: bool) -> Option<Amiss> {
    let (mut at, mut end, mut open) = (0, 0, Vec::new());
    let is_text = |octets: &[u8]| str::from_utf8(octets).is_ok();
    while let Some(next) =
        memchr::memmem::find(value.get(at..).unwrap_or_default(), b"=?").map(|next| at + next)
    {
        at = next + 2;
        // What does not begin as one is text.
        let Some((name, encoding)) = beginning(value, next) else { continue };
        let Some(word) = word(value, next) else {
            let letters = matches!(encoding, b"Q" | b"q" | b"B" | b"b");
            if charset(name).is_some() || !letters {
                return Some(Amiss::Broken);
            }
            continue;
        };
        let before = next.checked_sub(1).and_then(|before| value.get(before));
        if addresses && (before == Some(&b'<') || value.get(word.place.end) == Some(&b'@')) {
            return Some(Amiss::InAddress);
        }
        at = word.place.end;
        let adjoins = value.get(end..next).unwrap_or_default().trim_ascii().is_empty();
        if !adjoins && !is_text(&open) {
            return Some(Amiss::Broken);
        }
        if !adjoins {
            open.clear();
        }
        if word.charset == Charset::Utf8 {
            open.extend(word.octets);
        }
        end = at;
    }
    (!is_text(&open)).then_some(Amiss::Broken)
}

/// The charset and the encoding of what is meant to be an encoded word.
fn beginning(value: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let mut parts = value.get(at + 2..)?.splitn(3, |octet| *octet == b'?');
    let (name, encoding) = (parts.next()?, parts.next()?);
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_*.:".contains(octet);
    let begins = !name.is_empty()
        && name.iter().all(is_name)
        && matches!(encoding, [letter] if letter.is_ascii_alphabetic());
    (begins && parts.next().is_some()).then_some((name, encoding))
}

fn word(value: &[u8], at: usize) -> Option<Word> {
    // No part holds a question mark or white space, so a word that is none is given up early.
    let mut parts = value.get(at + 2..)?.splitn(4, |octet| *octet == b'?');
    let (charset, encoding, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let ended = parts.next()?.first() == Some(&b'=');
    let plain = |part: &[u8]| part.iter().all(u8::is_ascii_graphic);
    if !ended || !plain(charset) || !plain(encoded) {
        return None;
    }
    let octets = match encoding {
        b"Q" | b"q" => quoted(encoded)?,
        b"B" | b"b" => base64(encoded)?,
        _ => return None,
    };
    let end = at + 2 + charset.len() + 1 + encoding.len() + 1 + encoded.len() + 2;
    Some(Word { place: at..end, charset: self::charset(charset)?, octets })
}

/// RFC 2231 §5: a language may stand behind the charset.
fn charset(name: &[u8]) -> Option<Charset> {
    let name = name.split(|octet| *octet == b'*').next()?.to_ascii_lowercase();
    match name.as_slice() {
        b"utf-8" | b"utf8" | b"us-ascii" => Some(Charset::Utf8),
        b"iso-8859-1" | b"latin1" => Some(Charset::Latin1),
        _ => None,
    }
}

/// RFC 2047 §4.2.
fn quoted(encoded: &[u8]) -> Option<Vec<u8>> {
    let digit =
        |octet: Option<&u8>| char::from(*octet?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(encoded.len());
    let mut octets = encoded.iter();
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'_' => b' ',
            b'=' => digit(octets.next())? << 4 | digit(octets.next())?,
            other => *other,
        });
    }
    Some(out)
}

/// RFC 2045 §6.8; missing padding is forgiven.
fn base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let digits = encoded.strip_suffix(b"==").or_else(|| encoded.strip_suffix(b"=")).unwrap_or(encoded);
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    (held < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_become_their_text() {
        for (value, text) in [
            ("hello", "hello"),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus =?UTF-8?b?S8O2bG4=?=", "Grüße aus Köln"),
            ("=?iso-8859-1?q?Gr=FC=DFe_an?= =?iso-8859-1?q?_alle?=", "Grüße an alle"),
            ("=?utf-8?Q?a?=   =?iso-8859-1?Q?b?= c", "ab c"),
            // RFC 2047 §8.
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            // One character in two words.
            ("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
            ("=?utf-8*en?Q?x?=", "x"),
            ("=?utf-8?B?YQ?=", "a"),
            // No words.
            ("=?koi8-r?Q?=C1?=", "=?koi8-r?Q?=C1?="),
            ("=?utf-8?Q?=G1?=", "=?utf-8?Q?=G1?="),
            ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
            ("=?utf-8?Q?a b?=", "=?utf-8?Q?a b?="),
            ("=?utf-8?B?!?=", "=?utf-8?B?!?="),
            ("=?utf-8?Q?a", "=?utf-8?Q?a"),
            ("=?=?utf-8?Q?a?=", "=?a"),
        ] {
            assert_eq!(decoded(value.as_bytes()), text, "{value}");
        }
        assert_eq!(decoded(b"=?utf-8?Q?=FF?= \xff"), "\u{fffd} \u{fffd}");
    }

    #[test]
    fn words_that_nobody_can_decode_are_told_from_text_and_from_other_charsets() {
        for (value, addresses, expected) in [
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?= <a@b>", true, None),
            ("=?koi8-r?Q?=C1?= =?gb18030?B?1tA=?=", false, None),
            ("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", false, None),
            ("=?utf-8?Q?=C3?= and =?utf-8?Q?=BC?=", false, Some(Amiss::Broken)),
            ("=?utf-8?Q?=EF=BF=BD?= \u{fffd} =?latin1?Q?=FF?=", false, None),
            ("what is =? and ?= and =?a?", false, None),
            ("x=?y&a=?b?c=1", false, None),
            ("=?utf-8?Q?=EF=BF=BD", false, Some(Amiss::Broken)),
            ("=?utf-8?Q?a b?=", false, Some(Amiss::Broken)),
            ("=?utf-8?Q?=G1?=", false, Some(Amiss::Broken)),
            ("=?utf-8?B?!?=", false, Some(Amiss::Broken)),
            ("=?utf-8?X?a?=", false, Some(Amiss::Broken)),
            ("=?utf-8?Q?=FF?=", false, Some(Amiss::Broken)),
            ("=?utf-8?Q?anna?=@example.org", true, Some(Amiss::InAddress)),
            ("Anna <=?utf-8?Q?anna?=>", true, Some(Amiss::InAddress)),
            ("=?utf-8?Q?anna?=@example.org", false, None),
        ] {
            assert_eq!(amiss(value.as_bytes(), addresses), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_some_text(value in "([a-z =?_]|=\\?|\\?=|utf-8|[QqBb]|[0-9A-F]|\\PC){0,40}") {
            let text = decoded(value.as_bytes());
            prop_assert!(text.len() <= value.len() * 3);
        }
    }
}
