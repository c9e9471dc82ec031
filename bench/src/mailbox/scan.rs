//! Responses of an IMAP server in the octets that come: where each begins, and how it begins. Nothing else is looked at, for the client shares the machine.

use memchr::memchr;

/// So much of the beginning of a response is kept: numbers that a search found are all in it.
const KEPT_OCTETS: usize = 4 << 20;

/// Finds the responses (RFC 9051 §9).
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The line at hand, as far as it came.
    line: Vec<u8>,
    /// The beginning of the response that the line at hand goes on with, behind a literal.
    head: Option<Vec<u8>>,
    /// Octets of a literal that are still to come.
    literal: u64,
}

impl Scanner {
    /// Takes octets, and tells the first line of each response that is complete.
    pub(super) fn take(&mut self, mut octets: &[u8], mut each: impl FnMut(&[u8])) {
        while !octets.is_empty() {
            if self.literal > 0 {
                let passed = usize::try_from(self.literal).unwrap_or(usize::MAX).min(octets.len());
                self.literal -= passed as u64;
                octets = octets.get(passed..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr(b'\n', octets) else {
                self.keep(octets);
                return;
            };
            let (line, rest) = octets.split_at_checked(end + 1).unwrap_or((octets, &[]));
            self.keep(line);
            octets = rest;
            let line = std::mem::take(&mut self.line);
            self.literal = announced(&line).unwrap_or(0);
            let goes_on = announced(&line).is_some();
            let head = self.head.take().unwrap_or(line);
            if goes_on {
                self.head = Some(head);
            } else {
                each(head.trim_ascii_end());
            }
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = KEPT_OCTETS.saturating_sub(self.line.len());
        self.line.extend_from_slice(octets.get(..room).unwrap_or(octets));
    }
}

/// The octets of the literal that a line ends with: `{12}` or `~{12}`.
fn announced(line: &[u8]) -> Option<u64> {
    let inside = line.strip_suffix(b"}\r\n")?;
    let begin = inside.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(inside.get(begin + 1..)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_begin_where_literals_do_not_go_on() {
        let octets = b"* 1 FETCH (BODY[] {6}\r\na OK\r\n UID 7)\r\n* 2 FETCH (ENVELOPE ({3}\r\nx\r\n {0}\r\n))\r\na OK done\r\n";
        for cut in 1..octets.len() {
            let (mut scanner, mut heads) = (Scanner::default(), Vec::new());
            for part in octets.chunks(cut) {
                scanner.take(part, |head| heads.push(String::from_utf8_lossy(head).into_owned()));
            }
            assert_eq!(
                heads,
                ["* 1 FETCH (BODY[] {6}", "* 2 FETCH (ENVELOPE ({3}", "a OK done"],
                "cut {cut}"
            );
        }
    }
}
