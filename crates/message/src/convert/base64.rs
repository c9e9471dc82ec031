//! Base64 that comes and goes in pieces (RFC 2045 §6.8).

/// Encoded lines have this many octets, the last one fewer (RFC 2045 §6.8).
const LINE_OCTETS_MAX: usize = 76;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Breaks base64 into lines.
#[derive(Debug, Default)]
struct Lines {
    column: usize,
}

impl Lines {
    fn put(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.column == LINE_OCTETS_MAX {
            out.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        out.push(octet);
        self.column += 1;
    }

    /// Ends the last line, if there is one.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.column > 0 {
            out.extend_from_slice(b"\r\n");
            self.column = 0;
        }
    }
}

/// Encodes.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    lines: Lines,
    /// Octets that make no group of three yet.
    held: [u8; 2],
    held_len: usize,
}

impl Encoder {
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for octet in octets {
            if let Some(place) = self.held.get_mut(self.held_len) {
                *place = *octet;
                self.held_len += 1;
            } else {
                let [first, second] = self.held;
                self.put_group([first, second, *octet], 4, out);
                self.held_len = 0;
            }
        }
    }

    /// Ends the data. `end_line`: and the last line.
    pub(super) fn finish(&mut self, end_line: bool, out: &mut Vec<u8>) {
        let [first, second] = self.held;
        match self.held_len {
            0 => {}
            1 => self.put_group([first, 0, 0], 2, out),
            _ => self.put_group([first, second, 0], 3, out),
        }
        self.held_len = 0;
        if end_line {
            self.lines.end(out);
        }
    }

    /// Puts the first `digits` of the four digits of a group, and `=` for the others.
    fn put_group(&mut self, [a, b, c]: [u8; 3], digits: usize, out: &mut Vec<u8>) {
        let values = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (number, value) in values.into_iter().enumerate() {
            let digit = ALPHABET.get(usize::from(value)).filter(|_| number < digits);
            self.lines.put(digit.copied().unwrap_or(b'='), out);
        }
    }
}

/// Mends base64 with lines that are too long or octets that decoders must pass over (RFC 2045 §6.8): it comes out
/// in short lines, without those octets.
#[derive(Debug, Default)]
pub(super) struct Mender {
    lines: Lines,
}

impl Mender {
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for octet in octets {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=') {
                self.lines.put(*octet, out);
            }
        }
    }

    /// Ends the data. `end_line`: and the last line.
    pub(super) fn finish(&mut self, end_line: bool, out: &mut Vec<u8>) {
        if end_line {
            self.lines.end(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(octets: &[u8], end_line: bool) -> String {
        let (mut out, mut encoder) = (Vec::new(), Encoder::default());
        for octet in octets {
            encoder.push(&[*octet], &mut out);
        }
        encoder.finish(end_line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn groups_are_padded_and_lines_broken() {
        // RFC 4648 §10.
        for (octets, digits) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(octets.as_bytes(), false), digits);
        }
        assert_eq!(encoded(b"\xff\xfe\xfd", true), "//79\r\n");
        let line = "AAAA".repeat(19);
        assert_eq!(encoded(&[0; 57], true), format!("{line}\r\n"));
        assert_eq!(encoded(&[0; 60], false), format!("{line}\r\nAAAA"));
        assert_eq!(encoded(b"", true), "");
    }

    #[test]
    fn mending_keeps_what_decoders_read() {
        let (mut out, mut mender) = (Vec::new(), Mender::default());
        mender.push(b"Zm9v\xe9 \0Ym\nFy", &mut out);
        mender.push(&[b'A'; 1000], &mut out);
        mender.finish(true, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.replace("\r\n", ""), format!("Zm9vYmFy{}", "A".repeat(1000)));
        assert!(text.split("\r\n").all(|line| line.len() <= 76) && text.ends_with("\r\n"));
    }
}
