//! Reads quoted-printable that comes in pieces and may break its rules (RFC 2045 §6.7).

/// White space at the end of a line is looked for up to this length, which is that of a legal line.
const SPACE_OCTETS_MAX: usize = 76;

/// Decodes. What is no legal code is taken as it stands.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Octets of which it is not decided what they are: a code, or white space that may end its line.
    held: Vec<u8>,
}

/// What octets at the beginning of a text are.
enum Code {
    /// Three octets mean this one.
    Octet(u8),
    /// So many octets mean themselves.
    Plain(usize),
    /// So many octets are the end of a line.
    HardBreak(usize),
    /// So many octets mean nothing.
    SoftBreak(usize),
    /// More octets have to be seen.
    Open,
}

impl Decoder {
    /// Appends to `out` what the octets mean.
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for octet in octets {
            let space = |octet: &u8| matches!(octet, b' ' | b'\t');
            // White space is looked at when it has ended, or is too much: once, however much there is.
            let in_space = space(octet) && self.held.last().is_some_and(space);
            self.held.push(*octet);
            if !in_space || self.held.len() > SPACE_OCTETS_MAX + 1 {
                self.decode(false, out);
            }
        }
    }

    /// Ends the text.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.decode(true, out);
    }

    fn decode(&mut self, ended: bool, out: &mut Vec<u8>) {
        while !self.held.is_empty() {
            let used = match read(&self.held, ended) {
                Code::Octet(octet) => {
                    out.push(octet);
                    3
                }
                Code::Plain(used) => {
                    out.extend_from_slice(self.held.get(..used).unwrap_or_default());
                    used
                }
                Code::HardBreak(used) => {
                    out.extend_from_slice(b"\r\n");
                    used
                }
                Code::SoftBreak(used) => used,
                Code::Open => return,
            };
            self.held.drain(..used.min(self.held.len()));
        }
    }
}

/// Reads the first code. `ended`: there is no more to come.
fn read(text: &[u8], ended: bool) -> Code {
    match text {
        [b'=', rest @ ..] => match rest {
            [first, second, ..] if hex(*first).is_some() && hex(*second).is_some() => {
                Code::Octet(hex(*first).unwrap_or(0) << 4 | hex(*second).unwrap_or(0))
            }
            [digit] if hex(*digit).is_some() && !ended => Code::Open,
            // RFC 2045 §6.7 (3): white space behind a `=` has been added on the way.
            _ => match line_end(rest, ended) {
                End::At(used) => Code::SoftBreak(1 + used),
                End::Open => Code::Open,
                End::Never => Code::Plain(1),
            },
        },
        // And so has white space at the end of a line. At the end of the text it is kept.
        [b' ' | b'\t' | b'\r', ..] => match line_end(text, false) {
            End::At(used) => Code::HardBreak(used),
            End::Open if !ended => Code::Open,
            _ => Code::Plain(spaces(text).max(1)),
        },
        [_, ..] => Code::Plain(1),
        [] => Code::Open,
    }
}

enum End {
    At(usize),
    Open,
    Never,
}

/// The end of a line at the beginning of `text`, behind white space. `ended`: the end of the text is one, too.
fn line_end(text: &[u8], ended: bool) -> End {
    let spaces = spaces(text);
    match text.get(spaces..).unwrap_or_default() {
        _ if spaces > SPACE_OCTETS_MAX => End::Never,
        [] if ended => End::At(spaces),
        [] | [b'\r'] if !ended => End::Open,
        [b'\r', b'\n', ..] => End::At(spaces + 2),
        _ => End::Never,
    }
}

/// How much white space is at the beginning of `text`.
fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count()
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_legal_is_decoded_and_the_rest_is_kept() {
        for (text, decoded) in [
            (b"a=3Db=e9\r\n".as_slice(), b"a=b\xe9\r\n".as_slice()),
            (b"one=\r\ntwo= \t\r\nthree", b"onetwothree"),
            (b"one \t\r\n two ", b"one\r\n two "),
            (b"a=", b"a"),
            (b"a=4", b"a=4"),
            (b"a=zz=4g=", b"a=zz=4g"),
            (b"raw \xe9 \0 \n \r x\r", b"raw \xe9 \0 \n \r x\r"),
        ] {
            let (mut out, mut decoder) = (Vec::new(), Decoder::default());
            decoder.push(text, &mut out);
            decoder.finish(&mut out);
            assert_eq!(out, decoded, "{text:?}");
        }
    }

    #[test]
    fn much_white_space_is_not_held() {
        let (mut out, mut decoder) = (Vec::new(), Decoder::default());
        decoder.push(&[b' '; 10_000], &mut out);
        assert!(decoder.held.len() <= 2 + SPACE_OCTETS_MAX);
        decoder.finish(&mut out);
        assert_eq!(out, [b' '; 10_000]);
    }
}
