//! Salted and unsalted digests, as LDAP directories keep them: taken so that people can move here, and replaced at their next login.

use aws_lc_rs::{
    constant_time,
    digest::{self, Algorithm},
};

use super::BadPassword;

/// A digest of password and salt.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SaltedDigest {
    algorithm: &'static Algorithm,
    digest: Vec<u8>,
    /// None for the schemes without.
    salt: Vec<u8>,
}

impl SaltedDigest {
    /// `name`: of the scheme, in upper case. Without a word on the encoding it is base 64, or hexadecimal if it has just that length.
    pub(super) fn parse(name: &str, encoding: Option<&str>, value: &str) -> Result<Self, BadPassword> {
        let (algorithm, salted) = match name {
            "SHA" | "SHA1" => (&digest::SHA1_FOR_LEGACY_USE_ONLY, false),
            "SSHA" => (&digest::SHA1_FOR_LEGACY_USE_ONLY, true),
            "SHA256" => (&digest::SHA256, false),
            "SSHA256" => (&digest::SHA256, true),
            "SHA512" => (&digest::SHA512, false),
            "SSHA512" => (&digest::SHA512, true),
            _ => return Err(BadPassword::UnknownKind),
        };
        let digest_octets = algorithm.output_len();
        let octets = match encoding {
            Some("HEX") => hex(value),
            Some("B64" | "BASE64") => sasl::base64::decode(value.as_bytes()),
            Some(_) => return Err(BadPassword::UnknownKind),
            None if !salted && value.len() == digest_octets * 2 => hex(value),
            None => sasl::base64::decode(value.as_bytes()),
        };
        let mut digest = octets.ok_or(BadPassword::Malformed)?;
        if digest.len() < digest_octets || salted == (digest.len() == digest_octets) {
            return Err(BadPassword::Malformed);
        }
        let salt = digest.split_off(digest_octets);
        Ok(Self { algorithm, digest, salt })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let salted = [password.as_bytes(), &self.salt].concat();
        let digest = digest::digest(self.algorithm, &salted);
        constant_time::verify_slices_are_equal(digest.as_ref(), &self.digest).is_ok()
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits =
        text.bytes().map(|octet| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect())
}
