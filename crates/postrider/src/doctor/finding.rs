//! What was found: for people, and for programs.

use serde_json::{Value, json};

use crate::terminal::{self, clean};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Advice,
    /// It could not be looked at.
    Unknown,
    /// Some mail suffers, or will soon.
    Warning,
    /// Mail suffers.
    Error,
}

impl Level {
    const ALL: [Self; 5] = [Self::Ok, Self::Advice, Self::Unknown, Self::Warning, Self::Error];

    /// Its word in tables and documents.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Advice => "advice",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Advice => "\x1b[36m",
            Self::Unknown => "\x1b[35m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[1;31m",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How it is.
    pub level: Level,
    /// Which check it is, in one word for programs.
    pub check: &'static str,
    /// A sentence.
    pub text: String,
    /// What to do, over several lines if need be: a command or a record stands on a line of its own.
    pub action: Option<String>,
}

impl Finding {
    /// A finding without anything to do.
    pub(crate) fn new(level: Level, check: &'static str, text: impl Into<String>) -> Self {
        Self { level, check, text: text.into(), action: None }
    }

    /// As it should be.
    pub(crate) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, text)
    }

    /// It could be better.
    pub(crate) fn advice(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Advice, check, text)
    }

    /// Nobody could look.
    pub(crate) fn unknown(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Unknown, check, text)
    }

    /// Some mail suffers.
    pub(crate) fn warning(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Warning, check, text)
    }

    /// Mail suffers.
    pub(crate) fn error(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Error, check, text)
    }

    /// What to do about it.
    pub(crate) fn todo(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }
}

/// Findings about one domain, or one side of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// What they are about.
    pub title: String,
    /// They.
    pub findings: Vec<Finding>,
}

/// All findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    groups: Vec<Group>,
}

impl Report {
    /// Adds findings; those of a title that is there already are put with it.
    pub(crate) fn add(&mut self, title: &str, findings: Vec<Finding>) {
        match self.groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.findings.extend(findings),
            None if findings.is_empty() => {}
            None => self.groups.push(Group { title: title.to_owned(), findings }),
        }
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.groups.iter().flat_map(|group| &group.findings)
    }

    /// Whether there is nothing but what is well and what could be better.
    pub(crate) fn is_healthy(&self) -> bool {
        self.findings().all(|finding| finding.level <= Level::Advice)
    }

    /// How many findings there are of a level.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.findings().filter(|finding| finding.level == level).count()
    }

    /// In one line: `healthy: 12 ok, 1 advice`.
    pub(crate) fn summary(&self) -> String {
        let counts: Vec<String> = Level::ALL
            .into_iter()
            .rev()
            .filter(|level| self.count(*level) > 0)
            .map(|level| format!("{} {}", self.count(level), level.word()))
            .collect();
        let word = if self.is_healthy() { "healthy" } else { "not healthy" };
        if counts.is_empty() { word.to_owned() } else { format!("{word}: {}", counts.join(", ")) }
    }

    /// For people.
    pub(crate) fn text(&self, colours: bool) -> String {
        let mut lines = Vec::new();
        for Group { title, findings } in &self.groups {
            lines.push(clean(title));
            lines.extend(findings.iter().flat_map(|finding| shown(finding, colours)));
            lines.push(String::new());
        }
        lines.join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let one = |finding: &Finding| {
            let Finding { level, check, text, action } = finding;
            json!({ "level": level.word(), "check": check, "text": text, "do": action })
        };
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|group| {
                json!({
                    "about": group.title, "findings": group.findings.iter().map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        json!({ "healthy": self.is_healthy(), "groups": groups })
    }
}

/// The width of the widest level, and two spaces.
const INDENT: usize = 9;

fn shown(finding: &Finding, colours: bool) -> Vec<String> {
    let (colour, plain) = if colours { (finding.level.colour(), "\x1b[0m") } else { ("", "") };
    let word = finding.level.word();
    let pad = " ".repeat(INDENT.saturating_sub(word.len()));
    let mut lines = vec![format!("  {colour}{word}{plain}{pad}{}", clean(&finding.text))];
    let space = " ".repeat(INDENT + 2);
    for (number, line) in finding.action.iter().flat_map(|action| action.lines()).enumerate() {
        let lead = if number == 0 { "do this: " } else { "  " };
        lines.push(format!("{space}{lead}{}", clean(line)));
    }
    lines
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed<T: ToString>(things: impl IntoIterator<Item = T>) -> String {
    let mut words: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}

/// `1 message`, `2 messages`, for any number that can be counted.
pub(super) fn counted(number: usize, thing: &str) -> String {
    terminal::count(number as u64, thing)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Findings in short: level, and what is said of it with what to do.
    pub(crate) fn told(findings: &[Finding]) -> Vec<String> {
        let one = |finding: &Finding| {
            let action = finding.action.as_deref().map(|text| format!(" => {text}")).unwrap_or_default();
            format!("{}: {}{action}", finding.level.word(), finding.text)
        };
        findings.iter().map(one).collect()
    }

    /// There is a finding of this level that says all of these words, and none is worse.
    #[track_caller]
    pub(crate) fn says(findings: &[Finding], level: Level, words: &[&str]) {
        let told = told(findings);
        let found = findings
            .iter()
            .zip(&told)
            .any(|(finding, text)| finding.level == level && words.iter().all(|word| text.contains(word)));
        let worst = findings.iter().map(|finding| finding.level).max();
        assert!(found && worst == Some(level), "{level:?} {words:?} in {told:#?}");
    }

    #[test]
    fn a_report_is_read_at_a_glance() {
        let mut report = Report::default();
        report.add("example.org", vec![Finding::ok("mx", "mail comes here")]);
        report.add("empty", Vec::new());
        assert!(report.is_healthy());
        report.add("this machine", vec![Finding::advice("clock", "nobody\x1b knows")]);
        assert!(report.is_healthy());
        let wrong = Finding::error("spf", "two records").todo("keep one:\nexample.org. TXT x");
        report.add("example.org", vec![wrong]);
        assert_eq!(
            format!("{}\n{}", report.text(false), report.summary()),
            "example.org\n\
             \u{20} ok       mail comes here\n\
             \u{20} error    two records\n\
             \u{20}          do this: keep one:\n\
             \u{20}            example.org. TXT x\n\
             \n\
             this machine\n\
             \u{20} advice   nobody? knows\n\
             \n\
             not healthy: 1 error, 1 advice, 1 ok"
        );
        assert!(report.text(true).contains("\x1b[1;31merror\x1b[0m    two"));
        let json = report.json();
        assert_eq!(json["healthy"], json!(false));
        assert_eq!(json["groups"][0]["findings"][1]["do"], json!("keep one:\nexample.org. TXT x"));
    }

    #[test]
    fn what_was_not_looked_at_is_not_healthy() {
        let mut report = Report::default();
        report.add("x", vec![Finding::unknown("mx", "no answer")]);
        assert!(!report.is_healthy());
        assert_eq!(report.summary(), "not healthy: 1 unknown");
    }

    #[test]
    fn lists_are_read_as_people_write_them() {
        assert_eq!(["", "a", "a and b"], [listed::<&str>([]), listed(["a"]), listed(["a", "b"])]);
        assert_eq!(listed([1, 2, 3]), "1, 2 and 3");
    }
}
