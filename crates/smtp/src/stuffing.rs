//! From content to the octets behind DATA: dots doubled, every line ended by CRLF (RFC 5321 §4.5.2).

use memchr::memchr2;

/// Where the last octet left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Inside,
    /// Behind a CR that is not written yet.
    Cr,
}

/// Encodes the content of one message, in pieces of any size.
///
/// It never writes a bare CR or LF, so that no server behind us can see an end of data that we did not write
/// (SMTP smuggling): each becomes a CRLF.
#[derive(Debug)]
pub struct Encoder {
    at: At,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { at: At::LineStart }
    }
}

impl Encoder {
    /// Encodes a piece to the end of `out`.
    pub fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + piece.len() / 64);
        let mut piece = self.after_cr(piece, out);
        if self.at == At::LineStart && piece.first() == Some(&b'.') {
            out.push(b'.');
        }
        // Lines are copied as one run up to a line that begins with a dot or an end of line that is not CRLF.
        let mut at = 0;
        while let Some(found) = memchr2(b'\r', b'\n', piece.get(at..).unwrap_or_default()) {
            at += found;
            let (octet, next) = (piece.get(at), piece.get(at + 1));
            if (octet, next) == (Some(&b'\r'), Some(&b'\n')) {
                at += 2;
                if piece.get(at) != Some(&b'.') {
                    continue;
                }
                out.extend_from_slice(piece.get(..at).unwrap_or_default());
                piece = piece.get(at..).unwrap_or_default();
            } else {
                out.extend_from_slice(piece.get(..at).unwrap_or_default());
                piece = piece.get(at + 1..).unwrap_or_default();
                if octet == Some(&b'\r') && next.is_none() {
                    self.at = At::Cr;
                    return;
                }
                out.extend_from_slice(b"\r\n");
            }
            if piece.first() == Some(&b'.') {
                out.push(b'.');
            }
            (self.at, at) = (At::LineStart, 0);
        }
        self.rest(piece, at, out);
    }

    /// Writes the end of data, and an end of line before it if there is none.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.at != At::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    /// A piece that ends inside of a line, or behind a CRLF at `line_start`.
    fn rest(&mut self, piece: &[u8], line_start: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(piece);
        if line_start < piece.len() {
            self.at = At::Inside;
        } else if !piece.is_empty() {
            self.at = At::LineStart;
        }
    }

    /// Completes a CR at the end of the piece before: with the LF that follows, or as a bare one.
    fn after_cr<'a>(&mut self, piece: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if self.at != At::Cr || piece.is_empty() {
            return piece;
        }
        out.extend_from_slice(b"\r\n");
        self.at = At::LineStart;
        piece.strip_prefix(b"\n").unwrap_or(piece)
    }
}
