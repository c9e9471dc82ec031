//! Addresses in fields (RFC 5322 §3.4), in the form in which they may be written today.
//!
//! ```text
//! address-list = address *("," address)
//! address      = mailbox / group
//! mailbox      = [phrase] "<" addr-spec ">" / addr-spec
//! group        = phrase ":" [mailbox-list] ";"
//! ```
//! Forgiven is what all readers take alike: empty elements of a list, and dots in a phrase (RFC 5322 §4.1, §4.4). Routes and
//! white space inside of an addr-spec are not.

use mail::{Address, Domain};

use super::scanner::{Scanner, is_atext};

/// All addresses of an address-list, those of groups too. `None`: it is none.
pub(super) fn addresses(text: &str) -> Option<Vec<Address>> {
    Reader::new(text, None).list(true)
}

/// The addresses of a mailbox-list: no groups. `None`: it is none.
pub fn mailboxes(text: &str) -> Option<Vec<Address>> {
    Reader::new(text, None).list(false)
}

/// A single mailbox.
pub(super) fn mailbox(text: &str) -> Option<Address> {
    let mut all = mailboxes(text)?;
    let one = all.pop()?;
    all.is_empty().then_some(one)
}

/// An address-list in which local parts may stand alone, as programs on the same machine write it: with the domain behind those,
/// and all its addresses (RFC 6409 §4.2). `None`: it is none.
pub fn qualified(text: &str, domain: &Domain) -> Option<(String, Vec<Address>)> {
    let mut reader = Reader::new(text, Some(domain));
    let found = reader.list(true)?;
    let (mut whole, mut at) = (String::with_capacity(text.len()), 0);
    for end in reader.bare {
        whole.push_str(text.get(at..end)?);
        whole.extend(["@", &domain.to_string()]);
        at = end;
    }
    whole.push_str(text.get(at..)?);
    Some((whole, found))
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    len: usize,
    /// The domain of local parts that stand alone, if they may.
    domain: Option<&'a Domain>,
    /// Where those end.
    bare: Vec<usize>,
}

enum Element {
    Mailbox(Address),
    /// The name of a group and its colon have been read.
    Group,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, domain: Option<&'a Domain>) -> Self {
        Self { scanner: Scanner(text), len: text.len(), domain, bare: Vec::new() }
    }

    fn list(&mut self, groups: bool) -> Option<Vec<Address>> {
        let mut found = Vec::new();
        loop {
            self.pass_commas()?;
            if self.scanner.is_empty() {
                return Some(found);
            }
            match self.element()? {
                Element::Mailbox(address) => found.push(address),
                Element::Group if groups => self.group(&mut found)?,
                Element::Group => return None,
            }
            self.scanner.skip()?;
            if !self.scanner.is_empty() && !self.scanner.0.starts_with(',') {
                return None;
            }
        }
    }

    fn pass_commas(&mut self) -> Option<()> {
        self.scanner.skip()?;
        while self.scanner.takes(',') {
            self.scanner.skip()?;
        }
        Some(())
    }

    fn element(&mut self) -> Option<Element> {
        if let Some(address) = self.addr_spec() {
            return Some(Element::Mailbox(address));
        }
        let begin = self.scanner;
        let has_phrase = self.phrase()?;
        if self.scanner.takes('<') {
            self.scanner.skip()?;
            let address = self.addr_spec().or_else(|| self.bare())?;
            self.scanner.skip()?;
            return self.scanner.takes('>').then_some(Element::Mailbox(address));
        }
        if has_phrase && self.scanner.takes(':') {
            return Some(Element::Group);
        }
        self.scanner = begin;
        self.bare().map(Element::Mailbox)
    }

    /// The members of a group, and its end.
    fn group(&mut self, found: &mut Vec<Address>) -> Option<()> {
        loop {
            self.pass_commas()?;
            if self.scanner.takes(';') {
                return Some(());
            }
            match self.element()? {
                Element::Mailbox(address) => found.push(address),
                Element::Group => return None,
            }
            self.scanner.skip()?;
            if !self.scanner.0.starts_with([',', ';']) {
                return None;
            }
        }
    }

    /// Words and dots, perhaps none. Whether there was any.
    fn phrase(&mut self) -> Option<bool> {
        let mut has_any = false;
        loop {
            self.scanner.skip()?;
            if self.scanner.0.starts_with('"') {
                self.scanner.quoted()?;
            } else if self.scanner.run(|c| is_atext(c) || c == '.').is_empty() {
                return Some(has_any);
            }
            has_any = true;
        }
    }

    /// A local part alone, if that may be.
    fn bare(&mut self) -> Option<Address> {
        let (domain, mut ahead) = (self.domain?, self.scanner);
        let local = local_part(&mut ahead)?;
        let address = Address::parse(&format!("{local}@{domain}")).ok()?;
        self.scanner = ahead;
        self.bare.push(self.len - ahead.0.len());
        Some(address)
    }

    /// An address, if one comes next; else nothing is read.
    fn addr_spec(&mut self) -> Option<Address> {
        let mut ahead = self.scanner;
        let local = local_part(&mut ahead)?;
        if !ahead.takes('@') {
            return None;
        }
        let domain = if ahead.0.starts_with('[') {
            let end = ahead.0.find(']')? + 1;
            let (literal, rest) = ahead.0.split_at_checked(end)?;
            ahead.0 = rest;
            literal
        } else {
            ahead.run(|c| is_atext(c) || c == '.')
        };
        let address = Address::parse(&format!("{local}@{domain}")).ok()?;
        self.scanner = ahead;
        Some(address)
    }
}

