//! Domains, accounts and aliases, as documents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// In the configuration file, and changed there.
    Configuration,
    /// In the store.
    Store,
}

impl Source {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Store => "store",
        }
    }
}

/// `GET /v1/domains`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domains {
    /// Those of the configuration first, then those of the store by their names.
    pub domains: Vec<Domain>,
}

/// A domain whose mail ends here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Who gets what nobody else of the domain does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_all: Option<String>,
    /// What separates a user from a detail.
    pub subaddress: String,
    /// Where it is kept.
    pub source: Source,
    /// Why it does not hold: the configuration contradicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// `POST /v1/domains`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// Its name.
    pub name: String,
    /// Who gets what nobody else of the domain does; an address that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_all: Option<String>,
    /// What separates a user from a detail: `+` unless given, nothing if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaddress: Option<String>,
}

/// `GET /v1/accounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Those of the configuration first, then those of the store by their names.
    pub accounts: Vec<Account>,
}

/// `GET /v1/accounts/{login}`: somebody with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The address by which it logs in and gets mail.
    pub login: String,
    /// Its further addresses.
    pub addresses: Vec<String>,
    /// What it may do beside what every account may.
    pub roles: Vec<String>,
    /// Nobody may log in; its mail still comes.
    pub disabled: bool,
    /// Whether it has a password; without one only app passwords let in.
    pub has_password: bool,
    /// Whether SCRAM works with its password.
    pub has_scram: bool,
    /// Its app passwords.
    pub app_passwords: Vec<AppPassword>,
    /// Where it is kept.
    pub source: Source,
    /// Since when it is in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Why it does not hold: the configuration contradicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// An app password, without its words: nobody knows them any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPassword {
    /// Which it is: the part behind `pr-`.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for: `smtp`, `imap`, `pop3`, `api`.
    pub scopes: Vec<String>,
    /// When it was made; not known of one in the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it last let somebody in, to ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// `POST /v1/accounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewAccount {
    /// The address by which it logs in and gets mail.
    pub login: String,
    /// Its further addresses.
    pub addresses: Vec<String>,
    /// What it may do beside what every account may.
    pub roles: Vec<String>,
    /// Its password. Only a hash of it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// In place of the password, what another server kept of it: a PHC string, a crypt string, or either behind a `{SCHEME}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Secret>,
}

/// `POST /v1/accounts/{login}/password`: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A hash of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Secret>,
}

/// `POST /v1/accounts/{login}/change`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountChange {
    /// Addresses that it gets.
    pub add_addresses: Vec<String>,
    /// Addresses that it loses.
    pub remove_addresses: Vec<String>,
    /// Roles that it gets.
    pub add_roles: Vec<String>,
    /// Roles that it loses.
    pub remove_roles: Vec<String>,
}

/// `POST /v1/accounts/{login}/app-passwords`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewAppPassword {
    /// What its owner calls it.
    pub name: String,
    /// What it is to be good for: `smtp`, `imap`, `pop3`, `api`.
    pub scopes: Vec<String>,
}

/// The answer: an app password with its words, which nobody is ever told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeAppPassword {
    /// What is kept of it.
    #[serde(flatten)]
    pub app_password: AppPassword,
    /// The words.
    pub password: Secret,
}

/// `GET /v1/aliases`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aliases {
    /// Those of the configuration first, then those of the store by their names.
    pub aliases: Vec<Alias>,
}

/// An address that stands for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The address.
    pub address: String,
    /// What it stands for.
    pub to: Vec<String>,
    /// Where it is kept.
    pub source: Source,
    /// Why it does not hold: the configuration contradicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// `POST /v1/aliases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlias {
    /// The address.
    pub address: String,
    /// Accounts or other aliases of ours.
    pub to: Vec<String>,
}

/// The answer where there is nothing more to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What it was done to.
    pub name: String,
}
