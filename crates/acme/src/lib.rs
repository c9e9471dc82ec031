//! ACME (RFC 8555): obtains our certificates from an authority, and renews them in time.
//!
//! *Takes* what the operator wants certified, a disk, a clock, and a store of certificates that handshakes look into.
//! *Hands on* certificates to that store, and how things stand to whoever asks.
//! *Never* stops mail: whatever an authority does or does not do, there is a certificate to show, be it our own or an old one.
//!
//! What is decided (when to renew, when to try again, how loudly to complain) is [`plan`], without I/O; the rest does as it is told.

mod account;
mod client;
mod config;
mod dns;
mod failure;
mod http;
mod keeper;
mod keys;
mod order;
mod plan;
mod self_signed;
mod solver;
mod status;
mod store;
mod tls;

pub use config::{Config, ExternalAccount, Method};
pub use http::HttpChallenges;
pub use keeper::{Keeper, OpenError, Parts};
pub use keys::{KeyError, key_digests};
pub use plan::Alarm;
pub use status::{Status, Watch};
pub use store::StoreError;
