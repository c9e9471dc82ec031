//! The words of structured fields (RFC 5322 §3.2), read from the front of an unfolded value.

/// What is left of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a>(pub(super) &'a str);

/// `atext` (RFC 5322 §3.2.3) and what RFC 6532 §3.2 adds.
pub(super) fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

impl<'a> Scanner<'a> {
    /// Passes over white space and comments, which may be nested. `None`: a comment has no end.
    pub(super) fn skip(&mut self) -> Option<()> {
        loop {
            self.0 = self.0.trim_start_matches([' ', '\t']);
            if !self.0.starts_with('(') {
                return Some(());
            }
            self.comment()?;
        }
    }

    fn comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => drop(chars.next()?),
                '(' => depth += 1,
                ')' if depth == 1 => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(());
                }
                ')' => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Takes a character if it comes next.
    pub(super) fn takes(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// As many characters of a kind as come next, perhaps none.
    pub(super) fn run(&mut self, is_one: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is_one(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run
    }

    /// A quoted string, its quotes with it, if one comes next. `None`: it has no end.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let mut chars = self.0.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => drop(chars.next()?),
                '"' => {
                    let (quoted, rest) = self.0.split_at_checked(at + 1)?;
                    self.0 = rest;
                    return Some(quoted);
                }
                _ => {}
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
