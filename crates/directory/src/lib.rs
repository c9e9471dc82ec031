//! Who exists here: domains, accounts, aliases.
//!
//! *Takes* what the configuration declares. *Hands on* what an address stands for, and the account that gets it.
//! *Never* lets an address outside: an alias ends in an account of ours, and a name on disk is never the peer's text.

mod account;
mod aliases;
mod builder;
mod config;
mod directory;
mod domain_pattern;
mod error;
mod index;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use config::{AccountConfig, AliasConfig, Config, DomainConfig, Secret};
pub use directory::{Directory, Resolution};
pub use domain_pattern::{DomainPattern, in_ascii};
pub use error::{DirectoryError, Entry, Problem};

/// The most mailboxes that one alias may stand for.
pub const ALIAS_MAILBOXES_MAX: usize = 1000;
/// The longest chain of aliases that lead to aliases.
pub const ALIAS_DEPTH_MAX: usize = 32;
/// The longest name of an account's directory in octets: `NAME_MAX` of the common file systems.
pub const DIRECTORY_NAME_OCTETS_MAX: usize = 255;
