//! Which addresses a rule is about.

use std::fmt;

use directory::DomainPattern;
use mail::{Address, AddressError, Domain, ReversePath, quoted_if_needed};

use super::Glob;

/// Senders or recipients that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressPattern {
    /// `<>`: the null reverse-path, as of reports.
    Null,
    /// All addresses of these domains: `example.net`, `.example.net`. `*` is every path, the null one too.
    Domain(DomainPattern),
    /// `anna@example.net`, `news-*@example.net`, `root@*`: local parts in any case.
    Address {
        /// In front of the `@`, without quotes.
        local: Glob,
        /// Behind it.
        domain: DomainPattern,
    },
}

impl AddressPattern {
    /// `*`.
    pub const EVERY: Self = Self::Domain(DomainPattern::Every);

    /// Reads a pattern.
    ///
    /// # Errors
    /// It is neither a domain nor an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let domain = |text: &str| DomainPattern::parse(text).map_err(AddressError::Domain);
        if text == "<>" {
            return Ok(Self::Null);
        }
        match text.rsplit_once('@') {
            None => domain(text).map(Self::Domain),
            Some((local, behind)) => {
                // A star is a letter like any other to the grammar (RFC 5322 §3.2.3).
                let address = Address::parse(&format!("{local}@example.org"))?;
                Ok(Self::Address { local: Glob::new(address.local_part()), domain: domain(behind)? })
            }
        }
    }

    /// Whether it is about an address whose domain is in ASCII.
    pub(crate) fn takes(&self, address: &Address) -> bool {
        match self {
            Self::Null => false,
            Self::Domain(domain) => domain.takes(address.domain()),
            Self::Address { local, domain } => {
                domain.takes(address.domain()) && local.matches(&address.local_part().to_lowercase())
            }
        }
    }

    /// The same for a reverse-path.
    pub(crate) fn takes_path(&self, path: &ReversePath) -> bool {
        match path {
            ReversePath::Null => matches!(self, Self::Null | Self::Domain(DomainPattern::Every)),
            ReversePath::Address(address) => self.takes(address),
        }
    }

    /// Whether it is about every path that `other` is about.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Domain(DomainPattern::Every), _) | (Self::Null, Self::Null) => true,
            (Self::Domain(own), Self::Domain(other) | Self::Address { domain: other, .. }) => {
                own.covers(other)
            }
            (Self::Address { local, domain }, Self::Address { local: other, domain: behind }) => {
                local.covers(other) && domain.covers(behind)
            }
            (Self::Null | Self::Address { .. }, _) | (_, Self::Null) => false,
        }
    }

    /// The only address that it is about, in any case; none if there are others.
    pub fn sole(&self) -> Option<Address> {
        match self {
            Self::Address { local, domain: DomainPattern::Domain(domain) } => {
                Address::new(local.sole()?, domain.clone()).ok()
            }
            Self::Null | Self::Domain(_) | Self::Address { .. } => None,
        }
    }

    /// Whether it is about nobody but postmaster.
    pub fn is_postmaster(&self) -> bool {
        matches!(self, Self::Address { local, .. } if *local == Glob::new("postmaster"))
    }

    /// Whether a domain, which is in ASCII, may be one that it is about.
    pub fn is_about(&self, domain: &Domain) -> bool {
        match self {
            Self::Null => false,
            Self::Domain(pattern) | Self::Address { domain: pattern, .. } => pattern.takes(domain),
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Domain(domain) => domain.fmt(f),
            Self::Address { local, domain } => {
                write!(f, "{}@{domain}", quoted_if_needed(&local.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> AddressPattern {
        AddressPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_takes_what_it_says() {
        for (text, address, takes) in [
            ("anna@example.net", "anna@example.net", true),
            ("Anna@Example.net", "aNNA@eXAMPLE.NET", true),
            ("anna@example.net", "bob@example.net", false),
            ("anna@example.net", "anna@a.example.net", false),
            ("anna@.example.net", "anna@a.example.net", true),
            ("anna@*", "anna@[192.0.2.1]", true),
            ("news-*@example.net", "news-17@example.net", true),
            ("news-*@example.net", "old-news-17@example.net", false),
            ("\"a b\"@example.net", "\"a b\"@example.net", true),
            ("\"anna\"@example.net", "anna@example.net", true),
            ("\"a@b\"@example.net", "\"a@b\"@example.net", true),
            ("example.net", "\"a@example.org\"@example.net", true),
            ("example.net", "anna@a.example.net", false),
            (".example.net", "anna@a.example.net", true),
            (".example.net", "anna@example.net", false),
            ("*", "anna@example.net", true),
            ("<>", "anna@example.net", false),
            ("bücher.example", "anna@xn--bcher-kva.example", true),
        ] {
            assert_eq!(pattern(text).takes(&address.parse().unwrap()), takes, "{text} {address}");
        }
        for (text, takes) in [("<>", true), ("*", true), ("*@*", false), ("example.net", false)] {
            assert_eq!(pattern(text).takes_path(&ReversePath::Null), takes, "{text}");
        }
        for text in
            ["", "@example.net", "anna@", "a b@example.net", "anna@*.example.net", "<anna@example.net>"]
        {
            assert!(AddressPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_one_that_takes_no_more() {
        for (wide, narrow, covers) in [
            ("*", "<>", true),
            ("*", "anna@example.net", true),
            ("<>", "<>", true),
            ("<>", "*", false),
            ("example.net", "anna@example.net", true),
            ("example.net", "anna@.example.net", false),
            (".example.net", "anna@a.example.net", true),
            ("a*@example.net", "anna@example.net", true),
            ("anna@example.net", "a*@example.net", false),
            ("*@example.net", "anna@example.net", true),
            ("*@example.net", "<>", false),
            ("anna@*", "anna@.net", true),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn a_pattern_is_shown_as_it_is_read() {
        for text in ["<>", "*", "example.net", ".example.net", "a*@example.net", "\"a b\"@.example.net"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        let sole = |text: &str| pattern(text).sole().map(|address| address.to_string());
        assert_eq!(sole("Anna@Example.net").as_deref(), Some("anna@example.net"));
        assert!(
            ["a*@example.net", "anna@.example.net", "example.net", "<>"]
                .into_iter()
                .all(|t| sole(t).is_none())
        );
        assert!(pattern("Postmaster@example.net").is_postmaster());
        assert!(!pattern("post*@example.net").is_postmaster());
    }
}
