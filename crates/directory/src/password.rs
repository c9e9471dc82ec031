//! What is kept of a password, in all the forms that mail servers keep it in, and whether another one is the same.

mod crypt;
mod digest;
#[cfg(test)]
mod tests;

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use aws_lc_rs::{constant_time, rand};

use crate::Secret;
use digest::SaltedDigest;

/// Memory of one hash in KiB, passes and lanes: the first of the choices that OWASP gives for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The most memory that a hash made elsewhere may want: so much times the threads is all that logins ever take.
const MEMORY_KIB_MAX: u32 = 262_144;
/// The most passes, for the same reason in time.
const PASSES_MAX: u32 = 64;
const SALT_OCTETS: usize = 16;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// The password itself, as a configuration file may have it.
    Plain(Secret),
    /// `$argon2id$v=19$m=…`: ours.
    Argon2(Box<str>),
    /// `$5$`, `$6$`, `$2b$`, `$y$`: as in `/etc/shadow`.
    Crypt(crypt::Crypt),
    /// `{SSHA512}` and the like, as in LDAP directories.
    Digest(SaltedDigest),
}

/// Why a text is not what is kept of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// It begins like a hash, but is none.
    Malformed,
    /// A hash of a kind that is not known, or that nobody should use any more.
    UnknownKind,
    /// A hash that would take too much memory or time for each login.
    TooCostly,
    /// A password with a character that no password may have (RFC 4013).
    Prohibited,
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it begins like a hash, but is none",
            Self::UnknownKind => "it is a hash of a kind that is not known here",
            Self::TooCostly => "checking it would take too much memory or time",
            Self::Prohibited => "it has a character that no password may have",
        })
    }
}

impl Verifier {
    /// Reads a PHC string, a crypt string, a hash behind a `{SCHEME}` as Dovecot and LDAP write it, or else a password.
    pub(crate) fn parse(text: &str) -> Result<Self, BadPassword> {
        if let Some((scheme, value)) = scheme(text) {
            return Self::of_scheme(scheme, value);
        }
        if text.starts_with('$') {
            return Self::of_hash(text);
        }
        Self::plain(text)
    }

    fn plain(password: &str) -> Result<Self, BadPassword> {
        let prepared = sasl::saslprep(password).map_err(|_| BadPassword::Prohibited)?;
        Ok(Self(Kind::Plain(Secret::new(prepared))))
    }

    fn of_hash(text: &str) -> Result<Self, BadPassword> {
        match text.split('$').nth(1) {
            Some("argon2id" | "argon2i" | "argon2d") => {
                argon2(text).map(|()| Self(Kind::Argon2(text.into())))
            }
            _ => crypt::Crypt::parse(text).map(|crypt| Self(Kind::Crypt(crypt))),
        }
    }

    /// The schemes of Dovecot, with its endings for the encoding.
    fn of_scheme(scheme: &str, value: &str) -> Result<Self, BadPassword> {
        let scheme = scheme.to_ascii_uppercase();
        let (name, encoding) =
            scheme.split_once('.').map_or((&*scheme, None), |(name, end)| (name, Some(end)));
        match name {
            "PLAIN" | "CLEAR" | "CLEARTEXT" => Self::plain(value),
            "ARGON2I" | "ARGON2ID" | "CRYPT" | "BLF-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" => {
                Self::of_hash(value)
            }
            _ => SaltedDigest::parse(name, encoding, value).map(|digest| Self(Kind::Digest(digest))),
        }
    }

    /// Whether this is the password. Slow on purpose, but for one that is kept as it is.
    pub(crate) fn is(&self, password: &str) -> bool {
        let prepared = sasl::saslprep(password).ok();
        if let Some(prepared) = &prepared
            && self.matches(prepared)
        {
            return true;
        }
        // Other servers hash what comes, so theirs may be of the octets as they were typed.
        let ours = matches!(self.0, Kind::Plain(_));
        !ours && prepared.as_deref() != Some(password) && self.matches(password)
    }

    fn matches(&self, password: &str) -> bool {
        match &self.0 {
            Kind::Plain(kept) => same(kept.expose().as_bytes(), password.as_bytes()),
            Kind::Argon2(kept) => PasswordHash::new(kept)
                .is_ok_and(|kept| hasher().verify_password(password.as_bytes(), &kept).is_ok()),
            Kind::Crypt(kept) => kept.matches(password),
            Kind::Digest(kept) => kept.matches(password),
        }
    }

    /// The password itself, where it is kept.
    pub(crate) fn password(&self) -> Option<&str> {
        match &self.0 {
            Kind::Plain(kept) => Some(kept.expose()),
            _ => None,
        }
    }

    /// Whether checking it is work enough that an attacker who has the hash gains little by it.
    pub(crate) fn is_slow(&self) -> bool {
        !matches!(self.0, Kind::Plain(_) | Kind::Digest(_))
    }

    /// Whether a new hash would be stronger: made when the password is next at hand.
    pub(crate) fn is_weak(&self) -> bool {
        match &self.0 {
            Kind::Argon2(kept) => {
                let kept = PasswordHash::new(kept).ok();
                let params = kept.as_ref().and_then(|kept| Params::try_from(kept).ok());
                let id = kept.is_some_and(|kept| kept.algorithm.as_str() == "argon2id");
                !id || params.is_none_or(|params| {
                    u64::from(params.m_cost()) * u64::from(params.t_cost())
                        < u64::from(MEMORY_KIB) * u64::from(PASSES)
                })
            }
            Kind::Plain(_) | Kind::Crypt(_) | Kind::Digest(_) => true,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// A new hash of a password, prepared as SASLprep says, in the form in which it is kept: Argon2id as a PHC string. Slow on purpose.
///
/// # Errors
/// No password may be like this. `Ok(None)`: the system has no randomness.
pub fn hash_password(password: &str) -> Result<Option<String>, BadPassword> {
    let prepared = sasl::saslprep(password).map_err(|_| BadPassword::Prohibited)?;
    let mut salt = [0; SALT_OCTETS];
    if rand::fill(&mut salt).is_err() {
        return Ok(None);
    }
    let hash = hasher().hash_password_with_salt(prepared.as_bytes(), &salt);
    Ok(hash.ok().map(|hash| hash.to_string()))
}

/// The work of one login, done and thrown away: where there is nothing to check it must take as long.
pub(crate) fn waste(password: &str) {
    let mut out = [0; 32];
    // It cannot fail with these, and nothing is done with it.
    let _ = hasher().hash_password_into(password.as_bytes(), &[0; SALT_OCTETS], &mut out);
    std::hint::black_box(out);
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether it is a PHC string that can be checked, at a price that can be paid.
fn argon2(text: &str) -> Result<(), BadPassword> {
    let hash = PasswordHash::new(text).map_err(|_| BadPassword::Malformed)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(BadPassword::Malformed);
    }
    let params = Params::try_from(&hash).map_err(|_| BadPassword::Malformed)?;
    if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
        return Err(BadPassword::TooCostly);
    }
    Ok(())
}

/// `{SCHEME}value`.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, value) = text.strip_prefix('{')?.split_once('}')?;
    let of_scheme = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    (!scheme.is_empty() && scheme.bytes().all(of_scheme)).then_some((scheme, value))
}

/// Whether two secrets are the same, in a time that depends on neither: both are hashed first, so not on their lengths either.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    use aws_lc_rs::digest::{SHA256, digest};
    constant_time::verify_slices_are_equal(digest(&SHA256, a).as_ref(), digest(&SHA256, b).as_ref()).is_ok()
}
