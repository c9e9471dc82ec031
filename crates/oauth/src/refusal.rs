//! Why a token lets nobody in. For the log; a client learns no more than whether it was the token.

/// Why a token lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is none that could be read: not of that form, too long, or nested too deep.
    #[error("it is no token that can be read")]
    Malformed,
    /// It is of nobody whose tokens count.
    #[error("no provider that counts has issued it")]
    Issuer,
    /// It is signed in a way that the provider does not use, or not at all.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// It wants something understood that is not (RFC 7515 §4.1.11).
    #[error("it has an extension that must be understood")]
    Critical,
    /// The provider has no such key.
    #[error("the provider publishes no such key")]
    Key,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// The provider says that it is not valid, or not valid any more.
    #[error("the provider says that it is not active")]
    Inactive,
    /// It does not tell until when it holds, or in no way that can be read.
    #[error("it has no date that can be read")]
    Dates,
    /// It holds no more.
    #[error("it has expired")]
    Expired,
    /// It does not hold yet.
    #[error("it does not hold yet")]
    Early,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// It does not allow this.
    #[error("it lacks the scope {0}")]
    Scope(Box<str>),
    /// It names no login.
    #[error("it has no claim {0}")]
    Login(Box<str>),
    /// The provider does not vouch for the address.
    #[error("its address is not verified")]
    Unverified,
    /// Nobody can say now: not the token's fault.
    #[error("{0}")]
    Unavailable(Box<str>),
}
