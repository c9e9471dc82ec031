//! Authentication exchanges (SASL, RFC 4422) as state machines without I/O: the server's side and the client's.
//!
//! *Takes* messages of the peer, and answers to its questions. *Hands on* questions about who may log in, and messages for the
//! peer. *Never* knows who exists, keeps a password longer than one question, or makes randomness: nonces and the channel
//! binding of TLS come in as arguments.
//!
//! Its cryptography (HMAC, PBKDF2 and SHA-256 for SCRAM) is aws-lc-rs's, called directly: a trait would have one
//! implementation, and the calls are pure functions of their arguments.

pub mod base64;
mod bearer;
pub mod client;
mod mechanism;
mod plain;
mod saslprep;
mod scram;
mod secret;
pub mod server;

pub use mechanism::{Mechanism, Mechanisms};
pub use saslprep::{Prohibited, saslprep};
pub use scram::{CHANNEL_BINDING, ITERATIONS_MAX, ITERATIONS_MIN, KEY_OCTETS, ScramError, ScramKeys};
pub use secret::Password;
