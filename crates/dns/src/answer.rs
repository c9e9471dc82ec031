//! Answers and failures of a lookup.

use std::{fmt, time::Duration};

/// Records with what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The records; never empty when it is a list.
    pub records: T,
    /// Whether DNSSEC vouches for them.
    pub security: Security,
    /// How long they may be kept.
    pub ttl: Duration,
}

impl<T> Answer<T> {
    /// An answer that nothing vouches for.
    pub fn insecure(records: T, ttl: Duration) -> Self {
        Self { records, security: Security::Insecure, ttl }
    }

    /// The same facts about other records.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { records: change(self.records), security: self.security, ttl: self.ttl }
    }
}

/// What DNSSEC says of an answer (RFC 4035 §4.3).
///
/// There is no "indeterminate" here: what could not be judged is a failure, [`DnsError::Temporary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Security {
    /// Signatures are wrong or missing where they must be. Resolvers answer [`DnsError::Temporary`] instead; the
    /// value exists for reports and for records beside the ones asked for.
    Bogus,
    /// The zone is not signed, or nobody validated.
    Insecure,
    /// Signed, and the chain of trust holds.
    Secure,
}

/// Why there are no records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsError {
    /// NXDOMAIN: neither this name nor one below it exists (RFC 8020).
    NoSuchName,
    /// The name exists but has no records of the wanted type (RFC 2308 §2.2).
    NoRecords,
    /// No usable answer for now: SERVFAIL, REFUSED, a timeout, a bogus signature, an endless CNAME chain. The text
    /// says which, for the log. The mail waits; nothing may be concluded about the name.
    Temporary(Box<str>),
}

impl DnsError {
    /// [`DnsError::Temporary`] with its reason.
    pub fn temporary(reason: impl Into<Box<str>>) -> Self {
        Self::Temporary(reason.into())
    }

    /// Whether asking again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("no such name in the DNS"),
            Self::NoRecords => f.write_str("no records of this type in the DNS"),
            Self::Temporary(reason) => write!(f, "no answer from the DNS: {reason}"),
        }
    }
}

impl std::error::Error for DnsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_together_are_as_secure_as_the_weaker() {
        assert_eq!(Security::Secure.min(Security::Insecure), Security::Insecure);
        assert_eq!(Security::Bogus.min(Security::Secure), Security::Bogus);
    }

    #[test]
    fn only_a_temporary_failure_is_worth_another_try() {
        assert!(DnsError::temporary("SERVFAIL").is_temporary());
        assert!(!DnsError::NoSuchName.is_temporary());
        assert!(!DnsError::NoRecords.is_temporary());
    }
}
