//! Lists of addresses as they come, broken ones included (RFC 5322 §3.4, §4.4).

use super::{
    Address,
    scan::{Scan, is_atext, is_space},
};

/// Reads an unfolded list of addresses, `addresses_max` of them at most. Whether there was more is told, too.
///
/// Nothing is refused. What lacks a mailbox or a domain has an empty one, for in an envelope an address without a domain is the
/// beginning of a group (RFC 9051 §7.5.2). What cannot be read is passed over up to the next comma or semicolon.
pub(super) fn list(value: &[u8], addresses_max: usize) -> (Vec<Address>, bool) {
    let mut reader = Reader { scan: Scan::new(value), found: Vec::new(), in_group: false };
    loop {
        // A group has an end even where there is room for no more, and one may end where another begins.
        if reader.found.len() + 3 > addresses_max {
            let more = !reader.scan.is_empty();
            reader.end_group();
            return (reader.found, more);
        }
        if !reader.address() {
            reader.end_group();
            return (reader.found, false);
        }
    }
}

struct Reader<'a> {
    scan: Scan<'a>,
    found: Vec<Address>,
    in_group: bool,
}

/// Words before a `<`, `@`, `:`, a separator or the end.
#[derive(Default)]
struct Words {
    /// The words, white space between them as one space.
    text: Vec<u8>,
    /// The last of them as a local part: words joined by dots.
    local: Vec<u8>,
    /// Where it begins in the text.
    local_at: usize,
    /// The last comment.
    comment: Option<Vec<u8>>,
}

