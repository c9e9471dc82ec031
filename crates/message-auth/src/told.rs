//! What an Authentication-Results field says (RFC 8601 §2.2), read again: one of ours, by whoever passes the message on.

/// The words of a field and its results, without what strangers wrote into comments and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The value in one line, without empty comments.
    pub text: String,
    results: Vec<(String, String)>,
}

impl Told {
    /// Reads the value of a field.
    pub fn read(value: &str) -> Self {
        let words = value.split(|c: char| c.is_whitespace() || c.is_control());
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        // Comments of white space fill a field that has to be of some length.
        let text = line.replace(" ( )", "").replace(" ()", "");
        let mut statements = outside(&text).into_iter();
        // The first is the name of who says it.
        statements.next();
        let result = |statement: String| {
            let first = statement.split_whitespace().next()?;
            let (method, result) = first.split_once('=')?;
            Some((method.to_ascii_lowercase(), result.to_ascii_lowercase()))
        };
        let results = statements.filter_map(result).collect();
        Self { text, results }
    }

    /// The first result of a method.
    pub fn of(&self, method: &str) -> Option<&str> {
        self.results.iter().find(|(known, _)| known == method).map(|(_, result)| &**result)
    }
}

/// What stands between semicolons, without comments and quoted strings (RFC 5322 §3.2.2, §3.2.4).
pub(crate) fn outside(text: &str) -> Vec<String> {
    let (mut statements, mut depth, mut quoted) = (vec![String::new()], 0_usize, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if depth > 0 || quoted => drop(characters.next()),
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if quoted || depth > 0 => {}
            ';' => statements.push(String::new()),
            _ => statements.last_mut().into_iter().for_each(|last| last.push(character)),
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Finding, Length, field};

    #[test]
    fn what_was_written_is_read() {
        let findings = [
            Finding::new("spf", "pass")
                .because(Some("a; dmarc=pass \"x"))
                .with("smtp.mailfrom", "a; arc=pass@x.example"),
            Finding::new("dmarc", "fail").because(Some("no (arc=pass)")).with("header.from", "x.example"),
            Finding::new("dkim", "none"),
            Finding::new("dkim", "pass"),
        ];
        for length in [Length::AtMost(4000), Length::Exactly(2000)] {
            let field = String::from_utf8(field("mx.example.org", &findings, length)).unwrap();
            let told = Told::read(field.split_once(':').unwrap().1);
            let said = ["spf", "dmarc", "arc", "dkim", "iprev"].map(|method| told.of(method));
            assert_eq!(said, [Some("pass"), Some("fail"), None, Some("none"), None]);
            assert!(told.text.starts_with("mx.example.org; spf=pass (a; dmarc=pass"), "{}", told.text);
            assert!(told.text.len() < 300 && !told.text.contains("  "), "{}", told.text);
        }
        assert_eq!(Told::read("mx.example.org; none").of("none"), None);
        assert_eq!(Told::read("").of("spf"), None);
    }
}
