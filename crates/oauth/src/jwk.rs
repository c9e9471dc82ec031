//! The keys that a provider publishes (RFC 7517).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::Value;

use crate::Algorithm;

/// A provider has a handful.
const KEYS_MAX: usize = 100;
/// The octets of a coordinate of P-256, and of a key of Ed25519.
const POINT_OCTETS: usize = 32;
/// SEC 1 §2.3.3: both coordinates follow.
const UNCOMPRESSED: u8 = 4;

/// The keys of a provider that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySet(Vec<Key>);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    id: Option<Box<str>>,
    /// What it is for, if the provider says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

/// What signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Material {
    /// RFC 7518 §6.3.1, big-endian.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// RFC 7518 §6.2.1, as a point of SEC 1.
    P256(Box<[u8]>),
    /// RFC 8037 §2.
    Ed25519(Box<[u8]>),
}

impl KeySet {
    /// Reads a set. Keys of kinds that are not known, or for encryption, are left out (RFC 7517 §5).
    ///
    /// # Errors
    /// It is none, or there is no key in it that could be used.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let set: Value = serde_json::from_slice(text).map_err(|_| "what it publishes is no JSON")?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("what it publishes is no set of keys")?;
        let keys: Vec<Key> = keys.iter().take(KEYS_MAX).filter_map(Key::parse).collect();
        if keys.is_empty() { Err("it publishes no key that can be used") } else { Ok(Self(keys)) }
    }

    /// Those by which a token that names this key, or none, may be signed.
    pub(crate) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Material> {
        let named = move |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        let fits = move |key: &&Key| {
            key.algorithm.is_none_or(|only| only == algorithm) && algorithm.fits(&key.material)
        };
        self.0.iter().filter(named).filter(fits).map(|key| &key.material)
    }
}

impl Key {
    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        // RFC 7517 §4.2: another use is not ours.
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        // RFC 7517 §4.4: a key that says what it is for is used for nothing else.
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let octets =
            |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok().filter(|octets| !octets.is_empty());
        let point = |name: &str| octets(name).filter(|octets| octets.len() == POINT_OCTETS);
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { n: octets("n")?.into(), e: octets("e")?.into() },
            ("EC", Some("P-256")) => {
                Material::P256([&[UNCOMPRESSED][..], &point("x")?, &point("y")?].concat().into())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(point("x")?.into()),
            _ => return None,
        };
        Some(Self { id: text("kid").map(Into::into), algorithm, material })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_kinds_and_uses_are_left_out() {
        let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        let good = format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"{x}\"}}");
        let one = |key: &str| KeySet::parse(format!("{{\"keys\":[{key}]}}").as_bytes());
        assert!(one(&good).is_ok());
        for (from, to) in [
            ("OKP", "oct"),
            ("Ed25519", "X25519"),
            ("\"kid\"", "\"use\":\"enc\",\"kid\""),
            ("\"kid\"", "\"alg\":\"HS256\",\"kid\""),
            ("\"kid\"", "\"alg\":\"none\",\"kid\""),
            (x.as_str(), "AA"),
            (x.as_str(), "==="),
        ] {
            assert!(one(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
        let set = one(&format!("{{\"kty\":\"new\"}},7,{good}")).unwrap();
        assert_eq!(set.candidates(Some("a"), Algorithm::EdDsa).count(), 1);
        assert_eq!(set.candidates(None, Algorithm::EdDsa).count(), 1);
        assert_eq!(set.candidates(Some("b"), Algorithm::EdDsa).count(), 0);
        assert_eq!(set.candidates(Some("a"), Algorithm::Es256).count(), 0);
        for wrong in ["", "[]", "{}", "{\"keys\":7}", "{\"keys\":[]}"] {
            assert!(KeySet::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
