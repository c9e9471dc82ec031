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

use mail::Address;

use super::scanner::{Scanner, is_atext};

/// All addresses of an address-list, those of groups too. `None`: it is none.
pub(super) fn addresses(text: &str) -> Option<Vec<Address>> {
    list(text, true)
}

/// A mailbox-list: no groups. `None`: it is none.
pub(super) fn mailboxes(text: &str) -> Option<Vec<Address>> {
    list(text, false)
}

/// A single mailbox.
pub(super) fn mailbox(text: &str) -> Option<Address> {
    let mut all = mailboxes(text)?;
    let one = all.pop()?;
    all.is_empty().then_some(one)
}

fn list(text: &str, groups: bool) -> Option<Vec<Address>> {
    let (mut scanner, mut found) = (Scanner(text), Vec::new());
    loop {
        scanner.skip()?;
        while scanner.takes(',') {
            scanner.skip()?;
        }
        if scanner.is_empty() {
            return Some(found);
        }
        match element(&mut scanner)? {
            Element::Mailbox(address) => found.push(address),
            Element::Group if groups => group(&mut scanner, &mut found)?,
            Element::Group => return None,
        }
        scanner.skip()?;
        if !scanner.is_empty() && !scanner.0.starts_with(',') {
            return None;
        }
    }
}

enum Element {
    Mailbox(Address),
    /// The name of a group and its colon have been read.
    Group,
}

fn element(scanner: &mut Scanner<'_>) -> Option<Element> {
    if let Some(address) = addr_spec(scanner) {
        return Some(Element::Mailbox(address));
    }
    let has_phrase = phrase(scanner)?;
    if scanner.takes('<') {
        scanner.skip()?;
        let address = addr_spec(scanner)?;
        scanner.skip()?;
        return scanner.takes('>').then_some(Element::Mailbox(address));
    }
    (has_phrase && scanner.takes(':')).then_some(Element::Group)
}

/// The members of a group, and its end.
fn group(scanner: &mut Scanner<'_>, found: &mut Vec<Address>) -> Option<()> {
    loop {
        scanner.skip()?;
        while scanner.takes(',') {
            scanner.skip()?;
        }
        if scanner.takes(';') {
            return Some(());
        }
        match element(scanner)? {
            Element::Mailbox(address) => found.push(address),
            Element::Group => return None,
        }
        scanner.skip()?;
        if !scanner.0.starts_with([',', ';']) {
            return None;
        }
    }
}

/// Words and dots, perhaps none. Whether there was any.
fn phrase(scanner: &mut Scanner<'_>) -> Option<bool> {
    let mut has_any = false;
    loop {
        scanner.skip()?;
        if scanner.0.starts_with('"') {
            scanner.quoted()?;
        } else if scanner.run(|c| is_atext(c) || c == '.').is_empty() {
            return Some(has_any);
        }
        has_any = true;
    }
}

/// An address, if one comes next; else nothing is read.
fn addr_spec(scanner: &mut Scanner<'_>) -> Option<Address> {
    let mut ahead = *scanner;
    let local =
        if ahead.0.starts_with('"') { ahead.quoted()? } else { ahead.run(|c| is_atext(c) || c == '.') };
    // RFC 2047 §5: an encoded word is no part of an addr-spec.
    if local.is_empty() || local.contains("=?") || !ahead.takes('@') {
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
    *scanner = ahead;
    Some(address)
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

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z@.,:;<>()\"\\\\ ]|\\PC){0,40}") {
            let _ = addresses(&text);
        }

        #[test]
        fn what_is_written_is_read(local in "[ -~]{1,20}", name in "[ -~&&[^\"\\\\]]{0,20}") {
            let address = Address::new(&local, mail::Domain::parse("example.org").unwrap()).unwrap();
            prop_assume!(!local.contains("=?"));
            prop_assert_eq!(mailbox(&format!("\"{name}\" <{address}>")), Some(address));
        }
    }
}
