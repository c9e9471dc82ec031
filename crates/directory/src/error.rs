//! What may be wrong with a declaration, where, and what to do.

use std::fmt;

use mail::{AddressError, DomainError};

use crate::BadPassword;

/// A mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry}, {key}: {problem}")]
pub struct DirectoryError {
    /// Which entry.
    pub entry: Entry,
    /// Which key in it.
    pub key: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

impl DirectoryError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        self.problem.hint()
    }
}

/// An entry of [`crate::Config`], by its place in its list, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// A place in `domains`.
    Domain(usize),
    /// A place in `accounts`.
    Account(usize),
    /// A place in `aliases`.
    Alias(usize),
    /// A place in `lists`.
    List(usize),
    /// The key `postmaster`.
    Postmaster,
    /// The key `catch_everything`.
    CatchEverything,
}

/// People count from 1.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(place) => write!(f, "domain {}", place + 1),
            Self::Account(place) => write!(f, "account {}", place + 1),
            Self::Alias(place) => write!(f, "alias {}", place + 1),
            Self::List(place) => write!(f, "list {}", place + 1),
            Self::Postmaster => f.write_str("postmaster"),
            Self::CatchEverything => f.write_str("catch_everything"),
        }
    }
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a domain name.
    #[error("`{text}` is not a domain name: {error}")]
    BadDomain {
        /// As written.
        text: String,
        /// Why.
        error: DomainError,
    },
    /// Not an address.
    #[error("`{text}` is not an address: {error}")]
    BadAddress {
        /// As written.
        text: String,
        /// Why.
        error: AddressError,
    },
    /// A separator that cannot stand in a local part.
    #[error("`{0}` cannot separate a user from a detail")]
    BadSeparator(String),
    /// The same domain or address twice.
    #[error("`{text}` is already declared as {first}")]
    Duplicate {
        /// As written.
        text: String,
        /// Where it was declared first.
        first: Entry,
    },
    /// An account or alias at a domain that is not declared.
    #[error("the domain of `{0}` is not declared")]
    UnknownDomain(String),
    /// A target outside of our domains.
    #[error("`{0}` is not an address of a local domain")]
    Elsewhere(String),
    /// An alias that leads to too many elsewhere.
    #[error("the alias leads to more than {} addresses elsewhere", crate::ALIAS_ELSEWHERE_MAX)]
    TooManyElsewhere,
    /// A target at a domain of ours that nobody has.
    #[error("nobody has the address `{0}`")]
    UnknownTarget(String),
    /// An alias without targets.
    #[error("the alias stands for nobody")]
    NoTargets,
    /// An alias that leads back to itself.
    #[error("the alias leads back to itself: {0}")]
    Loop(String),
    /// A chain of aliases that is too long.
    #[error("a chain of more than {} aliases", crate::ALIAS_DEPTH_MAX)]
    TooDeep,
    /// An alias that stands for too many mailboxes.
    #[error("the alias stands for more than {} mailboxes", crate::ALIAS_MAILBOXES_MAX)]
    TooManyMailboxes,
    /// A mailing list where mailboxes are meant.
    #[error("`{0}` is a mailing list")]
    LeadsToList(String),
    /// An address of which no identifier of a list can be made.
    #[error("`{0}` cannot be the address of a list")]
    BadListName(String),
    /// A title that no header field can hold.
    #[error("the title has control characters or is too long")]
    BadTitle,
    /// A word that says not who may write to a list.
    #[error("`{0}` does not say who may write to the list")]
    UnknownPosters(String),
    /// A list that is too long.
    #[error("the list has more than {} members", crate::LIST_MEMBERS_MAX)]
    TooManyMembers,
    /// What is kept of a password, in a form that cannot be used.
    #[error("this password cannot be used: {0}")]
    BadPassword(BadPassword),
    /// What is no fingerprint.
    #[error("`{0}` is not the fingerprint of a certificate")]
    BadFingerprint(String),
    /// A word that is no role.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// A login whose directory could not be named.
    #[error("the login is too long to name a directory")]
    LoginTooLong,
    /// Nobody gets the postmaster's mail.
    #[error("mail to postmaster has no destination")]
    NoPostmaster,
}

impl Problem {
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::BadDomain { .. } => "write a name such as example.org, without a final dot",
            Self::BadAddress { .. } => "write an address such as anna@example.org",
            Self::BadSeparator(_) => "use a short text such as \"+\" or \"-\", or \"\" for none",
            Self::Duplicate { .. } => "remove one of the two",
            Self::UnknownDomain(_) => "add a [[domain]] with this name",
            Self::Elsewhere(_) => {
                "name an address of a declared domain here; an [[alias]] there may lead elsewhere"
            }
            Self::UnknownTarget(_) => "declare an [[account]] or [[alias]] with this address",
            Self::NoTargets => "list at least one address in `to`",
            Self::Loop(_) => "let one of these aliases lead to an account instead",
            Self::TooDeep => "let the alias lead to accounts directly",
            Self::TooManyMailboxes | Self::TooManyElsewhere => "split the alias, or use a mailing list",
            Self::LeadsToList(_) => {
                "name its members instead: who may write to a list is judged where its own address is written to"
            }
            Self::BadListName(_) => "use letters, digits, `-`, `_` and single dots before the @",
            Self::BadTitle => "write at most 200 octets in one line",
            Self::UnknownPosters(_) => "there are \"members\", \"owners\" and \"anyone\"",
            Self::TooManyMembers => "split the list",
            Self::BadPassword(BadPassword::Prohibited) => "choose one without control characters",
            Self::BadPassword(_) => {
                "set a new password; hashes of Argon2, crypt ($5$, $6$, $2b$, $y$) and {SSHA512} are known, and {PLAIN} stands \
                 before a password that looks like one"
            }
            Self::BadFingerprint(_) => {
                "write \"sha256:\" and what `openssl x509 -noout -fingerprint -sha256 -in FILE` prints behind `=`"
            }
            Self::UnknownRole(_) => "there are \"send-as-domain\", \"priority\" and \"bulk\"",
            Self::LoginTooLong => "choose a shorter login, and keep this address in `addresses`",
            Self::NoPostmaster => "declare an [[account]]: RFC 5321 wants somebody to read postmaster's mail",
        }
    }
}
