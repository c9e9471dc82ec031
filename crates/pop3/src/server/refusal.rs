//! Why something is refused, in words and in a code for programs (RFC 2449 §8, RFC 3206).

use std::borrow::Cow;

/// A response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `[IN-USE]`: the maildrop is used by another session.
    InUse,
    /// `[LOGIN-DELAY]`: the last login is too short a time ago.
    LoginDelay,
    /// `[SYS/TEMP]`: a fault of the server's that may be gone later.
    SysTemp,
    /// `[SYS/PERM]`: a fault of the server's that a person has to mend.
    SysPerm,
    /// `[AUTH]`: the credentials are wrong, not the server.
    Auth,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
        }
    }
}

/// What is said behind `-ERR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: Option<Code>,
    /// For people: visible ASCII and spaces, not beginning with `[`.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// In words alone.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, text: text.into() }
    }

    /// With a code for programs.
    #[must_use]
    pub fn with(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// A fault of ours.
    pub(super) fn local_error() -> Self {
        Self::new("Internal error").with(Code::SysTemp)
    }

    /// The line without its CRLF. What a line could not hold is left out.
    pub(super) fn line(&self) -> String {
        let code = self.code.map(|code| format!("[{}] ", code.name())).unwrap_or_default();
        let text: String = self.text.chars().filter(|char| matches!(char, ' '..='~')).take(400).collect();
        format!("-ERR {code}{text}")
    }
}
