//! IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) as a state machine without I/O: the server's side, and of the client's what takes mail over.
//!
//! *Takes* octets from the client and answers to its questions. *Hands on* questions, messages in pieces, and octets for the client.
//! *Never* opens a socket, reads a clock, or knows who exists and what mail there is: a driver and a policy do that.

pub mod client;
pub mod command;
mod date;
mod flag;
pub mod framing;
mod mailbox;
mod object;
pub mod response;
mod scan;
pub mod server;
mod set;
mod text;
pub mod utf7;

pub use command::{Command, CommandError, Grammar, GrammarLimits, Rejected, Request, Tag};
pub use date::{Date, DateTime};
pub use flag::Flag;
pub use mailbox::Mailbox;
pub use object::ObjectId;
pub use scan::Literal;
pub use set::{Sequence, SequenceSet};