fn local_part<'a>(ahead: &mut Scanner<'a>) -> Option<&'a str> {
    let local =
        if ahead.0.starts_with('"') { ahead.quoted()? } else { ahead.run(|c| is_atext(c) || c == '.') };
    // RFC 2047 §5: an encoded word is no part of an addr-spec.
    (!local.is_empty() && !local.contains("=?")).then_some(local)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        let shown = |all: Vec<Address>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        addresses(text).map_or_else(|| "-".to_owned(), shown)
    }

    #[test]
    fn addresses_as_people_write_them() {
        for (text, expected) in [
            ("anna@example.org", "anna@example.org"),
            ("<anna@example.org>", "anna@example.org"),
            ("Anna <anna@example.org>", "anna@example.org"),
            ("Anna B. Cee <anna@example.org>", "anna@example.org"),
            ("\"Cee, Anna\" <anna@example.org> (home)", "anna@example.org"),
            ("anna@example.org (Anna (not Bob))", "anna@example.org"),
            ("(Anna)anna@example.org,bob@example.org", "anna@example.org bob@example.org"),
            ("=?utf-8?B?QW5uYQ==?= <anna@example.org>", "anna@example.org"),
            ("\"an na\"@example.org", "\"an na\"@example.org"),
            ("Anna < anna@example.org >", "anna@example.org"),
            ("anna@[192.0.2.1]", "anna@[192.0.2.1]"),
            ("undisclosed-recipients:;", ""),
            ("friends: a@b, Bob <c@d>; , e@f", "a@b c@d e@f"),
            (", a@b,, c@d,", "a@b c@d"),
            ("", ""),
            ("\u{c4}rger <a@b\u{fc}cher.example>", "a@b\u{fc}cher.example"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "anna",
            "anna@",
            "@example.org",
            "a@b c@d",
            "Anna anna@example.org",
            "a@b@c",
            "Anna <anna@example.org",
            "Anna <>",
            "<@x.example:a@b>",
            "Anna (home <a@b>",
            "\"Anna <a@b>",
            "anna @example.org",
            "a..b@example.org",
            "anna@exa mple.org",
            "foo@bar <a@b>",
            "[x] <a@b>",
            "friends: a@b",
            "friends: others: a@b;;",
            ": a@b;",
            "a@b; c@d",
            "=?utf-8?q?anna?=@example.org",
            "a@b <c@d>",
            "a\\b@c",
        ] {
            assert_eq!(read(text), "-", "{text}");
        }
        assert_eq!(mailbox("a@b, c@d"), None);
        assert_eq!(mailbox(""), None);
        assert_eq!(mailboxes("friends: a@b;"), None);
    }

    #[test]
    fn local_parts_alone_get_a_domain() {
        let domain = Domain::parse("here.test").unwrap();
        for (text, expected) in [
            ("root (Cron Daemon)", Some("root@here.test (Cron Daemon)")),
            ("\"(Cron Daemon)\" <root>", Some("\"(Cron Daemon)\" <root@here.test>")),
            (
                "Anna <anna>, bob, carol@example.org",
                Some("Anna <anna@here.test>, bob@here.test, carol@example.org"),
            ),
            ("friends: anna, bob;", Some("friends: anna@here.test, bob@here.test;")),
            ("\"an na\"", Some("\"an na\"@here.test")),
            ("Anna Bee", None),
            ("anna@", None),
            ("<>", None),
        ] {
            let found = qualified(text, &domain).map(|(text, _)| text);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(qualified("a, b", &domain).unwrap().1.len(), 2);
        assert_eq!(addresses("root"), None, "not where nobody asked for it");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z@.,:;<>()\"\\\\ ]|\\PC){0,40}") {
            let _ = addresses(&text);
        }

        #[test]
        fn what_is_written_is_read(local in "[ -~]{1,20}", name in "[ -~&&[^\"\\\\]]{0,20}") {
            let address = Address::new(&local, Domain::parse("example.org").unwrap()).unwrap();
            prop_assume!(!local.contains("=?"));
            prop_assert_eq!(mailbox(&format!("\"{name}\" <{address}>")), Some(address));
        }
    }
}
