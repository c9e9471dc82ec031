//! What a host showed in a handshake, judged: a pure function of certificates, of what is asked of them, and of the time.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use dns::{DANE_EE, DANE_TA, Tlsa};
use mail::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::{Roots, connector::server_name, provider};

/// Names of a certificate that are told.
const NAMES_TOLD_MAX: usize = 8;

/// The certificates that a host showed, its own first. That it has the key of that one is known only from a handshake by
/// [`Connector::proving`](super::Connector::proving).
#[derive(Clone, PartialEq, Eq)]
pub struct Shown(pub(super) Arc<[CertificateDer<'static>]>);

/// What one certificate is known by, SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// The whole of it.
    Certificate([u8; 32]),
    /// Its public key (`SubjectPublicKeyInfo`), which a renewal may keep.
    PublicKey([u8; 32]),
}

/// Why a host is not taken for the one that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It showed none.
    #[error("it showed no certificate")]
    NoCertificate,
    /// It cannot be read.
    #[error("its certificate cannot be read: {0}")]
    Unreadable(String),
    /// Its time is over, or has not come.
    #[error("its certificate {0}")]
    Time(&'static str),
    /// No authority that we believe vouches for it.
    #[error("no authority that is believed here vouches for its certificate: {0}")]
    Untrusted(String),
    /// It is for others.
    #[error("its certificate is for {is}, not for {wanted}")]
    Name {
        /// The names in it.
        is: String,
        /// Those looked for.
        wanted: String,
    },
    /// Another one is expected.
    #[error("its certificate has none of the fingerprints expected")]
    Fingerprint,
    /// The DNS tells of other ones.
    #[error("its certificates match none of its TLSA records")]
    Tlsa,
    /// There is nobody to believe.
    #[error("no authority of certificates is believed here at all")]
    NoRoots,
}

impl Shown {
    pub(super) fn new(certificates: Option<&[CertificateDer<'static>]>) -> Self {
        Self(certificates.unwrap_or_default().into())
    }

    /// SHA-256 of the host's certificate, as `sha256:` and hexadecimal digits. None: it showed none.
    pub fn fingerprint(&self) -> Option<String> {
        self.0.first().map(|leaf| Fingerprint::Certificate(sha256(leaf)).to_string())
    }

    /// The names of hosts that its certificate is for, the first few.
    pub fn names(&self) -> Vec<String> {
        let Ok(leaf) = self.leaf() else { return Vec::new() };
        let names: BTreeSet<String> = leaf.valid_dns_names().map(str::to_ascii_lowercase).collect();
        names.into_iter().take(NAMES_TOLD_MAX).collect()
    }

    /// Whether an authority vouches that the host is one of these: names, addresses, or `.example.org` for all names below that one
    /// (RFC 9525).
    ///
    /// # Errors
    /// Why not.
    pub fn is_certified(&self, roots: &Roots, names: &[Box<str>], now: Timestamp) -> Result<(), Unproven> {
        self.leads_to(roots.anchors(), now)?;
        self.is_for(names)
    }

    /// Whether its certificate is one of these, whoever made it, and whenever it ends.
    ///
    /// # Errors
    /// Why not.
    pub fn is_one_of(&self, fingerprints: &[Fingerprint]) -> Result<(), Unproven> {
        let leaf = self.0.first().ok_or(Unproven::NoCertificate)?;
        let (whole, key) =
            (Fingerprint::Certificate(sha256(leaf)), public_key(leaf).ok().map(|key| sha256(&key)));
        let key = key.map(Fingerprint::PublicKey);
        let known = fingerprints.iter().any(|known| *known == whole || Some(*known) == key);
        if known { Ok(()) } else { Err(Unproven::Fingerprint) }
    }

    /// Whether it is one of those that the TLSA records of the host tell of (RFC 7671 §5, RFC 7672 §3.1): the host's own (DANE-EE), whatever its
    /// names and dates are, or one by which an authority (DANE-TA) vouches for one of the names. Records that SMTP has no use for count for
    /// nothing; see [`dns::usable_tlsa`].
    ///
    /// # Errors
    /// Why not.
    pub fn is_in(&self, records: &[Tlsa], names: &[Box<str>], now: Timestamp) -> Result<(), Unproven> {
        let leaf = self.0.first().ok_or(Unproven::NoCertificate)?;
        let usable = || records.iter().filter(|record| record.is_usable());
        if usable().any(|record| record.usage == DANE_EE && matches(record, leaf)) {
            return Ok(());
        }
        let authority = |record: &&Tlsa| record.usage == DANE_TA;
        // An authority that the host did not send may be in the record itself.
        let whole = usable().filter(authority).filter(|record| (record.selector, record.matching) == (0, 0));
        let given: Vec<CertificateDer<'_>> =
            whole.map(|record| CertificateDer::from(&*record.data)).collect();
        let others = self.0.get(1..).unwrap_or_default();
        let shown =
            others.iter().filter(|other| usable().filter(authority).any(|record| matches(record, other)));
        let anchors =
            shown.chain(&given).filter_map(|certificate| anchor_from_trusted_cert(certificate).ok());
        let anchors: Vec<TrustAnchor<'_>> = anchors.collect();
        if anchors.is_empty() {
            return Err(Unproven::Tlsa);
        }
        self.leads_to(&anchors, now)?;
        self.is_for(names)
    }

    pub(super) fn leaf(&self) -> Result<EndEntityCert<'_>, Unproven> {
        let leaf = self.0.first().ok_or(Unproven::NoCertificate)?;
        EndEntityCert::try_from(leaf).map_err(|error| Unproven::Unreadable(error.to_string()))
    }

    /// Whether the host's certificate leads to one of the anchors now.
    pub(super) fn leads_to(&self, anchors: &[TrustAnchor<'_>], now: Timestamp) -> Result<(), Unproven> {
        let (leaf, provider) = (self.leaf()?, provider());
        let algorithms = provider.signature_verification_algorithms.all;
        let others = self.0.get(1..).unwrap_or_default();
        let usage = KeyUsage::server_auth();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        match leaf.verify_for_usage(algorithms, anchors, others, now, usage, None, None) {
            Ok(_) => Ok(()),
            Err(Error::CertExpired { .. }) => Err(Unproven::Time("has expired")),
            Err(Error::CertNotValidYet { .. }) => Err(Unproven::Time("does not hold yet")),
            Err(error) => Err(Unproven::Untrusted(error.to_string())),
        }
    }

    /// Whether it is for one of these.
    pub(super) fn is_for(&self, names: &[Box<str>]) -> Result<(), Unproven> {
        let leaf = self.leaf()?;
        let fits = |wanted: &str| match wanted.strip_prefix('.') {
            Some(parent) if !parent.is_empty() => {
                let below = |name: &str| name.len() > wanted.len() && ends_with(name, wanted);
                leaf.valid_dns_names().any(below)
            }
            _ => match server_name(wanted) {
                // What is no name of a host.
                ServerName::IpAddress(address) if is_none(address) => false,
                name => leaf.verify_is_valid_for_subject_name(&name).is_ok(),
            },
        };
        if names.iter().any(|wanted| fits(wanted)) {
            return Ok(());
        }
        let is = self.names();
        let is = if is.is_empty() { "no host".to_owned() } else { is.join(", ") };
        Err(Unproven::Name { is, wanted: names.join(", ") })
    }
}

fn is_none(address: rustls::pki_types::IpAddr) -> bool {
    std::net::IpAddr::from(address).is_unspecified()
}

fn ends_with(name: &str, end: &str) -> bool {
    let at = name.len().saturating_sub(end.len());
    name.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Whether a record tells of this certificate (RFC 6698 §2.1).
fn matches(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let selected = match record.selector {
        0 => certificate.to_vec(),
        _ => match public_key(certificate) {
            Ok(key) => key,
            Err(_) => return false,
        },
    };
    match record.matching {
        0 => *selected == *record.data,
        1 => digest(&SHA256, &selected).as_ref() == &*record.data,
        2 => digest(&SHA512, &selected).as_ref() == &*record.data,
        _ => false,
    }
}

/// The `SubjectPublicKeyInfo` of a certificate, in DER.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Unproven> {
    let parsed =
        EndEntityCert::try_from(certificate).map_err(|error| Unproven::Unreadable(error.to_string()))?;
    Ok(parsed.subject_public_key_info().as_ref().to_vec())
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut result = [0; 32];
    result.copy_from_slice(digest(&SHA256, octets).as_ref());
    result
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shown").field(&self.fingerprint()).field(&self.names()).finish()
    }
}

const CERTIFICATE: &str = "sha256:";
const PUBLIC_KEY: &str = "spki-sha256:";

impl Fingerprint {
    /// Reads `sha256:` of a certificate, or `spki-sha256:` of a public key, and 64 hexadecimal digits, with or without colons between
    /// their pairs.
    pub fn parse(text: &str) -> Option<Self> {
        let (of, digits): (fn([u8; 32]) -> Self, _) = match text.strip_prefix(PUBLIC_KEY) {
            Some(digits) => (Self::PublicKey, digits),
            None => (Self::Certificate, text.strip_prefix(CERTIFICATE)?),
        };
        let digits: Vec<u8> = digits.bytes().filter(|octet| *octet != b':').collect();
        if digits.len() != 64 {
            return None;
        }
        let mut octets = [0; 32];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            if !pair.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            *octet = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(of(octets))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, octets) = match self {
            Self::Certificate(octets) => (CERTIFICATE, octets),
            Self::PublicKey(octets) => (PUBLIC_KEY, octets),
        };
        f.write_str(prefix)?;
        octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
