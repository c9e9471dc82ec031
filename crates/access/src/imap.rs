//! IMAP: the policy of a session over the mailstore (docs/design/imap.md).

mod acl;
mod blocking;
mod fetch;
mod flags;
mod list;
mod machine;
mod mailboxes;
mod messages;
mod metadata;
mod namespace;
mod news;
mod notify;
mod numbers;
mod policy;
mod program;
mod quota;
mod search;
mod section;
mod select;
mod selected;
mod service;
mod sort;
mod sought;
mod streams;
mod structure;
mod text;
mod thread;
mod upload;
mod watched;

pub use service::Imap;
