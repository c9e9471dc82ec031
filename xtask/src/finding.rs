//! One thing to mend: where, and what.

use std::fmt;

/// Something a check objects to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A path from the root of the workspace, or the name of a crate.
    pub(crate) place: String,
    /// The line, from 1; 0 where the whole of it is meant.
    pub(crate) line: usize,
    /// What is wrong, and where it helps what to do.
    pub(crate) text: String,
}

impl Finding {
    /// A finding about all of `place`.
    pub(crate) fn whole(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), line: 0, text: text.into() }
    }

    /// A finding about one line of a file, counted from 1.
    pub(crate) fn at(place: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self { place: place.into(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.text),
            line => write!(f, "{}:{line}: {}", self.place, self.text),
        }
    }
}
