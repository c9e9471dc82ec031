//! How a session with a host must be protected, and how it was.

use events::Tls;
use mail::TlsFacts;

/// What is asked of a session (mail-rules 19). Each policy that asks for more gets a value of its own here, and with that, sessions of its
/// own: it is a part of the terms by which connections are shared (mail-rules 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsPolicy {
    /// In clear, whatever the host offers.
    None,
    /// Under TLS where the host offers STARTTLS, with any certificate; in clear if it says no, or if the handshake fails (RFC 7435).
    #[default]
    Opportunistic,
}

impl TlsPolicy {
    /// Whether a host is spoken to in clear with which TLS does not work.
    pub(crate) fn allows_clear(self) -> bool {
        match self {
            Self::None | Self::Opportunistic => true,
        }
    }
}

/// How a session is protected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Protection {
    /// Not at all, or there is no session yet.
    #[default]
    Clear,
    /// By TLS, with anybody.
    Unverified(TlsFacts),
    /// Not at all, for TLS with the host did not work.
    Failed(Box<str>),
}

impl Protection {
    /// For the event log.
    pub(crate) fn told(&self) -> Option<Tls> {
        match self {
            Self::Clear => None,
            Self::Unverified(facts) => Some(Tls { verified: Some(false), ..Tls::from(facts) }),
            Self::Failed(why) => {
                Some(Tls { protocol: None, cipher: None, verified: None, failure: Some(why.to_string()) })
            }
        }
    }
}
