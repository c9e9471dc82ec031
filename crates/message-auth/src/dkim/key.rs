//! Public keys as they stand in the DNS (RFC 6376 §3.6.1).

use super::signature::Algorithm;
use crate::tags::{Tags, base64, words};

/// A public key, and what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kind: KeyKind,
    pub(crate) octets: Vec<u8>,
    /// `t=y`: its owner is trying it out.
    pub(crate) testing: bool,
    /// `t=s`: `i=` has to name the domain itself.
    pub(crate) strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeyKind {
    Rsa,
    Ed25519,
}

/// Why a record is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadKey {
    /// It is no key record.
    Malformed,
    /// Its owner has taken it back: `p=` is empty.
    Revoked,
    /// It is of a kind that is not known, or not of the signature's.
    Kind,
    /// It is not for mail, or not for the hash that was used.
    Purpose,
    /// It is not long enough to be trusted: RSA of less than 1024 bits (RFC 8301 §3.2).
    Short,
}

impl PublicKey {
    /// Reads a record. Tags that are not known are passed over.
    ///
    /// # Errors
    /// See [`BadKey`].
    pub(crate) fn parse(record: &[u8]) -> Result<Self, BadKey> {
        let text = std::str::from_utf8(record).map_err(|_| BadKey::Malformed)?;
        let tags = Tags::parse(text).map_err(|_| BadKey::Malformed)?;
        // RFC 6376 §3.6.1: if there is a version it stands first.
        if tags.get("v").is_some_and(|version| version != "DKIM1" || tags.first() != Some(("v", version))) {
            return Err(BadKey::Malformed);
        }
        let has = |name, word: &str| {
            tags.get(name).is_some_and(|list| words(list).any(|known| known.eq_ignore_ascii_case(word)))
        };
        let lacks = |name, word| tags.get(name).is_some() && !has(name, word);
        if lacks("h", "sha256") || lacks("s", "email") && !has("s", "*") {
            return Err(BadKey::Purpose);
        }
        let kind = match tags.get("k") {
            None => KeyKind::Rsa,
            Some(kind) if kind.eq_ignore_ascii_case("rsa") => KeyKind::Rsa,
            Some(kind) if kind.eq_ignore_ascii_case("ed25519") => KeyKind::Ed25519,
            Some(_) => return Err(BadKey::Kind),
        };
        let octets = base64(tags.get("p").ok_or(BadKey::Malformed)?).ok_or(BadKey::Malformed)?;
        if octets.is_empty() {
            return Err(BadKey::Revoked);
        }
        Ok(Self { kind, octets, testing: has("t", "y"), strict: has("t", "s") })
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self.kind, algorithm),
            (KeyKind::Rsa, Algorithm::RsaSha256) | (KeyKind::Ed25519, Algorithm::Ed25519Sha256)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        let key = PublicKey::parse(b"v=DKIM1; k=rsa; t=y:s; n=a note; p=aGVs bG8=; g=*").unwrap();
        assert_eq!((key.kind, key.octets.as_slice()), (KeyKind::Rsa, &b"hello"[..]));
        assert!(key.testing && key.strict);
        let key = PublicKey::parse(b"k=ed25519; h=sha1:sha256; s=*; p=aGVsbG8=").unwrap();
        assert!(key.fits(Algorithm::Ed25519Sha256) && !key.fits(Algorithm::RsaSha256));
        assert!(!key.testing && !key.strict);
    }

    #[test]
    fn bad_keys_are_told_apart() {
        for (record, error) in [
            (&b"v=DKIM1; p="[..], BadKey::Revoked),
            (b"v=DKIM2; p=aGVsbG8=", BadKey::Malformed),
            (b"p=aGVsbG8=; v=DKIM1", BadKey::Malformed),
            (b"v=DKIM1; k=rsa", BadKey::Malformed),
            (b"v=DKIM1; p=*", BadKey::Malformed),
            (b"v=spf1 -all", BadKey::Malformed),
            (b"\xff", BadKey::Malformed),
            (b"k=dsa; p=aGVsbG8=", BadKey::Kind),
            (b"h=sha1; p=aGVsbG8=", BadKey::Purpose),
            (b"s=tlsrpt; p=aGVsbG8=", BadKey::Purpose),
        ] {
            assert_eq!(PublicKey::parse(record), Err(error), "{}", record.escape_ascii());
        }
    }
}
