//! The header section of a content: where it ends, and the fields in it (RFC 5322 §2.1, §2.2; RFC 7103 §7).
//!
//! The reader is tolerant, as RFC 7103 asks of whoever only needs to know: lines may end in a bare LF, white space
//! may stand before a colon. It never repairs, never fails, and looks at each octet a bounded number of times.

use mail::Address;

use crate::Field;

/// A header section, borrowed from a content or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSection<'a> {
    octets: &'a [u8],
    end: usize,
    complete: bool,
}

/// What a receiver needs to know of a header section, gathered in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts<'a> {
    /// How many Received fields there are: the hops so far (RFC 5321 §6.3).
    pub received: usize,
    /// How many Delivered-To fields there are (RFC 9228).
    pub delivered_to: usize,
    /// How many From fields there are: one, if all is well (RFC 5322 §3.6).
    pub from: usize,
    /// Whether there is a Date field.
    pub date: bool,
    /// The first Message-ID field.
    pub message_id: Option<Field<'a>>,
}

impl<'a> HeaderSection<'a> {
    /// Finds the header section of a content: up to an empty line, or else up to the first line that is neither a
    /// field nor goes on with one, where the body begins without an empty line (RFC 7103 §7.2), or else all of it.
    /// An mbox `From ` line at the very start is passed over (RFC 7103 §7.2).
    pub fn read(content: &'a [u8]) -> Self {
        let start = mbox_line(content);
        let mut lines = Lines { octets: content, at: start };
        let mut in_field = false;
        loop {
            let begin = lines.at;
            let section =
                |end, complete| Self { octets: content.get(start..begin).unwrap_or_default(), end, complete };
            let Some(line) = lines.next() else { return section(begin, false) };
            let ended = line.ends_with(b"\n");
            if ended && without_line_end(line).is_empty() {
                return section(lines.at, true);
            }
            let continues = in_field && matches!(line.first(), Some(b' ' | b'\t'));
            if !continues && Field::parse(line).is_none() {
                // An unfinished line at the end may become a field yet.
                return section(begin, ended);
            }
            in_field = true;
        }
    }

    /// The fields with the ends of their lines, without the empty line.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Where the body begins in what was read: behind the empty line.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Whether its end was among the octets read. If not, the content has no body, or more has to be read.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The fields in order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { octets: self.octets, at: 0 }
    }

    /// The first field of this name.
    pub fn find(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.is(name))
    }

    /// How many fields have this name.
    pub fn count(&self, name: &str) -> usize {
        self.fields().filter(|field| field.is(name)).count()
    }

    /// Whether a Delivered-To field names this address: the message has been here before (RFC 9228 §3).
    pub fn has_delivered_to(&self, address: &Address) -> bool {
        let address = address.to_string();
        self.fields()
            .any(|field| field.is("Delivered-To") && field.value().eq_ignore_ascii_case(address.as_bytes()))
    }

    /// What a receiver needs, in one pass.
    pub fn facts(&self) -> Facts<'a> {
        let mut facts = Facts::default();
        for field in self.fields() {
            // The length decides first: most fields are none of these.
            match field.name().len() {
                4 if field.is("From") => facts.from += 1,
                4 if field.is("Date") => facts.date = true,
                8 if field.is("Received") => facts.received += 1,
                10 if facts.message_id.is_none() && field.is("Message-ID") => facts.message_id = Some(field),
                12 if field.is("Delivered-To") => facts.delivered_to += 1,
                _ => {}
            }
        }
        facts
    }
}

/// The fields of a header section in order.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let begin = self.at;
        let mut lines = Lines { octets: self.octets, at: begin };
        lines.next()?;
        while matches!(self.octets.get(lines.at), Some(b' ' | b'\t')) {
            lines.next();
        }
        self.at = lines.at;
        // Only fields got into the section, so nothing ends here early.
        Field::parse(self.octets.get(begin..lines.at)?)
    }
}

