//! What a listener is for.

use std::fmt;

use net::TlsMode;

/// The service of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Mail from other servers to our domains (MX, RFC 5321).
    Smtp,
    /// Mail from our own users to anywhere (RFC 6409): from those who have logged in, and from the named networks.
    Submission,
    /// Mail from other servers of ours for the mailboxes here (LMTP, RFC 2033). From the networks named for it only.
    Lmtp,
    /// Mail from programs of this machine, by `sendmail`. No listener has it.
    Sendmail,
    /// Both on one port, for development: takes mail from anyone for what is local, completes it as submission does, and never relays.
    Dev,
}

impl Service {
    /// Its name in configuration, envelopes and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Sendmail => "sendmail",
            Self::Dev => "dev",
        }
    }

    /// Whether its clients may log in. On the port for other servers nobody does, and whoever guesses passwords has no door there.
    pub(crate) fn takes_logins(self) -> bool {
        matches!(self, Self::Submission | Self::Dev)
    }

    /// Whether missing fields are added to what its clients send (RFC 6409 §8). A relay must not (RFC 5321 §6.4).
    pub(crate) fn completes(self) -> bool {
        matches!(self, Self::Submission | Self::Sendmail | Self::Dev)
    }
}

/// How clients come to a service.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// What is served.
    pub service: Service,
    /// How its connections are put under TLS.
    pub tls: TlsMode,
    /// Whether a proxy says first who the client is, by the PROXY protocol: then only the proxies that are named are listened to.
    pub proxy: bool,
}

/// In clear.
impl From<Service> for Entrance {
    fn from(service: Service) -> Self {
        Self { service, tls: TlsMode::None, proxy: false }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
