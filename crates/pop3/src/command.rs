//! Commands as a client writes them (RFC 1939, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856).

use std::fmt;

use sasl::Password;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Who logs in.
    User(Box<str>),
    /// And by which password.
    Pass(Password),
    /// Who logs in, by a digest of the greeting and a password that the server would have to keep in clear.
    Apop,
    /// An exchange of SASL.
    Auth {
        /// The name of the mechanism, as it came.
        mechanism: Box<str>,
        /// The initial response, in base 64.
        initial: Option<Password>,
    },
    /// TLS from here on.
    Stls,
    /// What the server can.
    Capa,
    /// UTF-8 from here on.
    Utf8,
    /// The language of texts: all there are, or this one from here on.
    Lang(Option<Box<str>>),
    /// How many messages, and how large together.
    Stat,
    /// How large each message is, or this one.
    List(Option<u32>),
    /// What each message is called, or this one.
    Uidl(Option<u32>),
    /// A message.
    Retr(u32),
    /// The header section of a message and so many lines of its body.
    Top {
        /// Which message.
        number: u32,
        /// Lines of its body.
        lines: u32,
    },
    /// Marks a message as deleted.
    Dele(u32),
    /// Unmarks all.
    Rset,
    /// Nothing.
    Noop,
    /// Deletes what is marked, and ends the session.
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No such keyword.
    Unknown,
    /// Wrong arguments.
    Arguments,
    /// A message number or a count that is none.
    Number,
    /// Not UTF-8, or with control characters.
    NotText,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown command",
            Self::Arguments => "Wrong arguments",
            Self::Number => "Not a number",
            Self::NotText => "Invalid octet in command",
        })
    }
}

impl Command {
    /// Reads a line, its CRLF removed.
    ///
    /// # Errors
    /// It is no command.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let text = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
        if text.chars().any(char::is_control) {
            return Err(CommandError::NotText);
        }
        let (keyword, rest) = text.split_once(' ').unwrap_or((text, ""));
        let is = |name: &str| keyword.eq_ignore_ascii_case(name);
        // RFC 1939 §7: a password may hold spaces, so all of the line is one. Names are taken in the same way.
        if is("PASS") {
            return if rest.is_empty() {
                Err(CommandError::Arguments)
            } else {
                Ok(Self::Pass(Password::new(rest)))
            };
        }
        if is("USER") {
            return if rest.is_empty() { Err(CommandError::Arguments) } else { Ok(Self::User(rest.into())) };
        }
        if is("APOP") {
            return Ok(Self::Apop);
        }
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let command = keyword_command(keyword, &mut words)?;
        if words.next().is_some() { Err(CommandError::Arguments) } else { Ok(command) }
    }
}

fn keyword_command<'a>(
    keyword: &str,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<Command, CommandError> {
    Ok(match &*keyword.to_ascii_uppercase() {
        "AUTH" => Command::Auth {
            mechanism: words.next().ok_or(CommandError::Arguments)?.into(),
            initial: words.next().map(Password::new),
        },
        "STLS" => Command::Stls,
        "CAPA" => Command::Capa,
        "UTF8" => Command::Utf8,
        "LANG" => Command::Lang(words.next().map(Into::into)),
        "STAT" => Command::Stat,
        "LIST" => Command::List(words.next().map(number).transpose()?),
        "UIDL" => Command::Uidl(words.next().map(number).transpose()?),
        "RETR" => Command::Retr(needed(words.next())?),
        "TOP" => Command::Top { number: needed(words.next())?, lines: needed(words.next())? },
        "DELE" => Command::Dele(needed(words.next())?),
        "RSET" => Command::Rset,
        "NOOP" => Command::Noop,
        "QUIT" => Command::Quit,
        _ => return Err(CommandError::Unknown),
    })
}

fn needed(word: Option<&str>) -> Result<u32, CommandError> {
    number(word.ok_or(CommandError::Arguments)?)
}

/// A number of 32 bits; a larger one means as much as the largest: there is no such message, and no message has so many lines.
fn number(word: &str) -> Result<u32, CommandError> {
    if word.is_empty() || word.len() > 20 || !word.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(CommandError::Number);
    }
    Ok(word.parse().unwrap_or(u32::MAX))
}

/// Whether a line is an AUTH command: it alone may be longer than others.
pub(crate) fn looks_like_auth(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "))
}

/// What browsers, proxies and scripts say first.
const FOREIGN_WORDS: [&[u8]; 14] = [
    b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI", b"EHLO",
    b"HELO", b"MAIL", b"HOST:",
];

/// Whether a line is one of HTTP or SMTP.
pub(crate) fn is_foreign(line: &[u8]) -> bool {
    let word = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    FOREIGN_WORDS.into_iter().any(|foreign| word.eq_ignore_ascii_case(foreign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        for (line, command) in [
            ("user anna@example.org", Command::User("anna@example.org".into())),
            ("USER an na", Command::User("an na".into())),
            ("PASS  a b ", Command::Pass(Password::new(" a b "))),
            ("PASS ä", Command::Pass(Password::new("ä"))),
            ("APOP anna c4c9334bac560ecc979e58001b3e22fb", Command::Apop),
            ("AUTH PLAIN", Command::Auth { mechanism: "PLAIN".into(), initial: None }),
            ("auth plain =", Command::Auth { mechanism: "plain".into(), initial: Some(Password::new("=")) }),
            ("STLS", Command::Stls),
            ("CAPA", Command::Capa),
            ("UTF8", Command::Utf8),
            ("LANG", Command::Lang(None)),
            ("LANG *", Command::Lang(Some("*".into()))),
            ("STAT ", Command::Stat),
            ("LIST", Command::List(None)),
            ("LIST 7", Command::List(Some(7))),
            ("UIDL", Command::Uidl(None)),
            ("uidl 4294967296", Command::Uidl(Some(u32::MAX))),
            ("RETR 1", Command::Retr(1)),
            ("TOP 1 0", Command::Top { number: 1, lines: 0 }),
            ("DELE 02", Command::Dele(2)),
            ("RSET", Command::Rset),
            ("NOOP", Command::Noop),
            ("QUIT", Command::Quit),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_why() {
        for (line, error) in [
            (&b""[..], CommandError::Unknown),
            (b"XTND", CommandError::Unknown),
            (b" STAT", CommandError::Unknown),
            (b"STAT 1", CommandError::Arguments),
            (b"USER", CommandError::Arguments),
            (b"USER ", CommandError::Arguments),
            (b"PASS", CommandError::Arguments),
            (b"AUTH", CommandError::Arguments),
            (b"AUTH PLAIN a b", CommandError::Arguments),
            (b"RETR", CommandError::Arguments),
            (b"RETR 1 2", CommandError::Arguments),
            (b"RETR -1", CommandError::Number),
            (b"RETR x", CommandError::Number),
            (b"TOP 1", CommandError::Arguments),
            (b"LIST 111111111111111111111", CommandError::Number),
            (b"PASS \xff", CommandError::NotText),
            (b"PASS a\0b", CommandError::NotText),
            (b"STAT\r", CommandError::NotText),
        ] {
            assert_eq!(Command::parse(line), Err(error), "{}", line.escape_ascii());
        }
    }
}
