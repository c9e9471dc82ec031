//! What the machine itself says.

use crate::{
    CommandError,
    response::{Code, Status},
};

/// A bad command.
pub(super) fn command_error(error: CommandError) -> Status {
    match error {
        // Right in form, and still impossible (RFC 9051 §7.1).
        CommandError::MailboxName => Status::no(error.to_string()).with(Code::Cannot),
        CommandError::UseAttribute => Status::no(error.to_string()).with(Code::UseAttr),
        CommandError::TooComplex => Status::no(error.to_string()).with(Code::Limit),
        _ => Status::bad(error.to_string()),
    }
}

pub(super) fn too_long() -> Status {
    Status::bad("Command too long").with(Code::Limit)
}

/// RFC 7888 §5, RFC 7889 §4: TOOBIG.
pub(super) fn too_big() -> Status {
    Status::no("Message too large").with(Code::TooBig)
}

/// RFC 5530 §3.
pub(super) fn needs_tls() -> Status {
    Status::no("Not without TLS").with(Code::PrivacyRequired)
}

pub(super) fn local_error() -> Status {
    Status::no("Internal error").with(Code::ServerBug)
}
