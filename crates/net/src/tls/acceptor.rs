//! The server's side of handshakes.

use std::{fmt, sync::Arc, time::Duration};

use mail::TlsSession;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Certificates, ClientAuthorities, HandshakeError, TlsChallenges, TlsError, facts, provider};

/// Answers handshakes with the certificates of a store. Clones are the same.
#[derive(Clone)]
pub struct Acceptor {
    usual: TlsAcceptor,
    challenges: Option<TlsChallenges>,
    /// Whose certificates of clients are believed, and whether nobody else gets through.
    clients: Option<(ClientAuthorities, bool)>,
}

/// How a listener uses TLS.
#[derive(Debug, Clone, Default)]
pub enum TlsMode {
    /// Not at all.
    #[default]
    None,
    /// When the client asks for it by a command, such as STARTTLS (RFC 3207).
    StartTls(Acceptor),
    /// Before a word of the protocol (RFC 8314 §3).
    Implicit(Acceptor),
}

impl Acceptor {
    /// For services whose protocol has this name in ALPN (RFC 7301), such as `smtp`. A client that offers only others is
    /// refused with the alert `no_application_protocol`, for somebody may be leading a browser here (ALPACA). One that offers none is
    /// welcome: hardly any mail client does.
    ///
    /// TLS 1.2 and 1.3 (RFC 8997). Tickets let clients resume without a state of ours (RFC 5077, RFC 8446 §2.2).
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn new(certificates: &Certificates, protocol: &str) -> Result<Self, TlsError> {
        Self::make(certificates, protocol, None)
    }

    /// The same, and clients are asked for a certificate. Who shows one that these authorities vouch for is known by it; with `required`
    /// nobody else gets through.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn asking_clients(
        certificates: &Certificates,
        protocol: &str,
        clients: &ClientAuthorities,
        required: bool,
    ) -> Result<Self, TlsError> {
        Self::make(certificates, protocol, Some((clients, required)))
    }

    fn make(
        certificates: &Certificates,
        protocol: &str,
        clients: Option<(&ClientAuthorities, bool)>,
    ) -> Result<Self, TlsError> {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let config = match clients {
            Some((clients, required)) => config.with_client_cert_verifier(clients.asking(required)),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(certificates.clone()));
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        // Mail clients open one session at a time.
        config.send_tls13_tickets = 1;
        let clients = clients.map(|(clients, required)| (clients.clone(), required));
        Ok(Self { usual: TlsAcceptor::from(Arc::new(config)), challenges: None, clients })
    }

    /// The same, and while a challenge of an authority is open, handshakes that ask for it by ALPN get the answer to it (RFC 8737) and
    /// nothing else. For connections that begin with TLS alone: the authority says nothing in clear before.
    #[must_use]
    pub fn answering(self, challenges: &TlsChallenges) -> Self {
        Self { challenges: Some(challenges.clone()), ..self }
    }

    /// Shakes hands over a stream.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        within: Duration,
    ) -> Result<(TlsStream<S>, TlsSession), HandshakeError> {
        // Only then is anything else done than ever.
        let challenges = self.challenges.as_ref().filter(|challenges| challenges.are_open());
        let accepted = timeout(within, async {
            match challenges {
                Some(challenges) => challenges.accept_or_answer(stream, self.usual.config()).await,
                None => self.usual.accept(stream).await.map_err(|error| HandshakeError::new(&error)),
            }
        });
        let stream = accepted.await.map_err(|_| HandshakeError::TimedOut(within))??;
        let connection = stream.get_ref().1;
        let client = match &self.clients {
            Some((clients, required)) => {
                let client = clients.verified(connection.peer_certificates());
                if *required && client.is_none() {
                    // A session that was resumed: its certificate was good when it began.
                    return Err(HandshakeError::Failed(
                        "the client's certificate is not good any more".into(),
                    ));
                }
                client
            }
            None => None,
        };
        let session = TlsSession {
            facts: facts(connection),
            exporter: exporter(connection),
            client: client.map(Box::new),
        };
        Ok((TlsStream::Server(stream), session))
    }
}

/// What a login can be bound to (RFC 9266). Of TLS 1.2 there is none: it would need the extended master secret (RFC 7627), and whether
/// that was agreed on is not told here.
fn exporter(connection: &ServerConnection) -> Option<Box<[u8]>> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    super::exported(connection.export_keying_material([0; 32], super::BINDING_LABEL, Some(&[])))
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl TlsMode {
    /// Whether it begins before a word of the protocol.
    pub fn is_implicit(&self) -> bool {
        matches!(self, Self::Implicit(_))
    }

    /// Whether the client may ask for it.
    pub fn is_on_demand(&self) -> bool {
        matches!(self, Self::StartTls(_))
    }
}
