//! From a message to the octets behind `+OK`: dots doubled, every line ended by CRLF (RFC 1939 §3), the whole or its top.

use memchr::memchr2;

/// Where the last octet left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Inside,
    /// Behind a CR, which has ended its line: an LF that follows belongs to it.
    Cr,
}

/// How much of a message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// The rest of the header section, the empty line, and so many lines of the body (TOP).
    Header(u32),
    /// So many lines of the body.
    Body(u32),
}

/// Encodes one message, in pieces of any size.
///
/// It never writes a bare CR or LF: to a client for which an LF ends a line, a message could otherwise say where it ends, and what the
/// server says next. Each becomes a CRLF.
#[derive(Debug)]
pub struct Encoder {
    at: At,
    wanted: Wanted,
    /// The line so far is empty.
    empty: bool,
}

impl Encoder {
    /// For a whole message.
    pub fn whole() -> Self {
        Self { at: At::LineStart, wanted: Wanted::All, empty: true }
    }

    /// For the header section and so many lines of the body (RFC 1939 §7).
    pub fn top(lines: u32) -> Self {
        Self { wanted: Wanted::Header(lines), ..Self::whole() }
    }

    /// Whether nothing more is wanted.
    pub fn has_all(&self) -> bool {
        self.wanted == Wanted::Body(0)
    }

    /// Encodes a piece to the end of `out`, or what of it is wanted.
    pub fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((first, behind)) = rest.split_first()
            && !self.has_all()
        {
            if self.at == At::Cr {
                self.at = At::LineStart;
                if *first == b'\n' {
                    rest = behind;
                    continue;
                }
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                self.text(rest, out);
                return;
            };
            let (text, end) = rest.split_at(end);
            self.text(text, out);
            out.extend_from_slice(b"\r\n");
            self.line_ended();
            self.at = if end.first() == Some(&b'\r') { At::Cr } else { At::LineStart };
            rest = end.get(1..).unwrap_or_default();
        }
    }

    /// Writes the end of the response, and an end of line before it if there is none.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.at == At::Inside {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.at == At::LineStart && text.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        if !text.is_empty() {
            (self.at, self.empty) = (At::Inside, false);
        }
    }

    fn line_ended(&mut self) {
        self.wanted = match self.wanted {
            Wanted::Header(lines) if self.empty => Wanted::Body(lines),
            Wanted::Body(lines) => Wanted::Body(lines.saturating_sub(1)),
            wanted => wanted,
        };
        self.empty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(mut encoder: Encoder, pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        for piece in pieces {
            encoder.encode(piece, &mut out);
        }
        encoder.finish(&mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn dots_are_doubled_and_lines_end_with_crlf_whatever_the_pieces() {
        for (message, wanted) in [
            ("", ".\\r\\n"),
            ("a", "a\\r\\n.\\r\\n"),
            ("a\r\n", "a\\r\\n.\\r\\n"),
            (".", "..\\r\\n.\\r\\n"),
            ("a\r\n.\r\nb.c\r\n..", "a\\r\\n..\\r\\nb.c\\r\\n...\\r\\n.\\r\\n"),
            ("a\n.\n+OK\n", "a\\r\\n..\\r\\n+OK\\r\\n.\\r\\n"),
            ("a\r.\r\r\nb", "a\\r\\n..\\r\\n\\r\\nb\\r\\n.\\r\\n"),
            ("\r", "\\r\\n.\\r\\n"),
        ] {
            assert_eq!(encoded(Encoder::whole(), &[message.as_bytes()]), wanted);
            let single: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
            assert_eq!(encoded(Encoder::whole(), &single), wanted, "{message:?}");
        }
    }

    #[test]
    fn the_top_is_the_header_section_and_as_many_lines() {
        let message = "A: b\r\n\r\n.1\r\n2\r\n";
        for (lines, wanted) in [
            (0, "A: b\\r\\n\\r\\n.\\r\\n"),
            (1, "A: b\\r\\n\\r\\n..1\\r\\n.\\r\\n"),
            (2, "A: b\\r\\n\\r\\n..1\\r\\n2\\r\\n.\\r\\n"),
            (3, "A: b\\r\\n\\r\\n..1\\r\\n2\\r\\n.\\r\\n"),
        ] {
            let single: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
            assert_eq!(encoded(Encoder::top(lines), &[message.as_bytes()]), wanted);
            assert_eq!(encoded(Encoder::top(lines), &single), wanted);
        }
        assert_eq!(encoded(Encoder::top(0), &[b"A: b\r\nC: d"]), "A: b\\r\\nC: d\\r\\n.\\r\\n");
        assert_eq!(encoded(Encoder::top(0), &[b"\r\nbody"]), "\\r\\n.\\r\\n");
    }
}