impl Reader<'_> {
    /// Reads an address, the beginning or end of a group, or a separator. Whether there was something.
    fn address(&mut self) -> bool {
        let words = self.words();
        match self.scan.peek() {
            Some(b':') => {
                self.scan.takes(b':');
                self.end_group();
                self.in_group = true;
                self.found.push(Address { mailbox: Some(words.text.into()), ..Address::default() });
            }
            Some(b'<') => self.angle(words.text),
            Some(b'@') => self.at(words),
            other => {
                self.bare(words);
                match other {
                    None => return false,
                    Some(b';') => self.end_group(),
                    _ => {}
                }
                self.scan.rest = self.scan.rest.get(1..).unwrap_or_default();
            }
        }
        true
    }

    fn end_group(&mut self) {
        if self.in_group {
            self.found.push(Address::default());
            self.in_group = false;
        }
    }

    /// `phrase`, or `local-part`: which of them, what follows tells.
    fn words(&mut self) -> Words {
        let mut words = Words::default();
        let mut dot = true;
        loop {
            let before = self.scan.rest.len();
            if let Some(comment) = self.scan.skip() {
                words.comment = Some(comment);
            }
            let spaced = before > self.scan.rest.len();
            let word = match self.scan.peek() {
                Some(b'"') => self.scan.quoted(),
                Some(b'.') => self.scan.run(|octet| octet == b'.').to_vec(),
                Some(octet) if is_word(octet) => self.scan.run(is_word).to_vec(),
                // A `)` or `>` that nothing opened.
                Some(b')' | b'>') => {
                    self.scan.rest = self.scan.rest.get(1..).unwrap_or_default();
                    continue;
                }
                _ => return words,
            };
            if spaced && !words.text.is_empty() {
                words.text.push(b' ');
            }
            let is_dot = word.first() == Some(&b'.');
            if !dot && !is_dot {
                words.local.clear();
                words.local_at = words.text.len();
            }
            words.text.extend_from_slice(&word);
            words.local.extend_from_slice(&word);
            dot = is_dot;
        }
    }

    /// Words and nothing else.
    fn bare(&mut self, words: Words) {
        if words.text.is_empty() {
            return;
        }
        // Of more than one word it is a name.
        let (name, mailbox) =
            if words.local_at == 0 { (None, words.local) } else { (Some(words.text), Vec::new()) };
        self.put(name, None, mailbox, Vec::new());
    }

    /// `local-part "@" domain`, with the name in a comment behind it; or a name with an `@` in it, if an address in angles follows.
    fn at(&mut self, words: Words) {
        let Words { mut text, local, local_at, mut comment } = words;
        self.scan.takes(b'@');
        let (domain, last) = self.domain();
        comment = last.or(comment);
        if self.scan.peek() == Some(b'<') {
            text.push(b'@');
            text.extend_from_slice(&domain);
            return self.angle(text);
        }
        text.truncate(local_at);
        let phrase = text.trim_ascii_end().to_vec();
        let name = if phrase.is_empty() { comment } else { Some(phrase) };
        self.put(name, None, local, domain);
        self.scan.run(|octet| !matches!(octet, b',' | b';'));
    }

    /// `angle-addr = "<" [obs-route] addr-spec ">"`
    fn angle(&mut self, name: Vec<u8>) {
        self.scan.takes(b'<');
        let route = self.route();
        let local = self.inner_local();
        let domain = if self.scan.takes(b'@') { self.domain().0 } else { Vec::new() };
        self.scan.run(|octet| !matches!(octet, b'>' | b',' | b';'));
        if self.scan.takes(b'>') {
            self.scan.run(|octet| !matches!(octet, b',' | b';'));
        }
        self.put((!name.is_empty()).then_some(name), route, local, domain);
    }

    /// `obs-route = "@" domain *("," "@" domain) ":"`
    fn route(&mut self) -> Option<Vec<u8>> {
        let mut route = Vec::new();
        self.scan.skip();
        while self.scan.takes(b'@') {
            if !route.is_empty() {
                route.push(b',');
            }
            route.push(b'@');
            route.extend_from_slice(&self.domain().0);
            while self.scan.takes(b',') {
                self.scan.skip();
            }
        }
        self.scan.takes(b':');
        (!route.is_empty()).then_some(route)
    }

    /// What stands before the `@` in angles.
    fn inner_local(&mut self) -> Vec<u8> {
        let words = self.words_in_angles();
        words.trim_ascii().to_vec()
    }

    fn words_in_angles(&mut self) -> Vec<u8> {
        let mut local = Vec::new();
        loop {
            let before = self.scan.rest.len();
            self.scan.skip();
            let spaced = before > self.scan.rest.len();
            let (word, is_dot) = match self.scan.peek() {
                Some(b'"') => (self.scan.quoted(), false),
                Some(b'.') => (self.scan.run(|octet| octet == b'.').to_vec(), true),
                // A colon or a semicolon is no part of one, and it cannot be anything else here.
                Some(octet) if is_word(octet) || matches!(octet, b':' | b';' | b')' | b'<') => (
                    self.scan
                        .run(|octet| is_word(octet) || matches!(octet, b':' | b';' | b')' | b'<'))
                        .to_vec(),
                    false,
                ),
                _ => return local,
            };
            if spaced && !is_dot && !local.is_empty() && local.last() != Some(&b'.') {
                local.push(b' ');
            }
            local.extend_from_slice(&word);
        }
    }

    /// `domain = dot-atom / domain-literal / obs-domain`, with what stands in the last comment behind it.
    fn domain(&mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        self.scan.skip();
        let mut domain = Vec::new();
        if self.scan.peek() == Some(b'[') {
            domain.extend_from_slice(self.scan.run(|octet| !matches!(octet, b']' | b'>' | b',')));
            if self.scan.takes(b']') {
                domain.push(b']');
            }
            return (domain, self.scan.skip());
        }
        loop {
            domain.extend_from_slice(self.scan.run(|octet| is_atext(octet) || octet == b'.'));
            let ahead = self.scan;
            let comment = self.scan.skip();
            // RFC 5322 §4.4: white space may stand around the dots of an obsolete domain.
            let goes_on = self.scan.peek() == Some(b'.')
                || (domain.ends_with(b".")
                    && ahead.rest.len() > self.scan.rest.len()
                    && self.scan.peek().is_some_and(is_atext));
            if !goes_on {
                return (domain, comment);
            }
        }
    }

    fn put(&mut self, name: Option<Vec<u8>>, route: Option<Vec<u8>>, mailbox: Vec<u8>, host: Vec<u8>) {
        self.found.push(Address {
            name: name.map(Into::into),
            route: route.map(Into::into),
            mailbox: Some(mailbox.into()),
            host: Some(host.into()),
        });
    }
}

