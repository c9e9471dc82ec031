//! Authentication-Results: what was found, told to those who read the mail (RFC 8601), and telling such fields of ours from forged ones.

use std::fmt::Write;

use message::Field;

use crate::{
    arc,
    author::{DomainName, NoAuthor},
    dkim, dmarc, spf,
};

/// The name of the field.
const NAME: &str = "Authentication-Results";
/// Octets of what others wrote, in one place.
const FOREIGN_OCTETS_MAX: usize = 320;
/// Octets of all findings in one line.
const SUMMARY_OCTETS_MAX: usize = 2000;
/// What is longer is no name of ours.
const ID_OCTETS_MAX: usize = 512;
/// Lines are folded before this many octets, where there is white space (RFC 5322 §2.1.1).
const LINE_OCTETS_WANTED: usize = 78;
/// No line of what fills a field is longer.
const PADDING_OCTETS_MAX: usize = 900;

/// What one method found: `resinfo` of RFC 8601 §2.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    method: &'static str,
    result: String,
    comment: Option<String>,
    properties: Vec<(&'static str, String)>,
}

impl Finding {
    /// A method and its result.
    pub fn new(method: &'static str, result: impl Into<String>) -> Self {
        Self { method, result: result.into(), comment: None, properties: Vec::new() }
    }

    /// With a reason, whoever wrote it.
    #[must_use]
    pub fn because(mut self, reason: Option<impl ToString>) -> Self {
        self.comment = reason.map(|reason| reason.to_string());
        self
    }

    /// With a property, such as `header.d`; an empty value is none.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.properties.push((name, value.to_owned()));
        }
        self
    }

    /// SPF (RFC 8601 §2.7.2): of `smtp.mailfrom` or `smtp.helo`.
    pub fn of_spf(verdict: &spf::Verdict, property: &'static str, identity: &str) -> Self {
        let reason = verdict.problem.as_ref().map(ToString::to_string);
        let reason = reason.or_else(|| verdict.mechanism.as_ref().map(ToString::to_string));
        Self::new("spf", verdict.result.to_string()).because(reason).with(property, identity)
    }

    /// DKIM (RFC 8601 §2.7.1, RFC 6008 §4): one for each signature.
    pub fn of_dkim(outcome: &dkim::Outcome) -> Self {
        let testing = outcome.testing.then(|| "key is for trying out".to_owned());
        Self::new("dkim", outcome.result.to_string())
            .because(outcome.reason.as_ref().map(ToString::to_string).or(testing))
            .with("header.d", &outcome.domain)
            .with("header.s", &outcome.selector)
            .with("header.a", outcome.algorithm.map_or("", dkim::Algorithm::name))
            .with("header.b", &outcome.mark)
    }

    /// DMARC (RFC 9989; RFC 8601 §2.7): of the author, with what its domain asks for.
    pub fn of_dmarc(author: Result<&DomainName, NoAuthor>, verdict: Option<&dmarc::Verdict>) -> Self {
        let (author, verdict) = match (author, verdict) {
            (Ok(author), Some(verdict)) => (author, verdict),
            (Err(NoAuthor::Ambiguous), _) => {
                return Self::new("dmarc", "permerror").because(Some("no single author"));
            }
            _ => return Self::new("dmarc", "none").because(Some("no author")),
        };
        let found = Self::new("dmarc", verdict.result.to_string())
            .because(verdict.problem.as_ref())
            .with("header.from", author.as_str());
        if verdict.record.is_some() { found.with("policy.dmarc", verdict.policy.name()) } else { found }
    }

    /// ARC (RFC 8617 §10.2), with the last one who sealed it.
    pub fn of_arc(outcome: &arc::Outcome) -> Self {
        let sealer = outcome.sealers.last().map(|sealer| format!("sealed by {sealer}"));
        let reason = outcome.reason.as_ref().map(ToString::to_string);
        Self::new("arc", outcome.status.name()).because(reason.or(sealer))
    }

    /// In short, for logs: `dkim=pass (body was changed) header.d=example.org`.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        self.words(|word| {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        });
        text
    }

    fn words(&self, mut each: impl FnMut(&str)) {
        each(&format!("{}={}", self.method, self.result));
        if let Some(comment) = &self.comment {
            each(&commented(comment));
        }
        for (name, value) in &self.properties {
            each(&format!("{name}={}", property(value)));
        }
    }
}

/// How long a field has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// At most so many octets: findings that have no room are left out, the last first.
    AtMost(usize),
    /// Exactly so many: comments of white space fill what is left.
    Exactly(usize),
}

