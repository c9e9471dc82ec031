//! Rules of the operator: what becomes of mail that meets their conditions. The first one that matches holds.

mod address_pattern;
mod conditions;
mod glob;
mod outlook;
mod results;
mod seen;
#[cfg(test)]
mod tests;

use mail::Reply;

pub use address_pattern::AddressPattern;
pub use conditions::{Conditions, FieldName, FieldPattern};
pub(crate) use conditions::{EnvelopeFacts, in_ascii};
pub use glob::Glob;
pub(crate) use outlook::{Cause, Fate, Outlook, Refusal, Ruling, settle};
pub use results::ResultWord;
pub(crate) use results::Results;
pub(crate) use seen::{HEADER_TOO_LARGE, Seen};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Under which events and the log speak of it. No client hears it.
    pub name: Box<str>,
    /// What it is about.
    pub when: Conditions,
    /// What it decides.
    pub action: Action,
}

/// The six decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// No later rule decides, nor what the checks have found. Whether there is such a mailbox and who may relay is decided as without rules.
    Accept,
    /// Not so, not ever: 5yz.
    Reject(Reply),
    /// Not now: 4yz, the client keeps it and tries again.
    Defer(Reply),
    /// Taken and thrown away. The sender does not hear of it, the event log does.
    Drop,
    /// Taken and kept until somebody releases it.
    Hold,
    /// Taken, and filed into the folder for junk.
    Junk,
}

impl Action {
    /// The word for it in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject(_) => "reject",
            Self::Defer(_) => "defer",
            Self::Drop => "drop",
            Self::Hold => "hold",
            Self::Junk => "junk",
        }
    }

    /// What the client is told, if it keeps the message.
    pub fn refusal(&self) -> Option<&Reply> {
        match self {
            Self::Reject(reply) | Self::Defer(reply) => Some(reply),
            Self::Accept | Self::Drop | Self::Hold | Self::Junk => None,
        }
    }

    /// RFC 5321 §4.5.1: mail to postmaster is always taken, and somebody gets it.
    pub fn spares_postmaster(&self) -> bool {
        matches!(self, Self::Reject(_) | Self::Defer(_) | Self::Drop)
    }
}

impl Rule {
    /// Whether its envelope conditions are met.
    pub(crate) fn takes(&self, envelope: &EnvelopeFacts<'_>) -> bool {
        !(envelope.postmaster && self.action.spares_postmaster()) && self.when.meet_envelope(envelope)
    }

    /// Whether it takes all that a later rule would take, so that the later one never decides.
    pub fn covers(&self, later: &Self) -> bool {
        self.covers_when(&later.when)
    }

    /// Whether it takes all mail that meets these conditions. What it leaves to postmaster does not count, unless
    /// they are about nobody else.
    pub fn covers_when(&self, when: &Conditions) -> bool {
        let all_postmaster =
            !when.recipients.is_empty() && when.recipients.iter().all(AddressPattern::is_postmaster);
        self.when.cover(when) && !(self.action.spares_postmaster() && all_postmaster)
    }
}
