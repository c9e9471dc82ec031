//! `local-part@domain`, the grammar's `Mailbox` (RFC 5321 §4.1.2, RFC 6531 §3.3).

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{Domain, DomainError, LOCAL_PART_OCTETS_MAX};

/// An address. The local part is kept unquoted: `"a"@x` and `a@x` are the same address (RFC 5321 §4.1.2),
/// and its case is kept (RFC 5321 §2.4); `Display` quotes it again where the grammar needs quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// No `@` between local part and domain.
    NoAt,
    /// A local part that is neither a dot-string nor a quoted string.
    LocalPart,
    /// A local part over 64 octets.
    LocalPartTooLong,
    /// The domain is wrong.
    Domain(DomainError),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAt => f.write_str("no @ in address"),
            Self::LocalPart => f.write_str("invalid local part"),
            Self::LocalPartTooLong => f.write_str("local part too long"),
            Self::Domain(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Parses a whole `Mailbox`:
    ///
    /// ```text
    /// Mailbox       = Local-part "@" ( Domain / address-literal )
    /// Local-part    = Dot-string / Quoted-string
    /// Dot-string    = Atom *("." Atom)
    /// Quoted-string = DQUOTE *QcontentSMTP DQUOTE
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, rest) = if text.starts_with('"') { quoted_local_part(text)? } else { dot_string(text)? };
        if local.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        let domain = rest.strip_prefix('@').ok_or(AddressError::NoAt)?;
        let domain = Domain::parse(domain).map_err(AddressError::Domain)?;
        Ok(Self { local: local.into(), domain })
    }

    /// An address from an unquoted local part and a domain. Refuses controls and what is too long.
    pub fn new(local: &str, domain: Domain) -> Result<Self, AddressError> {
        if local.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        if local.chars().any(char::is_control) {
            return Err(AddressError::LocalPart);
        }
        Ok(Self { local: local.into(), domain })
    }

    /// The local part, unquoted.
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether any part has octets outside of ASCII, so that the address needs SMTPUTF8 (RFC 6531 §3.1).
    pub fn is_utf8(&self) -> bool {
        !self.local.is_ascii() || self.domain.is_utf8()
    }

    /// Whether the local part is `postmaster` in any case (RFC 5321 §4.5.1).
    pub fn is_postmaster(&self) -> bool {
        self.local.eq_ignore_ascii_case("postmaster")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", quoted_if_needed(&self.local), self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// `atext` (RFC 5322 §3.2.3), or UTF-8 beyond ASCII (RFC 6531 §3.3) that is not a control.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn is_dot_string(local: &str) -> bool {
    !local.is_empty() && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn dot_string(text: &str) -> Result<(Cow<'_, str>, &str), AddressError> {
    let at = text.find('@').ok_or(AddressError::NoAt)?;
    let (local, rest) = text.split_at(at);
    if is_dot_string(local) { Ok((Cow::Borrowed(local), rest)) } else { Err(AddressError::LocalPart) }
}

/// Takes `"…"` off the front, unescaped.
///
/// RFC 5321 §4.1.2: `qtextSMTP = %d32-33 / %d35-91 / %d93-126`, `quoted-pairSMTP = %d92 %d32-126`.
fn quoted_local_part(text: &str) -> Result<(Cow<'_, str>, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                return if local.is_empty() {
                    Err(AddressError::LocalPart)
                } else {
                    Ok((local.into(), rest))
                };
            }
            '\\' => match chars.next() {
                Some((_, c @ ' '..='~')) => local.push(c),
                _ => return Err(AddressError::LocalPart),
            },
            c if c.is_control() => return Err(AddressError::LocalPart),
            c => local.push(c),
        }
    }
    Err(AddressError::LocalPart)
}

/// A local part as it is written: in quotes where the grammar needs them.
pub fn quoted_if_needed(local: &str) -> Cow<'_, str> {
    if is_dot_string(local) {
        return Cow::Borrowed(local);
    }
    let mut quoted = String::with_capacity(local.len() + 4);
    quoted.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_addresses_have_one_form() {
        for (text, shown) in [
            ("anna@Example.org", "anna@example.org"),
            ("\"anna\"@example.org", "anna@example.org"),
            ("\"an na\"@example.org", "\"an na\"@example.org"),
            ("\"a\\\"b\\\\c\"@example.org", "\"a\\\"b\\\\c\"@example.org"),
            ("\"a@b\"@example.org", "\"a@b\"@example.org"),
            ("\"a..b\"@example.org", "\"a..b\"@example.org"),
            ("δοκιμή@παράδειγμα.example", "δοκιμή@παράδειγμα.example"),
            ("a+b/c=d@[192.0.2.1]", "a+b/c=d@[192.0.2.1]"),
        ] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        for (text, error) in [
            ("", AddressError::NoAt),
            ("anna", AddressError::NoAt),
            ("@example.org", AddressError::LocalPart),
            (".a@example.org", AddressError::LocalPart),
            ("a..b@example.org", AddressError::LocalPart),
            ("a b@example.org", AddressError::LocalPart),
            ("\"\"@example.org", AddressError::LocalPart),
            ("\"a\"b@example.org", AddressError::NoAt),
            ("\"a\rb\"@example.org", AddressError::LocalPart),
            ("\"a@example.org", AddressError::LocalPart),
            ("a\0b@example.org", AddressError::LocalPart),
            ("a@", AddressError::Domain(DomainError::Empty)),
            ("a@b@c", AddressError::Domain(DomainError::Syntax)),
            (&long, AddressError::LocalPartTooLong),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same(local in "[ -~é]{1,32}", domain in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}") {
            let address = Address::new(&local, Domain::parse(&domain).unwrap()).unwrap();
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Address::parse(&text).is_ok();
        }
    }
}