/// The field, with its line ends. Nothing that others wrote can end a line in it, or a comment, or a value.
///
/// `id` is our name (authserv-id). A few hundred octets are room enough for it and nothing else.
pub fn field(id: &str, findings: &[Finding], length: Length) -> Vec<u8> {
    let (Length::AtMost(max) | Length::Exactly(max)) = length;
    let mut lines = Vec::new();
    let mut left = max.saturating_sub(NAME.len() + id.len() + ": ;\r\n".len());
    for finding in findings {
        let line = written(finding);
        let Some(rest) = left.checked_sub(line.len() + ";".len()) else { break };
        left = rest;
        lines.push(line);
    }
    let head = format!("{NAME}: {id};");
    if lines.is_empty() {
        // RFC 8601 §2.2: `no-result`.
        lines.push(" none".to_owned());
    }
    let text = format!("{head}{}\r\n", lines.join(";"));
    let text = match length {
        Length::AtMost(_) => text,
        Length::Exactly(octets) => padded(&head, &text, octets),
    };
    text.into_bytes()
}

/// With comments of white space behind our name, where they may stand (RFC 8601 §2.2: CFWS).
fn padded(head: &str, text: &str, octets: usize) -> String {
    const LEAST: usize = "\r\n\t()".len();
    let mut missing = octets.saturating_sub(text.len());
    let mut lines = String::new();
    while missing >= LEAST {
        let line = missing.min(PADDING_OCTETS_MAX);
        lines.extend(["\r\n\t(", &" ".repeat(line - LEAST), ")"]);
        missing -= line;
    }
    let (_, rest) = text.split_at(head.len());
    format!("{head}{}{lines}{rest}", " ".repeat(missing))
}

/// A finding on lines of its own.
fn written(finding: &Finding) -> String {
    let (mut text, mut column) = (String::from("\r\n"), 0);
    finding.words(|word| {
        if column > 0 && column + 1 + word.len() > LINE_OCTETS_WANTED {
            text.push_str("\r\n\t");
            column = 8;
        } else {
            text.push_str(if column == 0 { "\t" } else { " " });
            column += if column == 0 { 8 } else { 1 };
        }
        text.push_str(word);
        column += word.len();
    });
    text
}

/// A comment (RFC 5322 §3.2.2) of printable ASCII.
fn commented(text: &str) -> String {
    let mut out = String::from("(");
    for character in plain(text) {
        if matches!(character, '(' | ')' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push(')');
    out
}

/// `pvalue` (RFC 8601 §2.2): a token, an address, or a quoted string.
fn property(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c);
    let is_plain = match text.split_once('@') {
        Some((local, domain)) => [local, domain].iter().all(|part| part.chars().all(is_token)),
        None => !text.is_empty() && text.chars().all(is_token),
    };
    if is_plain && text.len() <= FOREIGN_OCTETS_MAX {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for character in plain(text) {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

/// Printable ASCII of a bounded length; everything else becomes `?`.
fn plain(text: &str) -> impl Iterator<Item = char> {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(FOREIGN_OCTETS_MAX).map(printable)
}

/// Whether a field claims to be an Authentication-Results of ours, so that one from outside has to go (RFC 8601 §5). A reader may be
/// careless, so whatever one could take for our name counts: with comments, quotes, white space and a version in any place.
pub fn is_ours(field: &Field<'_>, id: &str) -> bool {
    if !field.is(NAME) {
        return false;
    }
    let text = String::from_utf8_lossy(field.raw()).to_ascii_lowercase();
    let id = id.trim_end_matches('.').to_ascii_lowercase();
    // One who knows comments, and one who does not.
    let readings = [without_comments(&text), text];
    readings.iter().any(|text| begins_with(text, &id))
}

fn begins_with(text: &str, id: &str) -> bool {
    let is_noise = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | '(' | ')');
    let first = text.split(';').next().unwrap_or_default();
    let dense: String = first.chars().filter(|c| !is_noise(*c)).take(ID_OCTETS_MAX).collect();
    let same = |text: &str| DomainName::parse(text).map(|name| name.to_string());
    if same(&dense).is_some_and(|name| name == id) {
        return true;
    }
    // What goes on as another name is another name; a version may stand behind ours.
    dense.strip_prefix(id).is_some_and(|rest| {
        let mut rest = rest.trim_start_matches('.').chars();
        !rest.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '-' | '_'))
    })
}

/// Without comments, which may be nested (RFC 5322 §3.2.2); one that does not end goes on to the end.
fn without_comments(text: &str) -> String {
    let (mut out, mut depth, mut quoted) = (String::with_capacity(text.len()), 0usize, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let next = characters.next().filter(|_| depth == 0);
                out.extend(next);
            }
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(character),
            _ => {}
        }
    }
    out
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}

