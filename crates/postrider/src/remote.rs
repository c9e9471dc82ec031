//! Another server's mailboxes, read by IMAP.
//!
//! *Takes* a URL, a password or a token, and whom to trust. *Hands on* which mailboxes there are and where they go here, which messages are in them, and the
//! octets of those that are wanted. *Never* changes anything there, speaks in clear, or holds a message whole.

mod connection;
mod fetch;
mod folders;
mod survey;
mod url;

pub(crate) use connection::{Access, Connection, Proof, RemoteError};
pub(crate) use fetch::{Batch, fetch};
pub(crate) use folders::{Folder, LeftOut, Wishes, plan};
pub(crate) use survey::{folders, open, same_item, survey};
pub(crate) use url::Url;
