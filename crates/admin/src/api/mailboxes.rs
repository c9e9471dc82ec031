//! Documents about mailboxes.

use serde::{Deserialize, Serialize};

/// `GET /v1/accounts/{login}/mailboxes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailboxes {
    /// All of the account, INBOX first.
    pub mailboxes: Vec<Mailbox>,
    /// What they hold together, and may hold.
    pub quota: Quota,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Its name, with `/` between levels.
    pub name: String,
    /// What it is for, such as `\Sent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_use: Option<String>,
    /// How many messages.
    pub messages: u64,
    /// How many of them nobody has read.
    pub unseen: u64,
    /// Their octets.
    pub octets: u64,
}

/// What an account holds, and may hold at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Octets of all messages.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
    /// The most octets; none: as many as there is room for.
    pub octets_max: Option<u64>,
    /// The most messages.
    pub messages_max: Option<u64>,
}

/// `POST /v1/accounts/{login}/mailboxes/quota`. What is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaChange {
    /// The most octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octets: Option<Most>,
    /// The most messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Most>,
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Most {
    /// No limit.
    None,
    /// So many.
    Most(u64),
}

/// What is known of a message beside its octets, on its way in or out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// The mailbox.
    pub folder: String,
    /// In: what it is called where it comes from. Out: what it is called here.
    pub source: String,
    /// In: what tells that it was put in before.
    #[serde(default)]
    pub known_by: KnownBy,
    /// Its system flags, such as `\Seen`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Its keywords.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// When it came, in milliseconds since 1970.
    pub internal_date: i64,
    /// How many octets it has; told on its way out.
    #[serde(default)]
    pub octets: u64,
}

/// What tells that a message was put in before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// The mailbox, what it is called where it comes from, and its content.
    #[default]
    Content,
    /// Those without the content: where it comes from nothing else is ever called so.
    Source,
    /// Nothing: it is put in whatever was before.
    Nothing,
}

/// `POST /v1/accounts/{login}/mailboxes/import`: what became of the messages in the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// How many were put in.
    pub imported: u64,
    /// How many had been put in before.
    pub already: u64,
    /// How many keywords were left out.
    pub keywords_left_out: u64,
}

/// `POST /v1/accounts/{login}/mailboxes/imported`: messages that their sources alone tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// The mailbox that they go to.
    pub folder: String,
    /// What they are called where they come from; some thousand at most.
    pub sources: Vec<String>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// For each source, in their order, whether it was put in before.
    pub known: Vec<bool>,
}

/// `POST /v1/accounts/{login}/mailboxes/make`. Those that are there stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folders {
    /// Which there are to be.
    pub folders: Vec<Folder>,
}

/// A mailbox to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Its name, with `/` between levels.
    pub name: String,
    /// Whether to subscribe to it.
    pub subscribed: bool,
    /// What it is for, such as `\Sent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_use: Option<String>,
}

/// Its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// How many were made.
    pub made: u64,
}

/// Of `GET /v1/accounts/{login}/mailboxes/fingerprints`: some messages of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    /// Of each.
    pub fingerprints: Vec<Fingerprint>,
}

/// By what a message is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The SHA-256 of its content, in hexadecimal digits.
    pub hash: String,
    /// How long what final delivery put before it is.
    pub head_octets: u32,
    /// When it came, in milliseconds since 1970.
    pub internal_date: i64,
}

/// `POST /v1/mailboxes/verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// What is not as it has to be.
    pub findings: Vec<Finding>,
}

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// Whether it is mended by making anew what is derived.
    pub derived: bool,
}
