//! What is spoken on a listener.

use std::fmt;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Mail comes in.
    Mail(receive::Service),
    /// Mailboxes are read.
    Mailboxes(Access),
    /// Mail clients are told their settings, and authorities of certificates their answers.
    Http,
}

/// A protocol by which mailboxes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// IMAP (RFC 9051).
    Imap,
    /// POP3 (RFC 1939).
    Pop3,
}

impl Service {
    /// Those that a listener may have, and nobody else gives.
    pub(super) const ALL: [Self; 6] = [
        Self::Mail(receive::Service::Smtp),
        Self::Mail(receive::Service::Submission),
        Self::Mail(receive::Service::Lmtp),
        Self::Mailboxes(Access::Imap),
        Self::Mailboxes(Access::Pop3),
        Self::Http,
    ];

    /// Its name in the file, in logs, and for sockets of a service manager.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mail(service) => service.name(),
            Self::Mailboxes(Access::Imap) => "imap",
            Self::Mailboxes(Access::Pop3) => "pop3",
            Self::Http => "http",
        }
    }

    /// Its name in ALPN. "imap", "pop3" and "http/1.1" are in the registry of RFC 7301 §6; there is none for SMTP.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Mail(_) => "smtp",
            Self::Mailboxes(_) => self.name(),
            Self::Http => "http/1.1",
        }
    }

    /// Whether people log in there with what they have, and so may have a certificate.
    pub(super) fn knows_people(self) -> bool {
        matches!(self, Self::Mail(receive::Service::Submission) | Self::Mailboxes(_))
    }
}

impl From<receive::Service> for Service {
    fn from(service: receive::Service) -> Self {
        Self::Mail(service)
    }
}

impl From<Access> for Service {
    fn from(access: Access) -> Self {
        Self::Mailboxes(access)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
