//! What delivery reports say (RFC 3464), read as a mail program would, and compared with what was asked for and what peers said.

use crate::ledger::{Addressee, Books, Sent, token_of};

/// A report as it came to the sender of a message.
#[derive(Debug, Default)]
struct Report {
    envid: Option<String>,
    recipients: Vec<Told>,
    /// The body of the message came with it, and not only its header section.
    returns_body: bool,
}

/// What a report says of a recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) recipient: String,
    pub(crate) action: String,
    pub(crate) status: String,
    /// Its type, `smtp` or one of ours, and the words.
    pub(crate) diagnostic: Option<(String, String)>,
}

impl Books {
    /// Takes a report down. What is wrong with it as a whole is noted at once.
    pub(crate) fn report(&mut self, to: &str, content: &[u8]) {
        let report = read(&String::from_utf8_lossy(content));
        let token = token_of(to).unwrap_or_default();
        let Some(sent) = self.sent.get(&token) else { return };
        for wrong in wrong_with(&report, &token, sent) {
            self.wrongs.push((token.clone(), wrong));
        }
        for told in report.recipients {
            self.told.entry(told.recipient.clone()).or_default().push(told);
        }
    }
}

/// What a report must not be, whatever became of the message.
fn wrong_with(report: &Report, token: &str, sent: &Sent) -> Vec<String> {
    let mut wrongs = Vec::new();
    if report.envid != sent.envid {
        wrongs.push(format!("a report names the envelope {:?}, and it had {:?}", report.envid, sent.envid));
    }
    let is_failure = report.recipients.iter().any(|told| told.action == "failed");
    if report.returns_body && (sent.ret == Some("HDRS") || !is_failure) {
        wrongs.push("a report returns the content, though it should not".to_owned());
    }
    if report.recipients.is_empty() {
        wrongs.push("a report tells of nobody".to_owned());
    }
    for told in &report.recipients {
        let known = sent.recipients.iter().find(|known| known.address == told.recipient);
        match known.filter(|known| known.accepted) {
            Some(known) if wants(known, &told.action) => {}
            Some(_) => wrongs.push(format!("{} {} is told unasked", told.recipient, told.action)),
            None => wrongs.push(format!("a report of {token} tells of {}", told.recipient)),
        }
    }
    wrongs
}

/// Whether the sender is to hear of it (RFC 3461 §4.1).
fn wants(recipient: &Addressee, action: &str) -> bool {
    let wants = |word| recipient.notify.map(|words| words.contains(word));
    match action {
        "failed" => wants("FAILURE").unwrap_or(true),
        "delayed" => wants("DELAY").unwrap_or(true),
        _ => wants("SUCCESS").unwrap_or(false),
    }
}

fn read(text: &str) -> Report {
    let mut report =
        Report { returns_body: text.contains(", which tells whose it is\r\n"), ..Report::default() };
    let status = text.split("Content-Type: message/delivery-status").nth(1).unwrap_or_default();
    let status =
        status.split("\r\n--").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
    for line in status.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value = value.to_owned();
        match (name, report.recipients.last_mut()) {
            ("Original-Envelope-Id", _) => report.envid = Some(value),
            ("Final-Recipient", _) => {
                let recipient = value.strip_prefix("rfc822; ").unwrap_or(&value).to_owned();
                report.recipients.push(Told { recipient, ..Told::default() });
            }
            ("Action", Some(told)) => told.action = value,
            ("Status", Some(told)) => told.status = value,
            ("Diagnostic-Code", Some(told)) => {
                let (kind, words) = value.split_once("; ").unwrap_or((&value, ""));
                told.diagnostic = Some((kind.to_owned(), words.to_owned()));
            }
            _ => {}
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_field_by_field() {
        let report = read(
            "Subject: Undelivered\r\n\r\n--=_1\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; postrider.example\r\nOriginal-Envelope-Id: m1.e\r\n\r\n\
             Final-Recipient: rfc822; m1.r0@d1.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Diagnostic-Code: smtp; 550 5.1.1\r\n Never (7)\r\n\r\n--=_1--\r\nAction: none\r\n",
        );
        assert_eq!(report.envid.as_deref(), Some("m1.e"));
        let [told] = &report.recipients[..] else { panic!("{report:?}") };
        assert_eq!((told.action.as_str(), told.status.as_str()), ("failed", "5.1.1"));
        assert_eq!(told.diagnostic, Some(("smtp".to_owned(), "550 5.1.1 Never (7)".to_owned())));
    }
}
