//! Signed tokens (JWT, RFC 7519) in their compact form (RFC 7515 §7.1): taken apart, believed by nobody yet.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Map, Value};

use crate::{Algorithm, Refusal, jwk::KeySet};

/// A token of three parts.
#[derive(Debug)]
pub(crate) struct Jwt<'a> {
    /// How it says that it is signed. None: in a way that is not known, or not at all.
    algorithm: Option<Algorithm>,
    key_id: Option<Box<str>>,
    has_critical: bool,
    claims: Map<String, Value>,
    /// What is signed: the first two parts as they came.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Takes a token apart. None: it is none. JSON that is nested too deep is refused by its parser.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let header = object(header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        Some(Self {
            algorithm: text("alg").and_then(Algorithm::parse),
            key_id: text("kid").map(Into::into),
            has_critical: header.contains_key("crit"),
            claims: object(claims)?,
            signed,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Who says to have issued it.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// What it is signed by, if that is allowed and nothing in it has to be understood (RFC 7515 §4.1.11). Which keys there are does
    /// not matter yet.
    pub(crate) fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Refusal> {
        if self.has_critical {
            return Err(Refusal::Critical);
        }
        self.algorithm.filter(|algorithm| allowed.contains(algorithm)).ok_or(Refusal::Algorithm)
    }

    /// Whether one of the keys has signed it.
    ///
    /// # Errors
    /// `Key`: none of them could have, so that newer ones may. `Signature`: one that it names has not.
    pub(crate) fn verify(&self, keys: &KeySet, algorithm: Algorithm) -> Result<(), Refusal> {
        let mut candidates = keys.candidates(self.key_id.as_deref(), algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::Key);
        }
        let mut verify = |key| algorithm.verify(key, self.signed.as_bytes(), &self.signature);
        if candidates.any(&mut verify) {
            return Ok(());
        }
        Err(if self.key_id.is_some() { Refusal::Signature } else { Refusal::Key })
    }

    /// What it says.
    pub(crate) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
