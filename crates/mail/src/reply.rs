//! A whole answer of an SMTP server: reply code, enhanced status code and text (RFC 5321 §4.2).

use std::{borrow::Cow, fmt};

use crate::EnhancedStatus;

/// The first digit of a reply code (RFC 5321 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyClass {
    /// 2yz: done.
    Completion,
    /// 3yz: go on, more is awaited.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: not so, not ever.
    Permanent,
}

/// A reply. Its text may have several lines, separated by LF; it never holds CR, NUL or other controls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedStatus>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced status code given as its three numbers.
    pub const fn fixed(code: u16, (class, subject, detail): (u8, u16, u16), text: &'static str) -> Self {
        Self { code, enhanced: Some(EnhancedStatus::new(class, subject, detail)), text: Cow::Borrowed(text) }
    }

    /// A reply without an enhanced status code: greeting, EHLO and 3yz have none (RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: clean(text.into()) }
    }

    /// A reply. Controls in `text` other than the LF between lines become `?`: what came from elsewhere cannot
    /// forge a reply line.
    pub fn new(code: u16, enhanced: EnhancedStatus, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), text: clean(text.into()) }
    }

    /// The reply code, 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, if one was given.
    pub fn enhanced(&self) -> Option<EnhancedStatus> {
        self.enhanced
    }

    /// The text without codes, lines separated by LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the first digit says. A code outside 2 to 4 counts as permanent.
    pub fn class(&self) -> ReplyClass {
        match self.code / 100 {
            2 => ReplyClass::Completion,
            3 => ReplyClass::Intermediate,
            4 => ReplyClass::Transient,
            _ => ReplyClass::Permanent,
        }
    }

    /// Whether it is 2yz.
    pub fn is_completion(&self) -> bool {
        self.class() == ReplyClass::Completion
    }

    /// Whether it is 4yz.
    pub fn is_transient(&self) -> bool {
        self.class() == ReplyClass::Transient
    }

    /// Appends the reply as it goes over the wire, each line with code and enhanced status code (RFC 2034 §4).
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { b'-' } else { b' ' };
            write_code(out, self.code);
            out.push(separator);
            if let Some(enhanced) = self.enhanced {
                // Writing to a Vec cannot fail.
                let _ = std::io::Write::write_fmt(out, format_args!("{enhanced} "));
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// On one line, for logs, events and DSNs: `550 5.1.1 No such user`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        self.text.split('\n').filter(|line| !line.is_empty()).try_for_each(|line| write!(f, " {line}"))
    }
}

fn write_code(out: &mut Vec<u8>, code: u16) {
    let digit = |n: u16| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(code / 100), digit(code / 10), digit(code)]);
}

fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    let forbidden = |c: char| c.is_control() && c != '\n';
    if text.contains(forbidden) { text.replace(forbidden, "?").into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_line_has_both_codes() {
        let reply = Reply::new(550, EnhancedStatus::new(5, 1, 1), "No such user\nAsk postmaster");
        assert_eq!(wire(&reply), "550-5.1.1 No such user\r\n550 5.1.1 Ask postmaster\r\n");
        assert_eq!(reply.to_string(), "550 5.1.1 No such user Ask postmaster");
        assert_eq!(wire(&Reply::plain(354, "Go on")), "354 Go on\r\n");
    }

    #[test]
    fn text_from_elsewhere_cannot_forge_a_line() {
        let reply = Reply::plain(550, "no\r\u{0}\u{85}".to_owned());
        assert_eq!(wire(&reply), "550 no???\r\n");
    }
}
