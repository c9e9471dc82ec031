//! Octets received and not used yet.

use memchr::memchr;

/// Over this, an empty buffer gives its memory back: most sessions are idle most of the time.
const KEPT_OCTETS_MAX: usize = 512;

/// A queue of octets. Costs no memory while empty.
#[derive(Debug, Default)]
pub struct Input {
    octets: Vec<u8>,
    /// Before it, octets are used up.
    start: usize,
    /// Before it, there is no LF behind `start`: nothing is searched twice however slowly a line comes.
    searched: usize,
}

impl Input {
    /// Adds what the peer sent.
    pub fn push(&mut self, octets: &[u8]) {
        if self.start > self.octets.len() / 2 {
            self.octets.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// All octets that are not used yet.
    pub fn pending(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// How many octets are not used yet.
    pub fn len(&self) -> usize {
        self.octets.len().saturating_sub(self.start)
    }

    /// Whether all octets are used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first octets out, or all if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.octets.len());
        self.searched = self.searched.max(self.start);
        if self.start == self.octets.len() {
            (self.start, self.searched) = (0, 0);
            self.octets.clear();
            if self.octets.capacity() > KEPT_OCTETS_MAX {
                self.octets = Vec::new();
            }
        }
    }

    /// How many pending octets there are up to the first LF and with it.
    pub fn line(&mut self) -> Option<usize> {
        self.searched = self.searched.max(self.start);
        let Some(found) = memchr(b'\n', self.octets.get(self.searched..).unwrap_or_default()) else {
            self.searched = self.octets.len();
            return None;
        };
        self.searched += found;
        Some(self.searched + 1 - self.start)
    }

    /// How many pending octets there are up to the first CRLF and with it.
    pub fn crlf_line(&mut self) -> Option<usize> {
        loop {
            let length = self.line()?;
            if self.pending().get(..length).is_some_and(|line| line.ends_with(b"\r\n")) {
                return Some(length);
            }
            self.searched += 1;
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.consume(self.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_however_it_comes_and_again_until_it_is_used() {
        let mut input = Input::default();
        for (octets, line) in [(&b"ab"[..], None), (b"c\r", None), (b"\nd", Some(5)), (b"", Some(5))] {
            input.push(octets);
            assert_eq!(input.line(), line, "{octets:?}");
        }
        input.consume(5);
        assert_eq!((input.line(), input.pending()), (None, &b"d"[..]));
        input.push(b"\n");
        assert_eq!(input.line(), Some(2));
        input.clear();
        assert!(input.is_empty());
    }

    #[test]
    fn a_bare_lf_ends_no_line_that_wants_crlf() {
        let mut input = Input::default();
        input.push(b"a\nb\n");
        assert_eq!((input.crlf_line(), input.crlf_line()), (None, None));
        input.push(b"\r");
        assert_eq!(input.crlf_line(), None);
        input.push(b"\nc\r\n");
        assert_eq!((input.crlf_line(), input.crlf_line()), (Some(6), Some(6)));
        input.consume(6);
        assert_eq!((input.crlf_line(), input.pending()), (Some(3), &b"c\r\n"[..]));
    }

    #[test]
    fn what_is_used_gives_its_memory_back() {
        let mut input = Input::default();
        input.push(&[b'x'; 2 * KEPT_OCTETS_MAX]);
        input.consume(usize::MAX);
        assert_eq!((input.octets.capacity(), input.len()), (0, 0));
    }
}
