//! TLS, both ways: certificates that can be changed while sessions go on, and connections that may be put under TLS.

mod acceptor;
mod alarm;
mod anchors;
mod certificates;
mod challenges;
mod channel;
mod clients;
mod connector;
mod der;
mod identity;
mod shown;
mod validity;

use std::sync::Arc;

use mail::TlsFacts;
use rustls::{CommonState, crypto::CryptoProvider};

pub use acceptor::{Acceptor, TlsMode};
pub use alarm::{HandshakeError, TlsError};
pub use anchors::{Anchors, AnchorsError, Roots};
pub use certificates::Certificates;
pub use challenges::TlsChallenges;
pub use channel::Channel;
pub use clients::{ClientAuthorities, ClientAuthoritiesError};
pub use connector::{Connector, HostConnector};
pub use identity::{Identity, IdentityError};
pub use shown::{Fingerprint, Shown, Unproven};
pub use validity::CertificateId;

/// The one provider of cryptography. Named wherever a configuration is made, so that none depends on process-wide state.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// RFC 9266 §2.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

fn exported(octets: Result<[u8; 32], rustls::Error>) -> Option<Box<[u8]>> {
    octets.ok().map(|octets| Box::new(octets) as Box<[u8]>)
}

/// What a finished handshake agreed on.
fn facts(state: &CommonState) -> TlsFacts {
    let version = match state.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        // No other is configured.
        _ => "TLS",
    };
    let cipher = state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    TlsFacts { version: version.into(), cipher: iana_name(cipher.unwrap_or("unknown")).into() }
}

/// The cipher suite as IANA registers it: the names of TLS 1.3 have no `TLS13_` there (RFC 8446 appendix B.4).
fn iana_name(name: &str) -> String {
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}
