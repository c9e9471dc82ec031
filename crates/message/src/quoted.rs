//! Quoted-printable: any octets as short ASCII lines (RFC 2045 §6.7).

/// Longer lines are broken by `=` at the end (RFC 2045 §6.7 (5)).
const LINE_OCTETS_MAX: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text`, encoded.
pub(crate) fn write(out: &mut Vec<u8>, text: &[u8]) {
    let mut encoder = Encoder::default();
    encoder.push(text, out);
    encoder.finish(out);
}

/// Encodes a text that comes in pieces. CRLF stays the end of a line; bare CR and LF, NUL and 8-bit octets are encoded.
///
/// No line of the output begins with two dashes, so none can be a boundary delimiter (RFC 2046 §5.1.1), not even
/// where a long line is broken.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    column: usize,
    /// The line so far is one dash.
    dash: bool,
    /// White space that may turn out to end its line.
    space: Option<u8>,
    /// A CR that may turn out to end its line.
    cr: bool,
}

impl Encoder {
    /// Encodes a piece. What depends on the next octet waits for it.
    pub(crate) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for octet in text {
            match (octet, std::mem::take(&mut self.cr)) {
                (b'\n', true) => self.end_line(out),
                (b'\r', cr) => {
                    self.put_cr(cr, out);
                    self.cr = true;
                }
                (octet, cr) => {
                    self.put_cr(cr, out);
                    self.put_space(true, out);
                    match octet {
                        b' ' | b'\t' => self.space = Some(*octet),
                        octet => self.put(*octet, octet.is_ascii_graphic() && *octet != b'=', out),
                    }
                }
            }
        }
    }

    /// Ends the text: what waited comes out.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let cr = std::mem::take(&mut self.cr);
        self.put_cr(cr, out);
        self.put_space(false, out);
    }

    /// Ends the last line, if it has begun, so that decoders see no line end there.
    pub(crate) fn soft_end(&mut self, out: &mut Vec<u8>) {
        if self.column > 0 {
            self.break_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        self.put_space(false, out);
        out.extend_from_slice(b"\r\n");
        (self.column, self.dash) = (0, false);
    }

    /// A CR that ended no line, after all.
    fn put_cr(&mut self, cr: bool, out: &mut Vec<u8>) {
        if cr {
            self.put_space(true, out);
            self.put(b'\r', false, out);
        }
    }

    /// White space at the end of a line may get lost on the way (RFC 2045 §6.7 (3)); elsewhere it is plain.
    fn put_space(&mut self, plain: bool, out: &mut Vec<u8>) {
        if let Some(space) = self.space.take() {
            self.put(space, plain, out);
        }
    }

    fn put(&mut self, octet: u8, plain: bool, out: &mut Vec<u8>) {
        let plain = plain && !(self.dash && octet == b'-');
        // Room is kept for the `=` of a soft line end.
        if self.column + if plain { 1 } else { 3 } >= LINE_OCTETS_MAX {
            self.break_line(out);
        }
        if plain {
            out.push(octet);
        } else {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'=', digit(octet >> 4), digit(octet & 15)]);
        }
        self.dash = self.column == 0 && octet == b'-' && plain;
        self.column += if plain { 1 } else { 3 };
    }

    fn break_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"=\r\n");
        (self.column, self.dash) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    /// RFC 2045 §6.7, written the other way round.
    fn decoded(text: &str) -> Vec<u8> {
        let text = text.replace("=\r\n", "");
        let mut out = Vec::new();
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            if octet == b'=' {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                out.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(octet);
            }
        }
        out
    }

    #[test]
    fn what_is_not_plain_is_encoded() {
        for (text, shown) in [
            (b"a=b\r\nc d \r\n".as_slice(), "a=3Db\r\nc d=20\r\n"),
            (b"\xe9\0\r\n\n\r.", "=E9=00\r\n=0A=0D."),
            (b"tab\t", "tab=09"),
            (b"a \r b\r\n\r", "a =0D b\r\n=0D"),
            // What could be a boundary delimiter.
            (b"--b\r\n-a-\r\n-", "-=2Db\r\n-a-\r\n-"),
        ] {
            assert_eq!(encoded(text), shown);
        }
    }

    proptest! {
        #[test]
        fn every_text_round_trips_in_short_lines(
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'-')], 0..400),
            cut in 0..400_usize,
        ) {
            let encoded = encoded(&text);
            let (one, other) = text.split_at(cut.min(text.len()));
            let (mut pieces, mut encoder) = (Vec::new(), Encoder::default());
            encoder.push(one, &mut pieces);
            encoder.push(other, &mut pieces);
            encoder.finish(&mut pieces);
            prop_assert_eq!(pieces.as_slice(), encoded.as_bytes());
            prop_assert!(!encoded.split("\r\n").any(|line| line.starts_with("--")));
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split("\r\n").all(|line| line.len() <= 76 && !line.contains(['\r', '\n'])));
            prop_assert_eq!(decoded(&encoded), text);
        }
    }
}
