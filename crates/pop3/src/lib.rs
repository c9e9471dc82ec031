//! POP3 (RFC 1939) on the server's side, as a state machine without I/O.
//!
//! *Takes* octets from the client and answers to its questions. *Hands on* questions, and octets for the client.
//! *Never* opens a socket, reads a clock, or knows who exists and what mail there is: a driver and a policy do that.

pub mod command;
pub mod server;
pub mod stuffing;

pub use command::{Command, CommandError};
