//! People in an LDAP directory (RFC 4510): a copy of them for `directory`, and their passwords checked by a bind.
//!
//! *Takes* where directories are and how people stand in them. *Hands on* who exists, in copies that are fetched from time to time and
//! one by one when somebody is new, and whether a password is somebody's. *Never* follows a referral, sends a password over a connection
//! that others can read unless it was told to, or says that somebody does not exist because a server does not answer.
//!
//! The protocol is `ber.rs`, `message.rs` and `filter.rs`, without I/O; `connection.rs` speaks it, `source.rs` asks a directory, and
//! `keeper.rs` keeps the copies.

mod ber;
mod check;
mod config;
mod connection;
mod dn;
mod error;
mod filter;
mod keeper;
mod message;
mod person;
mod pool;
mod source;
#[cfg(test)]
mod tests;

pub use check::{Checked, check};
pub use config::{Attributes, BadUrl, Config, Scope, Secret, Server, Tls};
pub use dn::{BadTemplate, Template};
pub use error::LdapError;
pub use filter::{BadFilter, Filter};
pub use keeper::Keeper;
pub use net::{Anchors, AnchorsError};
