//! Where the octets of a section are (RFC 9051 §6.4.5.1).

use imap::command::{Section, SectionText, Slice};
use mailstore::{Facts, Mailstore, MailstoreError};
use message::mime::{Message, Span, header_fields};

/// The most octets of a header section that is read to find fields in it.
const HEADER_OCTETS_MAX: u64 = 4 << 20;
/// Octets read at once.
pub(super) const PIECE_OCTETS: usize = 64 << 10;

/// What a section is of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// There is no such part.
    Nowhere,
    /// Octets of the message.
    Octets(Span),
    /// Fields of a header section that stands there.
    Fields { header: Span, not: bool, names: Vec<Box<str>> },
}

/// Fields that are chosen out of a header section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) header: Span,
    /// All but those of these names.
    pub(super) not: bool,
    pub(super) names: Vec<Box<str>>,
    pub(super) slice: Option<Slice>,
}

impl Fields {
    /// Their octets, or the piece of them that is wanted.
    pub(super) fn read(&self, mailstore: &Mailstore, facts: &Facts) -> Result<Vec<u8>, MailstoreError> {
        let header = header(mailstore, facts, self.header)?;
        let chosen = chosen(&header, self.not, &self.names);
        Ok(cut_here(&chosen, self.slice).to_vec())
    }
}

/// Finds a section. What final delivery put before the content belongs to the header section of the message.
pub(super) fn locate(section: &Section, facts: &Facts, message: &Message) -> Place {
    let head = u64::from(facts.head_octets);
    let within = |span: Span| Span { at: span.at.saturating_add(head), ..span };
    let outer = section.part.is_empty();
    let header = || {
        let found = message.message(&section.part)?.root.header;
        Some(if outer { Span { at: 0, octets: head + found.at + found.octets } } else { within(found) })
    };
    let found = match &section.text {
        None if outer => Some(Span { at: 0, octets: facts.octets }),
        None => message.part(&section.part).map(|part| within(part.body)),
        Some(SectionText::Mime) => message.part(&section.part).map(|part| within(part.header)),
        Some(SectionText::Header) => header(),
        Some(SectionText::Text) => message.message(&section.part).map(|message| within(message.root.body)),
        Some(SectionText::Fields { not, names }) => {
            return header().map_or(Place::Nowhere, |header| Place::Fields {
                header,
                not: *not,
                names: names.clone(),
            });
        }
    };
    found.map_or(Place::Nowhere, Place::Octets)
}

/// A piece of some octets; beyond their end there is nothing.
pub(super) fn cut(span: Span, slice: Option<Slice>) -> Span {
    let Some(Slice { first, octets }) = slice else { return span };
    let first = first.min(span.octets);
    Span { at: span.at + first, octets: octets.min(span.octets - first) }
}

/// The same of octets that are here.
pub(super) fn cut_here(octets: &[u8], slice: Option<Slice>) -> &[u8] {
    let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    let Span { at, octets: count } = cut(Span { at: 0, octets: length }, slice);
    let (at, count) =
        (usize::try_from(at).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(usize::MAX));
    octets.get(at..).and_then(|octets| octets.get(..count)).unwrap_or_default()
}

/// Octets of a message, all that were asked for.
pub(super) fn octets(mailstore: &Mailstore, facts: &Facts, span: Span) -> Result<Vec<u8>, MailstoreError> {
    let wanted = usize::try_from(span.octets).map_err(|_| MailstoreError::Gone)?;
    // Mostly that is all.
    let mut octets = mailstore.read(facts.email, span.at, wanted.min(PIECE_OCTETS))?;
    octets.reserve_exact(wanted.saturating_sub(octets.len()));
    while octets.len() < wanted {
        let at = span.at + u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let piece = mailstore.read(facts.email, at, (wanted - octets.len()).min(PIECE_OCTETS))?;
        if piece.is_empty() {
            return Err(MailstoreError::Gone);
        }
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// A header section, or its beginning.
pub(super) fn header(mailstore: &Mailstore, facts: &Facts, span: Span) -> Result<Vec<u8>, MailstoreError> {
    octets(mailstore, facts, Span { octets: span.octets.min(HEADER_OCTETS_MAX), ..span })
}

/// For the operator: what is damaged is left out of an answer, and the client learns no more than that.
pub(super) fn note_damage(facts: &Facts, why: &str) {
    tracing::error!(station = "imap", email = %facts.email, why, "a message is damaged");
}

/// What is known of a message's structure; read anew where nothing usable is kept.
pub(super) fn understood(
    mailstore: &Mailstore,
    facts: &Facts,
    kept: &[u8],
) -> Result<Message, MailstoreError> {
    if let Ok(message) = Message::decode(kept) {
        return Ok(message);
    }
    let mut parser = message::mime::Parser::new();
    let mut at = u64::from(facts.head_octets);
    while at < facts.octets {
        let piece = mailstore.read(facts.email, at, PIECE_OCTETS)?;
        if piece.is_empty() {
            return Err(MailstoreError::Gone);
        }
        at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        parser.push(&piece);
    }
    Ok(parser.finish())
}

/// The name of a field.
pub(super) fn name(field: &[u8]) -> &[u8] {
    let name = field.split(|octet| *octet == b':').next().unwrap_or_default();
    name.trim_ascii_end()
}

/// `HEADER.FIELDS` and `HEADER.FIELDS.NOT`: always with the empty line behind.
pub(super) fn chosen(header: &[u8], not: bool, names: &[Box<str>]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in header_fields(header) {
        let named = names.iter().any(|wanted| name(field).eq_ignore_ascii_case(wanted.as_bytes()));
        if named != not {
            out.extend_from_slice(field);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"From: a@b\r\nSubject: x\r\n y\r\nTO : c@d\r\nSubject: z\r\n\r\nno: field\r\n";

    #[test]
    fn fields_are_chosen_by_name() {
        let names: [Box<str>; 2] = ["subject".into(), "To".into()];
        let shown = |not| String::from_utf8(chosen(HEADER, not, &names)).unwrap();
        assert_eq!(shown(false), "Subject: x\r\n y\r\nTO : c@d\r\nSubject: z\r\n\r\n");
        assert_eq!(shown(true), "From: a@b\r\n\r\n");
        assert_eq!(chosen(b"", false, &names), b"\r\n");
        assert_eq!(chosen(b"To: x", false, &names), b"To: x\r\n");
    }

    #[test]
    fn a_slice_ends_where_the_octets_do() {
        let slice = |first, octets| Some(Slice { first, octets });
        assert_eq!(cut_here(b"abcdef", slice(2, 3)), b"cde");
        assert_eq!(cut_here(b"abcdef", slice(4, 9)), b"ef");
        assert_eq!(cut_here(b"abcdef", slice(6, 9)), b"");
        assert_eq!(cut_here(b"abcdef", slice(u64::MAX, u64::MAX)), b"");
        assert_eq!(cut_here(b"abcdef", None), b"abcdef");
    }
}
