//! A cursor over the octets of one command: the terminals of the grammar (RFC 9051 §9).

use crate::{
    command::{CommandError, GrammarLimits},
    framing,
};

/// Reads a command, whose literals stand in it with their announcements.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    octets: &'a [u8],
    at: usize,
    /// Mailbox names are UTF-8 instead of modified UTF-7.
    pub(crate) utf8: bool,
    pub(crate) limits: GrammarLimits,
    /// Nodes of SEARCH programs so far.
    pub(crate) nodes: usize,
}

pub(crate) type Scanned<T> = Result<T, CommandError>;

/// An announcement of a literal (RFC 9051 §4.3, RFC 7888): `{n}`, `{n+}`, and with `~` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// How many octets follow behind the CRLF.
    pub octets: u64,
    /// The client waits for our consent before it sends them.
    pub synchronising: bool,
    /// A literal8, which may hold NUL (RFC 3516).
    pub binary: bool,
}

/// `ATOM-CHAR`: what an atom may hold.
pub(crate) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// Whether a text is an atom.
pub(crate) fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_atom_char)
}

/// `ASTRING-CHAR`: an atom's, and `]`.
pub(crate) fn is_astring_char(octet: u8) -> bool {
    octet == b']' || is_atom_char(octet)
}

/// `list-char`: those of a pattern.
pub(crate) fn is_list_char(octet: u8) -> bool {
    matches!(octet, b'%' | b'*') || is_astring_char(octet)
}

impl<'a> Scan<'a> {
    pub(crate) fn new(octets: &'a [u8], utf8: bool, limits: GrammarLimits) -> Self {
        Self { octets, at: 0, utf8, limits, nodes: 0 }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn peek_second(&self) -> Option<u8> {
        self.octets.get(self.at + 1).copied()
    }

    /// Takes this octet, if it is the next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, octet: u8) -> Scanned<()> {
        if self.eat(octet) { Ok(()) } else { Err(CommandError::Syntax) }
    }

    /// One space, no more and no less.
    pub(crate) fn sp(&mut self) -> Scanned<()> {
        self.expect(b' ')
    }

    /// Nothing is left.
    pub(crate) fn end(&self) -> Scanned<()> {
        if self.rest().is_empty() { Ok(()) } else { Err(CommandError::Syntax) }
    }

