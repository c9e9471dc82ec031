//! What the configuration declares, as written: checked by [`crate::Directory::new`].

use std::{fmt, net::IpAddr};

use sasl::ScramKeys;

use crate::{AppPassword, BadPassword, app_password::kept_of, password::Verifier};

/// Everything that is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The domains whose mail ends here.
    pub domains: Vec<DomainConfig>,
    /// Who has a mailbox.
    pub accounts: Vec<AccountConfig>,
    /// Addresses that stand for others.
    pub aliases: Vec<AliasConfig>,
    /// Mailing lists.
    pub lists: Vec<ListConfig>,
    /// Where mail to `postmaster` of any local domain, or without a domain, goes (RFC 5321 §4.5.1). Without it the
    /// first account gets it.
    pub postmaster: Option<String>,
    /// For development: every address of every domain is local and ends in the account of this login, unless the
    /// address is declared. An account that is not declared is made.
    pub catch_everything: Option<String>,
    /// The login of the one account if nobody declared it, but a postmaster there has to be (RFC 5321 §4.5.1): one of the same login in
    /// the store takes its place.
    pub implied: Option<String>,
    /// The domains of each directory elsewhere. They are ours, declared or not.
    pub external: Vec<Vec<String>>,
    /// Our own addresses: mail to `user@[192.0.2.1]` is mail to `user` at the first domain (RFC 5321 §4.1.3).
    pub own_addresses: Vec<IpAddr>,
}

/// `[[domain]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainConfig {
    /// Its name.
    pub name: String,
    /// The address that gets what nobody else of the domain does, here or elsewhere.
    pub catch_all: Option<String>,
    /// What separates the user from a detail in `anna+news` (RFC 5233 §4): `+` unless given, none if empty.
    pub subaddress: Option<String>,
}

/// `[[account]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountConfig {
    /// The address by which it logs in and gets mail.
    pub login: String,
    /// Further addresses.
    pub addresses: Vec<String>,
    /// The password, or a hash of it: a PHC string, a crypt string, or either behind a `{SCHEME}`. Without it nobody logs in.
    pub password: Option<Secret>,
    /// What is kept of the same password for SCRAM; not needed where the password itself is kept.
    pub scram: Option<ScramKeys>,
    /// Its app passwords.
    pub app_passwords: Vec<AppPassword>,
    /// Certificates that are its own: `sha256:` and the fingerprint in hexadecimal digits.
    pub certificates: Vec<String>,
    /// What it may do beside what every account may: the words of [`crate::Role`].
    pub roles: Vec<String>,
    /// Nobody logs in to it and nobody who has is heard any more; its mail still comes.
    pub disabled: bool,
    /// It is kept in the store, where a better hash of its password can be put.
    pub stored: bool,
}

/// `[[alias]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasConfig {
    /// The address.
    pub address: String,
    /// What it stands for: addresses of accounts and other aliases, and addresses elsewhere, to which its mail is sent on.
    pub to: Vec<String>,
}

/// `[[list]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListConfig {
    /// The address to which one writes.
    pub address: String,
    /// What it is called.
    pub title: Option<String>,
    /// Addresses of ours who look after it; the postmaster if there are none.
    pub owners: Vec<String>,
    /// Who gets what is written to it, here or elsewhere.
    pub members: Vec<String>,
    /// Who may write to it: a word of [`crate::Posters`]; its members unless given.
    pub post: Option<String>,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Whether it is a password, and not a hash of one.
    ///
    /// # Errors
    /// It begins like a hash, and is none that can be used.
    pub fn is_password(&self) -> Result<bool, BadPassword> {
        if kept_of(&self.0).is_some() {
            return Ok(false);
        }
        Verifier::parse(&self.0).map(|verifier| verifier.password().is_some())
    }

    /// Whether a new hash of the password would be stronger than this, which is worth making when the password is next at hand.
    pub fn is_weak(&self) -> bool {
        Verifier::parse(&self.0).is_ok_and(|verifier| verifier.is_weak())
    }

    /// The text: only for whoever checks a login.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
