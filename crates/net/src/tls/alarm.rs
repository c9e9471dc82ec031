//! What can go wrong with TLS.

use std::{error::Error, io, time::Duration};

/// TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// A handshake that came to nothing. The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The two sides did not agree, or one of them does not speak TLS. Tells the alert that was sent or received.
    #[error("TLS handshake failed: {0}")]
    Failed(String),
    /// The connection broke off, or the peer closed it.
    #[error("TLS handshake broke off: {0}")]
    Lost(String),
    /// It took longer than this.
    #[error("TLS handshake not done in {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Nothing failed: it was an authority of certificates that asked whether we are who we say, and it has its answer (RFC 8737).
    #[error("an authority of certificates had its challenge answered")]
    Challenge,
    /// TLS was asked for where there is none.
    #[error("there is no TLS here")]
    NotOffered,
}

impl HandshakeError {
    /// From what the handshake ended with.
    pub(super) fn new(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::Failed(format!("the peer sent the alert {}", alert_name(*alert)))
            }
            Some(rustls::Error::NoApplicationProtocol) => Self::Failed(
                "the peer wants another protocol (ALPN); the alert no_application_protocol was sent".into(),
            ),
            Some(rustls::Error::InvalidMessage(_)) => Self::Failed("the peer sent what is no TLS".into()),
            Some(error) => Self::Failed(error.to_string()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Lost("the peer closed".into()),
            None => Self::Lost(error.to_string()),
        }
    }

    /// Of the handshake that an error of a session tells of, if it does.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| (inner as &(dyn Error + 'static)).downcast_ref())
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        let kind = match error {
            HandshakeError::TimedOut(_) => io::ErrorKind::TimedOut,
            HandshakeError::Lost(_) | HandshakeError::Challenge => io::ErrorKind::ConnectionAborted,
            HandshakeError::Failed(_) | HandshakeError::NotOffered => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// `HandshakeFailure` as RFC 8446 §6 writes it: `handshake_failure`.
fn alert_name(alert: rustls::AlertDescription) -> String {
    let name = alert.as_str().unwrap_or("unknown");
    let mut text = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && !before.is_ascii_uppercase() && before != '_' {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_standard() {
        for (alert, name) in [
            (AlertDescription::HandshakeFailure, "handshake_failure"),
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::BadRecordMac, "bad_record_mac"),
        ] {
            assert_eq!(alert_name(alert), name);
        }
    }

    #[test]
    fn a_failed_handshake_is_found_in_the_error_of_its_session() {
        let error = io::Error::from(HandshakeError::TimedOut(Duration::from_secs(30)));
        assert_eq!(HandshakeError::of(&error).unwrap().to_string(), "TLS handshake not done in 30 s");
        assert!(HandshakeError::of(&io::ErrorKind::TimedOut.into()).is_none());
    }
}
