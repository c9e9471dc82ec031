//! The first part of a report, for people: what happened, to whom, in the peer's own words, and what to do.

use std::{fmt::Write, time::Duration};

use mail::Reply;

use super::{Cause, FailedRecipient, FailureReport, Part, begin_part, date, quoted, returned::Returned};
use crate::clean;

/// Lines are wrapped before this many octets (RFC 5322 §2.1.1).
const LINE_OCTETS_WANTED: usize = 76;
/// A longer word is broken.
const WORD_OCTETS_MAX: usize = 900;
/// How much of a reply is repeated; a hostile server can say much.
const REPLY_LINES_MAX: usize = 20;
const REPLY_LINE_OCTETS_MAX: usize = 1000;

pub(super) fn part(report: &FailureReport<'_>, returned: &Returned<'_>) -> Part {
    let mut text = Text(String::with_capacity(1024));
    beginning(&mut text, report);
    for recipient in report.recipients {
        one_recipient(&mut text, report, recipient);
    }
    ending(&mut text, report, returned);
    let ascii = text.0.is_ascii();
    let mut part = begin_part(&[
        ("Content-Type", if ascii { "text/plain; charset=us-ascii" } else { "text/plain; charset=utf-8" }),
        ("Content-Description", "Notification"),
        ("Content-Transfer-Encoding", if ascii { "7bit" } else { "quoted-printable" }),
    ]);
    if ascii {
        part.extend_from_slice(text.0.as_bytes());
    } else {
        quoted::write(&mut part, text.0.as_bytes());
    }
    part
}

fn beginning(text: &mut Text, report: &FailureReport<'_>) {
    text.wrapped("", &format!("This is the mail server {}.", report.host()));
    text.empty_line();
    let whom = match report.recipients.len() {
        1 => "this recipient:".to_owned(),
        many => format!("these {many} recipients:"),
    };
    let about =
        format!("Your message of {} could not be delivered to {whom}", date(report.envelope.received));
    text.wrapped("", &about);
    text.empty_line();
}

fn one_recipient(text: &mut Text, report: &FailureReport<'_>, failed: &FailedRecipient<'_>) {
    text.wrapped("  ", &failed.recipient.forward_path.to_string());
    let what = match (failed.cause, failed.remote_mta) {
        (Cause::Bounced, Some(mta)) => format!("The server {} refused it", clean::host(mta, false)),
        (Cause::Bounced, None) => "It could not be handed on".to_owned(),
        (Cause::Expired, Some(mta)) => {
            let mta = clean::host(mta, false);
            format!("It was tried again and again for {}, last at {mta}", lasted(report))
        }
        (Cause::Expired, None) => format!("It was tried again and again for {}", lasted(report)),
    };
    match (failed.reply, failed.remote_mta) {
        (None, _) => text.wrapped("    ", &format!("{what}.")),
        (Some(reply), Some(_)) => {
            let said = if failed.cause == Cause::Bounced { " and said" } else { ", which said" };
            text.wrapped("    ", &format!("{what}{said}:"));
            text.reply(reply);
        }
        (Some(reply), None) => {
            text.wrapped("    ", &format!("{what}, because:"));
            text.reply(reply);
        }
    }
    text.wrapped("    ", &format!("What to do: {}", advice(failed)));
    text.empty_line();
}

fn ending(text: &mut Text, report: &FailureReport<'_>, returned: &Returned<'_>) {
    if report.recipients.len() < report.envelope.recipients.len() {
        text.wrapped("", "For the other recipients nothing has to be done: this report is not about them.");
        text.empty_line();
    }
    let what = match returned {
        Returned::Message { .. } => "The message is attached.".to_owned(),
        Returned::Headers { why: None, .. } => "The header section of the message is attached.".to_owned(),
        Returned::Headers { why: Some(why), .. } => {
            format!("Only the header section of the message is attached, {why}.")
        }
    };
    text.wrapped("", &format!("It will not be tried again. {what}"));
    let host = report.host();
    let id = report.envelope.id;
    text.wrapped("", &format!("If you need help, write to postmaster@{host} and name this message: {id}"));
}

/// How long the message was with us.
fn lasted(report: &FailureReport<'_>) -> String {
    // The lifetime runs from the release (mail-rules 12).
    let since = report.envelope.hold_until.unwrap_or_default().max(report.envelope.received);
    rounded(report.at.since(since))
}

/// As people say it: in the largest unit of which there are two.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7200.. => (seconds / 3600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => return "a short time".to_owned(),
    };
    format!("{number} {unit}")
}

/// By the enhanced status code (RFC 3463 §3, RFC 7505 §4.2), or else by the reply code.
fn advice(failed: &FailedRecipient<'_>) -> &'static str {
    match (failed.cause, failed.status.subject, failed.status.detail) {
        (_, 1, 10) => "the domain takes no mail at all. Look for another address.",
        (_, 1, 2) => "check what stands behind the @ for mistakes: there is no such domain.",
        (_, 1, 0 | 1 | 3 | 6) => "check the address for mistakes, and send the message again.",
        (_, 1, 7 | 8) => "the server does not accept your own address. Check it, or ask your postmaster.",
        (_, 2, 1) => "the mailbox is disabled. Ask the recipient in another way.",
        (_, 2, 2) => "the mailbox is full. Ask the recipient in another way, or try again later.",
        (_, 2 | 3, 3 | 4) => "the message is too large. Send less, or a link.",
        (_, 4, 6) => "the message goes round in circles. Tell the postmaster of the recipient's domain.",
        (_, 6, 7) => "the server cannot take addresses that are not plain letters. Look for another address.",
        (_, 6, _) => "the server cannot take a message of this form. Send it in another one.",
        (_, 7, _) => "the server refuses it by its rules. What it says above may tell how to meet them.",
        (Cause::Expired, _, _) => {
            "try again later, or ask the recipient in another way whether their server works."
        }
        (Cause::Bounced, _, _) => "what is said above may tell. Otherwise ask the recipient in another way.",
    }
}

/// Lines with CRLF.
struct Text(String);

impl Text {
    fn empty_line(&mut self) {
        self.0.push_str("\r\n");
    }

    /// A paragraph: wrapped, and indented on every line.
    fn wrapped(&mut self, indent: &str, paragraph: &str) {
        let paragraph = clean::line(paragraph, usize::MAX);
        let mut column = 0;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let mut rest = word;
            while !rest.is_empty() {
                if column > 0 && column + 1 + rest.len() > LINE_OCTETS_WANTED {
                    self.empty_line();
                    column = 0;
                }
                let (part, others) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS_MAX));
                let gap = if column == 0 { indent } else { " " };
                // Writing to a String cannot fail.
                let _ = write!(self.0, "{gap}{part}");
                column += gap.len() + part.len();
                rest = others;
            }
        }
        self.empty_line();
    }

    /// The peer's own words, line by line as it said them.
    fn reply(&mut self, reply: &Reply) {
        let enhanced = reply.enhanced().map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        for line in reply.text().split('\n').take(REPLY_LINES_MAX) {
            let line = clean::line(line, REPLY_LINE_OCTETS_MAX);
            self.wrapped("        ", &format!("{} {enhanced}{line}", reply.code()));
        }
    }
}
