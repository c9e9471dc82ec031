//! Header text for people and for SEARCH: unfolded, encoded words of any charset decoded, broken ones where they can be read (RFC 2047).

use memchr::memmem;

use super::{charset::to_utf8, decode::Base64, scan::unfolded};

/// The longest name of a charset that is looked at.
const CHARSET_OCTETS_MAX: usize = 64;

/// An encoded word in a text.
struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    len: usize,
}

/// The text of a field value in UTF-8. What is no encoded word stays as it stands; 8-bit octets beside such words are read as UTF-8
/// or else as windows-1252.
pub fn header_text(raw: &[u8]) -> String {
    let value = unfolded(raw);
    let mut text = String::with_capacity(value.len());
    let mut rest = value.as_slice();
    // The text between words, and words of one charset that follow each other: a character may be split between them.
    let mut plain = rest;
    let mut plain_len = 0_usize;
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    while let Some(next) = memmem::find(rest, b"=?") {
        plain_len += next;
        rest = rest.get(next..).unwrap_or_default();
        let Some(word) = word(rest) else {
            plain_len += 2;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        };
        let between = plain.get(..plain_len).unwrap_or_default();
        // RFC 2047 §6.2: white space between encoded words is not shown.
        let adjoins = open.is_some() && between.trim_ascii().is_empty();
        match &mut open {
            Some((charset, octets)) if adjoins && charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend(word.octets);
            }
            _ => {
                flush(&mut text, open.take());
                if !adjoins {
                    text.push_str(&to_utf8(b"", between));
                }
                open = Some((word.charset, word.octets));
            }
        }
        rest = rest.get(word.len..).unwrap_or_default();
        (plain, plain_len) = (rest, 0);
    }
    flush(&mut text, open);
    text.push_str(&to_utf8(b"", plain));
    text
}

fn flush(text: &mut String, open: Option<(&[u8], Vec<u8>)>) {
    if let Some((charset, octets)) = open {
        text.push_str(&to_utf8(charset, &octets));
    }
}

/// An encoded word at the beginning of a text: `"=?" charset "?" encoding "?" encoded-text "?="` (RFC 2047 §2). Its text may have
/// spaces, and broken codes.
fn word(text: &[u8]) -> Option<Word<'_>> {
    let inside = text.get(2..)?;
    let name_len = memchr::memchr(b'?', inside.get(..CHARSET_OCTETS_MAX).unwrap_or(inside))?;
    let (charset, inside) = inside.split_at_checked(name_len)?;
    let [b'?', encoding, b'?', inside @ ..] = inside else { return None };
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_*.:+".contains(octet);
    if charset.is_empty() || !charset.iter().all(is_name) {
        return None;
    }
    let end = end(inside)?;
    let encoded = inside.get(..end)?;
    let octets = match encoding {
        b'Q' | b'q' => quoted(encoded),
        b'B' | b'b' => base64(encoded),
        _ => return None,
    };
    Some(Word { charset, octets, len: 2 + name_len + 3 + end + 2 })
}

/// Where the text of a word ends. Nothing if another word begins before: this one has no end.
fn end(inside: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'?', inside.get(from..)?)?;
        if inside.get(at + 1) == Some(&b'=') {
            return Some(at);
        }
        if at.checked_sub(1).and_then(|before| inside.get(before)) == Some(&b'=') {
            return None;
        }
        from = at + 1;
    }
}

/// RFC 2047 §4.2.
fn quoted(encoded: &[u8]) -> Vec<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match (first, others) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, others @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0));
                rest = others;
            }
            _ => out.push(*first),
        }
    }
    out
}

/// RFC 2047 §4.1.
fn base64(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Base64::default().push(encoded, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_whatever_its_words_are_like() {
        for (value, text) in [
            ("hello", "hello"),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n aus =?UTF-8?b?S8O2bG4=?=", "Grüße aus Köln"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
            ("=?utf-8?Q?=C3?= =?UTF-8?Q?=BC?=", "ü"),
            ("=?utf-8?Q?a?=   =?iso-8859-1?Q?b?= c", "ab c"),
            ("=?utf-8*en?Q?x?=", "x"),
            // Broken, and clear.
            ("=?utf-8?Q?a b?=", "a b"),
            ("=?utf-8?Q?a=G1?=", "a=G1"),
            ("=?utf-8?B?YQ?=", "a"),
            ("=?utf-8?B?YQ==YQ==?=", "aa"),
            ("=?utf-8?Q?what??=", "what?"),
            ("=?utf-8?Q?=E2=82=AC?=x=?utf-8?Q?y?=", "€xy"),
            // Nothing that can be decoded.
            ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
            ("=?utf-8?Q?a", "=?utf-8?Q?a"),
            ("=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b"),
            ("=?a b?Q?c?=", "=?a b?Q?c?="),
            ("what is =? and ?= and =?a?", "what is =? and ?= and =?a?"),
        ] {
            assert_eq!(header_text(value.as_bytes()), text, "{value}");
        }
        assert_eq!(header_text(b"  Gr\xfc\xdfe\r\n"), "Grüße");
    }
}
