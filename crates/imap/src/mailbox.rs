//! Names of mailboxes (RFC 9051 §5.1).

use std::fmt;

use crate::{
    command::CommandError,
    scan::{Scan, Scanned, is_list_char},
    utf7,
};

/// The name of a mailbox: not empty, without control characters, and `INBOX` in capitals however it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox(Box<str>);

impl Mailbox {
    /// RFC 9051 §5.1: INBOX is the one name whose case does not matter. None: that is no name.
    pub fn new(name: &str) -> Option<Self> {
        if name.is_empty() || name.contains(char::is_control) {
            return None;
        }
        Some(Self(if name.eq_ignore_ascii_case("INBOX") { "INBOX".into() } else { name.into() }))
    }

    /// The user's primary mailbox.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// The name, in Unicode.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let octets = scan.astring()?;
        let name = decoded(scan, octets)?;
        Self::new(&name).ok_or(CommandError::MailboxName)
    }

    /// A name, or an empty one for the server itself (RFC 5464 §5).
    pub(crate) fn scan_or_server(scan: &mut Scan<'_>) -> Scanned<Option<Self>> {
        let octets = scan.astring()?;
        if octets.is_empty() {
            return Ok(None);
        }
        let name = decoded(scan, octets)?;
        Self::new(&name).map(Some).ok_or(CommandError::MailboxName)
    }

    /// The reference name of LIST, which may be empty.
    pub(crate) fn scan_reference(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
        let octets = scan.astring()?;
        plain(decoded(scan, octets)?)
    }

    /// `list-mailbox`: a name with wildcards.
    pub(crate) fn scan_pattern(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
        let octets = scan.atom_or_string(is_list_char)?;
        plain(decoded(scan, octets)?)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn decoded(scan: &Scan<'_>, octets: Vec<u8>) -> Scanned<String> {
    let name = if scan.utf8 { String::from_utf8(octets).ok() } else { utf7::decode(&octets) };
    name.ok_or(CommandError::MailboxName)
}

fn plain(name: String) -> Scanned<Box<str>> {
    if name.contains(char::is_control) { Err(CommandError::MailboxName) } else { Ok(name.into()) }
}
