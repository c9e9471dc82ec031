//! What becomes of mail by what the checks have found: the operator's settings.

use std::time::Duration;

use directory::DomainPattern;

/// What is done to mail of a kind. The graver one holds where two concern the same message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Nothing.
    Accept,
    /// It is taken, and filed into the folder for junk. Nobody hears if that fails.
    Junk,
    /// It is taken, and kept until somebody releases it.
    Hold,
    /// It is refused, so that its sender hears of it from the server that it gave it to.
    Reject,
}

impl Measure {
    /// Each, by its word in the configuration.
    pub const WORDS: &[(&str, Self)] =
        &[("accept", Self::Accept), ("junk", Self::Junk), ("hold", Self::Hold), ("reject", Self::Reject)];

    /// The word for it in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Junk => "junk",
            Self::Hold => "hold",
            Self::Reject => "reject",
        }
    }
}

/// Whether it is checked who answers for mail that strangers bring, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Whether it is checked at all: SPF, DKIM, ARC, DMARC, and the client's name. Only where there is a DNS to ask.
    pub checks: bool,
    /// The domain of the reverse-path says that the client may not send for it, and nothing else speaks for the author.
    pub spf_fail: Measure,
    /// There are signatures, and none passes; and nothing else speaks for the author.
    pub dkim_fail: Measure,
    /// No name of the client leads back to it (RFC 8601 §3).
    pub iprev_fail: Measure,
    /// The header section does not name one author, or is too long to be read as a whole: nobody could say whose the message is.
    pub no_author: Measure,
    /// DMARC fails, and the author's domain wants nothing to become of it.
    pub dmarc_none: Measure,
    /// DMARC fails, and the author's domain asks for suspicion.
    pub dmarc_quarantine: Measure,
    /// DMARC fails, and the author's domain asks for refusal, which is not reason enough (mail-rules 5).
    pub dmarc_reject: Measure,
    /// The same where other evidence agrees that the message is forged.
    pub dmarc_forged: Measure,
    /// Whose word is taken for what a message was before it was passed on (RFC 8617).
    pub trusted_sealers: Vec<DomainPattern>,
    /// So long mail is put off while a DNS of others does not give an answer that it depends on.
    pub defer_max: Duration,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            checks: true,
            spf_fail: Measure::Junk,
            dkim_fail: Measure::Accept,
            iprev_fail: Measure::Accept,
            no_author: Measure::Junk,
            dmarc_none: Measure::Accept,
            dmarc_quarantine: Measure::Junk,
            dmarc_reject: Measure::Junk,
            dmarc_forged: Measure::Reject,
            trusted_sealers: Vec::new(),
            defer_max: Duration::from_hours(1),
        }
    }
}
