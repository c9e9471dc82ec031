//! What the checks have found, in the words that rules are written in.

use mail::Domain;

/// A result of a check (RFC 8601 §2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultWord {
    /// It speaks for the message.
    Pass,
    /// It speaks against it.
    Fail,
    /// Of SPF: it speaks against it, but not for sure.
    SoftFail,
    /// It says nothing.
    Neutral,
    /// There is nothing to check.
    None,
    /// Of DKIM: it may be good, but not for us.
    Policy,
    /// The DNS did not answer.
    TempError,
    /// What there is to check by is broken, or can never be known.
    PermError,
}

impl ResultWord {
    /// Each, by its word in the standard and in the configuration.
    pub const WORDS: &[(&str, Self)] = &[
        ("pass", Self::Pass),
        ("fail", Self::Fail),
        ("softfail", Self::SoftFail),
        ("neutral", Self::Neutral),
        ("none", Self::None),
        ("policy", Self::Policy),
        ("temperror", Self::TempError),
        ("permerror", Self::PermError),
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, word)| *word == self).map_or("", |(name, _)| name)
    }

    /// The one of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == text).map(|(_, word)| *word)
    }
}

impl std::fmt::Display for ResultWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What was found of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) spf: ResultWord,
    pub(crate) dkim: ResultWord,
    pub(crate) dmarc: ResultWord,
    pub(crate) arc: ResultWord,
    pub(crate) iprev: ResultWord,
    /// The author's domain, in ASCII; none where no one author is named.
    pub(crate) author: Option<Domain>,
}
