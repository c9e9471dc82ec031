//! Hashes of crypt(3), as `/etc/shadow` and other mail servers have them.

use password_hash::PasswordVerifier;

use super::BadPassword;

/// More rounds than this of SHA-crypt are a second and more for each login.
const SHA_ROUNDS_MAX: u32 = 5_000_000;
/// The same for bcrypt, whose cost is a power of two.
const BCRYPT_COST_MAX: u32 = 15;

/// One of them, known to be well formed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Crypt {
    kind: Kind,
    text: Box<str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `$5$` and `$6$`.
    Sha,
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt,
    /// `$y$`.
    Yescrypt,
}

impl Crypt {
    pub(super) fn parse(text: &str) -> Result<Self, BadPassword> {
        let fields: Vec<&str> = text.split('$').skip(1).collect();
        let kind = match fields[..] {
            ["5" | "6", ..] => sha(&fields).map(|()| Kind::Sha),
            ["2a" | "2b" | "2x" | "2y", cost, rest] => bcrypt(cost, rest).map(|()| Kind::Bcrypt),
            ["y", params, _, hash] if hash.len() == 43 => yescrypt(params).map(|()| Kind::Yescrypt),
            ["2a" | "2b" | "2x" | "2y" | "y", ..] => Err(BadPassword::Malformed),
            _ => Err(BadPassword::UnknownKind),
        };
        Ok(Self { kind: kind?, text: text.into() })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        match self.kind {
            Kind::Sha => {
                sha_crypt::ShaCrypt::default().verify_password(password.as_bytes(), &*self.text).is_ok()
            }
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Kind::Yescrypt => {
                yescrypt::Yescrypt::default().verify_password(password.as_bytes(), &*self.text).is_ok()
            }
        }
    }
}

/// `$6$[rounds=N$]salt$hash`
fn sha(fields: &[&str]) -> Result<(), BadPassword> {
    let (id, salt, hash) = match *fields {
        [id, rounds, salt, hash] => {
            let rounds: u32 =
                rounds.strip_prefix("rounds=").and_then(|n| n.parse().ok()).ok_or(BadPassword::Malformed)?;
            if rounds > SHA_ROUNDS_MAX {
                return Err(BadPassword::TooCostly);
            }
            (id, salt, hash)
        }
        [id, salt, hash] => (id, salt, hash),
        _ => return Err(BadPassword::Malformed),
    };
    let hash_octets = if id == "5" { 43 } else { 86 };
    let good = salt.len() <= 16 && hash.len() == hash_octets && hash.bytes().all(of_crypt);
    if good { Ok(()) } else { Err(BadPassword::Malformed) }
}

/// `$2b$12$` and 22 characters of salt with 31 of hash.
fn bcrypt(cost: &str, rest: &str) -> Result<(), BadPassword> {
    let cost: u32 = cost.parse().map_err(|_| BadPassword::Malformed)?;
    if !(4..=31).contains(&cost) || rest.len() != 53 || !rest.bytes().all(of_crypt) {
        return Err(BadPassword::Malformed);
    }
    if cost > BCRYPT_COST_MAX { Err(BadPassword::TooCostly) } else { Ok(()) }
}

/// Flavour, `N` as a power of two and `r`, a character each: `j9T` is what systems use; `jFT` is 64 times that.
fn yescrypt(params: &str) -> Result<(), BadPassword> {
    match params.as_bytes() {
        [b'j', b'0'..=b'9' | b'A'..=b'C' | b'.' | b'/', b'.'..=b'9' | b'A'..=b'T'] => Ok(()),
        [b'j', _, _] => Err(BadPassword::TooCostly),
        _ => Err(BadPassword::Malformed),
    }
}

fn of_crypt(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'/')
}
