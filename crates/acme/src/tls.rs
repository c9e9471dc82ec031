//! TLS-ALPN-01 (RFC 8737): the certificate that is an answer.

use net::TlsChallenges;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use crate::failure::Failure;

/// Opens a challenge for a host: a certificate for it alone, with the digest of the answer in an extension that is critical
/// (RFC 8737 §3).
pub(crate) fn open(challenges: &TlsChallenges, host: &str, digest: &[u8]) -> Result<(), Failure> {
    if digest.len() != aws_lc_rs::digest::SHA256_OUTPUT_LEN {
        return Err(Failure::new("a digest of the wrong length"));
    }
    let made = || {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok::<_, rcgen::Error>((certificate.der().to_vec(), key.serialize_der()))
    };
    let (certificate, key) = made().map_err(|error| Failure::new(error.to_string()))?;
    challenges.open(host, certificate, key).map_err(|error| Failure::new(error.to_string()))
}
