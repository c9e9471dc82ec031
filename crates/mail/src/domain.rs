//! The part of an address behind the `@`: a domain name or an address literal (RFC 5321 §4.1.2, §4.1.3).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::DOMAIN_OCTETS_MAX;

/// A domain name (ASCII in lower case; UTF-8 labels as given, RFC 6531 §3.3) or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// A name such as `example.org`, without a final dot.
    Name(Box<str>),
    /// An address literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
}

/// Why a text is no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainError {
    /// Nothing there, or an empty label.
    Empty,
    /// Over 255 octets, or a label over 63.
    TooLong,
    /// A character that no label may hold, or a label that begins or ends in a hyphen.
    Syntax,
    /// An address literal of unknown form.
    Literal,
}

impl fmt::Display for DomainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty domain or label",
            Self::TooLong => "domain or label too long",
            Self::Syntax => "invalid character in domain",
            Self::Literal => "invalid address literal",
        })
    }
}

impl std::error::Error for DomainError {}

impl Domain {
    /// Parses `Domain / address-literal` (RFC 5321 §4.1.2; U-labels by RFC 6531 §3.3).
    ///
    /// ```text
    /// Domain         = sub-domain *("." sub-domain)
    /// sub-domain     = Let-dig [Ldh-str] / U-label
    /// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
    /// ```
    /// An underscore inside a label is taken: such hosts exist and refusing them helps nobody.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(DomainError::Literal)?;
            return parse_literal(inner).map(Self::Literal);
        }
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(DomainError::TooLong);
        }
        text.split('.').try_for_each(check_label)?;
        Ok(Self::Name(text.to_ascii_lowercase().into()))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(_) => None,
        }
    }

    /// Whether the name has octets outside of ASCII, so that it needs SMTPUTF8.
    pub fn is_utf8(&self) -> bool {
        matches!(self, Self::Name(name) if !name.is_ascii())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// Whether a client may call itself so in HELO or EHLO: a domain, an address literal, or a single label.
///
/// RFC 5321 §4.1.4 forbids refusing mail because the name does not match, so only the syntax counts here.
pub fn valid_ehlo_name(name: &str) -> bool {
    Domain::parse(name.strip_suffix('.').unwrap_or(name)).is_ok()
}

fn check_label(label: &str) -> Result<(), DomainError> {
    let bytes = label.as_bytes();
    match (bytes.first(), bytes.last()) {
        (None, _) | (_, None) => return Err(DomainError::Empty),
        (Some(b'-'), _) | (_, Some(b'-')) => return Err(DomainError::Syntax),
        _ => {}
    }
    if bytes.len() > 63 {
        return Err(DomainError::TooLong);
    }
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || c == '-'
            || c == '_'
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    if label.chars().all(allowed) { Ok(()) } else { Err(DomainError::Syntax) }
}

fn parse_literal(inner: &str) -> Result<IpAddr, DomainError> {
    if let Some((tag, address)) = inner.split_once(':')
        && tag.eq_ignore_ascii_case("IPv6")
    {
        return address.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| DomainError::Literal);
    }
    inner.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| DomainError::Literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_literals_parsed() {
        assert_eq!(Domain::parse("Example.ORG").unwrap().to_string(), "example.org");
        assert_eq!(Domain::parse("[192.0.2.1]").unwrap().to_string(), "[192.0.2.1]");
        assert_eq!(Domain::parse("[ipv6:2001:DB8::1]").unwrap().to_string(), "[IPv6:2001:db8::1]");
        assert!(Domain::parse("bücher.example").unwrap().is_utf8());
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "abcdefg.".repeat(32));
        for (text, error) in [
            ("", DomainError::Empty),
            ("a..b", DomainError::Empty),
            ("example.org.", DomainError::Empty),
            ("-a.example", DomainError::Syntax),
            ("a b.example", DomainError::Syntax),
            ("a\u{85}b.example", DomainError::Syntax),
            ("[1.2.3]", DomainError::Literal),
            ("[1.2.3.4", DomainError::Literal),
            ("[IPv6:zz]", DomainError::Literal),
            (&long_label, DomainError::TooLong),
            (&long_name, DomainError::TooLong),
        ] {
            assert_eq!(Domain::parse(text), Err(error), "{text}");
        }
    }
}
