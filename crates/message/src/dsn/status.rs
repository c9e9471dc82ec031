//! The second part of a report, for machines: message/delivery-status (RFC 3464 §2) in ASCII, or
//! message/global-delivery-status (RFC 6533 §4.1) where UTF-8 can go.

use std::borrow::Cow;

use mail::xtext::encode_unitext;

use super::{Action, Part, Report, ReportedRecipient, begin_part, date};
use crate::{FieldText, clean, write};

/// A diagnostic longer than this is cut: the first part has more of it.
const DIAGNOSTIC_OCTETS_MAX: usize = 1000;

/// The fields, in groups with empty lines between (RFC 3464 §2.1).
pub(super) struct Status {
    groups: Vec<u8>,
    utf8: bool,
}

impl Status {
    /// `utf8`: the way of the report takes UTF-8.
    pub(super) fn of(report: &Report<'_>, utf8: bool) -> Self {
        let mut status = Self { groups: Vec::with_capacity(1024), utf8 };
        status.message_fields(report);
        for recipient in report.recipients {
            status.groups.extend_from_slice(b"\r\n");
            status.recipient_fields(recipient, report.reply_room());
        }
        status
    }

    /// Whether it has 8-bit octets.
    pub(super) fn eight_bit(&self) -> bool {
        !self.groups.is_ascii()
    }

    pub(super) fn part(&self) -> Part {
        // RFC 6533 §4.4: what ASCII can hold may have the type that everybody knows.
        let (kind, encoding) = if self.eight_bit() {
            ("message/global-delivery-status", "8bit")
        } else {
            ("message/delivery-status", "7bit")
        };
        let mut part = begin_part(&[
            ("Content-Type", kind),
            ("Content-Description", "Delivery report"),
            ("Content-Transfer-Encoding", encoding),
        ]);
        part.extend_from_slice(&self.groups);
        part
    }

    /// RFC 3464 §2.2.
    fn message_fields(&mut self, report: &Report<'_>) {
        self.field("Reporting-MTA", &format!("dns; {}", report.host()));
        if let Some(envid) = &report.envelope.envid {
            self.exact_field("Original-Envelope-Id", envid);
        }
        if let Some(hello) = report.envelope.client.hello.as_deref() {
            self.field("Received-From-MTA", &format!("dns; {}", clean::host(hello, false)));
        }
        self.field("Arrival-Date", &date(report.envelope.received));
        self.field("X-Queue-ID", &report.envelope.id.to_string());
    }

    /// RFC 3464 §2.3.
    fn recipient_fields(&mut self, reported: &ReportedRecipient<'_>, reply_room: usize) {
        let recipient = reported.recipient;
        if let Some(original) = &recipient.orcpt {
            let address = self.typed_address(&original.kind, &original.address);
            self.exact_field("Original-Recipient", &address);
        }
        let address = self.typed_address("rfc822", &recipient.forward_path.to_string());
        self.exact_field("Final-Recipient", &address);
        self.field("Action", reported.action.word());
        self.field("Status", &reported.status.to_string());
        if let Some(mta) = reported.remote_mta {
            self.field("Remote-MTA", &format!("dns; {}", clean::host(mta, false)));
        }
        if let Some(reply) = reported.reply {
            // `smtp` is for what an SMTP server said (RFC 3464 §9.2 (c)).
            let kind = if reported.remote_mta.is_some() { "smtp" } else { "X-Postrider" };
            let words = reply.to_string();
            let words = clean::line(&words, reply_room.min(DIAGNOSTIC_OCTETS_MAX));
            self.field("Diagnostic-Code", &format!("{kind}; {words}"));
        }
        if let Some(at) = reported.last_attempt {
            self.field("Last-Attempt-Date", &date(at));
        }
        if let Action::Delayed { until } = reported.action {
            self.field("Will-Retry-Until", &date(until));
        }
    }

    /// `address-type ";" generic-address` (RFC 3464 §2.1.2). Beyond ASCII the type is `utf-8`, as it is in UTF-8 and
    /// else as `utf-8-addr-xtext` (RFC 6533 §3).
    fn typed_address(&self, kind: &str, address: &str) -> String {
        if !address.is_ascii() || kind.eq_ignore_ascii_case("utf-8") {
            let shown = clean::line(address, usize::MAX);
            return if self.utf8 {
                format!("utf-8; {shown}")
            } else {
                format!("utf-8; {}", encode_unitext(address, true))
            };
        }
        let atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        format!("{}; {address}", if atom { kind } else { "unknown" })
    }

    fn field(&mut self, name: &'static str, value: &str) {
        let value = self.letters(value);
        write::begin(&mut self.groups, name).words(&FieldText::neutralised(&value)).end();
    }

    /// Without a change to the spaces in it: a quoted local part may have several in a row.
    fn exact_field(&mut self, name: &'static str, value: &str) {
        let value = self.letters(value);
        write::begin(&mut self.groups, name).unbroken(&FieldText::neutralised(&value)).end();
    }

    /// In the letters that may stand here.
    fn letters<'t>(&self, value: &'t str) -> Cow<'t, str> {
        if self.utf8 { clean::line(value, usize::MAX) } else { clean::ascii(value) }
    }
}