    /// Takes the octets up to the first that does not belong; perhaps none.
    pub(crate) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|octet| !belongs(*octet)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn text_of(&mut self, belongs: impl Fn(u8) -> bool) -> Scanned<&'a str> {
        let taken = self.take_while(belongs);
        match std::str::from_utf8(taken) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(CommandError::Syntax),
        }
    }

    pub(crate) fn atom(&mut self) -> Scanned<&'a str> {
        self.text_of(is_atom_char)
    }

    /// A tag: `1*<any ASTRING-CHAR except "+">`.
    pub(crate) fn tag(&mut self) -> Scanned<&'a str> {
        self.text_of(|octet| octet != b'+' && is_astring_char(octet))
    }

    /// A word of the grammar, in upper case. It ends before a bracket or an angle.
    pub(crate) fn keyword(&mut self) -> Scanned<String> {
        self.text_of(|octet| !matches!(octet, b'[' | b'<') && is_atom_char(octet))
            .map(str::to_ascii_uppercase)
    }

    /// Takes this word, if it is the next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.keyword().is_ok_and(|found| found == word);
        if !found {
            self.at = before;
        }
        found
    }

    /// Takes a space and this word, if they are the next.
    pub(crate) fn eat_sp_word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.eat(b' ') && self.eat_word(word);
        if !found {
            self.at = before;
        }
        found
    }

    /// Takes a space and an octet behind it, if they are the next.
    pub(crate) fn eat_sp(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(b' ') && self.peek_second() == Some(octet);
        self.at += if found { 2 } else { 0 };
        found
    }

    fn digits(&mut self) -> Scanned<u64> {
        self.text_of(|octet| octet.is_ascii_digit())?.parse().map_err(|_| CommandError::Syntax)
    }

    /// `number`: 32 bits.
    pub(crate) fn number(&mut self) -> Scanned<u32> {
        self.digits()?.try_into().map_err(|_| CommandError::Syntax)
    }

    /// `nz-number`: 32 bits, not 0, and without a 0 in front.
    pub(crate) fn nz_number(&mut self) -> Scanned<u32> {
        match self.peek() {
            Some(b'0') => Err(CommandError::Syntax),
            _ => self.number(),
        }
    }

    /// `number64` and `mod-sequence-valzer`: 63 bits.
    pub(crate) fn number64(&mut self) -> Scanned<u64> {
        let number = self.digits()?;
        if i64::try_from(number).is_ok() { Ok(number) } else { Err(CommandError::Syntax) }
    }

    /// `nz-number64` and `mod-sequence-value`.
    pub(crate) fn nz_number64(&mut self) -> Scanned<u64> {
        match self.number64()? {
            0 => Err(CommandError::Syntax),
            number => Ok(number),
        }
    }

    /// `astring`.
    pub(crate) fn astring(&mut self) -> Scanned<Vec<u8>> {
        self.atom_or_string(is_astring_char)
    }

    /// Octets of this kind, or a string.
    pub(crate) fn atom_or_string(&mut self, belongs: impl Fn(u8) -> bool) -> Scanned<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self.text_of(belongs).map(|text| text.as_bytes().to_vec()),
        }
    }

    /// `string`: quoted, or a literal without NUL.
    pub(crate) fn string(&mut self) -> Scanned<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => {
                let content = self.literal()?;
                if content.contains(&0) { Err(CommandError::Syntax) } else { Ok(content.to_vec()) }
            }
            _ => Err(CommandError::Syntax),
        }
    }

    /// `nstring`; `None` is NIL.
    pub(crate) fn nstring(&mut self) -> Scanned<Option<Vec<u8>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `nstring / literal8` (RFC 5464 §5).
    pub(crate) fn nstring8(&mut self) -> Scanned<Option<Vec<u8>>> {
        if self.peek() == Some(b'~') {
            return self.literal().map(|content| Some(content.to_vec()));
        }
        self.nstring()
    }

    /// An `astring` that has to be UTF-8.
    pub(crate) fn text(&mut self) -> Scanned<Box<str>> {
        utf8(self.astring()?)
    }

    /// `quoted`. UTF-8 is taken in all sessions: it is clear, and RFC 9051 §4.3 allows it.
    fn quoted(&mut self) -> Scanned<Vec<u8>> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            out.extend_from_slice(
                self.take_while(|octet| !matches!(octet, b'"' | b'\\' | b'\r' | b'\n' | 0)),
            );
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(octet @ (b'"' | b'\\')) => out.push(octet),
                        _ => return Err(CommandError::Syntax),
                    }
                }
                _ => return Err(CommandError::Syntax),
            }
            self.at += 1;
        }
        self.at += 1;
        if std::str::from_utf8(&out).is_ok() { Ok(out) } else { Err(CommandError::Syntax) }
    }

    /// `literal / literal8` with its content.
    fn literal(&mut self) -> Scanned<&'a [u8]> {
        let literal = self.announcement().ok_or(CommandError::Syntax)?;
        if self.rest().is_empty() {
            return Err(CommandError::Incomplete);
        }
        self.expect(b'\r')?;
        self.expect(b'\n')?;
        let length = usize::try_from(literal.octets).map_err(|_| CommandError::Incomplete)?;
        let content = self.rest().get(..length).ok_or(CommandError::Incomplete)?;
        self.at += length;
        Ok(content)
    }

    /// `["~"] "{" number64 ["+"] "}"`, of which nothing is taken unless it is one.
    pub(crate) fn announcement(&mut self) -> Option<Literal> {
        let rest = self.rest();
        let mark = usize::from(rest.first() == Some(&b'~'));
        let inner = rest.get(mark..)?.strip_prefix(b"{")?;
        // Nothing but what it is made of, so that it begins where it seems to.
        let length = inner.iter().take_while(|octet| octet.is_ascii_digit() || **octet == b'+').count();
        let end = mark + length + 2;
        let literal = framing::announced(rest.get(..end)?)?;
        self.at += end;
        Some(literal)
    }

    /// `"(" item *(SP item) ")"`, at least one.
    pub(crate) fn list<T>(&mut self, item: impl FnMut(&mut Self) -> Scanned<T>) -> Scanned<Vec<T>> {
        let items = self.list_or_empty(item)?;
        if items.is_empty() { Err(CommandError::Syntax) } else { Ok(items) }
    }

    /// `"(" [item *(SP item)] ")"`.
    pub(crate) fn list_or_empty<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Scanned<T>,
    ) -> Scanned<Vec<T>> {
        self.expect(b'(')?;
        let mut items = Vec::new();
        if self.eat(b')') {
            return Ok(items);
        }
        loop {
            if items.len() >= self.limits.list_items_max {
                return Err(CommandError::TooComplex);
            }
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            self.sp()?;
        }
    }
}

/// Text out of octets.
pub(crate) fn utf8(octets: Vec<u8>) -> Scanned<Box<str>> {
    String::from_utf8(octets).map(String::into_boxed_str).map_err(|_| CommandError::Syntax)
}
