//! Mailing lists, as documents.

use serde::{Deserialize, Serialize};

use super::Source;

/// `GET /v1/lists`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// Those of the configuration first, then those of the store by their names.
    pub lists: Vec<List>,
}

/// `GET /v1/lists/{address}`: a mailing list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The address to which one writes.
    pub address: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who looks after it; the postmaster if there are none.
    pub owners: Vec<String>,
    /// Who gets what is written to it.
    pub members: Vec<String>,
    /// Who may write to it: `members`, `owners` or `anyone`.
    pub post: String,
    /// Where it is kept.
    pub source: Source,
    /// Why it does not hold: the configuration contradicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// `POST /v1/lists`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewList {
    /// The address to which one writes.
    pub address: String,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Addresses of ours who look after it; the postmaster if there are none.
    pub owners: Vec<String>,
    /// Who gets what is written to it, here or elsewhere.
    pub members: Vec<String>,
    /// Who may write to it: `members`, `owners` or `anyone`; its members unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
}

/// `POST /v1/lists/{address}/change`. What it has already, and what it has not, may be named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListChange {
    /// Its title; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who may write to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Addresses that are to be on it.
    pub add_members: Vec<String>,
    /// Addresses that are not.
    pub remove_members: Vec<String>,
    /// Addresses that are to look after it.
    pub add_owners: Vec<String>,
    /// Addresses that are not.
    pub remove_owners: Vec<String>,
}
