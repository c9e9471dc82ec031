//! Bearer tokens, which somebody else judges: an identity provider, asked by ways that nothing here knows.

use std::{fmt, future::Future, pin::Pin};

use mail::Timestamp;

/// Judges bearer tokens.
pub trait Tokens: Send + Sync {
    /// Whom a token names: an address, which need not be one of ours.
    fn login<'a>(
        &'a self,
        token: &'a str,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<Box<str>, TokenError>> + Send + 'a>>;
}

/// Why a token names nobody, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// It is not valid.
    Wrong(Box<str>),
    /// Nobody can say now: a fault that is not the token's.
    Unavailable(Box<str>),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}
