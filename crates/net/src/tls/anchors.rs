//! Whom we believe when a host shows its certificate.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, TrustAnchor, pem::PemObject},
};

use super::TlsError;

/// The authorities whose certificates are believed.
#[derive(Clone)]
pub enum Anchors {
    /// Those that this machine trusts: on Debian the package `ca-certificates`.
    System,
    /// Those of a PEM text (RFC 7468), and no others.
    Pem(Arc<[u8]>),
}

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    /// The machine trusts nobody.
    #[error("this machine trusts no authority of certificates{0}")]
    NoneInSystem(String),
    /// There is no certificate in the text.
    #[error("there is no certificate in it")]
    NoneInText,
    /// There is something in the text that is no certificate.
    #[error("a certificate in it cannot be read: {0}")]
    Unreadable(String),
    /// The cryptography cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Anchors {
    /// Anchors of a PEM text, which is read to see whether there are any.
    ///
    /// # Errors
    /// There are none, or what is there is no certificate.
    pub fn from_pem(text: &[u8]) -> Result<Self, AnchorsError> {
        let anchors = Self::Pem(text.into());
        anchors.load().map(|_| anchors)
    }

    /// Reads them, for who judges certificates by them again and again.
    ///
    /// # Errors
    /// There are none.
    pub fn roots(&self) -> Result<Roots, AnchorsError> {
        self.load().map(|store| Roots::new(&store))
    }

    pub(super) fn load(&self) -> Result<RootCertStore, AnchorsError> {
        match self {
            Self::System => system(),
            Self::Pem(text) => from_text(text),
        }
    }
}

/// The keys and names of authorities that were read. Equal are those that believe the same.
#[derive(Clone)]
pub struct Roots {
    anchors: Arc<[TrustAnchor<'static>]>,
    /// SHA-256 of all of them.
    digest: [u8; 32],
}

impl Roots {
    fn new(store: &RootCertStore) -> Self {
        let mut octets = Vec::new();
        for TrustAnchor { subject, subject_public_key_info, name_constraints } in &store.roots {
            let constraints = name_constraints.as_deref().unwrap_or_default();
            for part in [&**subject, &**subject_public_key_info, constraints] {
                octets.extend_from_slice(&(part.len() as u64).to_be_bytes());
                octets.extend_from_slice(part);
            }
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &octets).as_ref());
        Self { anchors: store.roots.as_slice().into(), digest }
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.anchors.len()).finish()
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Roots {}

impl Hash for Roots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// A store of a system has hundreds; one that cannot be read takes nothing from the others.
fn system() -> Result<RootCertStore, AnchorsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(AnchorsError::NoneInSystem(why));
    }
    Ok(roots)
}

fn from_text(text: &[u8]) -> Result<RootCertStore, AnchorsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|error| AnchorsError::Unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| AnchorsError::Unreadable(error.to_string()))?;
    }
    if roots.is_empty() { Err(AnchorsError::NoneInText) } else { Ok(roots) }
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Pem(_) => "Pem",
        })
    }
}

impl PartialEq for Anchors {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System, Self::System) => true,
            (Self::Pem(one), Self::Pem(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Anchors {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::identity::tests::made;

    #[test]
    fn anchors_are_certificates() {
        let (certificate, key) = made(&["ca.example"]);
        assert!(Anchors::from_pem(certificate.as_bytes()).is_ok());
        assert!(matches!(Anchors::from_pem(key.as_bytes()), Err(AnchorsError::NoneInText)));
        assert!(matches!(Anchors::from_pem(b""), Err(AnchorsError::NoneInText)));
        let broken = certificate.replacen("MII", "MIA", 1);
        assert!(matches!(Anchors::from_pem(broken.as_bytes()), Err(AnchorsError::Unreadable(_))));
    }
}
