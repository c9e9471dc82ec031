//! Files in which other programs keep mail: mbox files and Maildirs, read and written.
//!
//! *Takes* files as they are, or messages with what is known of them. *Hands on* messages in pieces, each with what is known of it behind its
//! octets. *Never* holds a message whole, and never writes over a file.

pub(crate) mod folder_name;
mod line_ends;
pub(crate) mod maildir;
pub(crate) mod mbox;
mod mbox_header;
mod source;

pub(crate) use source::Source;

use admin::api::Letter;

/// Octets that are read and handed on at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// What comes of files with mail, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Further octets of a message.
    Octets(Vec<u8>),
    /// There are no more of it, and this is what is known of it.
    Message(Letter),
}
