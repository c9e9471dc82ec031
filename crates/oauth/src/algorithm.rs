//! The signatures that are checked: public keys alone, so that nobody signs with what everybody knows.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::jwk::Material;

/// How a token is signed (RFC 7518 §3.1, RFC 8037). `none` and those with a shared secret are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a name. RFC 9864 gives the last one a second name.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether it is used with keys of this kind.
    pub(crate) fn fits(self, key: &Material) -> bool {
        matches!(
            (self, key),
            (Self::Rs256 | Self::Ps256, Material::Rsa { .. })
                | (Self::Es256, Material::P256(_))
                | (Self::EdDsa, Material::Ed25519(_))
        )
    }

    /// Whether a key has signed this.
    pub(crate) fn verify(self, key: &Material, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, key) {
            (Self::Rs256, Material::Rsa { n, e }) => {
                let key = RsaPublicKeyComponents { n: n.as_ref(), e: e.as_ref() };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Self::Ps256, Material::Rsa { n, e }) => {
                let key = RsaPublicKeyComponents { n: n.as_ref(), e: e.as_ref() };
                key.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
            }
            (Self::Es256, Material::P256(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::EdDsa, Material::Ed25519(point)) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}
