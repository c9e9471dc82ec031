//! SMTP as two state machines without I/O: the server's side and the client's side.
//!
//! *Takes* octets from the peer and answers to its questions. *Hands on* questions, decoded content and octets for the peer.
//! *Never* opens a socket, reads a clock, or decides who may send what: a driver and a policy do that.

pub mod client;

mod command;
pub mod framing;
pub mod server;
pub mod stuffing;

use std::fmt;

pub use command::{
    Auth, By, ClientProtocol, Command, CommandError, ForwardPath, Hold, MailFrom, Node, RcptTo, Schedule,
    Told, Xclient,
};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO instead of EHLO, and at the end of a message a reply for each of its recipients.
    Lmtp,
}

/// As in a URL, in lower case.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        })
    }
}
