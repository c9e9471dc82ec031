//! The reverse-path: where reports about a message go (RFC 5321 §3.3, §4.5.5).

use std::fmt;

use crate::Address;

/// The argument of `MAIL FROM`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: a report, which must never cause another one (RFC 5321 §4.5.5).
    Null,
    /// Reports go here.
    Address(Address),
}

impl ReversePath {
    /// The address, unless it is null.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// Whether it is `<>`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// With angle brackets, as in `MAIL FROM:<…>` and `Return-Path: <…>`.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}
