//! The client's side of handshakes.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use mail::TlsFacts;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsConnector, TlsStream};

use super::{Anchors, AnchorsError, Channel, HandshakeError, Roots, Shown, TlsError, facts, provider};

/// Hosts whose last session is remembered, to resume it. The oldest are forgotten.
const RESUMED_HOSTS_MAX: usize = 512;

/// Shakes hands with servers under one policy. Each policy has a connector of its own, and with it a memory of its own: a session
/// that nobody verified is never resumed under a policy that verifies (mail-rules 18).
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    /// Any certificate will do (RFC 7435 §3): who could alter the handshake could as well take STARTTLS out of the reply to EHLO.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn opportunistic() -> Result<Self, TlsError> {
        let schemes = provider().signature_verification_algorithms.supported_schemes();
        Self::judged_later(Arc::new(Anybody(schemes)))
    }

    /// Any certificate will do as long as the host shows that the key in it is its own; whose it is [`Shown`] judges, before a word is
    /// said. That is asked anew of a session that is resumed: it has the certificates with which it began.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn proving() -> Result<Self, TlsError> {
        Self::judged_later(Arc::new(Holder(provider().signature_verification_algorithms)))
    }

    fn judged_later(verifier: Arc<dyn ServerCertVerifier>) -> Result<Self, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(RESUMED_HOSTS_MAX);
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Only a host that proves its name, or its address if that is what it is asked for by, with a certificate that leads to one of the anchors
    /// (RFC 9525). It is told that we speak `protocol` (ALPN, RFC 7301), if that has a name there.
    ///
    /// # Errors
    /// There are no anchors, or the cryptography cannot be set up.
    pub fn verifying<'a>(
        anchors: &Anchors,
        protocol: impl Into<Option<&'a str>>,
    ) -> Result<Self, AnchorsError> {
        Self::believing(anchors.load()?, protocol.into()).map_err(AnchorsError::from)
    }

    /// As [`verifying`](Self::verifying), by roots that were read before.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn verifying_by(roots: &Roots, protocol: &str) -> Result<Self, TlsError> {
        Self::believing(RootCertStore { roots: roots.anchors().to_vec() }, Some(protocol))
    }

    fn believing(roots: RootCertStore, protocol: Option<&str>) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocol.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with a host, whose name it is told (SNI) if it is one, and not an address (RFC 6066 §3).
    ///
    /// # Errors
    /// The handshake came to nothing; the stream is lost with it.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
        within: Duration,
    ) -> Result<(Channel<S>, TlsFacts), HandshakeError> {
        self.meet(host, stream, within).await.map(|(channel, facts, _)| (channel, facts))
    }

    /// As [`connect`](Self::connect), and tells which certificates the host showed.
    ///
    /// # Errors
    /// The handshake came to nothing; the stream is lost with it.
    pub async fn meet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
        within: Duration,
    ) -> Result<(Channel<S>, TlsFacts, Shown), HandshakeError> {
        let connected = timeout(within, self.0.connect(server_name(host), stream)).await;
        let connected = connected.map_err(|_| HandshakeError::TimedOut(within))?;
        let stream = connected.map_err(|error| HandshakeError::new(&error))?;
        let connection = stream.get_ref().1;
        let (facts, shown) = (facts(connection), Shown::new(connection.peer_certificates()));
        Ok((Channel::secured(TlsStream::Client(stream)), facts, shown))
    }
}

/// Handshakes with the hosts that mail goes to. Those of whom nothing has to be shown have a memory of sessions of their own: what was
/// begun with anybody is never resumed where somebody is asked for (mail-rules 18).
#[derive(Debug, Clone)]
pub struct HostConnector {
    anybody: Connector,
    proving: Connector,
}

impl HostConnector {
    /// One with nothing in its memories.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self { anybody: Connector::opportunistic()?, proving: Connector::proving()? })
    }

    /// For hosts that may be anybody: [`Connector::opportunistic`].
    pub fn anybody(&self) -> &Connector {
        &self.anybody
    }

    /// For hosts whose certificate is judged: [`Connector::proving`].
    pub fn proving(&self) -> &Connector {
        &self.proving
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// A host name, or an address, which may be a literal (RFC 5321 §4.1.3). What has no form of either is told to nobody, just as
/// an address.
pub(super) fn server_name(host: &str) -> ServerName<'static> {
    const NO_NAME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let literal = host.strip_prefix('[').and_then(|literal| literal.strip_suffix(']'));
    let address = literal.map(|literal| literal.strip_prefix("IPv6:").unwrap_or(literal));
    ServerName::try_from(address.unwrap_or(host.trim_end_matches('.')).to_owned())
        .unwrap_or(ServerName::IpAddress(NO_NAME.into()))
}

/// Takes anybody for the host: without an anchor of trust a signature proves nothing. What it would prove is not even looked at, for
/// old certificates that no library reads are common on port 25.
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// Takes any certificate whose key the host has.
#[derive(Debug)]
struct Holder(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Holder {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_told() {
        for (host, name) in [("mx.example.org", "mx.example.org"), ("mx.example.org.", "mx.example.org")] {
            assert_eq!(server_name(host), ServerName::try_from(name).unwrap());
        }
        for (host, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("[IPv6:2001:db8::1]", "2001:db8::1"),
            ("", "0.0.0.0"),
            ("no name", "0.0.0.0"),
            ("-", "0.0.0.0"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(server_name(host), ServerName::IpAddress(address.into()), "{host}");
        }
    }
}
