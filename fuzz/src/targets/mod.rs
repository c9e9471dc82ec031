//! The targets: each a function of octets, and what it claims.

pub(crate) mod address;
pub(crate) mod autodiscover;
pub(crate) mod chunks;
pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod content;
pub(crate) mod convert;
pub(crate) mod dsn;
pub(crate) mod event;
pub(crate) mod header;
pub(crate) mod imap_client;
pub(crate) mod imap_command;
pub(crate) mod imap_server;
pub(crate) mod mime;
pub(crate) mod pattern;
pub(crate) mod pop3;
pub(crate) mod proxy;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod reply;
pub(crate) mod segment;
pub(crate) mod server;
pub(crate) mod site;
