//! TLS at both ends of the bench: version 1.3, one cipher, one key exchange and one kind of key, so that all servers do the same work.

use crate::Failure;
use clap::{Args, ValueEnum};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, NamedGroup, ServerConfig, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs, io};

/// What all handshakes agree on, for the notes of a run.
pub(crate) const CIPHER: &str = "TLS 1.3, AES-256-GCM, X25519, ECDSA P-256";
/// Every server and the sink have a certificate for this name.
const NAME: &str = "mx.bench.test";

/// How a session is put under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tls {
    /// When the client asks for it by STARTTLS
    Starttls,
    /// Before the greeting
    Implicit,
}

/// Whether and how a source uses TLS.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct TlsLoad {
    /// Put sessions under TLS 1.3
    #[arg(long)]
    pub(crate) tls: Option<Tls>,
    /// Resume no session: every handshake is a full one
    #[arg(long, requires = "tls")]
    pub(crate) full_handshakes: bool,
}

impl TlsLoad {
    /// None: in clear.
    pub(crate) fn dialer(self) -> Result<Option<Dialer>, Failure> {
        self.tls.map(|tls| Dialer::new(tls, !self.full_handshakes)).transpose()
    }
}

/// Handshakes that were finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Handshakes {
    pub(crate) full: u64,
    pub(crate) resumed: u64,
}

impl Handshakes {
    pub(crate) fn count(&mut self, resumed: bool) {
        *(if resumed { &mut self.resumed } else { &mut self.full }) += 1;
    }

    /// Those that came after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            full: self.full.saturating_sub(earlier.full),
            resumed: self.resumed.saturating_sub(earlier.resumed),
        }
    }
}

/// The client's side of handshakes, and the tickets of all sessions that it opened.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    config: Arc<ClientConfig>,
    pub(crate) tls: Tls,
}

impl Dialer {
    pub(crate) fn new(tls: Tls, resumes: bool) -> Result<Self, Failure> {
        let provider = provider();
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(schemes)))
            .with_no_client_auth();
        config.resumption =
            if resumes { Resumption::store(Arc::new(Tickets::default())) } else { Resumption::disabled() };
        Ok(Self { config: Arc::new(config), tls })
    }

    pub(crate) fn implicit(&self) -> bool {
        self.tls == Tls::Implicit
    }

    /// A handshake that begins.
    pub(crate) fn connection(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }
}

/// A key and a certificate that nobody vouches for, as files.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one, the key first, as Postfix wants it.
    pub(crate) chain: PathBuf,
}

impl Keys {
    pub(crate) fn make(dir: &Path) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let file = |name: &str, text: &str| -> io::Result<PathBuf> {
            use std::os::unix::fs::PermissionsExt as _;
            let path = dir.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(path)
        };
        Ok(Self {
            chain: file("chain.pem", &format!("{key}{certificate}"))?,
            certificate: file("certificate.pem", &certificate)?,
            key: file("key.pem", &key)?,
        })
    }
}

/// The sink's side of handshakes; its clients may resume by tickets.
pub(crate) fn acceptor() -> Result<Arc<ServerConfig>, Failure> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}

/// Tickets of one server, as many as come: rustls's own store keeps eight, and twenty sessions would run out of them.
#[derive(Default)]
struct Tickets(Mutex<Vec<Tls13ClientSessionValue>>);

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Takes anybody for the server: it is the one that was started here.
#[derive(Debug)]
struct Anybody(Vec<SignatureScheme>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_for_all_servers_and_read_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::make(dir.path()).unwrap();
        let chain = fs::read_to_string(&keys.chain).unwrap();
        assert!(chain.starts_with("-----BEGIN PRIVATE KEY-----"), "{chain}");
        assert!(chain.ends_with(&fs::read_to_string(&keys.certificate).unwrap()));
        assert_eq!(fs::metadata(&keys.key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn handshakes_are_counted_from_a_moment_on() {
        let mut all = Handshakes { full: 2, resumed: 5 };
        let earlier = all;
        all.count(true);
        all.count(false);
        all.count(true);
        assert_eq!(all.since(earlier), Handshakes { full: 1, resumed: 2 });
    }
}
