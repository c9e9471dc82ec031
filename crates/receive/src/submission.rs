//! What only a submission service does to content (RFC 6409 §6, §8): it judges the header section, completes it, and takes
//! out what is not to be sent. The body passes as it came.

use std::sync::Arc;

use directory::{Directory, Login, mixes_scripts};
use mail::{Address, EnhancedStatus, QueueId, Reply, Timestamp};
use message::{
    HeaderSection,
    strict::{Form, Terms},
    write_date_field, write_message_id_field,
};

use crate::rules::HEADER_TOO_LARGE;

/// A header section is held until all of it can be judged. Large receivers refuse larger ones.
const HEADER_OCTETS_MAX: usize = 128 * 1024;

/// A header section on its way to being judged.
pub(crate) struct Editor {
    pub(crate) directory: Arc<Directory>,
    pub(crate) login: Option<Login>,
    pub(crate) smtputf8: bool,
    pub(crate) now: Timestamp,
    pub(crate) id: QueueId,
    /// For a Message-ID that is missing.
    pub(crate) hostname: String,
    pub(crate) so_far: Vec<u8>,
}

/// The beginning of a content, judged and edited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Fields that go before it.
    pub(crate) fields: Vec<u8>,
    /// The client's octets, without what is not to be sent.
    pub(crate) octets: Vec<u8>,
    /// The Message-ID, if it was ours to give.
    pub(crate) message_id: Option<String>,
}

impl Editor {
    /// Takes the next piece. `None`: the header section is not whole yet.
    pub(crate) fn read(&mut self, piece: Vec<u8>) -> Result<Option<Edited>, Reply> {
        if self.so_far.is_empty() {
            self.so_far = piece;
        } else {
            self.so_far.extend_from_slice(&piece);
        }
        let section = HeaderSection::read(&self.so_far);
        let octets = if section.is_complete() { section.octets().len() } else { self.so_far.len() };
        if octets > HEADER_OCTETS_MAX {
            return Err(HEADER_TOO_LARGE);
        }
        if section.is_complete() { self.edit(false).map(Some) } else { Ok(None) }
    }

    /// There is no more: the header section is all there is.
    pub(crate) fn end(&mut self) -> Result<Edited, Reply> {
        self.edit(true)
    }

    fn edit(&mut self, ended: bool) -> Result<Edited, Reply> {
        let content = std::mem::take(&mut self.so_far);
        let terms = Terms { smtputf8: self.smtputf8, ended, now: self.now, mixes_scripts };
        let form = Form::read(&content, terms).map_err(|flaw| flaw.reply())?;
        self.owned(&form)?;
        let (mut fields, mut message_id) = (Vec::new(), None);
        if !form.date {
            write_date_field(&mut fields, self.now);
        }
        if form.message_id.is_none() {
            let unique = self.id.to_string();
            write_message_id_field(&mut fields, &unique, &self.hostname);
            message_id = Some(message::message_id(&unique, &self.hostname));
        }
        let hidden = form.hidden;
        let octets = if hidden.is_empty() { content } else { without(&content, &hidden) };
        Ok(Edited { fields, octets, message_id })
    }

    /// mail-rules 7: who has logged in writes as itself, whether it writes a message or puts one into the mail again. What
    /// it puts into the mail again may be anybody's.
    fn owned(&self, form: &Form<'_>) -> Result<(), Reply> {
        let Some(login) = &self.login else { return Ok(()) };
        let is_own = |address: &Address| self.directory.may_send_as(login, address);
        let own = |field, addresses: &[Address]| {
            if addresses.iter().all(is_own) { Ok(()) } else { Err(not_own(field)) }
        };
        if form.resent_from.is_empty() {
            own("From", form.from.as_slice())?;
            own("Sender", form.sender.as_slice())
        } else {
            own("Resent-From", &form.resent_from)?;
            own("Resent-Sender", form.resent_sender.as_slice())
        }
    }
}

/// RFC 6409 §6.1: 550 5.7.1 where the author may not be that.
pub(crate) fn not_own(field: &str) -> Reply {
    Reply::new(550, EnhancedStatus::new(5, 7, 1), format!("Address in {field} is not one of this login"))
}

/// A content without some places of it.
fn without(content: &[u8], places: &[std::ops::Range<usize>]) -> Vec<u8> {
    let (mut rest, mut at) = (Vec::with_capacity(content.len()), 0);
    for place in places {
        rest.extend_from_slice(content.get(at..place.start).unwrap_or_default());
        at = place.end;
    }
    rest.extend_from_slice(content.get(at..).unwrap_or_default());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor() -> Editor {
        let config = directory::Config {
            domains: vec![directory::DomainConfig { name: "example.org".into(), ..Default::default() }],
            accounts: vec![directory::AccountConfig {
                login: "anna@example.org".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        Editor {
            directory: Arc::new(Directory::new(config).unwrap()),
            login: None,
            smtputf8: false,
            now: Timestamp::from_millis(1_795_456_934_000),
            id: QueueId::from_bytes([0; 16]),
            hostname: "mx.example.org".into(),
            so_far: Vec::new(),
        }
    }

    fn edited(content: &[u8], piece: usize) -> Result<Vec<u8>, Reply> {
        let (mut editor, mut out) = (Some(editor()), Vec::new());
        let take = |out: &mut Vec<u8>, edited: Edited| {
            out.extend(edited.fields);
            out.extend(edited.octets);
        };
        for piece in content.chunks(piece) {
            match &mut editor {
                None => out.extend_from_slice(piece),
                Some(open) => {
                    if let Some(edited) = open.read(piece.to_vec())? {
                        take(&mut out, edited);
                        editor = None;
                    }
                }
            }
        }
        if let Some(open) = &mut editor {
            take(&mut out, open.end()?);
        }
        Ok(out)
    }

    #[test]
    fn a_message_is_edited_alike_whatever_the_pieces() {
        let content = b"From: a@b\r\nBcc: c@d,\r\n e@f\r\nTo: g@h\r\nDate: 23 Nov 2026 18:02:14 GMT\r\nresent-bcc: i@j\r\n\
            Message-ID: <1@b>\r\n\r\nBcc: body\r\n\r\n";
        let expected = b"From: a@b\r\nTo: g@h\r\nDate: 23 Nov 2026 18:02:14 GMT\r\nMessage-ID: <1@b>\r\n\r\nBcc: body\r\n\r\n";
        for piece in 1..=content.len() {
            assert_eq!(edited(content, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_missing_is_added_and_nothing_else_touched() {
        let content = b"Subject: x\r\nFrom: a@b\r\n\r\n.\xff\n";
        let added = b"Date: Mon, 23 Nov 2026 18:02:14 +0000\r\nMessage-ID: <00000000000000000000000000@mx.example.org>\r\n";
        let edited = edited(content, 7).unwrap();
        assert!(edited.ends_with(content));
        let added_here = &edited[..edited.len() - content.len()];
        assert_eq!(String::from_utf8_lossy(added_here), String::from_utf8_lossy(added));
    }

    #[test]
    fn a_header_section_is_not_held_without_end() {
        let field = b"X-Long: 1234567890123456789012345678901234567890\r\n".repeat(3000);
        for piece in [1000, 64 * 1024, field.len()] {
            assert_eq!(edited(&field, piece), Err(HEADER_TOO_LARGE), "pieces of {piece}");
        }
        let mut body = b"From: a@b\r\n\r\n".to_vec();
        body.extend_from_slice(&field);
        assert!(edited(&body, body.len()).is_ok(), "a long body is no header section");
    }
}
