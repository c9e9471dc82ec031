//! IMAP's parenthesized data, read without knowing what it means, and compared.

use std::fmt;

/// A value in a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Atom(String),
    Text(Vec<u8>),
    List(Vec<Self>),
}

/// The untagged responses among what a server said.
pub(super) fn responses(said: &[u8]) -> impl Iterator<Item = Tree> {
    let mut rest = said;
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let mut reader = Reader { rest };
            let line = reader.line();
            rest = reader.rest;
            Tree::List(line)
        })
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// A line, its end with it. Of lines for people only the words are read.
    fn line(&mut self) -> Vec<Tree> {
        let is_fetch = {
            let end = self.rest.iter().position(|octet| *octet == b'\n').unwrap_or(self.rest.len());
            self.rest[..end].windows(7).any(|window| window == b" FETCH ")
        };
        if !is_fetch {
            let end = self.rest.iter().position(|octet| *octet == b'\n').map_or(self.rest.len(), |lf| lf + 1);
            self.rest = &self.rest[end..];
            return Vec::new();
        }
        let line = self.values(b'\r');
        self.rest = self.rest.strip_prefix(b"\n").unwrap_or(self.rest);
        line
    }

    /// Values up to an octet, which is passed over.
    fn values(&mut self, end: u8) -> Vec<Tree> {
        let mut values = Vec::new();
        loop {
            let first = *self.rest.first().unwrap_or_else(|| panic!("it ends in the midst"));
            match first {
                _ if first == end => {
                    self.rest = &self.rest[1..];
                    return values;
                }
                b' ' => self.rest = &self.rest[1..],
                b'(' => {
                    self.rest = &self.rest[1..];
                    values.push(Tree::List(self.values(b')')));
                }
                b'"' => values.push(self.quoted()),
                b'{' => values.push(self.literal()),
                _ => {
                    let is_end = |octet: &u8| b" ()\r".contains(octet);
                    let len = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
                    values.push(Tree::Atom(String::from_utf8_lossy(&self.rest[..len]).into_owned()));
                    self.rest = &self.rest[len..];
                }
            }
        }
    }

    fn quoted(&mut self) -> Tree {
        let mut text = Vec::new();
        let mut at = 1;
        while self.rest[at] != b'"' {
            at += usize::from(self.rest[at] == b'\\');
            text.push(self.rest[at]);
            at += 1;
        }
        self.rest = &self.rest[at + 1..];
        Tree::Text(text)
    }

    fn literal(&mut self) -> Tree {
        let end = self.rest.iter().position(|octet| *octet == b'\n').unwrap() + 1;
        let digits: String = self.rest[..end]
            .iter()
            .filter(|octet| octet.is_ascii_digit())
            .map(|octet| char::from(*octet))
            .collect();
        let len: usize = digits.parse().unwrap();
        let text = self.rest[end..end + len].to_vec();
        self.rest = &self.rest[end + len..];
        Tree::Text(text)
    }
}

impl Tree {
    /// ENVELOPE and BODYSTRUCTURE of a FETCH response, in this order.
    pub(super) fn fetched(self) -> Option<Self> {
        let Self::List(line) = self else { return None };
        let Some(Self::List(values)) = line.into_iter().next_back() else { return None };
        let value = |name: &str| {
            let at = values.iter().position(|value| *value == Self::Atom(name.into()))?;
            values.get(at + 1).cloned()
        };
        Some(Self::List(vec![value("ENVELOPE")?, value("BODYSTRUCTURE")?]))
    }

    /// With all that is written differently and means the same written alike: case, white space where lines were folded, and the
    /// words that stand for what an address lacks.
    pub(super) fn alike(&self) -> Self {
        match self {
            Self::Atom(atom) => Self::Atom(atom.to_ascii_lowercase()),
            Self::Text(text) => Self::Text(alike(text)),
            Self::List(values) => {
                let values: Vec<Self> = values.iter().map(Self::alike).collect();
                if is_nothing(&values) {
                    Self::List(vec![Self::Atom("nothing".into())])
                } else {
                    Self::List(values)
                }
            }
        }
    }
}

fn alike(text: &[u8]) -> Vec<u8> {
    if [&b"MISSING_MAILBOX"[..], b"MISSING_DOMAIN", b"SYNTAX_ERROR", b"INVALID_ROUTE"].contains(&text) {
        return Vec::new();
    }
    let words: Vec<&[u8]> =
        text.split(|octet| b" \t\r\n".contains(octet)).filter(|word| !word.is_empty()).collect();
    words.join(&b' ').to_ascii_lowercase()
}

/// What stands where a multipart has no part: a text without an octet.
fn is_nothing(values: &[Tree]) -> bool {
    let text = |at: usize, wanted: &str| values.get(at) == Some(&Tree::Text(wanted.into()));
    let zero = |at: usize| values.get(at) == Some(&Tree::Atom("0".into()));
    text(0, "text") && text(1, "plain") && zero(6) && zero(7)
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => f.write_str(atom),
            Self::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::List(values) => {
                f.write_str("(")?;
                for (number, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if number > 0 { " " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}
