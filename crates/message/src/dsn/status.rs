//! The second part of a report, for machines: message/delivery-status (RFC 3464 §2). ASCII only.

use super::{FailedRecipient, FailureReport, Part, begin_part, date};
use crate::{FieldText, clean, write};

/// A diagnostic longer than this is cut: the first part has more of it.
const DIAGNOSTIC_OCTETS_MAX: usize = 1000;

pub(super) fn part(report: &FailureReport<'_>) -> Part {
    let mut part = begin_part(&[
        ("Content-Type", "message/delivery-status"),
        ("Content-Description", "Delivery report"),
        ("Content-Transfer-Encoding", "7bit"),
    ]);
    message_fields(&mut part, report);
    for recipient in report.recipients {
        part.extend_from_slice(b"\r\n");
        recipient_fields(&mut part, recipient);
    }
    part
}

/// RFC 3464 §2.2.
fn message_fields(out: &mut Part, report: &FailureReport<'_>) {
    field(out, "Reporting-MTA", &format!("dns; {}", report.host()));
    if let Some(envid) = &report.envelope.envid {
        exact_field(out, "Original-Envelope-Id", envid);
    }
    if let Some(hello) = report.envelope.client.hello.as_deref() {
        field(out, "Received-From-MTA", &format!("dns; {}", clean::host(hello, false)));
    }
    field(out, "Arrival-Date", &date(report.envelope.received));
    field(out, "X-Queue-ID", &report.envelope.id.to_string());
}

/// RFC 3464 §2.3.
fn recipient_fields(out: &mut Part, failed: &FailedRecipient<'_>) {
    let recipient = failed.recipient;
    if let Some(original) = &recipient.orcpt {
        exact_field(out, "Original-Recipient", &typed_address(&original.kind, &original.address));
    }
    let address = recipient.forward_path.to_string();
    exact_field(out, "Final-Recipient", &typed_address("rfc822", &address));
    field(out, "Action", "failed");
    field(out, "Status", &failed.status.to_string());
    if let Some(mta) = failed.remote_mta {
        field(out, "Remote-MTA", &format!("dns; {}", clean::host(mta, false)));
    }
    if let Some(reply) = failed.reply {
        // `smtp` is for what an SMTP server said (RFC 3464 §9.2 (c)).
        let kind = if failed.remote_mta.is_some() { "smtp" } else { "X-Postrider" };
        let words = reply.to_string();
        field(out, "Diagnostic-Code", &format!("{kind}; {}", clean::line(&words, DIAGNOSTIC_OCTETS_MAX)));
    }
    if let Some(at) = failed.last_attempt {
        field(out, "Last-Attempt-Date", &date(at));
    }
}

/// `address-type ";" generic-address` (RFC 3464 §2.1.2); beyond ASCII the type is `utf-8` (RFC 6533 §3).
fn typed_address(kind: &str, address: &str) -> String {
    if !address.is_ascii() {
        return format!("utf-8; {}", clean::address_xtext(address));
    }
    let atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    format!("{}; {address}", if atom { kind } else { "unknown" })
}

fn field(out: &mut Part, name: &'static str, value: &str) {
    write::begin(out, name).words(&FieldText::ascii(&clean::ascii(value))).end();
}

/// Without a change to the spaces in it: a quoted local part may have several in a row.
fn exact_field(out: &mut Part, name: &'static str, value: &str) {
    write::begin(out, name).unbroken(&FieldText::ascii(&clean::ascii(value))).end();
}
