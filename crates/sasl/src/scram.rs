//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the same password, and neither says it.

mod messages;

use std::{fmt, num::NonZeroU32};

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};

pub(crate) use messages::{
    Binding, ClientFinal, ClientFirst, ServerFirst, escape, proof_of, server_final, unescape, verifier_of,
};

/// Octets of each key: those of SHA-256.
pub const KEY_OCTETS: usize = 32;
/// The fewest iterations that may be used (RFC 7677 §4).
pub const ITERATIONS_MIN: u32 = 4096;
/// The most that a client of ours does for a server: some seconds of work.
pub const ITERATIONS_MAX: u32 = 2_000_000;
/// The one channel binding that is known: that of TLS 1.3 (RFC 9266).
pub const CHANNEL_BINDING: &str = "tls-exporter";

/// A SHA-256 or an HMAC with it.
pub(crate) type Key = [u8; KEY_OCTETS];

/// What a server keeps of a password so that SCRAM works with it (RFC 5802 §3). Whoever has it can check a client, and can pretend
/// to be this server; but not log in, nor learn the password but by guessing.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt, as long as one likes.
    pub salt: Box<[u8]>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`: what a proof is checked against.
    pub stored_key: [u8; KEY_OCTETS],
    /// `HMAC(SaltedPassword, "Server Key")`: what this server proves itself with.
    pub server_key: [u8; KEY_OCTETS],
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Why an exchange failed: for a log. A client is told no more than that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramError {
    /// A message is not as the grammar has it.
    Syntax,
    /// The message has `m=`: an extension that must be understood.
    Extension,
    /// The name has a character that may not be in one.
    Name,
    /// The nonce is not the one of this exchange.
    Nonce,
    /// Channel binding was asked for where the mechanism has none, is missing where it has, or is of another kind.
    BindingKind,
    /// The client believes that this server cannot bind to TLS, though it was told so: somebody changed the offer on the way.
    Downgrade,
    /// The channel binding differs: there is somebody in the middle.
    BindingData,
    /// The proof is wrong: the password is.
    Proof,
    /// The server asks for fewer iterations than is safe, or for more than is sane.
    Iterations,
    /// The server does not know the password either.
    Server,
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "malformed SCRAM message",
            Self::Extension => "unknown SCRAM extension",
            Self::Name => "prohibited character in the name",
            Self::Nonce => "nonce of another exchange",
            Self::BindingKind => "channel binding of the wrong kind",
            Self::Downgrade => "the offer of channel binding was removed on the way",
            Self::BindingData => "channel binding does not match",
            Self::Proof => "wrong password",
            Self::Iterations => "unsafe number of iterations",
            Self::Server => "the server does not prove itself",
        })
    }
}

impl std::error::Error for ScramError {}

impl ScramKeys {
    /// The keys of a password, which is prepared with [`crate::saslprep`] already. Costs `iterations` rounds of HMAC: about a
    /// millisecond for 4096.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        Self {
            salt: salt.into(),
            iterations,
            stored_key: hash(&hmac_of(&salted, b"Client Key")),
            server_key: hmac_of(&salted, b"Server Key"),
        }
    }

    /// Whether a proof shows knowledge of the password (RFC 5802 §3). In constant time.
    pub(crate) fn accept(&self, proof: &Key, auth_message: &[u8]) -> bool {
        let client_key = xor(proof, &hmac_of(&self.stored_key, auth_message));
        constant_time::verify_slices_are_equal(&hash(&client_key), &self.stored_key).is_ok()
    }

    /// `ServerSignature`.
    pub(crate) fn signature(&self, auth_message: &[u8]) -> Key {
        hmac_of(&self.server_key, auth_message)
    }
}

/// A client's proof and the signature that it expects of the server.
pub(crate) fn client_proof(password: &str, salt: &[u8], iterations: u32, auth_message: &[u8]) -> (Key, Key) {
    let salted = salted_password(password, salt, iterations);
    let client_key = hmac_of(&salted, b"Client Key");
    let proof = xor(&client_key, &hmac_of(&hash(&client_key), auth_message));
    (proof, hmac_of(&hmac_of(&salted, b"Server Key"), auth_message))
}

/// `Hi(password, salt, i)`: PBKDF2 with HMAC-SHA-256.
fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    let mut salted = [0; KEY_OCTETS];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut salted);
    salted
}

fn hmac_of(key: &[u8], data: &[u8]) -> Key {
    key_of(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

fn hash(data: &[u8]) -> Key {
    key_of(digest::digest(&digest::SHA256, data).as_ref())
}

/// Both have just this many octets.
fn key_of(octets: &[u8]) -> Key {
    let mut key = [0; KEY_OCTETS];
    key.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    key
}

fn xor(a: &Key, b: &Key) -> Key {
    let mut both = *a;
    both.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    both
}

/// Whether two secrets are the same, in a time that tells nothing but their lengths.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}
