//! The policy (RFC 8461 §3.2), and which hosts it takes (§4.1).

use std::{fmt, time::Duration};

/// The longest that a policy may hold (RFC 8461 §3.2).
const MAX_AGE_MAX: u64 = 31_557_600;
/// Patterns beyond these are an attack or a mistake.
const MX_MAX: usize = 1000;

/// What is to be done where a host is not as a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is sent to it.
    Enforce,
    /// It is told of.
    Testing,
    /// Nothing: there is no policy (any more).
    None,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What it means.
    pub mode: Mode,
    /// The hosts that the domain has, in lower case; `*.example.net` for those one label below.
    pub mx: Vec<String>,
    /// How long it holds from when it was fetched.
    pub max_age: Duration,
}

/// Why a text is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It is not UTF-8.
    Text,
    /// A line that is no field.
    Line(usize),
    /// A field that is needed and not there, or has another value than it may.
    Field(&'static str),
}

impl Policy {
    /// Reads one. Fields that nobody knows are passed over; of one that is there twice the first counts, but for `mx`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(octets: &[u8]) -> Result<Self, Invalid> {
        let text = str::from_utf8(octets).map_err(|_| Invalid::Text)?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(Invalid::Line(number))?;
            let value = value.trim_start_matches([' ', '\t']);
            if !is_name(name) || value.is_empty() || value.chars().any(char::is_control) {
                return Err(Invalid::Line(number));
            }
            match name {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(pattern(value).ok_or(Invalid::Field("mx"))?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(Invalid::Field("version"));
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err(Invalid::Field("mode")),
        };
        if mx.len() > MX_MAX || mx.is_empty() && mode != Mode::None {
            return Err(Invalid::Field("mx"));
        }
        let digits =
            max_age.filter(|digits| digits.len() <= 10 && digits.bytes().all(|digit| digit.is_ascii_digit()));
        let seconds: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or(Invalid::Field("max_age"))?;
        Ok(Self { mode, mx, max_age: Duration::from_secs(seconds.min(MAX_AGE_MAX)) })
    }

    /// The policy as a text that reads as the same.
    pub fn to_text(&self) -> String {
        let mode = match self.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let mut text = format!("version: STSv1\r\nmode: {mode}\r\nmax_age: {}\r\n", self.max_age.as_secs());
        self.mx.iter().for_each(|mx| text.extend(["mx: ", mx, "\r\n"]));
        text
    }

    /// Whether the domain has this host (RFC 8461 §4.1): `*` stands for one label.
    pub fn takes(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let below = host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
        self.mx.iter().any(|mx| match mx.strip_prefix("*.") {
            Some(parent) => below == Some(parent),
            None => *mx == host,
        })
    }
}

fn is_name(name: &str) -> bool {
    let mut octets = name.bytes();
    octets.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() <= 32
        && octets.all(|octet| octet.is_ascii_alphanumeric() || b"_-.".contains(&octet))
}

/// A domain of RFC 5321 §4.1.2 in ASCII, perhaps with `*.` before it.
fn pattern(value: &str) -> Option<String> {
    let lower = value.strip_suffix('.').unwrap_or(value).to_ascii_lowercase();
    let domain = lower.strip_prefix("*.").unwrap_or(&lower);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Some hosts have an underscore in their names all the same.
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    (domain.len() <= 253 && domain.split('.').all(label)).then_some(lower)
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("it is not UTF-8"),
            Self::Line(number) => write!(f, "line {number} is no field"),
            Self::Field(name) => write!(f, "`{name}` is missing, or has a value that it cannot have"),
        }
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n";

    #[test]
    fn a_policy_is_read_and_reads_as_the_same() {
        let policy = Policy::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.mx, ["mail.example.com", "*.example.net"]);
        assert_eq!(policy.max_age, Duration::from_hours(7 * 24));
        assert_eq!(Policy::parse(policy.to_text().as_bytes()), Ok(policy));
    }

    #[test]
    fn what_the_standard_allows_is_read_and_all_else_is_not() {
        let change = |from: &str, to: &str| GOOD.replace(from, to);
        #[rustfmt::skip]
        let cases: [(&str, String, Result<Mode, Invalid>); 20] = [
            ("bare LF", GOOD.replace("\r\n", "\n"), Ok(Mode::Enforce)),
            ("no last line end", GOOD.trim_end().to_owned(), Ok(Mode::Enforce)),
            ("no space", GOOD.replace(": ", ":"), Ok(Mode::Enforce)),
            ("space at the end", GOOD.replace("\r\n", " \t\r\n"), Ok(Mode::Enforce)),
            ("unknown field", change("mode", "x-y.z_1: \u{fc}ber alles\r\nmode"), Ok(Mode::Enforce)),
            ("the first of two", change("mode: enforce", "mode: testing\r\nmode: enforce"), Ok(Mode::Testing)),
            ("none without mx", "version: STSv1\nmode: none\nmax_age: 0".to_owned(), Ok(Mode::None)),
            ("too long is cut", change("604800", "9999999999"), Ok(Mode::Enforce)),
            ("another version", change("STSv1", "STSv2"), Err(Invalid::Field("version"))),
            ("no version", change("version: STSv1\r\n", ""), Err(Invalid::Field("version"))),
            ("no mode", change("mode: enforce\r\n", ""), Err(Invalid::Field("mode"))),
            ("mode in other letters", change("enforce", "Enforce"), Err(Invalid::Field("mode"))),
            ("no age", change("max_age: 604800\r\n", ""), Err(Invalid::Field("max_age"))),
            ("age below nothing", change("604800", "-1"), Err(Invalid::Field("max_age"))),
            ("age too long", change("604800", "00000604800"), Err(Invalid::Field("max_age"))),
            ("no mx", change("mx: mail.example.com\r\nmx: *.Example.NET\r\n", ""), Err(Invalid::Field("mx"))),
            ("mx no domain", change("*.Example", "*Example"), Err(Invalid::Field("mx"))),
            ("no field", change("mode", "hello\r\nmode"), Err(Invalid::Line(2))),
            ("HTML", "<!DOCTYPE html>\n<html>".to_owned(), Err(Invalid::Line(1))),
            ("nothing", String::new(), Err(Invalid::Field("version"))),
        ];
        for (what, text, read) in cases {
            assert_eq!(Policy::parse(text.as_bytes()).map(|policy| policy.mode), read, "{what}");
        }
        assert_eq!(Policy::parse(b"\xff"), Err(Invalid::Text));
        let long = Policy::parse(GOOD.replace("604800", "9999999999").as_bytes()).unwrap();
        assert_eq!(long.max_age.as_secs(), MAX_AGE_MAX);
    }

    #[test]
    fn a_star_is_one_label() {
        let policy = Policy::parse(GOOD.as_bytes()).unwrap();
        for (host, takes) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            (".example.net", false),
            ("mail.example.com.evil.example", false),
            ("xmail.example.com", false),
            ("", false),
        ] {
            assert_eq!(policy.takes(host), takes, "{host}");
        }
    }
}
