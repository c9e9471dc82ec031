//! The first part of a report, for people: what happened, to whom, in the peer's own words, and what to do.

use std::fmt::Write;

use mail::Reply;

use super::{Part, Report, ReportedRecipient, Topic, begin_part, quoted, returned::Returned, words};
use crate::clean;

/// Lines are wrapped before this many octets (RFC 5322 §2.1.1).
const LINE_OCTETS_WANTED: usize = 76;
/// A longer word is broken.
const WORD_OCTETS_MAX: usize = 900;
/// More lines of a reply are not repeated, nor more of a line.
const REPLY_LINES_MAX: usize = 20;
const REPLY_LINE_OCTETS_MAX: usize = 1000;

pub(super) fn part(report: &Report<'_>, topic: Topic, returned: &Returned<'_>) -> Part {
    let mut text = Text(String::with_capacity(1024));
    text.wrapped("", &format!("This is the mail server {}.", report.host()));
    text.empty_line();
    text.wrapped("", &words::beginning(report, topic));
    text.empty_line();
    for recipient in report.recipients {
        one_recipient(&mut text, report, recipient);
    }
    if words::part(report).is_some() {
        text.wrapped("", words::others(topic));
        text.empty_line();
    }
    text.wrapped("", &words::ending(report, topic, returned.what()));
    text.wrapped("", &words::help(report));
    text.part()
}

fn one_recipient(text: &mut Text, report: &Report<'_>, reported: &ReportedRecipient<'_>) {
    text.wrapped("  ", &reported.recipient.forward_path.to_string());
    let what = words::happened(report, reported);
    match words::introduction(reported).zip(reported.reply) {
        None => text.wrapped("    ", &format!("{what}.")),
        Some((introduction, reply)) => {
            text.wrapped("    ", &format!("{what}{introduction}:"));
            text.reply(reply, report.reply_room());
        }
    }
    if let Some(advice) = words::advice(report, reported) {
        text.wrapped("    ", &format!("What to do: {advice}"));
    }
    text.empty_line();
}

/// Lines with CRLF.
struct Text(String);

impl Text {
    fn part(&self) -> Part {
        let ascii = self.0.is_ascii();
        let mut part = begin_part(&[
            (
                "Content-Type",
                if ascii { "text/plain; charset=us-ascii" } else { "text/plain; charset=utf-8" },
            ),
            ("Content-Description", "Notification"),
            ("Content-Transfer-Encoding", if ascii { "7bit" } else { "quoted-printable" }),
        ]);
        if ascii {
            part.extend_from_slice(self.0.as_bytes());
        } else {
            quoted::write(&mut part, self.0.as_bytes());
        }
        part
    }

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
    fn reply(&mut self, reply: &Reply, mut room: usize) {
        let enhanced = reply.enhanced().map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        for line in reply.text().split('\n').take(REPLY_LINES_MAX) {
            let line = clean::line(line, room.min(REPLY_LINE_OCTETS_MAX));
            room -= line.len();
            self.wrapped("        ", &format!("{} {enhanced}{line}", reply.code()));
            if room == 0 {
                break;
            }
        }
    }
}
