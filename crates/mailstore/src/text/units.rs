//! What an email says, in units that nothing is found across: each field of its header; the text of each part, and the name of each.

use message::mime::{Message, Part, PartText, Span, folded, header_fields, header_text};
use store::Sql;

use crate::{
    EmailId, MailstoreError,
    content::{self, PIECE_OCTETS},
    number::octets,
    reader::Parts,
};

/// A longer text is not in the index: it is a log or a data set, and would be larger there than all mail of a year.
const TEXT_OCTETS_MAX: usize = 4 << 20;
/// The same of a header section.
const HEADER_OCTETS_MAX: u64 = 1 << 20;

/// What an email says, folded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) header: Vec<String>,
    pub(super) body: Vec<String>,
}

impl Units {
    /// Of an email. None: it is not for the index, because it is too long, or is gone, or cannot be read; whoever searches looks into it.
    pub(super) fn of(sql: &Sql<'_>, email: EmailId) -> Result<Option<Self>, MailstoreError> {
        match Self::read(sql, email) {
            Err(MailstoreError::Gone | MailstoreError::Damaged(_)) => Ok(None),
            read => read,
        }
    }

    fn read(sql: &Sql<'_>, email: EmailId) -> Result<Option<Self>, MailstoreError> {
        let parts = Parts::of(sql, email)?;
        let select = "SELECT octets FROM structure WHERE content = ?1";
        let kept = sql.query(select, &[parts.content.into()], |row| row.octets(0))?;
        let Some(message) = kept.first().and_then(|kept| Message::decode(kept).ok()) else { return Ok(None) };
        let header = message.root.header;
        if header.at + header.octets + octets(parts.head.len()) > HEADER_OCTETS_MAX {
            return Ok(None);
        }
        let mut units = Self::default();
        let mut fields = parts.head;
        let length = usize::try_from(header.at + header.octets).unwrap_or(usize::MAX);
        content::read(sql, parts.content, 0, length, &mut fields)?;
        units.header = header_fields(&fields).map(|field| folded(&header_text(field))).collect();
        units.body = message.parts().filter_map(Part::file_name).map(|name| folded(&name)).collect();
        let mut room = TEXT_OCTETS_MAX;
        for part in message.leaves().filter(|part| part.is_text()) {
            let Some(text) = text(sql, parts.content, part, room)? else { return Ok(None) };
            room = room.saturating_sub(text.len());
            units.body.push(folded(&text));
        }
        units.body.retain(|unit| !unit.is_empty());
        Ok(Some(units))
    }

    /// How many octets.
    pub(super) fn octets(&self) -> usize {
        self.header.iter().chain(&self.body).map(String::len).sum()
    }
}

/// The text of a part. None: it is longer than there is room.
fn text(sql: &Sql<'_>, content: i64, part: &Part, room: usize) -> Result<Option<String>, MailstoreError> {
    let (mut decoder, mut text, mut piece) = (PartText::of(part), String::new(), Vec::new());
    let Span { at, octets: length } = part.body;
    let mut done = 0;
    while done < length {
        // Reads end where pieces of the content do.
        let within = usize::try_from((at + done) % octets(PIECE_OCTETS)).unwrap_or(0);
        let left = usize::try_from(length - done).unwrap_or(usize::MAX);
        piece.clear();
        content::read(sql, content, at + done, left.min(PIECE_OCTETS - within), &mut piece)?;
        done += octets(piece.len());
        decoder.push(&piece, &mut text);
        if text.len() > room {
            return Ok(None);
        }
    }
    decoder.finish(&mut text);
    Ok((text.len() <= room).then_some(text))
}
