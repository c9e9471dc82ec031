//! Who we are under TLS: a certificate with its chain, and the key that proves it ours.

use std::{fmt, sync::Arc};

use mail::Timestamp;
use rustls::{
    Error, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    provider,
    validity::{CertificateId, authority_and_serial, validity},
};

/// A certificate with its chain and its key, which fit together. Cheap to clone; never shows the key.
#[derive(Clone)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    names: Arc<[Box<str>]>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why two files are no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The first file holds no certificate.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The first file holds something that is no certificate.
    #[error("its certificate cannot be read: {0}")]
    Certificate(String),
    /// The second file holds no private key.
    #[error("there is no private key in it")]
    NoKey,
    /// The second file holds a key that cannot be used.
    #[error("its key cannot be used: {0}")]
    Key(String),
    /// Both are good, but not for each other.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

impl Identity {
    /// Reads a certificate, behind it those that lead to its root, and the key, all as PEM (RFC 7468). Keys are PKCS #8, PKCS #1 or
    /// SEC 1, without a pass phrase.
    ///
    /// # Errors
    /// See [`IdentityError`]. An expired certificate is none: mail goes on under it, for most peers do not look.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let names = names_of(leaf)?;
        let (not_before, not_after) =
            validity(leaf).ok_or_else(|| IdentityError::Certificate("its validity is garbled".into()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => IdentityError::NoKey,
            error => IdentityError::Key(error.to_string()),
        })?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::Mismatch,
            error => IdentityError::Key(error.to_string()),
        })?;
        Ok(Self { certified: Arc::new(certified), names, not_before, not_after })
    }

    /// The DNS names that it is for, in lower case; a name may begin with `*.`.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// Whether it is for this host (RFC 9525 §6.3: a wildcard stands for one label).
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        let fits = |name: &str| name == host || parent.is_some() && name.strip_prefix("*.") == parent;
        self.names.iter().any(|name| fits(name))
    }

    /// The key identifier of its authority, and its serial number as DER has it: what a renewal is asked for by (RFC 9773 §4.1). None: the
    /// certificate does not say whose it is.
    pub fn id(&self) -> Option<CertificateId> {
        authority_and_serial(self.certified.cert.first()?)
    }

    /// When it begins to hold.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends to hold.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

fn names_of(leaf: &CertificateDer<'_>) -> Result<Arc<[Box<str>]>, IdentityError> {
    let parsed = webpki::EndEntityCert::try_from(leaf)
        .map_err(|error| IdentityError::Certificate(error.to_string()))?;
    Ok(parsed.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect())
}

/// The same certificate is the same identity: a key cannot change under it.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, not_before, not_after, .. } = self;
        f.debug_struct("Identity")
            .field("names", names)
            .field("not_before", not_before)
            .field("not_after", not_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A certificate of its own, as PEM, and its key.
    pub(crate) fn made(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    pub(crate) fn identity(names: &[&str]) -> Identity {
        let (certificate, key) = made(names);
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn a_pair_is_read_with_its_names_and_dates() {
        let identity = identity(&["MX.example.org", "*.example.net"]);
        assert_eq!(identity.names(), ["mx.example.org".into(), "*.example.net".into()]);
        assert_eq!(identity.not_before().to_string(), "1975-01-01T00:00:00.000Z");
        assert_eq!(identity.not_after().to_string(), "4096-01-01T00:00:00.000Z");
        for (host, fits) in [
            ("mx.example.org", true),
            ("Mx.Example.ORG", true),
            ("example.org", false),
            ("a.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            ("localhost", false),
        ] {
            assert_eq!(identity.is_for(host), fits, "{host}");
        }
        assert!(!format!("{identity:?}").contains("key"));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let ((one, one_key), (_, other_key)) = (made(&["a.example"]), made(&["b.example"]));
        let read = |certificate: &str, key: &str| {
            Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
        };
        assert_eq!(read("", &one_key), IdentityError::NoCertificate);
        assert_eq!(read(&one_key, &one_key), IdentityError::NoCertificate, "the files are swapped");
        assert_eq!(read(&one, &one), IdentityError::NoKey);
        assert_eq!(read(&one, &other_key), IdentityError::Mismatch);
        let broken = one.replacen("MII", "MIA", 1);
        assert!(matches!(read(&broken, &one_key), IdentityError::Certificate(_)));
        let cut = one.split("-----END").next().unwrap();
        assert!(matches!(read(cut, &one_key), IdentityError::Certificate(_)));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(read(&one, key), IdentityError::Key(_)));
    }
}
