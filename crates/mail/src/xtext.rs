//! How text travels in the parameters of DSN: `xtext` (RFC 3461 §4) and `unitext` (RFC 6533 §3).

use std::fmt::Write;

/// Encodes a text as `xtext`: what is not printable ASCII, and `+` and `=`, becomes `+` and two digits.
///
/// ```text
/// xtext   = *( xchar / hexchar )
/// xchar   = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "=".
/// hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits
/// ```
pub fn encode_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=') {
            encoded.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "+{octet:02X}");
        }
    }
    encoded
}

/// Decodes `xtext`. None: it is none, or what it stands for is not printable ASCII (RFC 3461 §4.2, §4.4). Digits in lower
/// case are taken: they can mean nothing else.
pub fn decode_xtext(text: &str) -> Option<String> {
    decode_xtext_utf8(text).filter(|text| text.is_ascii())
}

/// As [`decode_xtext`], but what it stands for may be UTF-8. Postfix writes addresses so.
pub(crate) fn decode_xtext_utf8(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'+' => {
                let digits;
                (digits, rest) = rest.split_at_checked(2)?;
                decoded.push(hex(str::from_utf8(digits).ok()?)?);
            }
            b'=' => return None,
            octet => octet.is_ascii_graphic().then(|| decoded.push(*octet))?,
        }
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains(char::is_control))
}

/// Encodes a text as `unitext`: `\x{…}` for controls, space, `\`, `+` and `=`; and, with `ascii_only`
/// (`utf-8-addr-xtext`, for where 8-bit octets may not go), for all that is not ASCII.
pub fn encode_unitext(text: &str, ascii_only: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = if c.is_ascii() {
            c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '=')
        } else {
            !ascii_only && !c.is_control()
        };
        if plain {
            encoded.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    encoded
}

/// Decodes `unitext` in each of its forms. None: it is none, or it stands for a control.
pub fn decode_unitext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        let meant = match c {
            '\\' => {
                let (digits, after) = rest.strip_prefix("x{")?.split_once('}')?;
                rest = after;
                code_point(digits)?
            }
            '+' | '=' | ' ' => return None,
            c => c,
        };
        (!meant.is_control()).then(|| decoded.push(meant))?;
    }
    Some(decoded)
}

/// `HEXPOINT`: two to six digits.
fn code_point(digits: &str) -> Option<char> {
    let hex_only = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    ((2..=6).contains(&digits.len()) && hex_only).then_some(())?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

fn hex(digits: &str) -> Option<u8> {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_texts_of_the_standards_read_as_they_say() {
        for (encoded, text) in
            [("QQ314159", "QQ314159"), ("a+2Bb+3Dc+20d", "a+b=c d"), ("+2b", "+"), ("", "")]
        {
            assert_eq!(decode_xtext(encoded).as_deref(), Some(text), "{encoded}");
        }
        for (encoded, text) in [
            (r"jos\x{E9}@example.org", "josé@example.org"),
            ("josé@example.org", "josé@example.org"),
            (r"a\x{2B}b\x{10FFFF}", "a+b\u{10FFFF}"),
        ] {
            assert_eq!(decode_unitext(encoded).as_deref(), Some(text), "{encoded}");
        }
    }

    #[test]
    fn what_is_no_such_text_is_refused() {
        for text in ["a=b", "a b", "+", "+2", "+2G", "++2B", "+0D", "+80", "é", "+\u{e9}1"] {
            assert_eq!(decode_xtext(text), None, "{text}");
        }
        for text in [
            "a=b",
            "a+2Bb",
            "a b",
            r"\",
            r"\x",
            r"\x{",
            r"\x{41",
            r"\x{0D}",
            r"\x{D800}",
            r"\x{4}",
            r"\x{+4}",
        ] {
            assert_eq!(decode_unitext(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(ascii in "[ -~]{0,40}", text in "[^\\p{Cc}]{0,40}", ascii_only: bool) {
            prop_assert_eq!(decode_xtext(&encode_xtext(&ascii)), Some(ascii));
            let encoded = encode_unitext(&text, ascii_only);
            prop_assert!(!ascii_only || encoded.is_ascii());
            prop_assert_eq!(decode_unitext(&encoded), Some(text));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (decode_xtext(&text), decode_unitext(&text));
        }
    }
}
