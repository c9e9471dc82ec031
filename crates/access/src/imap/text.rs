//! Looking for a text in messages (RFC 9051 §6.4.4): any part of a word, without regard to case, encodings undone.

use mailstore::{Facts, Mailstore, MailstoreError};
use message::mime::{self, Address, Message, Part, PartText, Span, folded};

use super::section::{self, PIECE_OCTETS};

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needle(String);

impl Needle {
    /// Of UTF-8. None: it is not.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        std::str::from_utf8(octets).ok().map(|text| Self(folded(text)))
    }

    /// The text, folded.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        folded(text).contains(&self.0)
    }

    /// Whether an address has it, written as `name <local@domain>`.
    pub(super) fn is_in_addresses(&self, addresses: &[Address]) -> bool {
        addresses.iter().any(|address| self.is_in(&written(address)))
    }

    /// Whether a field of a header section has it; of that name, if one is given.
    pub(super) fn is_in_header(&self, header: &[u8], name: Option<&str>) -> bool {
        mime::header_fields(header).any(|field| {
            let named = section::name(field);
            match name {
                Some(name) if !named.eq_ignore_ascii_case(name.as_bytes()) => false,
                Some(_) => {
                    let value = field.get(named.len()..).unwrap_or_default().trim_ascii_start();
                    let value = value.strip_prefix(b":").unwrap_or(value);
                    self.is_empty() || self.is_in(&mime::header_text(value))
                }
                None => self.is_in(&mime::header_text(field)),
            }
        })
    }

    /// Whether the texts of a message have it, or the names of its parts.
    pub(super) fn is_in_body(
        &self,
        mailstore: &Mailstore,
        facts: &Facts,
        message: &Message,
        budget: &mut u64,
    ) -> Result<bool, Trouble> {
        if self.is_empty() {
            return Ok(true);
        }
        // The structure has them: nothing is read for names. There may be many, and many texts to look for in them.
        for name in message.parts().filter_map(Part::file_name) {
            spend(budget, u64::try_from(name.len()).unwrap_or(u64::MAX))?;
            if self.is_in(&name) {
                return Ok(true);
            }
        }
        for part in message.leaves().filter(|part| part.is_text()) {
            if self.is_in_part(mailstore, facts, part, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// In pieces: what is held is one of them, and so much of the one before as could be a beginning.
    fn is_in_part(
        &self,
        mailstore: &Mailstore,
        facts: &Facts,
        part: &Part,
        budget: &mut u64,
    ) -> Result<bool, Trouble> {
        let (mut text, mut window) = (PartText::of(part), String::new());
        let head = u64::from(facts.head_octets);
        let (mut at, end) = (part.body.at + head, part.body.at + head + part.body.octets);
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_OCTETS);
            let piece = mailstore.read(facts.email, at, most)?;
            let count = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if count == 0 {
                return Err(MailstoreError::Gone.into());
            }
            spend(budget, count)?;
            at += count;
            let mut decoded = String::new();
            text.push(&piece, &mut decoded);
            if self.is_in_window(&mut window, &decoded) {
                return Ok(true);
            }
        }
        let mut decoded = String::new();
        text.finish(&mut decoded);
        Ok(self.is_in_window(&mut window, &decoded))
    }

    fn is_in_window(&self, window: &mut String, more: &str) -> bool {
        window.push_str(&folded(more));
        if window.contains(&self.0) {
            return true;
        }
        let mut kept = window.len().saturating_sub(self.0.len());
        while !window.is_char_boundary(kept) {
            kept -= 1;
        }
        window.drain(..kept);
        false
    }
}

/// As in a message.
pub(super) fn written(address: &Address) -> String {
    let text = |part: &mime::NString| part.as_deref().map(mime::header_text).unwrap_or_default();
    match &address.host {
        Some(_) => format!("{} <{}@{}>", text(&address.name), text(&address.mailbox), text(&address.host)),
        None => text(&address.mailbox),
    }
}

/// Why a search cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It has read as much as one may.
    TooMuch,
    /// The mailstore failed.
    Mailstore(MailstoreError),
}

impl From<MailstoreError> for Trouble {
    fn from(error: MailstoreError) -> Self {
        Self::Mailstore(error)
    }
}

/// Takes octets that were read off what a search may read.
pub(super) fn spend(budget: &mut u64, octets: u64) -> Result<(), Trouble> {
    *budget = budget.checked_sub(octets).ok_or(Trouble::TooMuch)?;
    Ok(())
}

/// The header section of a message, with what final delivery put before it.
pub(super) fn header(
    mailstore: &Mailstore,
    facts: &Facts,
    message: &Message,
    budget: &mut u64,
) -> Result<Vec<u8>, Trouble> {
    let found = message.root.header;
    let span = Span { at: 0, octets: u64::from(facts.head_octets) + found.at + found.octets };
    spend(budget, span.octets)?;
    Ok(section::header(mailstore, facts, span)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces() {
        let needle = Needle::new("GRÜSSE".as_bytes()).unwrap();
        let mut window = String::new();
        assert!(!needle.is_in_window(&mut window, "viele gr"));
        assert!(!needle.is_in_window(&mut window, "üß"));
        assert!(!needle.is_in_window(&mut window, "e grü"));
        assert!(needle.is_in_window(&mut window, "sse"));
        let mut window = String::new();
        for _ in 0..1000 {
            assert!(!needle.is_in_window(&mut window, "grüss"));
            assert!(window.len() <= 16);
        }
    }

    #[test]
    fn fields_are_decoded_before_they_are_searched() {
        let header = b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=\r\nX-Empty:\r\n\r\n";
        let is_in = |text: &str, name| Needle::new(text.as_bytes()).unwrap().is_in_header(header, name);
        assert!(is_in("GRÜß", Some("subject")) && is_in("subject: gr", None));
        assert!(!is_in("GRÜß", Some("x-empty")) && is_in("", Some("x-empty")) && !is_in("", Some("to")));
    }
}
