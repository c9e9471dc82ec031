//! Octets received and not used yet.

use memchr::memchr;

/// Over this, an empty buffer gives its memory back: most sessions are idle most of the time.
const KEPT_OCTETS_MAX: usize = 512;

/// A queue of octets. Costs no memory while empty.
#[derive(Debug, Default)]
pub(crate) struct Input {
    octets: Vec<u8>,
    /// Before it, octets are used up.
    start: usize,
    /// Before it, there is no LF behind `start`: nothing is searched twice however slowly a line comes.
    searched: usize,
}

impl Input {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        if self.start > self.octets.len() / 2 {
            self.octets.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    pub(crate) fn pending(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len().saturating_sub(self.start)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn consume(&mut self, count: usize) {
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

    /// How many pending octets there are up to the first CRLF and with it.
    pub(crate) fn line(&mut self) -> Option<usize> {
        self.searched = self.searched.max(self.start);
        loop {
            let Some(found) = memchr(b'\n', self.octets.get(self.searched..).unwrap_or_default()) else {
                self.searched = self.octets.len();
                return None;
            };
            let end = self.searched + found + 1;
            let line = self.octets.get(self.start..end).unwrap_or_default();
            if line.ends_with(b"\r\n") {
                // Found again if nothing is taken.
                self.searched = end - 1;
                return Some(line.len());
            }
            self.searched = end;
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.consume(self.len());
    }
}
