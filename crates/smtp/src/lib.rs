//! SMTP as two state machines without I/O: the server's side and the client's side.
//!
//! *Takes* octets from the peer and answers to its questions. *Hands on* questions, decoded content and octets for the peer.
//! *Never* opens a socket, reads a clock, or decides who may send what: a driver and a policy do that.
//!
//! What later extensions need (STARTTLS, AUTH) has its place in [`Command`] and in the two `Step` enums; until then these commands are
//! answered `502 5.5.1`.

pub mod client;

mod command;
pub mod framing;
mod input;
pub mod server;
pub mod stuffing;

pub use command::{Command, CommandError, ForwardPath, MailFrom, RcptTo};
