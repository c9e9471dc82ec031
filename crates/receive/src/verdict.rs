//! Do we believe it: what the header section says about a message, judged while its content streams by.

use mail::Reply;
use message::HeaderSection;

/// RFC 5321 §6.3: too many Received fields are the sign of a loop.
const LOOP: Reply = Reply::fixed(554, (5, 4, 6), "Too many hops: this message is in a loop");
const RECEIVED: &[u8; 9] = b"Received:";

/// Counts the Received fields of a header section that comes in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Hops {
    count: usize,
    over: bool,
    /// The beginning of the line that the last piece ended in, as far as it matters.
    line: [u8; RECEIVED.len()],
    line_len: usize,
}

impl Hops {
    /// From the first piece; a whole header section is there in nearly every message.
    pub(crate) fn begin(first: &HeaderSection<'_>, received: usize, piece: &[u8]) -> Self {
        let mut hops = Self::default();
        if first.is_complete() {
            (hops.count, hops.over) = (received, true);
        } else {
            hops.read(piece);
        }
        hops
    }

    /// Reads the next piece.
    pub(crate) fn read(&mut self, piece: &[u8]) {
        if self.over {
            return;
        }
        for part in piece.split_inclusive(|octet| *octet == b'\n') {
            self.take(part);
            if part.last() == Some(&b'\n') {
                self.end_line();
            }
            if self.over {
                return;
            }
        }
    }

    /// The refusal, if there are more than `max`.
    pub(crate) fn verdict(&self, max: usize) -> Result<(), Reply> {
        if self.count > max { Err(LOOP) } else { Ok(()) }
    }

    fn take(&mut self, part: &[u8]) {
        let begun = self.line_len;
        for (kept, octet) in self.line.iter_mut().skip(begun).zip(part) {
            *kept = *octet;
            self.line_len += 1;
        }
        if begun < RECEIVED.len() && self.line.eq_ignore_ascii_case(RECEIVED) {
            self.count += 1;
        }
    }

    fn end_line(&mut self) {
        self.over = matches!(self.line.get(..self.line_len), Some(b"\r\n" | b"\n"));
        (self.line, self.line_len) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(content: &[u8], piece: usize) -> usize {
        let mut pieces = content.chunks(piece);
        let first = pieces.next().unwrap_or_default();
        let section = HeaderSection::read(first);
        let mut hops = Hops::begin(&section, section.facts().received, first);
        pieces.for_each(|piece| hops.read(piece));
        hops.count
    }

    #[test]
    fn received_fields_are_counted_whatever_the_pieces() {
        let content = b"Received: a\r\n\tb\r\nreceived: c\r\nX-Received: d\r\nReceived-SPF: e\r\nRECEIVED:\r\n\r\nReceived: f\r\n";
        for piece in 1..=content.len() {
            assert_eq!(count(content, piece), 3, "pieces of {piece}");
        }
    }

    #[test]
    fn odd_contents_have_no_hops() {
        for content in [&b""[..], b"\r\n", b"\r\nReceived: a\r\n", b"Received", b" Received: a\r\n\r\n"] {
            for piece in 1..=content.len().max(1) {
                assert_eq!(count(content, piece), 0, "{content:?}");
            }
        }
    }

    #[test]
    fn one_over_the_limit_is_a_loop() {
        let content = b"Received: a\r\n".repeat(3);
        let section = HeaderSection::read(&content);
        let hops = Hops::begin(&section, section.facts().received, &content);
        assert_eq!(hops.verdict(3), Ok(()));
        assert_eq!(hops.verdict(2), Err(LOOP));
    }
}
