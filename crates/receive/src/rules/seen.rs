//! What rules look at in a content, gathered while it streams by.

use mail::Reply;
use message::HeaderSection;

use super::{FieldPattern, conditions::FieldName};

/// Header sections beyond this are refused where a rule has to read them: what is not read cannot be judged.
const HEADER_OCTETS_MAX: usize = 1 << 20;
const HEADER_TOO_LARGE: Reply = Reply::fixed(552, (5, 3, 4), "Header section is too large");

/// What was seen of a content so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    octets: u64,
    header: Header,
}

#[derive(Debug, Default)]
enum Header {
    /// No rule asks for it.
    #[default]
    Unwanted,
    /// Not all of it is here.
    Coming(Vec<u8>),
    /// Its fields, name and text in lower case.
    Read(Vec<(String, String)>),
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn new(wants_header: bool) -> Self {
        let header = if wants_header { Header::Coming(Vec::new()) } else { Header::Unwanted };
        Self { octets: 0, header }
    }

    /// Reads the next piece.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Result<(), Reply> {
        self.octets = self.octets.saturating_add(piece.len() as u64);
        let Header::Coming(so_far) = &mut self.header else { return Ok(()) };
        // Nearly every header section is whole in the first piece, and is not copied then.
        let begun = !so_far.is_empty();
        if begun {
            so_far.extend_from_slice(piece);
        }
        let section = HeaderSection::read(if begun { so_far } else { piece });
        if section.octets().len() > HEADER_OCTETS_MAX {
            return Err(HEADER_TOO_LARGE);
        }
        if section.is_complete() {
            self.header = Header::Read(fields(&section));
        } else if !begun {
            so_far.extend_from_slice(piece);
        }
        Ok(())
    }

    /// There is no more.
    pub(crate) fn end(&mut self) {
        if let Header::Coming(all) = &self.header {
            self.header = Header::Read(fields(&HeaderSection::read(all)));
        }
    }

    /// Octets of content as the client sent it.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a field is like this.
    pub(crate) fn has(&self, wanted: &FieldPattern) -> bool {
        let name = wanted.name.as_str();
        self.fields().iter().any(|(other, text)| other == name && wanted.text.matches(text))
    }

    /// Whether there is no field of this name.
    pub(crate) fn lacks(&self, name: &FieldName) -> bool {
        self.fields().iter().all(|(other, _)| other != name.as_str())
    }

    fn fields(&self) -> &[(String, String)] {
        match &self.header {
            Header::Read(fields) => fields,
            Header::Unwanted | Header::Coming(_) => &[],
        }
    }
}

fn fields(section: &HeaderSection<'_>) -> Vec<(String, String)> {
    let name = |octets: &[u8]| String::from_utf8_lossy(octets).to_ascii_lowercase();
    let text = |octets: &[u8]| message::decoded(octets).to_lowercase();
    section.fields().map(|field| (name(field.name()), text(&field.value()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(content: &[u8], piece: usize) -> Seen {
        let mut seen = Seen::new(true);
        content.chunks(piece).for_each(|piece| seen.read(piece).unwrap());
        seen.end();
        seen
    }

    #[test]
    fn fields_are_seen_whatever_the_pieces() {
        let content = b"Subject: You won\r\n the LOTTERY\r\nX-Spam : yes\r\nFrom: =?utf-8?Q?=C3=84r?= =?utf-8?Q?ger?= <a@x.example>\r\n\r\nDate: in the body\r\n";
        let pattern = |text: &str| FieldPattern::parse(text).unwrap();
        for piece in 1..=content.len() {
            let seen = seen(content, piece);
            assert_eq!(seen.octets(), content.len() as u64);
            assert!(seen.has(&pattern("subject: *lottery*")));
            assert!(seen.has(&pattern("SUBJECT: you won the lottery")));
            assert!(seen.has(&pattern("X-Spam: yes")));
            assert!(!seen.has(&pattern("X-Spam: no")));
            assert!(!seen.has(&pattern("Date: *")));
            assert!(seen.has(&pattern("from: *ÄRGER*")));
            assert!(seen.lacks(&FieldName::parse("Date").unwrap()));
            assert!(!seen.lacks(&FieldName::parse("Subject").unwrap()));
        }
    }

    #[test]
    fn a_header_section_without_an_end_is_refused_at_a_limit() {
        let mut seen = Seen::new(true);
        let piece = b"X: 1234567890\r\n".repeat(4096);
        let refused = (0..100).find_map(|_| seen.read(&piece).err());
        assert_eq!(refused, Some(HEADER_TOO_LARGE));
        // Where no rule asks, nothing is kept.
        let mut seen = Seen::new(false);
        (0..100).for_each(|_| seen.read(&piece).unwrap());
        assert_eq!(seen.octets(), 100 * piece.len() as u64);
    }
}
