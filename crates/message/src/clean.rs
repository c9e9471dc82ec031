//! What others said, made harmless before it is shown or written.

use std::{borrow::Cow, fmt::Write};

/// One line of plain text: controls and what reorders text on a screen become `?`, and it ends after `octets_max`
/// octets at the latest.
pub(crate) fn line(text: &str, octets_max: usize) -> Cow<'_, str> {
    let text = text.get(..text.floor_char_boundary(octets_max)).unwrap_or_default();
    if text.contains(hidden) { text.replace(hidden, "?").into() } else { text.into() }
}

/// Controls, line ends beyond ASCII, and the marks that let text read otherwise than it is (UTS #39, UAX #9).
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// ASCII only, for fields without a UTF-8 form: other characters as in RFC 6533 §3, `\x{E9}`.
pub(crate) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    out.into()
}

/// A name that a client gave itself or DNS gave it, for a trace field: nothing that could end a word or a comment.
pub(crate) fn host(name: &str, utf8: bool) -> Cow<'_, str> {
    const OCTETS_MAX: usize = 255;
    let name = name.get(..name.floor_char_boundary(OCTETS_MAX)).unwrap_or_default();
    let odd = |c: char| match c {
        '.' | '-' | '_' | ':' | '[' | ']' => false,
        c if c.is_ascii() => !c.is_ascii_alphanumeric(),
        c => !utf8 || !c.is_alphanumeric(),
    };
    if name.is_empty() {
        "unknown".into()
    } else if name.contains(odd) {
        name.replace(odd, "?").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_gets_through() {
        assert_eq!(line("550 no\r\nRCPT\0\u{85}\u{202e}", 100), "550 no??RCPT???");
        assert_eq!(line("ééé", 3), "é");
    }

    #[test]
    fn text_has_a_form_in_ascii() {
        assert_eq!(ascii("plain + text"), "plain + text");
        assert_eq!(ascii("é \u{1f600}"), "\\x{E9} \\x{1F600}");
    }

    #[test]
    fn a_host_name_stays_one_word() {
        for (name, utf8, shown) in [
            ("mx.example.org", false, "mx.example.org"),
            ("[IPv6:2001:db8::1]", false, "[IPv6:2001:db8::1]"),
            ("a b) (by x\r\n", false, "a?b???by?x??"),
            ("bücher", true, "bücher"),
            ("bücher", false, "b?cher"),
            ("", true, "unknown"),
        ] {
            assert_eq!(host(name, utf8), shown);
        }
    }
}
