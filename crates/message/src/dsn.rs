//! Delivery status notifications: what could not be delivered, to whom, and why (RFC 3464, RFC 6522).

use mail::{Address, Body, Client, EnhancedStatus, Envelope, QueueId, Recipient, Reply, Timestamp, Via};
use memchr::memmem;

use crate::{Date, FieldText, Received, clean, message_id, quoted, trace, write};

mod returned;
mod status;
mod text;

/// Content up to this length is returned whole, unless the sender asked for the header section only. Beyond it the
/// header section is enough to know the message by, even under RET=FULL: a report must not be what fills a mailbox.
pub const CONTENT_RETURNED_MAX: usize = 64 * 1024;

/// A report that a message could not be delivered to some of its recipients.
#[derive(Debug, Clone, Copy)]
pub struct FailureReport<'a> {
    /// Our host name.
    pub reporting_mta: &'a str,
    /// The queue id of the report itself.
    pub id: QueueId,
    /// The date of the report.
    pub at: Timestamp,
    /// The envelope of the message it is about.
    pub envelope: &'a Envelope,
    /// Whom it could not be delivered to.
    pub recipients: &'a [FailedRecipient<'a>],
    /// The beginning of the content: its first [`CONTENT_RETURNED_MAX`] octets, or all of it if it is shorter.
    pub content: &'a [u8],
    /// How long the whole content is, in octets.
    pub content_octets: u64,
}

/// A recipient that was given up.
#[derive(Debug, Clone, Copy)]
pub struct FailedRecipient<'a> {
    /// The recipient, as the envelope has it.
    pub recipient: &'a Recipient,
    /// Why it was given up.
    pub cause: Cause,
    /// The status to report: of class 5, or `4.4.7` when the time ran out.
    pub status: EnhancedStatus,
    /// The host whose words the reply is; none if the words are our own.
    pub remote_mta: Option<&'a str>,
    /// The reply that decided it, or the last one before the time ran out.
    pub reply: Option<&'a Reply>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
}

/// Why a recipient was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A permanent failure.
    Bounced,
    /// Temporary failures until the lifetime was over.
    Expired,
}

/// A report, ready for the spool. Its reverse-path is null (RFC 3464 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// Whom it goes to: the reverse-path of the message.
    pub to: Address,
    /// The message, header section and body. Lines end in CRLF and have at most 998 octets before it.
    pub content: Vec<u8>,
    /// [`Body::EightBitMime`] if the returned message, or an address, has 8-bit octets.
    pub body: Body,
    /// Whether its own header section has UTF-8, because the address it goes to does.
    pub smtputf8: bool,
}

/// A body part: its own header fields, an empty line, and what follows, without the line end before a boundary.
type Part = Vec<u8>;

impl FailureReport<'_> {
    /// Writes the report. `None`: the reverse-path is null, for a report never causes another one (RFC 5321 §6.1),
    /// or there are no recipients to report.
    pub fn build(&self) -> Option<Dsn> {
        let to = self.envelope.reverse_path.address()?;
        if self.recipients.is_empty() {
            return None;
        }
        let returned = returned::Returned::of(self);
        let parts = [text::part(self, &returned), status::part(self), returned.part()];
        let boundary = self.boundary(&parts);
        let mut content = Vec::with_capacity(2048 + parts.iter().map(Vec::len).sum::<usize>());
        self.write_header(&mut content, to, &boundary, returned.eight_bit());
        content.extend_from_slice(b"\r\nThis is a report in MIME format, as RFC 3464 describes it.\r\n");
        for part in &parts {
            for piece in [b"\r\n--".as_slice(), boundary.as_bytes(), b"\r\n", part] {
                content.extend_from_slice(piece);
            }
        }
        for piece in [b"\r\n--".as_slice(), boundary.as_bytes(), b"--\r\n"] {
            content.extend_from_slice(piece);
        }
        let body = if content.is_ascii() { Body::SevenBit } else { Body::EightBitMime };
        Some(Dsn { to: to.clone(), content, body, smtputf8: to.is_utf8() })
    }

    fn write_header(&self, out: &mut Vec<u8>, to: &Address, boundary: &str, eight_bit: bool) {
        let client = Client { via: Via::Local, ..Client::default() };
        let (by, smtputf8) = (self.reporting_mta, to.is_utf8());
        Received {
            client: &client,
            authenticated: false,
            by,
            smtputf8,
            id: self.id,
            recipient: None,
            at: self.at,
        }
        .write_to(out);
        trace::write_date_field(out, self.at);
        let from = trace::angle_addr("MAILER-DAEMON", self.reporting_mta);
        for (name, value) in [
            ("From", format!("Mail Delivery System {from}")),
            ("To", format!("<{to}>")),
            ("Subject", self.subject()),
            ("Message-ID", message_id(&self.id.to_string(), self.reporting_mta)),
        ] {
            write::begin(out, name).unbroken(&FieldText::neutralised(&value)).end();
        }
        if let Some(original) = self.original_message_id() {
            // RFC 3834 §3.1.5: so that the report is shown beside the message it is about.
            write::begin(out, "In-Reply-To").words(&FieldText::ascii(&original)).end();
            write::begin(out, "References").words(&FieldText::ascii(&original)).end();
        }
        out.extend_from_slice(b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
        out.extend_from_slice(
            b"Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"",
        );
        out.extend_from_slice(boundary.as_bytes());
        out.extend_from_slice(b"\"\r\n");
        // RFC 2045 §6.4: a multipart says 8bit if any part of it does.
        if eight_bit {
            out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
        }
    }

    fn subject(&self) -> String {
        match (self.recipients.len(), self.envelope.recipients.len()) {
            (failed, all) if failed < all => {
                format!("Your message could not be delivered to {failed} of {all} recipients")
            }
            _ => "Your message could not be delivered".to_owned(),
        }
    }

    /// The Message-ID of the message, if it is well enough formed to be repeated.
    fn original_message_id(&self) -> Option<String> {
        const OCTETS_MAX: usize = 250;
        let field = crate::HeaderSection::read(self.content).find("Message-ID")?;
        let id = field.text(OCTETS_MAX + 1);
        let whole = id.len() <= OCTETS_MAX && id.starts_with('<') && id.ends_with('>');
        (whole && id.bytes().all(|b| b.is_ascii_graphic())).then_some(id)
    }

    /// A boundary that occurs in no part (RFC 2046 §5.1.1): made sure of, for whoever sends mail may guess ours.
    fn boundary(&self, parts: &[Part]) -> String {
        let base = format!("=_{}", self.id);
        let mut boundary = base.clone();
        let mut number = 0_u32;
        while parts.iter().any(|part| memmem::find(part, boundary.as_bytes()).is_some()) {
            number += 1;
            boundary = format!("{base}.{number}.");
        }
        boundary
    }

    /// As it may be written into any field.
    fn host(&self) -> std::borrow::Cow<'_, str> {
        clean::host(self.reporting_mta, false)
    }
}

/// Appends the header fields of a part and the empty line.
fn begin_part(fields: &[(&'static str, &str)]) -> Part {
    let mut part = Part::new();
    for (name, value) in fields {
        write::begin(&mut part, name).words(&FieldText::ascii(value)).end();
    }
    part.extend_from_slice(b"\r\n");
    part
}

fn date(at: Timestamp) -> String {
    Date(at).to_string()
}

#[cfg(test)]
mod tests;
