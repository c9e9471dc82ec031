//! What rules look at in a content, gathered while it streams by.

use mail::Reply;
use message::{Field, HeaderSection};

use super::{FieldPattern, Results, conditions::FieldName};

/// Header sections beyond this are refused where a rule has to read them: what is not read cannot be judged.
const HEADER_OCTETS_MAX: usize = 1 << 20;
pub(crate) const HEADER_TOO_LARGE: Reply = Reply::fixed(552, (5, 3, 4), "Header section is too large");

/// What was seen of a content so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    octets: u64,
    header: Header,
    results: Option<Results>,
}

#[derive(Debug, Default)]
enum Header {
    /// No rule asks for it.
    #[default]
    Unwanted,
    /// Not all of it is here.
    Coming(Vec<u8>),
    /// Its fields, as they came: read apart they would take many times as much memory.
    Whole(Vec<u8>),
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn new(wants_header: bool) -> Self {
        let header = if wants_header { Header::Coming(Vec::new()) } else { Header::Unwanted };
        Self { octets: 0, header, results: None }
    }

    /// Reads the next piece.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Result<(), Reply> {
        self.octets = self.octets.saturating_add(piece.len() as u64);
        let Header::Coming(so_far) = &mut self.header else { return Ok(()) };
        // Nearly every header section is whole in the first piece, and nothing else is copied then.
        let begun = !so_far.is_empty();
        if begun {
            so_far.extend_from_slice(piece);
        }
        let all = if begun { so_far } else { piece };
        let section = HeaderSection::read(all);
        // What may become a field yet counts too.
        let octets = if section.is_complete() { section.octets().len() } else { all.len() };
        if octets > HEADER_OCTETS_MAX {
            return Err(HEADER_TOO_LARGE);
        }
        if section.is_complete() {
            self.header = Header::Whole(section.octets().to_vec());
        } else if !begun {
            self.header = Header::Coming(piece.to_vec());
        }
        Ok(())
    }

    /// There is no more.
    pub(crate) fn end(&mut self) {
        if let Header::Coming(all) = &mut self.header {
            self.header = Header::Whole(std::mem::take(all));
        }
    }

    /// The checks have come to their end.
    pub(crate) fn judged(&mut self, results: Results) {
        self.results = Some(results);
    }

    /// What the checks have found; none where nothing is checked.
    pub(crate) fn results(&self) -> Option<&Results> {
        self.results.as_ref()
    }

    /// Octets of content as the client sent it.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a field is like this.
    pub(crate) fn has(&self, wanted: &FieldPattern) -> bool {
        let name = wanted.name.as_str();
        self.fields(name).any(|field| wanted.text.matches(&message::decoded(&field.value()).to_lowercase()))
    }

    /// Whether there is no field of this name.
    pub(crate) fn lacks(&self, name: &FieldName) -> bool {
        self.fields(name.as_str()).next().is_none()
    }

    /// The fields of a name, once all of them are here.
    fn fields(&self, name: &str) -> impl Iterator<Item = Field<'_>> {
        let octets = match &self.header {
            Header::Whole(octets) => octets.as_slice(),
            Header::Unwanted | Header::Coming(_) => &[],
        };
        HeaderSection::read(octets).fields().filter(move |field| field.is(name))
    }
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
        // So is a line without an end, which is no field before it has one.
        let mut seen = Seen::new(true);
        let line = vec![b'X'; 64 * 1024];
        let refused = (0..100).find_map(|_| seen.read(&line).err());
        assert_eq!(refused, Some(HEADER_TOO_LARGE));
        // Where no rule asks, nothing is kept.
        let mut seen = Seen::new(false);
        (0..100).for_each(|_| seen.read(&piece).unwrap());
        assert_eq!(seen.octets(), 100 * piece.len() as u64);
    }
}
