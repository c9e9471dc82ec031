//! The header section of a report.

use mail::{Address, Client, Via};

use super::{Report, Topic, words};
use crate::{FieldText, HeaderSection, Received, message_id, trace, write};

impl Report<'_> {
    pub(super) fn write_header(
        &self,
        out: &mut Vec<u8>,
        to: &Address,
        topic: Topic,
        boundary: &str,
        eight_bit: bool,
    ) {
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
            ("Subject", words::subject(self, topic)),
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

    /// The Message-ID of the message, if it is well enough formed to be repeated.
    fn original_message_id(&self) -> Option<String> {
        const OCTETS_MAX: usize = 250;
        let field = HeaderSection::read(self.content).find("Message-ID")?;
        let id = field.text(OCTETS_MAX + 1);
        let whole = id.len() <= OCTETS_MAX && id.starts_with('<') && id.ends_with('>');
        (whole && id.bytes().all(|b| b.is_ascii_graphic())).then_some(id)
    }
}
