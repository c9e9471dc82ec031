//! Text that nobody reads, before and after the parts of a multipart, made to fit (RFC 2046 §5.1.1).

use crate::write::LINE_OCTETS_MAX;

/// What takes the place of an octet that does not fit.
const SUBSTITUTE: u8 = b'?';

/// Replaces what does not fit, and cuts off what is over the length of a line.
///
/// A dash that begins a line is replaced too: what is no delimiter here must not become one by being cleaned.
#[derive(Debug)]
pub(super) struct Cleaner {
    eight_bit: bool,
    column: usize,
    cr: bool,
}

impl Cleaner {
    /// `eight_bit`: octets beyond ASCII fit.
    pub(super) fn new(eight_bit: bool) -> Self {
        Self { eight_bit, column: 0, cr: false }
    }

    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for octet in octets {
            match (octet, std::mem::take(&mut self.cr)) {
                (b'\n', true) => {
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                }
                (octet, cr) => {
                    if cr {
                        self.put(SUBSTITUTE, out);
                    }
                    match octet {
                        b'\r' => self.cr = true,
                        0 | b'\n' => self.put(SUBSTITUTE, out),
                        b'-' if self.column == 0 => self.put(SUBSTITUTE, out),
                        0x80.. if !self.eight_bit => self.put(SUBSTITUTE, out),
                        octet => self.put(*octet, out),
                    }
                }
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            self.put(SUBSTITUTE, out);
        }
    }

    fn put(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.column < LINE_OCTETS_MAX {
            out.push(octet);
            self.column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(eight_bit: bool, text: &[u8]) -> Vec<u8> {
        let (mut out, mut cleaner) = (Vec::new(), Cleaner::new(eight_bit));
        for octet in text {
            cleaner.push(&[*octet], &mut out);
        }
        cleaner.finish(&mut out);
        out
    }

    #[test]
    fn only_what_does_not_fit_is_replaced() {
        assert_eq!(cleaned(false, b"a \xe9\r\n-b\0\n\r\r\nc\r"), b"a ?\r\n?b???\r\nc?");
        assert_eq!(cleaned(true, b"a \xe9\r\nb-"), b"a \xe9\r\nb-");
        assert_eq!(cleaned(false, &[b'x'; 2000]), [b'x'; 998]);
    }
}
