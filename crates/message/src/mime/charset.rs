//! Text in any charset to UTF-8, whole or in pieces.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Decodes text of a charset that comes in pieces. Octets that are no text become U+FFFD.
///
/// ASCII, and a charset that nobody knows, are read as UTF-8 with single octets of windows-1252 among it: that is what such text is.
pub struct TextDecoder {
    kind: Kind,
}

enum Kind {
    Known(Box<encoding_rs::Decoder>),
    /// With octets at the end that may begin a character.
    Guessed(Vec<u8>),
}

impl std::fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextDecoder").finish_non_exhaustive()
    }
}

/// The encoding of a name, as it stands in a message. Nothing for those that are guessed.
fn encoding(charset: &[u8]) -> Option<&'static Encoding> {
    // RFC 2231 §5: a language may stand behind it.
    let name = charset.split(|octet| *octet == b'*').next().unwrap_or_default().trim_ascii();
    let guessed = [b"us-ascii".as_slice(), b"ascii", b"ansi_x3.4-1968", b"unknown-8bit"];
    if guessed.iter().any(|guessed| name.eq_ignore_ascii_case(guessed)) {
        return None;
    }
    Encoding::for_label_no_replacement(name)
}

impl TextDecoder {
    /// For a charset by any of its names.
    pub fn new(charset: &[u8]) -> Self {
        let kind = match encoding(charset) {
            Some(encoding) if encoding == UTF_8 => {
                Kind::Known(Box::new(encoding.new_decoder_with_bom_removal()))
            }
            Some(encoding) => Kind::Known(Box::new(encoding.new_decoder_without_bom_handling())),
            None => Kind::Guessed(Vec::new()),
        };
        Self { kind }
    }

    /// Appends to `out` what the octets mean.
    pub fn push(&mut self, octets: &[u8], out: &mut String) {
        self.decode(octets, false, out);
    }

    /// Ends the text.
    pub fn finish(mut self, out: &mut String) {
        self.decode(b"", true, out);
    }

    fn decode(&mut self, octets: &[u8], last: bool, out: &mut String) {
        match &mut self.kind {
            Kind::Known(decoder) => {
                let mut rest = octets;
                loop {
                    out.reserve(rest.len() + 16);
                    let (result, read, _) = decoder.decode_to_string(rest, out, last);
                    rest = rest.get(read..).unwrap_or_default();
                    if result == encoding_rs::CoderResult::InputEmpty {
                        return;
                    }
                }
            }
            Kind::Guessed(held) if held.is_empty() => *held = guess(octets, last, out).to_vec(),
            Kind::Guessed(held) => {
                // No more than three octets are held.
                held.extend_from_slice(octets);
                let all = std::mem::take(held);
                *held = guess(&all, last, out).to_vec();
            }
        }
    }
}

/// Appends what the octets mean. Those at the end that may begin a character come back.
fn guess<'a>(octets: &'a [u8], last: bool, out: &mut String) -> &'a [u8] {
    let mut rest = octets;
    loop {
        match str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                return b"";
            }
            Err(error) => {
                let (text, broken) = rest.split_at_checked(error.valid_up_to()).unwrap_or_default();
                out.push_str(&String::from_utf8_lossy(text));
                let len = match error.error_len() {
                    Some(len) => len,
                    None if last => broken.len(),
                    None => return broken,
                };
                let (single, others) = broken.split_at_checked(len).unwrap_or_default();
                out.push_str(&WINDOWS_1252.decode_without_bom_handling(single).0);
                rest = others;
            }
        }
    }
}

/// Octets of a charset as text.
pub(super) fn to_utf8(charset: &[u8], octets: &[u8]) -> String {
    let (mut decoder, mut out) = (TextDecoder::new(charset), String::new());
    decoder.push(octets, &mut out);
    decoder.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_by_their_names_and_by_guess() {
        for (charset, octets, text) in [
            ("utf-8", b"\xc3\xa9\xff".as_slice(), "é\u{fffd}"),
            ("ISO-8859-1", b"\xe9", "é"),
            ("koi8-r", b"\xc1", "а"),
            ("iso-2022-jp", b"\x1b$B$\"\x1b(B", "あ"),
            ("gb18030", b"\xd6\xd0", "中"),
            ("latin1*en", b"\xe9", "é"),
            ("us-ascii", b"\xc3\xa9 \xe9 \x80", "é é €"),
            ("x-nobody-knows", b"\xe9\xc3\xa9\xc3", "ééÃ"),
            ("hz-gb-2312", b"a", "a"),
            ("", b"a\xe9", "aé"),
        ] {
            assert_eq!(to_utf8(charset.as_bytes(), octets), text, "{charset}");
        }
    }

    #[test]
    fn pieces_mean_what_the_whole_means() {
        for charset in ["utf-8", "us-ascii", "iso-2022-jp", "gb18030", "utf-16le"] {
            let octets = "aé中\u{1f600}".as_bytes().repeat(3);
            let whole = to_utf8(charset.as_bytes(), &octets);
            let (mut decoder, mut out) = (TextDecoder::new(charset.as_bytes()), String::new());
            octets.chunks(1).for_each(|octet| decoder.push(octet, &mut out));
            decoder.finish(&mut out);
            assert_eq!(out, whole, "{charset}");
        }
    }
}
