//! AUTH (RFC 4954 §4): a client begins to show who it is.

use std::fmt;

use mail::{Address, ReversePath, xtext::decode_xtext};
use sasl::Password;

use super::{Command, CommandError};

/// The arguments of `AUTH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The name of the mechanism, in any case.
    pub mechanism: Box<str>,
    /// The initial response as it is on the wire: base 64, or `=` for an empty one. It may hold a password.
    pub initial: Option<Password>,
}

/// `AUTH SP sasl-mech [SP initial-response] CRLF`, where `initial-response = base64 / "="`. Whether it is base 64 is for the
/// exchange to say, which has another reply for it.
pub(super) fn parse_auth(argument: &str) -> Result<Command, CommandError> {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (argument, None),
    };
    if !is_mechanism(mechanism) || initial.is_some_and(|initial| initial.is_empty() || initial.contains(' '))
    {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Auth(Box::new(Auth { mechanism: mechanism.into(), initial: initial.map(Password::new) })))
}

/// `sasl-mech = 1*20mech-char`, `mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE` (RFC 4422 §3.1); also in lower case, as
/// other words of SMTP.
fn is_mechanism(text: &str) -> bool {
    let of_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=20).contains(&text.len()) && text.bytes().all(of_name)
}

/// Whether a line is AUTH: it alone may be as long as a response.
pub(crate) fn looks_like_auth(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "))
}

/// The value of the parameter `AUTH=` of MAIL (RFC 4954 §5): who submitted the message first, `<>` if nobody knows.
///
/// `auth-param = "AUTH=" xtext`, which decodes to a mailbox or `<>`
pub(super) fn submitter(value: &str) -> Option<ReversePath> {
    match decode_xtext(value)?.as_str() {
        "<>" => Some(ReversePath::Null),
        address => Address::parse(address).ok().map(ReversePath::Address),
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AUTH {}", self.mechanism)?;
        match &self.initial {
            Some(initial) => write!(f, " {}", initial.expose()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(argument: &str) -> Option<(String, Option<String>)> {
        match parse_auth(argument) {
            Ok(Command::Auth(auth)) => {
                let initial = auth.initial.map(|initial| initial.expose().to_owned());
                Some((auth.mechanism.into(), initial))
            }
            _ => None,
        }
    }

    #[test]
    fn a_mechanism_and_perhaps_a_first_response() {
        assert_eq!(parsed("PLAIN"), Some(("PLAIN".into(), None)));
        assert_eq!(parsed("plain AGEAYg=="), Some(("plain".into(), Some("AGEAYg==".into()))));
        assert_eq!(parsed("SCRAM-SHA-256-PLUS  ="), Some(("SCRAM-SHA-256-PLUS".into(), Some("=".into()))));
        for wrong in ["", " ", "PLAIN a b", "PLAIN ", "PL.AIN", "A23456789012345678901", "é"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_first_response_is_not_shown() {
        let Ok(command) = Command::parse(b"AUTH PLAIN AGEAYg==") else { panic!("AUTH") };
        assert!(!format!("{command:?}").contains("AGEAYg"), "{command:?}");
        assert_eq!(command.to_string(), "AUTH PLAIN AGEAYg==");
    }

    #[test]
    fn the_submitter_is_a_mailbox_or_nobody() {
        assert_eq!(submitter("<>"), Some(ReversePath::Null));
        let anna = Address::parse("anna=x@example.org").unwrap();
        assert_eq!(submitter("anna+3Dx@example.org"), Some(ReversePath::Address(anna)));
        for wrong in ["", "<anna@example.org>", "anna", "anna+3", "a b@example.org"] {
            assert_eq!(submitter(wrong), None, "{wrong}");
        }
    }
}
