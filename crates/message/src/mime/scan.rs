//! The words of unfolded structured fields, read leniently (RFC 5322 §3.2, RFC 2045 §5.1).

/// What is left of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes an octet if it comes next.
    pub(super) fn takes(&mut self, octet: u8) -> bool {
        let rest = self.rest.strip_prefix(&[octet]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// As many octets of a kind as come next, perhaps none.
    pub(super) fn run(&mut self, is_one: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| !is_one(*octet)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        run
    }

    /// Passes over white space and comments, which may be nested; a comment without an end goes on to the end. What stands
    /// in the last comment of them.
    pub(super) fn skip(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        loop {
            self.run(is_space);
            if self.peek() != Some(b'(') {
                return last;
            }
            last = Some(self.comment());
        }
    }

    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        while let Some((first, rest)) = self.rest.split_first() {
            self.rest = rest;
            match first {
                b'\\' => {
                    if let Some((quoted, rest)) = rest.split_first() {
                        text.push(*quoted);
                        self.rest = rest;
                    }
                    continue;
                }
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if !(text.is_empty() && depth == 1 && *first == b'(') {
                text.push(*first);
            }
        }
        text
    }

    /// A quoted string whose opening quote comes next, without its quotes; one without an end goes on to the end.
    pub(super) fn quoted(&mut self) -> Vec<u8> {
        self.takes(b'"');
        let mut text = Vec::new();
        while let Some((first, rest)) = self.rest.split_first() {
            self.rest = rest;
            match (first, rest.split_first()) {
                (b'"', _) => break,
                (b'\\', Some((quoted, rest))) => {
                    text.push(*quoted);
                    self.rest = rest;
                }
                (octet, _) => text.push(*octet),
            }
        }
        text
    }
}

pub(super) fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// `token` (RFC 2045 §5.1), 8-bit octets with it.
pub(super) fn is_token(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&octet)
}

/// `atext` (RFC 5322 §3.2.3), 8-bit octets with it (RFC 6532 §3.2).
pub(super) fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet) || octet >= 0x80
}

/// A field value without the ends of its lines and the white space around it.
pub fn unfolded(raw: &[u8]) -> Vec<u8> {
    raw.trim_ascii().iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect()
}
