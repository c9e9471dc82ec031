//! Mailboxes in real files.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod acl;
mod content;
mod crash;
mod delivery;
mod import;
mod large;
mod mailboxes;
mod messages;
mod metadata;
mod model;
mod put_back;
mod support;
mod text;
mod upkeep;
