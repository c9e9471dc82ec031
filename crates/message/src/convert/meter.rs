//! Measures text that comes in pieces: 7bit, 8bit or binary data (RFC 2045 §2.7, §2.8, §2.9).

use super::Needs;
use crate::write::LINE_OCTETS_MAX;

/// What has been seen of a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    /// Octets in the line so far.
    column: usize,
    /// The last octet was a CR.
    cr: bool,
    eight_bit: bool,
    bare: bool,
    longest: usize,
}

impl Meter {
    /// Measures a whole text.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut meter = Self::default();
        meter.push(text);
        meter
    }

    /// Goes on with the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.eight_bit |= !piece.is_ascii();
        if self.bare {
            return self.note_end(piece);
        }
        let mut rest = piece;
        if self.cr && !rest.is_empty() {
            match rest.strip_prefix(b"\n") {
                Some(line) => (rest, self.column) = (line, 0),
                None => self.bare = true,
            }
            self.cr = false;
        }
        while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
            self.add(at);
            rest = match rest.get(at..) {
                Some([b'\r', b'\n', others @ ..]) => {
                    self.column = 0;
                    others
                }
                Some([b'\r']) => {
                    self.cr = true;
                    return;
                }
                Some([_, others @ ..]) => {
                    self.bare = true;
                    others
                }
                _ => &[],
            };
        }
        self.add(rest.len());
    }

    /// Only the end of a piece still matters once the text is known to be binary: it may be all line feeds.
    fn note_end(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            let ended = piece.ends_with(b"\r\n") || (self.cr && piece == b"\n");
            self.column = usize::from(!ended);
            self.cr = piece.ends_with(b"\r");
        }
    }

    fn add(&mut self, octets: usize) {
        self.column = self.column.saturating_add(octets);
        self.longest = self.longest.max(self.column);
    }

    /// The narrowest kind of data that the text is, if it ends here. Its last line needs no end.
    pub(crate) fn needs(&self) -> Needs {
        if self.has_bare() || self.longest > LINE_OCTETS_MAX {
            Needs::Binary
        } else if self.eight_bit {
            Needs::EightBit
        } else {
            Needs::SevenBit
        }
    }

    /// Whether there is a bare CR or LF, or NUL: its lines are not lines.
    pub(crate) fn has_bare(&self) -> bool {
        self.bare || self.cr
    }

    /// Whether there are octets beyond ASCII.
    pub(crate) fn has_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether the last line has an end, or there is none.
    pub(crate) fn is_ended(&self) -> bool {
        self.column == 0 && !self.cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_of_the_narrowest_kind_however_it_is_cut() {
        let line = |octets: usize| "x".repeat(octets).into_bytes();
        for (text, needs, ended) in [
            (Vec::new(), Needs::SevenBit, true),
            (b"a\r\n\r\nb\r\n".to_vec(), Needs::SevenBit, true),
            (b"a\r\nb".to_vec(), Needs::SevenBit, false),
            (b"a\xe9\r\n".to_vec(), Needs::EightBit, true),
            (b"a\nb\r\n".to_vec(), Needs::Binary, true),
            (b"a\r\r\n".to_vec(), Needs::Binary, true),
            (b"a\r".to_vec(), Needs::Binary, false),
            (b"a\0\r\n".to_vec(), Needs::Binary, true),
            (b"\n\rb\r\n\nc".to_vec(), Needs::Binary, false),
            (b"\n\nc\r\n".to_vec(), Needs::Binary, true),
            (line(998), Needs::SevenBit, false),
            (line(999), Needs::Binary, false),
            ([line(998), b"\r\n".to_vec(), line(998)].concat(), Needs::SevenBit, false),
        ] {
            for cut in 0..=text.len() {
                let mut meter = Meter::default();
                meter.push(&text[..cut]);
                meter.push(&text[cut..]);
                assert_eq!((meter.needs(), meter.is_ended()), (needs, ended), "{text:?} cut at {cut}");
            }
        }
    }
}
