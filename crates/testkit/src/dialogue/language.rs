//! The lines of a dialogue, and back to text.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::Mismatch;

/// A parsed dialogue.
#[derive(Debug)]
pub struct Dialogue {
    text: String,
    pub(super) lines: Vec<Line>,
}

/// A line that does something.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Given(String),
    Dns(String),
    Disk(String),
    Then(String),
    Later(Duration),
    Send {
        client: usize,
        octets: Vec<u8>,
    },
    Close {
        client: usize,
    },
    /// `times` is [`ANY`] for as many lines as there are, at least one.
    Expect {
        client: usize,
        times: usize,
        expected: String,
    },
}

pub(super) const ANY: usize = usize::MAX;

impl Dialogue {
    /// Reads a dialogue.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Self, Mismatch> {
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let what = what(line).ok_or_else(|| Mismatch::at(number, format!("no dialogue line: {line}")))?;
            lines.push(Line { number, what });
        }
        Ok(Self { text: text.to_owned(), lines })
    }

    /// Whether time passes in it, which only a world with a clock of its own can do.
    pub fn needs_time(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.what, What::Later(_)))
    }

    /// The text with each block of `S:` lines replaced by what was said there: by the number of its first line.
    pub(super) fn updated(&self, said: &BTreeMap<usize, Vec<String>>) -> String {
        let mut updated = String::new();
        for (number, text) in (1..).zip(self.text.lines()) {
            let line = self.lines.iter().find(|line| line.number == number);
            if let Some(Line { what: What::Expect { client, .. }, .. }) = line {
                let indent: String = text.chars().take_while(|c| c.is_whitespace()).collect();
                for line in said.get(&number).into_iter().flatten() {
                    let who = if *client == 1 { String::new() } else { client.to_string() };
                    // Writing to a String cannot fail.
                    let _ = writeln!(updated, "{indent}{who}{line}");
                }
                continue;
            }
            updated.push_str(text);
            updated.push('\n');
        }
        updated
    }
}

fn what(line: &str) -> Option<What> {
    let (client, rest) = take_number(line);
    let client = client.unwrap_or(1);
    if let Some(text) = rest.strip_prefix("C:") {
        let mut octets = unescape(text.strip_prefix(' ').unwrap_or(text))?;
        octets.extend_from_slice(b"\r\n");
        return Some(What::Send { client, octets });
    }
    if let Some(text) = rest.strip_prefix("C>") {
        return Some(What::Send { client, octets: unescape(text.strip_prefix(' ').unwrap_or(text))? });
    }
    if let Some(text) = rest.strip_prefix('S') {
        let (times, text) = match text.strip_prefix('*') {
            Some(text) if text.starts_with(':') => (Some(ANY), text),
            Some(text) => take_number(text),
            None => (Some(1), text),
        };
        let expected = text.strip_prefix(':')?.trim().to_owned();
        return Some(What::Expect { client, times: times?, expected });
    }
    if rest == "close:" {
        return Some(What::Close { client });
    }
    let (key, value) = line.split_once(':')?;
    let value = value.trim().to_owned();
    match key {
        "given" => Some(What::Given(value)),
        "dns" => Some(What::Dns(value)),
        "disk" => Some(What::Disk(value)),
        "then" => Some(What::Then(value)),
        "later" => duration(&value).map(What::Later),
        _ => None,
    }
}

fn take_number(text: &str) -> (Option<usize>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    (number.parse().ok(), rest)
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = take_number(text);
    let number = u64::try_from(number?).ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// The octets that a text with escapes stands for.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        octets.extend_from_slice(before.as_bytes());
        let escape = escape.get(1..)?;
        let kind = escape.chars().next()?;
        rest = escape.get(kind.len_utf8()..)?;
        match kind {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            't' => octets.push(b'\t'),
            '0' => octets.push(0),
            '\\' => octets.push(b'\\'),
            'x' => {
                octets.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = rest.get(2..)?;
            }
            '(' => {
                let (repeated, behind) = rest.split_once(')')?;
                let (what, times) = repeated.rsplit_once('*')?;
                octets.extend(unescape(what)?.repeat(times.parse().ok()?));
                rest = behind;
            }
            _ => return None,
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    Some(octets)
}

/// Octets as a dialogue shows them.
pub fn escape(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\0' => text.push_str("\\0"),
                c if c.is_control() => push_hex(&mut text, u32::from(c)),
                c => text.push(c),
            }
        }
        for octet in chunk.invalid() {
            push_hex(&mut text, u32::from(*octet));
        }
    }
    text
}

fn push_hex(text: &mut String, value: u32) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{value:02x}");
}

/// Whether a line is what was expected: the same, where each `...` stands for any text.
pub fn matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.trim_end().is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_dots_stand_for_any_text() {
        for (expected, line, same) in [
            ("250 ok", "250 ok", true),
            ("250 ok", "250 okay", false),
            ("250 ...", "250 ok", true),
            ("250 ok...", "250 ok", true),
            ("250 ... as ...", "250 Queued as 7", true),
            ("250 ... as 8", "250 Queued as 7", false),
            ("...7", "250 Queued as 7", true),
            ("250", "", false),
        ] {
            assert_eq!(matches(expected, line), same, "{expected} / {line}");
        }
    }

    #[test]
    fn escapes_become_octets() {
        assert_eq!(unescape(r"a\r\n\0\x80\\\(xy*2)b").unwrap(), b"a\r\n\0\x80\\xyxyb");
        assert_eq!(unescape(r"\(a\r\n*2)").unwrap(), b"a\r\na\r\n");
        assert_eq!(unescape("é").unwrap(), "é".as_bytes());
        for wrong in [r"\", r"\q", r"\x8", r"\xé", r"\(a*", r"\(a)", r"\(a*b)"] {
            assert_eq!(unescape(wrong), None, "{wrong}");
        }
        assert_eq!(escape(b"a\r\n\0\x80\xc3\xa9"), "a\\r\\n\\0\\x80é");
    }

    #[test]
    fn lines_are_told_apart() {
        let send = |client, octets: &[u8]| What::Send { client, octets: octets.into() };
        for (line, parsed) in [
            ("C: QUIT", send(1, b"QUIT\r\n")),
            ("2C: QUIT", send(2, b"QUIT\r\n")),
            ("C>  .\\r", send(1, b" .\r")),
            ("C:", send(1, b"\r\n")),
            ("close:", What::Close { client: 1 }),
            ("3close:", What::Close { client: 3 }),
            ("later: 6m", What::Later(Duration::from_mins(6))),
            ("dns: a.example A 192.0.2.1", What::Dns("a.example A 192.0.2.1".into())),
            ("2S*3: 250", What::Expect { client: 2, times: 3, expected: "250".into() }),
            ("S*: 250", What::Expect { client: 1, times: ANY, expected: "250".into() }),
        ] {
            assert_eq!(what(line), Some(parsed), "{line}");
        }
        for line in ["X: y", "S 250", "S*x: 250", "later: soon", "2given: x", "C"] {
            assert_eq!(what(line), None, "{line}");
        }
        assert!(Dialogue::parse("# ok\n\nwrong").unwrap_err().to_string().starts_with("line 3: "));
    }
}
