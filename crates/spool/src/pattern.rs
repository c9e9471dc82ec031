//! Patterns of addresses and domains, as operators write them: `*` stands for any run of characters, and case does not count.

use std::borrow::Cow;

use mail::{Address, Domain};

/// A pattern of an address, a domain or a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the asterisks, ASCII letters in lower case. Never empty: without an asterisk it is one part.
    parts: Vec<Box<str>>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Neither an address nor a pattern of some.
    #[error(
        "is no address: write anna@example.org, @example.org for all of a domain, or * for any characters"
    )]
    Address,
    /// Neither a domain nor a pattern of some.
    #[error("is no domain: write example.org, .example.org for all below it, or * for any characters")]
    Domain,
}

impl Pattern {
    /// A pattern of addresses: `anna@example.org`, `@example.org`, `anna+*@*.example.org`, and `<>` for the null reverse-path.
    ///
    /// # Errors
    /// It could match no address at all.
    pub fn address(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        if bare.is_empty() && !text.is_empty() {
            return Ok(Self::glob(""));
        }
        match bare.strip_prefix('@') {
            Some(domain) => {
                Self::domain(domain).map(|domain| domain.behind("@")).map_err(|_| PatternError::Address)
            }
            None if bare.contains('*') => Ok(Self::glob(bare)),
            None => bare
                .parse::<Address>()
                .map(|address| Self::glob(&address.to_string()))
                .map_err(|_| PatternError::Address),
        }
    }

    /// A pattern of domains: `example.org`, `.example.org` for what is below it, `mx*.example.org`.
    ///
    /// # Errors
    /// It could match no domain at all.
    pub fn domain(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let name = text.strip_prefix('.').unwrap_or(text);
        if !name.contains('*') {
            Domain::parse(name).map_err(|_| PatternError::Domain)?;
        }
        Ok(if name.len() < text.len() { Self::glob(&format!("*.{name}")) } else { Self::glob(name) })
    }

    fn glob(text: &str) -> Self {
        Self { parts: text.to_ascii_lowercase().split('*').map(Into::into).collect() }
    }

    /// The same behind any run of characters and `text`.
    fn behind(self, text: &str) -> Self {
        let mut parts = self.parts;
        if let Some(first) = parts.first_mut() {
            *first = format!("{text}{first}").into();
        }
        parts.insert(0, "".into());
        Self { parts }
    }

    /// Whether it matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let is_lower = !text.bytes().any(|octet| octet.is_ascii_uppercase());
        let text = if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) };
        let (Some((first, middle)), Some(last)) = (self.parts.split_first(), self.parts.last()) else {
            return false;
        };
        let Some(mut rest) = text.strip_prefix(&**first) else { return false };
        if middle.is_empty() {
            return rest.is_empty();
        }
        for part in middle.get(..middle.len() - 1).unwrap_or_default() {
            match rest.find(&**part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_whole_and_without_case() {
        for (pattern, yes, no) in [
            (
                "anna@example.org",
                vec!["anna@example.org", "ANNA@example.org"],
                vec!["joanna@example.org", "anna@example.org.uk"],
            ),
            ("<anna@example.org>", vec!["anna@example.org"], vec![""]),
            ("@Example.org", vec!["anna@example.org"], vec!["anna@sub.example.org", "example.org"]),
            ("@.example.org", vec!["anna@sub.example.org"], vec!["anna@example.org"]),
            (
                "anna+*@*.org",
                vec!["anna+@a.org", "anna+list@example.org"],
                vec!["anna@example.org", "anna+x@a.net"],
            ),
            ("*a*a*", vec!["aa", "bab@ca"], vec!["a", "b@c"]),
            ("*", vec!["", "anna@example.org"], vec![]),
            ("<>", vec![""], vec!["anna@example.org"]),
        ] {
            let parsed = Pattern::address(pattern).unwrap();
            for text in yes {
                assert!(parsed.matches(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!parsed.matches(text), "{pattern} {text}");
            }
        }
        for text in ["", "anna", "@", "@a b", "anna@exa mple.org"] {
            assert_eq!(Pattern::address(text), Err(PatternError::Address), "{text}");
        }
    }

    #[test]
    fn a_dot_before_a_domain_means_what_is_below_it() {
        for (pattern, yes, no) in [
            ("example.org", "EXAMPLE.org", "a.example.org"),
            (".example.org", "a.b.example.org", "example.org"),
            ("mx*.example.org", "mx1.example.org", "mail.example.org"),
            ("[192.0.2.1]", "[192.0.2.1]", "192.0.2.1"),
        ] {
            let parsed = Pattern::domain(pattern).unwrap();
            assert!(parsed.matches(yes) && !parsed.matches(no), "{pattern}");
        }
        for text in ["", ".", "a..b", "a b", "@example.org"] {
            assert_eq!(Pattern::domain(text), Err(PatternError::Domain), "{text}");
        }
    }
}
