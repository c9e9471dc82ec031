//! Whose a message says it is: the one domain that all checks and all readers go by.

use mail::{Address, Domain};
use message::{HeaderSection, strict};

/// A domain in the form in which domains are compared: A-labels in lower case, without the final dot (RFC 5890 §2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<str>);

impl DomainName {
    /// `None`: it is no name of the DNS, as an address literal is none.
    pub fn parse(text: &str) -> Option<Self> {
        let ascii = idna::domain_to_ascii(text.strip_suffix('.').unwrap_or(text)).ok()?;
        match Domain::parse(&ascii).ok()? {
            Domain::Name(name) => Some(Self(name.to_ascii_lowercase().into())),
            Domain::Literal(_) => None,
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its labels, from the left.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The domain without its leftmost label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// Whether it is this domain or below it.
    pub fn is_within(&self, domain: &Self) -> bool {
        self.0.strip_suffix(&*domain.0).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }
}

impl std::fmt::Display for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message has no author to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoAuthor {
    /// There is no From field, or no address in it.
    None,
    /// There are several From fields, or addresses of several domains, or readers could differ in which it is.
    Ambiguous,
}

/// The author's domain (RFC 9989, "Extract Author Domain").
///
/// A From field of good form means what it means. One that is not, as programs write many, counts if every domain that stands in it anywhere
/// behind an `@` is the same: then no reader can see another.
///
/// # Errors
/// See [`NoAuthor`].
pub fn author(section: &HeaderSection<'_>) -> Result<DomainName, NoAuthor> {
    let mut fields = section.fields().filter(|field| field.is("From"));
    let Some(field) = fields.next() else { return Err(NoAuthor::None) };
    if fields.next().is_some() {
        return Err(NoAuthor::Ambiguous);
    }
    let value = field.value();
    let text = String::from_utf8_lossy(&value);
    let domains = match strict::mailboxes(&text) {
        Some(mailboxes) => mailboxes.iter().map(domain_of).collect(),
        None => domains_anywhere(&text),
    };
    let mut domains = domains.into_iter();
    let Some(first) = domains.next() else { return Err(NoAuthor::None) };
    let first = first.ok_or(NoAuthor::Ambiguous)?;
    if domains.all(|other| other.as_ref() == Some(&first)) { Ok(first) } else { Err(NoAuthor::Ambiguous) }
}

fn domain_of(address: &Address) -> Option<DomainName> {
    DomainName::parse(address.domain().name()?)
}

/// What stands behind each `@`; `None` where a reader could take more or less for the domain than we do.
fn domains_anywhere(text: &str) -> Vec<Option<DomainName>> {
    let plain = has_plain_brackets(text);
    let domain = |behind: &str| {
        let within = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let (name, rest) = behind.split_at_checked(behind.find(|c| !within(c)).unwrap_or(behind.len()))?;
        DomainName::parse(name).filter(|_| plain && ends_a_domain(name, rest))
    };
    text.split('@').skip(1).map(domain).collect()
}

/// Each that opens is closed, and has an address in it. Otherwise some readers put words together that stand apart.
fn has_plain_brackets(text: &str) -> bool {
    let closed = |behind: &str| behind.split_once('>').is_some_and(|(within, _)| within.contains('@'));
    text.matches('<').count() == text.matches('>').count() && text.split('<').skip(1).all(closed)
}

/// What programs write behind a domain. Behind a backslash, a comment, or white space at a dot (RFC 5322 §4.4) it could go on.
fn ends_a_domain(name: &str, rest: &str) -> bool {
    let mark = |c: char| matches!(c, ' ' | '\t' | '<' | '>' | '[' | ']' | ',' | ';' | ')' | '"' | '\'');
    if rest.is_empty() || rest.starts_with('>') {
        return true;
    }
    let joins = name.ends_with('.') || rest.trim_start().starts_with(['.', '(', '@']);
    !joins && (rest.starts_with(mark) || rest.starts_with("?="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Result<String, NoAuthor> {
        let content = format!("{fields}\r\n\r\nbody\r\n");
        author(&HeaderSection::read(content.as_bytes())).map(|domain| domain.to_string())
    }

    #[test]
    fn the_author_is_whom_every_reader_sees() {
        for (fields, domain) in [
            ("From: Anna <anna@Example.org>", Ok("example.org")),
            ("From: anna@example.org", Ok("example.org")),
            ("From: \"x@bank.example\" <anna@example.org>", Ok("example.org")),
            ("From: anna@example.org (bank.example)", Ok("example.org")),
            ("From: a@example.org, b@example.org", Ok("example.org")),
            ("From: anna@bücher.example", Ok("xn--bcher-kva.example")),
            ("From: =?utf-8?q?x?= <anna@example.org.>", Ok("example.org")),
            // Not of good form, but no reader can see another.
            ("From: joe@example.org <joe@example.org>", Ok("example.org")),
            ("From: Foo [x] <joe@example.org>", Ok("example.org")),
            ("From: joe@bank.example <joe@example.org>", Err(NoAuthor::Ambiguous)),
            ("From: a@example.org, b@example.com", Err(NoAuthor::Ambiguous)),
            ("From: a@example.org\r\nFrom: a@example.org", Err(NoAuthor::Ambiguous)),
            ("From: anna", Err(NoAuthor::None)),
            ("From: <>", Err(NoAuthor::None)),
            ("To: anna@example.org", Err(NoAuthor::None)),
            // Readers that take a backslash away see a domain that goes on; with brackets left open they see anything.
            ("From: <anna@bank\\.example>", Err(NoAuthor::Ambiguous)),
            ("From: anna@exam\\ple.org <anna@exam\\ple.org>", Err(NoAuthor::Ambiguous)),
            ("From: anna@example.org x <an", Err(NoAuthor::Ambiguous)),
            ("From: anna@example.org x <an>", Err(NoAuthor::Ambiguous)),
            ("From: [x] <anna@bank(c).example>", Err(NoAuthor::Ambiguous)),
            ("From: [x] <anna@bank (c).example>", Err(NoAuthor::Ambiguous)),
            ("From: [x] <anna@bank. example>", Err(NoAuthor::Ambiguous)),
            ("From: [x] <anna@bank .example>", Err(NoAuthor::Ambiguous)),
            ("From: [anna@example.org] 'anna@example.org' <anna@example.org>", Ok("example.org")),
            ("From: anna@example.org via List <anna@example.org>", Ok("example.org")),
            ("From: anna@[192.0.2.1]", Err(NoAuthor::Ambiguous)),
            ("From: a@example.org\0@bank.example", Err(NoAuthor::Ambiguous)),
        ] {
            assert_eq!(of(fields), domain.map(str::to_owned), "{fields:?}");
        }
    }

    #[test]
    fn domains_have_one_form() {
        let name = |text: &str| DomainName::parse(text).map(|name| name.to_string());
        assert_eq!(name("Bücher.Example.").as_deref(), Some("xn--bcher-kva.example"));
        for text in ["", ".", "a..b", "[192.0.2.1]", "a b.example"] {
            assert_eq!(name(text), None, "{text}");
        }
        let within =
            |a: &str, b: &str| DomainName::parse(a).unwrap().is_within(&DomainName::parse(b).unwrap());
        assert!(within("a.example.org", "example.org") && within("example.org", "example.org"));
        assert!(!within("badexample.org", "example.org") && !within("org", "example.org"));
    }
}
