//! Identities that never change: of messages, threads and mailboxes (RFC 8474).

use std::fmt;

use crate::{
    command::CommandError,
    scan::{Scan, Scanned},
};

/// An object identifier: 1 to 255 letters, digits, `_` and `-` (RFC 8474 §7). Case matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(Box<str>);

impl ObjectId {
    /// None: no identifier may look so.
    pub fn new(text: &str) -> Option<Self> {
        let valid = (1..=255).contains(&text.len()) && text.bytes().all(is_object_char);
        valid.then(|| Self(text.into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let text = std::str::from_utf8(scan.take_while(is_object_char)).ok();
        text.and_then(Self::new).ok_or(CommandError::Syntax)
    }
}

fn is_object_char(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-')
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
