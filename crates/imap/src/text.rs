//! Strings as IMAP writes them, each in the shortest form that all can read (RFC 9051 §4.1, §4.3).

use std::{fmt::Write as _, io::Write as _};

use crate::{
    Flag,
    command::IdFields,
    mailbox::Mailbox,
    response::{Outgoing, Stream},
    scan, utf7,
};

/// Longer strings are literals: nobody has to look through them for quotes.
const QUOTED_OCTETS_MAX: usize = 1024;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Literals wait for nobody.
    Server,
    /// Literals are announced as not synchronising, which needs LITERAL+.
    Client,
}

/// Gathers octets to send.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) octets: Vec<u8>,
    /// The other side reads UTF-8 in quotes and in mailbox names.
    pub(crate) utf8: bool,
    side: Side,
    /// Where streams belong.
    streams: Vec<(usize, Stream)>,
}

impl Text {
    pub(crate) fn new(side: Side, utf8: bool) -> Self {
        Self::behind(Vec::new(), side, utf8)
    }

    /// What is written goes behind these.
    pub(crate) fn behind(octets: Vec<u8>, side: Side, utf8: bool) -> Self {
        Self { octets, utf8, side, streams: Vec::new() }
    }

    /// What is of the grammar itself.
    pub(crate) fn raw(&mut self, text: &str) {
        self.octets.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn show(&mut self, value: impl std::fmt::Display) {
        // Writing to a vector does not fail.
        let _ = write!(self.octets, "{value}");
    }

    pub(crate) fn sp(&mut self) {
        self.octets.push(b' ');
    }

    /// An `astring`.
    pub(crate) fn astring(&mut self, text: &[u8]) {
        let atom = !text.is_empty() && text.iter().all(|octet| scan::is_astring_char(*octet));
        if atom && !text.eq_ignore_ascii_case(b"NIL") {
            self.octets.extend_from_slice(text);
        } else {
            self.string(text);
        }
    }

    /// A `string`. A NUL, which none may hold, becomes a question mark.
    pub(crate) fn string(&mut self, text: &[u8]) {
        if text.len() <= QUOTED_OCTETS_MAX && self.quotable(text) {
            self.quoted(text);
        } else {
            self.announce("", text.len() as u64);
            self.octets.extend(text.iter().map(|octet| if *octet == 0 { b'?' } else { *octet }));
        }
    }

    /// In quotes, however long: only for what holds neither NUL nor an end of line.
    pub(crate) fn quoted(&mut self, text: &[u8]) {
        self.octets.push(b'"');
        for octet in text {
            if matches!(octet, b'"' | b'\\') {
                self.octets.push(b'\\');
            }
            self.octets.push(*octet);
        }
        self.octets.push(b'"');
    }

    fn quotable(&self, text: &[u8]) -> bool {
        let plain = !text.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'));
        plain && (text.is_ascii() || self.utf8 && std::str::from_utf8(text).is_ok())
    }

    pub(crate) fn nstring(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.string(text),
            None => self.raw("NIL"),
        }
    }

