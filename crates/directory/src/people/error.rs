//! Why something was not changed, for whoever asked for it.

use store::StoreError;

use super::Kind;
use crate::{BadPassword, Problem};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// It is wrong, or would make something else wrong.
    #[error("{0}")]
    Wrong(Problem),
    /// Somebody has that name already.
    #[error("`{name}` is taken{}", by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    Taken {
        /// The domain or address.
        name: String,
        /// Who has it.
        by: Option<String>,
    },
    /// Something else needs it.
    #[error("`{name}` is needed by {by}")]
    Needed {
        /// What was to be removed.
        name: String,
        /// By whom.
        by: String,
    },
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It is kept in the configuration file.
    #[error("the {} `{name}` is declared in the configuration file", kind.word())]
    Declared {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Something given is not as it has to be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The password cannot be hashed: the system has no randomness.
    #[error("this system has no randomness, or too many passwords are being checked")]
    NotHashed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PeopleError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Wrong(Problem::UnknownDomain(_)) => {
                "add the domain first: `postrider domain add NAME`, or a [[domain]] in the configuration file"
            }
            Self::Wrong(Problem::UnknownTarget(_)) => {
                "add an account or alias with this address first, or change what leads to it"
            }
            Self::Wrong(Problem::BadPassword(BadPassword::Malformed | BadPassword::UnknownKind)) => {
                "hashes of Argon2, crypt ($5$, $6$, $2b$, $y$) and {SSHA512} and its like are known"
            }
            Self::Wrong(problem) => problem.hint(),
            Self::Taken { .. } => "choose another, or remove the one that is there",
            Self::Needed { .. } => "remove or change that first",
            Self::Unknown { .. } => "see what there is with `list`",
            Self::Declared { .. } => "change it there, then `postrider config reload`",
            Self::Invalid(_) => "try again with another one",
            Self::NotHashed => "try again in a moment",
            Self::Store(error) => error.hint(),
        }
    }
}
