//! Which domains are meant: one, all below one, or every one.

use std::fmt;

use mail::{Domain, DomainError};

/// Which domains something is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DomainPattern {
    /// This one: `example.net`, or an address literal.
    Domain(Domain),
    /// All below it, and not itself: `.example.net`. Kept without the dot.
    Below(Box<str>),
    /// All: `*`.
    Every,
}

impl DomainPattern {
    /// Reads `example.net`, `.example.net`, `[192.0.2.1]` or `*`.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text == "*" {
            return Ok(Self::Every);
        }
        match text.strip_prefix('.') {
            None => Ok(Self::Domain(in_ascii(Domain::parse(text)?).ok_or(DomainError::Syntax)?)),
            Some(parent) => match Domain::parse(parent).map(in_ascii)? {
                Some(Domain::Name(name)) => Ok(Self::Below(name)),
                _ => Err(DomainError::Syntax),
            },
        }
    }

    /// Whether it takes every domain that `other` takes.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, _) => true,
            (Self::Below(_), Self::Domain(domain)) => self.takes(domain),
            (Self::Below(parent), Self::Below(child)) => parent == child || is_below(child, parent),
            (Self::Domain(own), Self::Domain(other)) => own == other,
            (Self::Domain(_) | Self::Below(_), _) => false,
        }
    }

    /// Whether it takes a domain, which is [in ASCII](in_ascii).
    pub fn takes(&self, domain: &Domain) -> bool {
        match self {
            Self::Every => true,
            Self::Domain(own) => own == domain,
            Self::Below(parent) => domain.name().is_some_and(|name| is_below(name, parent)),
        }
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// The domain with U-labels as A-labels (RFC 5890 §2.3.2.1): both name the same. None: no such name can exist.
pub fn in_ascii(domain: Domain) -> Option<Domain> {
    match domain {
        Domain::Name(name) if !name.is_ascii() => {
            idna::domain_to_ascii(&name).ok().and_then(|name| Domain::parse(&name).ok())
        }
        domain => Some(domain),
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Below(parent) => write!(f, ".{parent}"),
            Self::Every => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        DomainPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_takes_what_it_says() {
        for (text, domain, takes) in [
            ("example.net", "example.net", true),
            ("Example.NET", "example.net", true),
            ("example.net", "a.example.net", false),
            (".example.net", "a.example.net", true),
            (".example.net", "a.b.example.net", true),
            (".example.net", "example.net", false),
            (".example.net", "badexample.net", false),
            (".net", "example.net", true),
            ("*", "example.net", true),
            ("*", "[192.0.2.1]", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
            (".example.net", "[192.0.2.1]", false),
            ("bücher.example", "xn--bcher-kva.example", true),
        ] {
            assert_eq!(pattern(text).takes(&Domain::parse(domain).unwrap()), takes, "{text} {domain}");
        }
        for text in ["", ".", "..", "*.example.net", ".*", "a b", ".[192.0.2.1]", "[x]"] {
            assert!(DomainPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_one_that_takes_no_more() {
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", ".net", true),
            ("*", "example.net", true),
            (".net", ".example.net", true),
            (".net", ".net", true),
            (".net", "example.net", true),
            (".net", "net", false),
            (".example.net", ".net", false),
            (".example.net", ".badexample.net", false),
            ("example.net", "example.net", true),
            ("example.net", ".example.net", false),
            ("example.net", "*", false),
            (".net", "*", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} {narrow}");
        }
    }
}
