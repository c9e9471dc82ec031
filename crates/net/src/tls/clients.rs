//! Clients that prove who they are by a certificate.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use mail::ClientCertificate;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{Anchors, AnchorsError, provider, validity::addresses};

/// Whose certificates of clients are believed. Clones are the same; what is replaced holds for the next handshake.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<RwLock<Arc<dyn ClientCertVerifier>>>);

/// Why no client could be believed.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthoritiesError {
    /// The authorities are none.
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
    /// The list of revoked certificates is none (RFC 5280 §5).
    #[error("a list of revoked certificates cannot be read: {0}")]
    Revoked(String),
}

impl ClientAuthorities {
    /// Of these authorities; `revoked`: lists of certificates that they have taken back, as PEM. Where there are lists, a certificate
    /// whose issuer has none is not believed. A list that should have been renewed counts as it is.
    ///
    /// # Errors
    /// One of the two makes no sense.
    pub fn new(anchors: &Anchors, revoked: Option<&[u8]>) -> Result<Self, ClientAuthoritiesError> {
        let lists: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(revoked.unwrap_or_default()).collect();
        let lists = lists.map_err(|error| ClientAuthoritiesError::Revoked(error.to_string()))?;
        if revoked.is_some() && lists.is_empty() {
            return Err(ClientAuthoritiesError::Revoked("there is none in it".to_owned()));
        }
        let roots = Arc::new(anchors.load()?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .with_crls(lists)
            .only_check_end_entity_revocation()
            .build()
            .map_err(|error| ClientAuthoritiesError::Revoked(error.to_string()))?;
        Ok(Self(Arc::new(RwLock::new(verifier))))
    }

    /// Takes up what another has.
    pub fn replace(&self, other: &Self) {
        let verifier = other.verifier();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }

    fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a client has shown, if it can be believed now. In a session that was resumed, too, for what it showed first.
    pub(super) fn verified(&self, shown: Option<&[CertificateDer<'_>]>) -> Option<ClientCertificate> {
        let (own, others) = shown?.split_first()?;
        self.verifier().verify_client_cert(own, others, UnixTime::now()).ok()?;
        let mut fingerprint = [0; 32];
        fingerprint.iter_mut().zip(digest(&SHA256, own).as_ref()).for_each(|(to, from)| *to = *from);
        Some(ClientCertificate { fingerprint, addresses: addresses(own) })
    }

    /// For handshakes that ask for a certificate.
    pub(super) fn asking(&self, required: bool) -> Arc<dyn ClientCertVerifier> {
        let verifier = self.verifier();
        let hints = verifier.root_hint_subjects().to_vec();
        Arc::new(Asking { authorities: self.clone(), required, hints })
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthorities").finish_non_exhaustive()
    }
}

/// Asks clients for a certificate. Where none is required one that cannot be believed is as good as none, and no reason to refuse
/// the session: many programs show what they have to whoever asks. That the client has its key is proved in any case.
#[derive(Debug)]
struct Asking {
    authorities: ClientAuthorities,
    required: bool,
    /// Those at the start: a client shows a certificate of theirs, if it has several.
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.required {
            return self.authorities.verifier().verify_client_cert(own, others, now);
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verifier().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verifier().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.verifier().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod,
        KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
    };
    use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, pki_types::PrivateKeyDer, version};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::{Acceptor, Certificates, HandshakeError, Identity, identity::tests::identity};

    const WITHIN: Duration = Duration::from_secs(30);

    struct Authority(CertificateParams, KeyPair);

    impl Authority {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            Self(params, KeyPair::generate().unwrap())
        }

        fn pem(&self) -> String {
            self.0.self_signed(&self.1).unwrap().pem()
        }

        fn issue(&self, address: &str, serial: u64) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
            params.serial_number = Some(SerialNumber::from(serial));
            params.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate().unwrap();
            let signed = params.signed_by(&key, &Issuer::from_params(&self.0, &self.1)).unwrap();
            (signed.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        }

        fn revoke(&self, serial: u64) -> String {
            let revoked = RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2024, 1, 1),
                reason_code: None,
                invalidity_date: None,
            };
            let list = CertificateRevocationListParams {
                this_update: date_time_ymd(2024, 1, 1),
                next_update: date_time_ymd(2099, 1, 1),
                crl_number: SerialNumber::from(1),
                issuing_distribution_point: None,
                revoked_certs: vec![revoked],
                key_identifier_method: KeyIdMethod::Sha256,
            };
            list.signed_by(&Issuer::from_params(&self.0, &self.1)).unwrap().pem().unwrap()
        }
    }

    type Shown<'a> = Option<&'a (CertificateDer<'static>, PrivateKeyDer<'static>)>;

    fn connector(
        server: &Identity,
        shown: Shown<'_>,
        version: &'static SupportedProtocolVersion,
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(server.certified.cert.first().unwrap().clone()).unwrap();
        let config =
            ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots);
        let config = match shown {
            Some((certificate, key)) => {
                config.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(config))
    }

    /// What the server knows of the client after a handshake.
    async fn shake(
        acceptor: &Acceptor,
        connector: &TlsConnector,
    ) -> Result<Option<ClientCertificate>, HandshakeError> {
        let (client, server) = duplex(64 * 1024);
        let client = async {
            if let Ok(mut stream) = connector.connect("mx.example.org".try_into().unwrap(), client).await {
                // A ticket may come behind.
                let _ = stream.read(&mut [0; 16]).await;
            }
        };
        let server = async {
            let (mut stream, session) = acceptor.accept(server, WITHIN).await?;
            let _ = stream.shutdown().await;
            Ok(session.client.map(|client| *client))
        };
        tokio::join!(client, server).1
    }

    fn named(client: Option<ClientCertificate>) -> Vec<Box<str>> {
        client.map(|client| client.addresses).unwrap_or_default()
    }

    #[tokio::test]
    async fn who_is_vouched_for_is_known_and_nobody_else_is_hindered() {
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let server = identity(&["mx.example.org"]);
        let certificates = Certificates::new(std::slice::from_ref(&server));
        let clients =
            ClientAuthorities::new(&Anchors::from_pem(ours.pem().as_bytes()).unwrap(), None).unwrap();
        let (good, bad) = (ours.issue("anna@example.org", 1), others.issue("anna@example.org", 2));
        for version in [&version::TLS12, &version::TLS13] {
            for required in [false, true] {
                let acceptor = Acceptor::asking_clients(&certificates, "smtp", &clients, required).unwrap();
                let shake = async |shown| shake(&acceptor, &connector(&server, shown, version)).await;
                assert_eq!(named(shake(Some(&good)).await.unwrap()), ["anna@example.org".into()]);
                for nobody in [Some(&bad), None] {
                    match shake(nobody).await {
                        Ok(None) => assert!(!required),
                        Ok(Some(_)) => panic!("nobody vouches for it"),
                        Err(error) => assert!(required, "{error}"),
                    }
                }
            }
        }
        let plain = Acceptor::new(&certificates, "smtp").unwrap();
        assert_eq!(shake(&plain, &connector(&server, Some(&good), &version::TLS13)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_taken_back_counts_no_more_even_in_a_session_that_is_resumed() {
        let ours = Authority::new("ours");
        let anchors = Anchors::from_pem(ours.pem().as_bytes()).unwrap();
        let server = identity(&["mx.example.org"]);
        let certificates = Certificates::new(std::slice::from_ref(&server));
        let (one, other) = (ours.issue("anna@example.org", 1), ours.issue("ben@example.org", 2));
        let clients = ClientAuthorities::new(&anchors, Some(ours.revoke(2).as_bytes())).unwrap();
        let acceptor = Acceptor::asking_clients(&certificates, "smtp", &clients, false).unwrap();
        let anna = connector(&server, Some(&one), &version::TLS12);
        assert_eq!(named(shake(&acceptor, &anna).await.unwrap()), ["anna@example.org".into()]);
        assert_eq!(shake(&acceptor, &connector(&server, Some(&other), &version::TLS13)).await.unwrap(), None);
        clients.replace(&ClientAuthorities::new(&anchors, Some(ours.revoke(1).as_bytes())).unwrap());
        assert_eq!(shake(&acceptor, &anna).await.unwrap(), None);
        // A list of somebody else tells nothing.
        let others = Authority::new("others").revoke(7);
        clients.replace(&ClientAuthorities::new(&anchors, Some(others.as_bytes())).unwrap());
        assert_eq!(shake(&acceptor, &anna).await.unwrap(), None);
    }

    #[test]
    fn what_is_no_list_is_told() {
        let ours = Authority::new("ours");
        let anchors = Anchors::from_pem(ours.pem().as_bytes()).unwrap();
        for wrong in ["", "hello", &ours.pem(), &ours.revoke(1).replace("MII", "MIA").replace("MIH", "MIA")] {
            let error = ClientAuthorities::new(&anchors, Some(wrong.as_bytes())).unwrap_err();
            assert!(matches!(error, ClientAuthoritiesError::Revoked(_)), "{error}");
        }
    }
}