/// `atext`, and whatever else has no meaning of its own.
fn is_word(octet: u8) -> bool {
    !is_space(octet) && !b"()<>@,;:\".".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let text = |part: &super::super::NString| {
            part.as_ref()
                .map_or_else(|| "-".to_owned(), |text| format!("{:?}", String::from_utf8_lossy(text)))
        };
        let (found, _) = list(value.as_bytes(), 100);
        let of = |a: &Address| [&a.name, &a.route, &a.mailbox, &a.host].map(text).join(" ");
        found.iter().map(of).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn legal_and_obsolete_forms() {
        for (value, expected) in [
            ("a@b", r#"- - "a" "b""#),
            ("A B <x@y>, z@w (Zed)", r#""A B" - "x" "y" | "Zed" - "z" "w""#),
            ("A (b) <x@y>", r#""A" - "x" "y""#),
            ("(c) a@b (d) (e)", r#""e" - "a" "b""#),
            ("\"X, \\\"Y\" <c@d>", r#""X, \"Y" - "c" "d""#),
            ("\"a b\"@c", r#"- - "a b" "c""#),
            ("a@[1.2.3.4]", r#"- - "a" "[1.2.3.4]""#),
            ("a(c)b@d", r#""a" - "b" "d""#),
            ("a . b @ c . d", r#"- - "a.b" "c.d""#),
            ("<@r1,@r2:l@h>", r#"- "@r1,@r2" "l" "h""#),
            ("<@a,,@b: c@d>", r#"- "@a,@b" "c" "d""#),
            ("undisclosed-recipients:;", r#"- - "undisclosed-recipients" - | - - - -"#),
            (
                "G: a@b, \"X Y\" <c@d>;, e@f",
                r#"- - "G" - | - - "a" "b" | "X Y" - "c" "d" | - - - - | - - "e" "f""#,
            ),
            ("J. R. \"Bob\" Dobbs <x@y>", r#""J. R. Bob Dobbs" - "x" "y""#),
            ("=?utf-8?q?a_b?= <a@b>", r#""=?utf-8?q?a_b?=" - "a" "b""#),
            ("a(x)@b", r#""x" - "a" "b""#),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn broken_forms_lose_no_address() {
        for (value, expected) in [
            ("", ""),
            (", ,a@b,,", r#"- - "a" "b""#),
            ("Anna", r#"- - "Anna" """#),
            ("Anna Smith", r#""Anna Smith" - "" """#),
            ("a b c@d", r#""a b" - "c" "d""#),
            ("<a@b", r#"- - "a" "b""#),
            ("a@", r#"- - "a" """#),
            ("@b", r#"- - "" "b""#),
            ("<>", r#"- - "" """#),
            ("A <>", r#""A" - "" """#),
            ("a@b; c@d", r#"- - "a" "b" | - - "c" "d""#),
            ("a@b c@d, e@f", r#"- - "a" "b" | - - "e" "f""#),
            ("A <a@b> <c@d>, e@f", r#""A" - "a" "b" | - - "e" "f""#),
            ("anna@b.c <anna@b.c>", r#""anna@b.c" - "anna" "b.c""#),
            ("a [b] <c@d>", r#""a [b]" - "c" "d""#),
            ("<a b@c>", r#"- - "a b" "c""#),
            ("a <b, c@d", r#""a" - "b" "" | - - "c" "d""#),
            ("\"unterminated <a@b>", r#"- - "unterminated <a@b>" """#),
            ("G: a@b", r#"- - "G" - | - - "a" "b" | - - - -"#),
            ("G: H: a@b;;", r#"- - "G" - | - - - - | - - "H" - | - - "a" "b" | - - - -"#),
            (":;", r#"- - "" - | - - - -"#),
            (";", ""),
            ("> a@b )", r#"- - "a" "b""#),
            ("a@b (", r#""" - "a" "b""#),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn no_more_are_read_than_wanted() {
        let (found, more) = list("G: a@b,".repeat(50).as_bytes(), 10);
        assert!(found.len() <= 10 && more, "{found:?}");
        assert_eq!(found.last(), Some(&Address::default()));
        assert_eq!(list(b"a@b", 3), (list(b"a@b", 10).0, false));
    }
}