    /// As `nstring`, but with NUL it is a literal8.
    pub(crate) fn nstring8(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) if text.contains(&0) => {
                self.announce("~", text.len() as u64);
                self.octets.extend_from_slice(text);
            }
            text => self.nstring(text),
        }
    }

    /// `{n}` and CRLF.
    pub(crate) fn announce(&mut self, mark: &str, octets: u64) {
        let plus = if self.side == Side::Client { "+" } else { "" };
        self.show(format_args!("{mark}{{{octets}{plus}}}\r\n"));
    }

    pub(crate) fn mailbox(&mut self, mailbox: &Mailbox) {
        self.name(mailbox.as_str());
    }

    /// A mailbox's name, or what is written like one.
    pub(crate) fn name(&mut self, name: &str) {
        if self.utf8 {
            self.astring(name.as_bytes());
        } else {
            self.astring(utf7::encode(name).as_bytes());
        }
    }

    /// A pattern of LIST: as a name, but wildcards need no quotes.
    pub(crate) fn pattern(&mut self, pattern: &str) {
        let bare = !pattern.is_empty() && pattern.bytes().all(scan::is_list_char);
        if bare && !pattern.contains('&') { self.raw(pattern) } else { self.name(pattern) }
    }

    /// Words for people (RFC 9051 §7.1, `text`): one line, and ASCII unless the other side reads UTF-8. `first`: nothing stands before
    /// them, so they must not look like a response code.
    pub(crate) fn words(&mut self, text: &str, first: bool) {
        let start = self.octets.len();
        for c in text.chars() {
            match c {
                ' '..='~' => self.octets.push(u8::try_from(c).unwrap_or(b'?')),
                c if self.utf8 && !c.is_control() => self.show(c),
                _ => self.octets.push(b'?'),
            }
        }
        match self.octets.get_mut(start) {
            None => self.raw("Done"),
            Some(bracket @ b'[') if first => *bracket = b'(',
            Some(_) => {}
        }
    }

    /// Flags in parentheses; those that cannot be written are left out.
    pub(crate) fn flags(&mut self, flags: &[Flag]) {
        self.list(flags.iter().filter(|flag| flag.is_valid()), Self::show);
    }

    /// Names and values of ID (RFC 2971), or NIL.
    pub(crate) fn id(&mut self, fields: Option<&IdFields>) {
        let Some(fields) = fields else { return self.raw("NIL") };
        self.list(fields, |out, (name, value)| {
            out.string(name.as_bytes());
            out.sp();
            out.nstring(value.as_deref().map(str::as_bytes));
        });
    }

    /// Here come octets that somebody else holds; they have been announced.
    pub(crate) fn stream(&mut self, stream: Stream) {
        self.streams.push((self.octets.len(), stream));
    }

    /// All, in order.
    pub(crate) fn outgoing(mut self) -> Vec<Outgoing> {
        let mut parts = Vec::with_capacity(1 + 2 * self.streams.len());
        for (at, stream) in self.streams.drain(..).rev() {
            let behind = self.octets.split_off(at.min(self.octets.len()));
            parts.push(Outgoing::Octets(behind));
            parts.push(Outgoing::Stream(stream));
        }
        parts.push(Outgoing::Octets(self.octets));
        parts.reverse();
        parts
    }

    /// Items in parentheses with spaces between.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.octets.push(b'(');
        self.spaced(items, &mut write);
        self.octets.push(b')');
    }

    /// Items with spaces between.
    pub(crate) fn spaced<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.sp();
            }
            write(self, item);
        }
    }
}

/// Numbers with dots between: of a part.
pub(crate) fn dotted(part: &[u32]) -> String {
    let mut out = String::new();
    for (at, number) in part.iter().enumerate() {
        let dot = if at == 0 { "" } else { "." };
        let _ = write!(out, "{dot}{number}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_takes_the_form_that_it_needs() {
        let written = |text: &[u8], utf8| {
            let mut out = Text::new(Side::Server, utf8);
            out.astring(text);
            String::from_utf8_lossy(&out.octets).into_owned()
        };
        assert_eq!(written(b"abc]", false), "abc]");
        assert_eq!(written(b"", false), "\"\"");
        assert_eq!(written(b"nil", false), "\"nil\"");
        assert_eq!(written(b"a \"b\\", false), "\"a \\\"b\\\\\"");
        assert_eq!(written("ä".as_bytes(), false), "{2}\r\nä");
        assert_eq!(written("ä".as_bytes(), true), "\"ä\"");
        assert_eq!(written(b"a\r\nb", true), "{4}\r\na\r\nb");
        assert_eq!(written(b"a\0b", true), "{3}\r\na?b");
        assert_eq!(written(&[b'"'; 1025], true).len(), "{1025}\r\n".len() + 1025);
    }
}
