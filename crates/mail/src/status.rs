//! Enhanced status codes: `class.subject.detail` (RFC 3463, RFC 2034).

use std::{fmt, str::FromStr};

/// An enhanced status code such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedStatus {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 addressing, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

impl EnhancedStatus {
    /// `class.subject.detail`. The caller gives a class of 2, 4 or 5.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// RFC 3463 §2: `status-code = class "." subject "." detail`, subject and detail of one to three digits.
impl FromStr for EnhancedStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => 2,
            Some("4") => 4,
            Some("5") => 5,
            _ => return Err(()),
        };
        let mut number = || {
            let part =
                parts.next().filter(|p| matches!(p.len(), 1..=3) && p.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|p| p.parse().ok()).ok_or(())
        };
        let (subject, detail) = (number()?, number()?);
        if parts.next().is_some() { Err(()) } else { Ok(Self { class, subject, detail }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_numbers_of_a_known_class_parse() {
        assert_eq!("5.1.1".parse(), Ok(EnhancedStatus::new(5, 1, 1)));
        assert_eq!("4.7.500".parse(), Ok(EnhancedStatus::new(4, 7, 500)));
        for text in ["", "5", "5.1", "3.1.1", "5.1.1.1", "5.1.1234", "5.+1.1", "5. 1.1"] {
            assert_eq!(text.parse::<EnhancedStatus>(), Err(()), "{text}");
        }
    }
}
