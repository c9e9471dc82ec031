//! Choices and texts out of octets, for targets that build something before they look at it.

use mail::{Address, Domain, Timestamp};

/// Octets that are used up from the front; behind their end all is zero.
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.octet()) % end
    }

    pub(crate) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.octet()))
    }

    pub(crate) fn time(&mut self) -> Timestamp {
        // Within some thousands of years: what a clock may say.
        Timestamp::from_millis(self.number() >> 17)
    }

    /// Some octets, their number told by the first.
    pub(crate) fn octets(&mut self) -> &'a [u8] {
        let len = usize::from(self.octet());
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }

    pub(crate) fn maybe<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| what(self))
    }

    /// An address that could have been accepted.
    pub(crate) fn address(&mut self) -> Address {
        let local = self.text();
        let address = Domain::parse(&self.text()).ok().and_then(|domain| Address::new(&local, domain).ok());
        address.unwrap_or_else(|| "anna@example.org".parse().unwrap())
    }
}

/// Octets in pieces of a size, at least one.
pub(crate) fn pieces(octets: &[u8], size: u8) -> impl Iterator<Item = &[u8]> {
    octets.chunks(usize::from(size).max(1))
}