/// Lines with their ends: CRLF, or a bare LF.
struct Lines<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.octets.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        self.at += len;
        rest.get(..len)
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How long a leading `From ` or `>From ` line is.
pub(crate) fn mbox_line(content: &[u8]) -> usize {
    if content.starts_with(b"From ") || content.starts_with(b">From ") {
        let line = Lines { octets: content, at: 0 }.next().unwrap_or_default();
        // `From : anna` is a field.
        if Field::parse(line).is_none_or(|field| field.name() != b"From") { line.len() } else { 0 }
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(section: &HeaderSection<'_>) -> Vec<String> {
        section.fields().map(|field| String::from_utf8_lossy(field.name()).into_owned()).collect()
    }

    #[test]
    fn the_section_ends_where_the_body_begins() {
        for (content, fields, end, complete) in [
            ("A: 1\r\nB: 2\r\n\r\nC: 3\r\n", "A B", 14, true),
            ("A: 1\nB: 2\n\nC: 3\n", "A B", 11, true),
            ("A: 1\r\n B: 2\r\n\tC: 3\r\n\r\n", "A", 22, true),
            ("\r\nA: 1\r\n", "", 2, true),
            ("A: 1\r\nno field\r\nB: 2\r\n\r\n", "A", 6, true),
            ("From anna Mon Nov 23\r\nA: 1\r\n\r\n", "A", 30, true),
            (">From anna\nA: 1\n\n", "A", 17, true),
            ("From : anna\r\n\r\n", "From", 15, true),
            ("A : 1\r\n\r\n", "A", 9, true),
            (": 1\r\n\r\n", "", 0, true),
            ("A B: 1\r\n\r\n", "", 0, true),
            (" A: 1\r\n\r\n", "", 0, true),
            ("A: 1\r\n \r\nB: 2\r\n\r\n", "A B", 17, true),
            // Nothing but a beginning of what may come.
            ("", "", 0, false),
            ("A: 1\r\n", "A", 6, false),
            ("A: 1\r\nB", "A", 6, false),
            ("A: 1\r\n\r", "A", 6, false),
            ("A: 1", "A", 4, false),
            ("A:", "A", 2, false),
        ] {
            let section = HeaderSection::read(content.as_bytes());
            assert_eq!(names(&section).join(" "), fields, "{content:?}");
            assert_eq!((section.end(), section.is_complete()), (end, complete), "{content:?}");
        }
    }

    #[test]
    fn the_facts_are_those_of_the_first_message_only() {
        let content = b"RECEIVED: a\r\nReceived : b\r\n by c\r\nreceived:\r\nFrom: x\r\nfrom: y\r\n\
            Delivered-To: Anna@Example.org\r\nDate: now\r\nMessage-Id: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n\
            Received: in the body\r\n";
        let section = HeaderSection::read(content);
        let facts = section.facts();
        assert_eq!((facts.received, facts.delivered_to, facts.from, facts.date), (3, 1, 2, true));
        assert_eq!(facts.message_id.map(|field| field.text(99)).as_deref(), Some("<1@x>"));
        assert_eq!(section.count("received"), 3);
        assert!(section.has_delivered_to(&"anna@example.org".parse().unwrap()));
        assert!(!section.has_delivered_to(&"nna@example.org".parse().unwrap()));
        assert_eq!(HeaderSection::read(b"\r\nFrom: x\r\n").facts(), Facts::default());
    }

    #[test]
    fn values_are_unfolded_and_harmless_as_text() {
        let section =
            HeaderSection::read(b"Subject:  one\r\n two\r\n\tthree \r\nX:\r\n y\0\x1b[2J\xff\r\n\r\n");
        let subject = section.find("SUBJECT").unwrap();
        assert_eq!(subject.value().as_ref(), b"one two\tthree");
        assert_eq!(subject.raw(), b"  one\r\n two\r\n\tthree \r\n");
        assert_eq!(subject.octets().len(), 9 + subject.raw().len() - 1);
        assert_eq!(section.find("X").unwrap().text(99), "y??[2J\u{fffd}");
        assert_eq!(section.find("X").unwrap().text(1), "y");
        assert_eq!(section.find("Y"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_loss(
            content in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' ')], 0..300)
        ) {
            let section = HeaderSection::read(&content);
            prop_assert!(section.end() <= content.len());
            let fields: Vec<u8> = section.fields().flat_map(|field| field.octets().to_vec()).collect();
            prop_assert_eq!(fields.as_slice(), section.octets());
            for field in section.fields() {
                prop_assert!(!field.name().is_empty());
                prop_assert!(!field.text(50).contains(char::is_control) && field.text(50).len() <= 50);
                prop_assert!(!field.value().contains(&b'\n'));
            }
            let _ = section.facts();
        }

        #[test]
        fn a_beginning_says_the_same_or_that_it_is_not_complete(cut in 0..200_usize) {
            let content = b"A: 1\r\nReceived: x\r\n by y\r\nB: 2\r\n\r\nbody: 1\r\n\r\nmore";
            let (whole, part) = (HeaderSection::read(content), HeaderSection::read(&content[..cut.min(content.len())]));
            prop_assert!(part == whole || (!part.is_complete() && whole.octets().starts_with(part.octets())));
        }
    }
}
