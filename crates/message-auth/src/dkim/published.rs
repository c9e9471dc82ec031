//! A key record, for whoever has to see whether it is published as it should be.

use aws_lc_rs::rsa::PublicEncryptingKey;

use super::{
    key::{BadKey, KeyKind, PublicKey},
    signature::Algorithm,
};

/// A key record as it stands in the DNS (RFC 6376 §3.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// What it verifies.
    pub algorithm: Algorithm,
    /// `p=`, decoded.
    pub key: Vec<u8>,
    /// How long the key of RSA is; `None`: it is of another kind, or cannot be read.
    pub bits: Option<usize>,
    /// `t=y`: signatures by it count for nothing yet, says its owner.
    pub testing: bool,
}

impl PublishedKey {
    /// Reads the text of a record.
    ///
    /// # Errors
    /// See [`BadKey`].
    pub fn parse(record: &[u8]) -> Result<Self, BadKey> {
        let PublicKey { kind, octets, testing, .. } = PublicKey::parse(record)?;
        let (algorithm, bits) = match kind {
            KeyKind::Rsa => {
                let read = PublicEncryptingKey::from_der(&octets);
                (Algorithm::RsaSha256, read.ok().map(|key| key.key_size_bits()))
            }
            KeyKind::Ed25519 => (Algorithm::Ed25519Sha256, None),
        };
        Ok(Self { algorithm, key: octets, bits, testing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dkim::SigningKey;

    #[test]
    fn a_record_of_ours_is_read_back() {
        for (algorithm, bits) in [(Algorithm::RsaSha256, Some(2048)), (Algorithm::Ed25519Sha256, None)] {
            let record = SigningKey::generate(algorithm).unwrap().record().unwrap();
            let key = PublishedKey::parse(record.as_bytes()).unwrap();
            assert_eq!((key.algorithm, key.bits, key.testing), (algorithm, bits, false));
            let testing = PublishedKey::parse(format!("{record}; t=y").as_bytes()).unwrap();
            assert!(testing.testing && testing.key == key.key);
        }
        assert_eq!(PublishedKey::parse(b"v=DKIM1; p=").unwrap_err(), BadKey::Revoked);
    }
}
