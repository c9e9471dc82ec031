//! Answers to an authority that asks by TLS whether a name is ours: TLS-ALPN-01 (RFC 8737).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{Acceptor, ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{HandshakeError, TlsError, provider};

/// The protocol of the challenge (RFC 8737 §6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// Challenges that wait for their authority. Clones are the same.
#[derive(Clone)]
pub struct TlsChallenges {
    open: Open,
    config: Arc<ServerConfig>,
}

/// The certificate that answers, by the host that is asked for.
#[derive(Debug, Clone, Default)]
struct Open(Arc<RwLock<HashMap<Box<str>, Arc<CertifiedKey>>>>);

impl TlsChallenges {
    /// None is open yet.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn new() -> Result<Self, TlsError> {
        let open = Open::default();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(open.clone()));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Nobody comes twice.
        config.send_tls13_tickets = 0;
        Ok(Self { open, config: Arc::new(config) })
    }

    /// Opens a challenge for a host, answered with this certificate and its key (PKCS #8), both as DER.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn open(&self, host: &str, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), TlsError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let key = provider().key_provider.load_private_key(key)?;
        // No store of certificates takes this one: it has an extension that is critical and that hardly anybody knows.
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
        let mut open = self.open.0.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(host.to_ascii_lowercase().into(), Arc::new(certified));
        Ok(())
    }

    /// Closes the challenge for a host.
    pub fn close(&self, host: &str) {
        self.open.0.write().unwrap_or_else(PoisonError::into_inner).remove(&*host.to_ascii_lowercase());
    }

    pub(super) fn are_open(&self) -> bool {
        !self.open.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Serves a client that has come to where nothing but challenges is answered.
    ///
    /// # Errors
    /// The handshake came to nothing: the client asks for something else, or for a host without an open challenge.
    pub async fn answer<S>(&self, stream: S, within: Duration) -> Result<(), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answered = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            start.into_stream(Arc::clone(&self.config)).await?.shutdown().await
        };
        let answered = timeout(within, answered).await.map_err(|_| HandshakeError::TimedOut(within))?;
        answered.map_err(|error| HandshakeError::new(&error))
    }

    /// As usual, but for a client that wants its challenge answered and nothing else.
    pub(super) async fn accept_or_answer<S>(
        &self,
        stream: S,
        usual: &Arc<ServerConfig>,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let start = start.map_err(|error| HandshakeError::new(&error))?;
        let challenged = is_challenge(&start.client_hello());
        let config = if challenged { &self.config } else { usual };
        let stream = start.into_stream(Arc::clone(config)).await;
        let mut stream = stream.map_err(|error| HandshakeError::new(&error))?;
        if challenged {
            // RFC 8737 §3: the handshake is the answer. Whether the authority waits for the end of it is its affair.
            let _ = stream.shutdown().await;
            return Err(HandshakeError::Challenge);
        }
        Ok(stream)
    }
}

/// RFC 8737 §3: an authority names this protocol and no other.
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|protocols| protocols.eq([PROTOCOL]))
}

impl ResolvesServerCert for Open {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Who offers no protocol gets through without one: to such a client this certificate says nothing.
        let host = hello.server_name().filter(|_| is_challenge(&hello))?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&*host).cloned()
    }
}

impl fmt::Debug for TlsChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsChallenges").finish_non_exhaustive()
    }
}
