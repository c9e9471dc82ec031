//! Flags and keywords of messages (RFC 9051 §2.3.2).

use std::fmt;

use crate::scan::{Scan, Scanned, is_atom};

/// A flag. Names are compared without regard to case.
#[derive(Debug, Clone, Eq)]
pub enum Flag {
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Seen`
    Seen,
    /// `\Draft`
    Draft,
    /// `\Recent`, of IMAP4rev1: no client sets it (RFC 3501 §2.3.2).
    Recent,
    /// A keyword: an atom.
    Keyword(Box<str>),
    /// A system flag of an extension, without its backslash. Servers must not make one up.
    Extension(Box<str>),
}

impl Flag {
    /// The name, without a backslash.
    pub fn name(&self) -> &str {
        match self {
            Self::Answered => "Answered",
            Self::Flagged => "Flagged",
            Self::Deleted => "Deleted",
            Self::Seen => "Seen",
            Self::Draft => "Draft",
            Self::Recent => "Recent",
            Self::Keyword(name) | Self::Extension(name) => name,
        }
    }

    /// Whether it can be written: its name is an atom. What is read always is.
    pub fn is_valid(&self) -> bool {
        is_atom(self.name())
    }

    /// Whether it is written with a backslash.
    pub fn is_system(&self) -> bool {
        !matches!(self, Self::Keyword(_))
    }

    pub(crate) fn system(name: &str) -> Self {
        let known = [Self::Answered, Self::Flagged, Self::Deleted, Self::Seen, Self::Draft, Self::Recent];
        let found = known.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Extension(name.into()))
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        if scan.eat(b'\\') {
            scan.atom().map(Self::system)
        } else {
            scan.atom().map(|name| Self::Keyword(name.into()))
        }
    }
}

impl PartialEq for Flag {
    fn eq(&self, other: &Self) -> bool {
        self.is_system() == other.is_system() && self.name().eq_ignore_ascii_case(other.name())
    }
}

/// As in a command.
impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_system() { "\\" } else { "" };
        write!(f, "{mark}{}", self.name())
    }
}
