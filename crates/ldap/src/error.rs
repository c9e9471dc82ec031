//! What goes wrong between us and a directory.

use std::{io, time::Duration};

use net::HandshakeError;

use crate::{ber::Malformed, message::Outcome};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// Nobody takes the connection.
    #[error("{server}: {error}")]
    Connect {
        /// The server, as in its URL.
        server: String,
        /// Why.
        error: io::Error,
    },
    /// TLS came to nothing.
    #[error("{server}: {error}")]
    Tls {
        /// The server, as in its URL.
        server: String,
        /// Why.
        error: HandshakeError,
    },
    /// It says no, or something that helps as little.
    #[error("{server}: {operation} failed: {outcome}")]
    Refused {
        /// The server, as in its URL.
        server: String,
        /// What was asked.
        operation: &'static str,
        /// What it says.
        outcome: Outcome,
    },
    /// It takes too long.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection ended before there was an answer.
    #[error("the connection was lost{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Lost(Option<io::Error>),
    /// What it sends is no answer.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has more people than can be.
    #[error("more than {0} entries")]
    TooMany(usize),
    /// There is nobody at all.
    #[error("it has nobody at all, which is not believed")]
    Nobody,
    /// It was not there a moment ago.
    #[error("it was not there a moment ago, and is tried again soon")]
    Resting,
}

impl LdapError {
    /// What an operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { .. } | Self::Resting => {
                "is the server there, and the port right? (389 for ldap://, 636 for ldaps://)"
            }
            Self::Tls { .. } => {
                "name the authority of its certificate by `ca_file`, and the server by the name in its certificate"
            }
            Self::Refused { outcome, .. } => outcome.hint(),
            Self::TimedOut(_) => "is the server busy, or are the attributes of the filter not indexed?",
            Self::Lost(_) => "what does the server's log say?",
            Self::Malformed(_) => "does an LDAP server listen there, and is `tls` as that server has it?",
            Self::Nobody => {
                "are `base` and `filter` right, and may `bind_dn` read what is there? A login has to be at one of `domains`"
            }
            Self::TooMany(_) => "choose a narrower `base` or `filter`",
        }
    }

    /// Whether the connection broke, which says little if it had been idle for long.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}
