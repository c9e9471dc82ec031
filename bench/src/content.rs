//! The content that the source sends: of an exact size, numbered, and without dots to stuff.

/// Digits that number a message in its Message-ID field.
const NUMBER_DIGITS: usize = 12;
/// Octets of a body line without its CRLF (RFC 5322 §2.1.1 recommends at most 78).
const LINE_OCTETS: usize = 76;
const END: &[u8] = b".\r\n";

/// One message content, kept whole with the terminating dot so that one write sends it.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    octets: Vec<u8>,
    number_at: usize,
}

impl Content {
    /// Content of exactly `size` octets, the terminator not counted; `None` when the header section alone is larger.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let before = b"From: Source <source@source.test>\r\nTo: Sink <sink@sink.test>\r\n\
            Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: A message of the bench\r\nMessage-ID: <";
        let after =
            b"@source.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n";
        let mut octets = Vec::with_capacity(size + END.len());
        octets.extend_from_slice(before);
        let number_at = octets.len();
        octets.extend_from_slice(&[b'0'; NUMBER_DIGITS]);
        octets.extend_from_slice(after);
        let mut left = size.checked_sub(octets.len())?;
        let mut words = Words(0x9e37_79b9_7f4a_7c15);
        while left > 0 {
            // The last line takes what is left: a body ends with CRLF, so at least two octets.
            let line = if left <= LINE_OCTETS + 4 { left.checked_sub(2)? } else { LINE_OCTETS };
            octets.extend(words.by_ref().take(line));
            octets.extend_from_slice(b"\r\n");
            left -= line + 2;
        }
        octets.extend_from_slice(END);
        Some(Self { octets, number_at })
    }

    /// The same content below one more field.
    pub(crate) fn below(&self, field: &str) -> Self {
        Self { octets: [field.as_bytes(), &self.octets].concat(), number_at: self.number_at + field.len() }
    }

    /// Writes `number` into the Message-ID: every message is another one.
    pub(crate) fn set_number(&mut self, mut number: u64) {
        let digits = self.octets.iter_mut().skip(self.number_at).take(NUMBER_DIGITS);
        for digit in digits.rev() {
            *digit = b"0123456789".get(usize::try_from(number % 10).unwrap_or(0)).copied().unwrap_or(b'0');
            number /= 10;
        }
    }

    /// Octets up to the end of the number: what follows is the same in every message.
    pub(crate) fn numbered(&self) -> usize {
        self.number_at + NUMBER_DIGITS
    }

    /// The content and the terminating `.` CRLF.
    pub(crate) fn with_end(&self) -> &[u8] {
        &self.octets
    }
}

/// Letters and spaces without end: the same in every run, and not trivially compressible. Never a dot.
#[derive(Debug)]
struct Words(u64);

impl Iterator for Words {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        // xorshift64: enough for filler text.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        b"etaoin shrdlu cmfwyp vbgkqjxz   ".get(usize::try_from(self.0 >> 59).unwrap_or(0)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_the_size_asked_for_and_ends_like_a_message() {
        for size in [300, 301, 377, 378, 379, 380, 381, 1000, 10 * 1024, 1_000_003] {
            let content = Content::new(size).unwrap();
            let octets = content.with_end();
            assert_eq!(octets.len(), size + 3, "size {size}");
            assert!(octets.ends_with(b"\r\n.\r\n"), "size {size}");
            let text = std::str::from_utf8(octets).unwrap();
            let body = text.strip_suffix(".\r\n").unwrap();
            assert!(body.split("\r\n").all(|line| line.len() <= 80 && !line.starts_with('.')));
        }
    }

    #[test]
    fn a_size_below_the_header_section_is_refused() {
        assert!(Content::new(100).is_none());
    }

    #[test]
    fn the_number_stands_in_the_message_id() {
        let mut content = Content::new(1000).unwrap();
        content.set_number(4711);
        let text = String::from_utf8(content.with_end().to_vec()).unwrap();
        assert!(text.contains("\r\nMessage-ID: <000000004711@source.test>\r\n"));
        content.set_number(9);
        assert!(String::from_utf8_lossy(content.with_end()).contains("<000000000009@"));
    }
}