/// All findings in one line of a bounded length, for the event log.
pub fn summary(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{finding}", if text.is_empty() { "" } else { "; " });
    }
    text.truncate(text.floor_char_boundary(SUMMARY_OCTETS_MAX));
    text
}

#[cfg(test)]
mod tests {
    use message::HeaderSection;

    use super::*;

    fn text(findings: &[Finding], length: Length) -> String {
        String::from_utf8(field("mx.example.org", findings, length)).unwrap()
    }

    #[test]
    fn findings_are_written_in_the_words_of_the_standard() {
        let spf =
            Finding::new("spf", "pass").because(Some("ip4:192.0.2.1")).with("smtp.mailfrom", "a@b.example");
        let dkim =
            Finding::new("dkim", "fail").because(Some("body was changed")).with("header.d", "b.example");
        let dkim = dkim.with("header.b", "ab/d+f==");
        assert_eq!(
            text(&[spf, dkim], Length::AtMost(4096)),
            "Authentication-Results: mx.example.org;\r\n\tspf=pass (ip4:192.0.2.1) smtp.mailfrom=a@b.example;\r\n\
             \tdkim=fail (body was changed) header.d=b.example header.b=\"ab/d+f==\"\r\n"
        );
        assert_eq!(text(&[], Length::AtMost(4096)), "Authentication-Results: mx.example.org; none\r\n");
    }

    #[test]
    fn what_strangers_wrote_stays_in_its_place() {
        let evil = "x\r\nBcc: y\0) (\\ \"; dkim=pass \u{e9}\u{2028}";
        let finding = Finding::new("spf", "fail").because(Some(evil)).with("smtp.mailfrom", evil);
        let text = text(&[finding], Length::AtMost(4096));
        assert!(text.is_ascii(), "{text}");
        let section = HeaderSection::read(text.as_bytes());
        assert_eq!(section.fields().count(), 1, "{text}");
        assert!(text.contains("(x??Bcc: y?\\) \\(\\\\ \"; dkim=pass ??)"), "{text}");
        assert!(text.contains("smtp.mailfrom=\"x??Bcc: y?) (\\\\ \\\"; dkim=pass ??\""), "{text}");
    }

    #[test]
    fn a_field_has_the_length_that_is_asked_for() {
        let finding = |number: usize| {
            Finding::new("dkim", "pass").with("header.d", &format!("{number}.{}", "d".repeat(250)))
        };
        for count in [0, 1, 2, 8, 40] {
            let findings: Vec<Finding> = (0..count).map(finding).collect();
            assert!(text(&findings, Length::AtMost(2048)).len() <= 2048);
            for octets in 2040..2060 {
                let text = text(&findings, Length::Exactly(octets));
                assert_eq!(text.len(), octets, "{count} findings");
                let section = HeaderSection::read(text.as_bytes());
                assert_eq!(section.fields().count(), 1, "{text:?}");
                assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text:?}");
                let lines: Vec<&str> = text.trim_end_matches("\r\n").split("\r\n").collect();
                assert!(lines.iter().all(|line| !line.trim().is_empty()), "{text:?}");
            }
        }
    }

    #[test]
    fn a_field_that_claims_to_be_ours_is_known() {
        for (field, ours) in [
            ("Authentication-Results: mx.example.org; spf=pass", true),
            ("authentication-RESULTS : MX.Example.ORG 1; none", true),
            ("Authentication-Results: mx.example.org/1; none", true),
            ("Authentication-Results: mx.example.org.; none", true),
            ("Authentication-Results: mx.example.org", true),
            ("Authentication-Results:\r\n (a (nested\\) ;) one) \r\n\tmx.example.org (b); none", true),
            ("Authentication-Results: \"mx.example.org\"; none", true),
            ("Authentication-Results: \"mx.\\example.org\"; none", true),
            ("Authentication-Results: mx.exam\r\n ple.org; none", true),
            ("Authentication-Results: (open mx.example.org; none", false),
            ("Authentication-Results: mx.(x)example.org; none", true),
            ("Authentication-Results: mx.example.org(x) 1; none", true),
            ("Authentication-Results: mx.example.org\0; none", true),
            ("Authentication-Results: mx.example.organic; none", false),
            ("Authentication-Results: mx.example.org.example; none", false),
            ("Authentication-Results: other.example; spf=pass (mx.example.org)", false),
            ("Authentication-Results: xmx.example.org; none", false),
            ("X-Authentication-Results: mx.example.org; none", false),
            ("ARC-Authentication-Results: i=1; mx.example.org; none", false),
        ] {
            let content = format!("{field}\r\n\r\n");
            let section = HeaderSection::read(content.as_bytes());
            let found = section.fields().next().unwrap();
            assert_eq!(is_ours(&found, "mx.example.org"), ours, "{field:?}");
        }
    }
}
