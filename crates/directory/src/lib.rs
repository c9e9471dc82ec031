//! Who exists here: domains, accounts, aliases, lists; and who may log in.
//!
//! *Takes* what the configuration declares and what is kept in the store, the questions of those who want to log in, and an identity provider's word for them. *Hands on* what an address stands for,
//! the account that gets it, and whose login it is. *Never* lets an address outside but where the operator named it, in an alias or on a list; a name
//! on disk is never the peer's text; and never lets the time of an answer tell whether a login exists.

mod account;
mod aliases;
mod app_password;
mod authenticate;
mod builder;
mod config;
mod directory;
mod domain_pattern;
mod elsewhere;
mod error;
mod hashing;
mod index;
mod keys_text;
mod lists;
mod password;
mod people;
mod return_paths;
mod scripts;
mod session;
#[cfg(test)]
mod tests;
mod tokens;

pub use account::{Account, Role};
pub use app_password::{AppPassword, BadAppPassword, Scope, is_app_password_name};
pub use authenticate::{Attempt, Authenticator, Login, SCRAM_ITERATIONS, Unproven};
pub use config::{AccountConfig, AliasConfig, Config, DomainConfig, ListConfig, Secret};
pub use directory::{Directory, Forwarded, Resolution};
pub use domain_pattern::{DomainPattern, in_ascii};
pub use elsewhere::{Answered, Elsewhere, External, Fetched, Pending, Person};
pub use error::{DirectoryError, Entry, Problem};
pub use lists::{List, Posters};
pub use password::{BadPassword, hash_password};
pub use people::{
    Checked, Everyone, Kept, Kind, ListChange, Listed, ListedAccount, NewAccount, NewPassword, Noticed,
    People, PeopleError, Publish, Rights, SCHEMA, spelling,
};
pub use return_paths::{NoReturnPath, ReturnPaths, Unrestored};
pub use scripts::mixes_scripts;
pub use session::{Caller, SessionLogin};
pub use tokens::{TokenError, Tokens};

/// The most mailboxes that one alias may stand for.
pub const ALIAS_MAILBOXES_MAX: usize = 1000;
/// The most addresses elsewhere that one alias may lead to: more is a mailing list.
pub const ALIAS_ELSEWHERE_MAX: usize = 100;
/// The longest chain of aliases that lead to aliases.
pub const ALIAS_DEPTH_MAX: usize = 32;
/// The most members of a mailing list: all of them are recipients of one message.
pub const LIST_MEMBERS_MAX: usize = 5000;
/// The longest name of an account's directory in octets: `NAME_MAX` of the common file systems.
pub const DIRECTORY_NAME_OCTETS_MAX: usize = 255;
