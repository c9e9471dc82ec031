//! The client's side of a session: commands and content out, replies in. SMTP and LMTP are one machine; they differ in
//! their greeting and in who answers the end of data.

mod capabilities;
mod exchange;
mod framing;
mod limits;
mod login;
mod parameters;
mod replied;
mod reply_reader;
mod session;

use mail::Reply;

use crate::{MailFrom, RcptTo};

pub use capabilities::Capabilities;
pub use limits::Limits;
pub use login::Login;
pub use session::Session;

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Session::output`], then wait for octets and hand them to [`Session::receive`].
    Read(Phase),
    /// The server is ready for TLS: shake hands, then call [`Session::secured`]. If the handshake fails: close.
    Secure,
    /// Nothing under way: [`Session::begin`] or [`Session::quit`].
    Ready,
    /// The server wants the content, in lines that end in CRLF, or any octets if its body is BINARYMIME: [`Session::content`] for each piece, then [`Session::end_content`].
    SendContent,
    /// The transaction ended; the next step is `Ready`.
    Done(Box<Outcome>),
    /// The session cannot go on: close, or [`Session::quit`] first to be polite. Returned once; then `Closed`.
    Failed(Box<Failure>),
    /// The session is over: close.
    Closed,
}

/// What the session waits for: the driver maps it to a timeout (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The greeting.
    Greeting,
    /// The reply to EHLO, HELO or LHLO.
    Hello,
    /// The reply to STARTTLS, and the handshake behind it.
    StartTls,
    /// The reply to AUTH, or to a response within that exchange.
    Auth,
    /// The reply to MAIL (or to a RSET before it).
    Mail,
    /// The reply to RCPT.
    Rcpt,
    /// The reply to DATA.
    DataInit,
    /// Content is being sent.
    DataBlock,
    /// The reply to the end of data or to the last chunk; with LMTP the one for the next recipient. If the session fails here, the server
    /// may or may not have the message for those who have none.
    DataFinal,
    /// The reply to QUIT.
    Quit,
}

/// A message to send: what is to be said of it to a server that offers everything. Another is told less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The reverse-path and what holds for the whole message:
    ///
    /// - `size`: the octets of the content, if they are known, and then exactly: a server that offers CHUNKING gets
    ///   them as one chunk (RFC 3030 §2).
    /// - `body`: `8BITMIME` is said where offered; where it is not, the message goes without the parameter: look at
    ///   [`Session::capabilities`] first if it has octets over 127. `BINARYMIME` needs a server that offers it with
    ///   CHUNKING, and a known size; else all recipients are refused `554 5.6.1` without a word to the server.
    /// - `smtputf8`: the message needs SMTPUTF8. Where it is not offered, all recipients are refused `550 5.6.7` in
    ///   [`Phase::Mail`] without a word to the server. So they are when a path is UTF-8.
    /// - `ret` and `envid` go to servers that offer DSN (RFC 3461 §5.2.1).
    pub mail: MailFrom,
    /// The recipients; RCPT keeps their order, and the outcome has it too. `notify` and `orcpt` go to servers that
    /// offer DSN.
    pub recipients: Vec<RcptTo>,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For each recipient, in order: the phase that decided and the reply. A 2yz reply means the server has the
    /// message for this recipient; it is always of [`Phase::DataFinal`].
    pub recipients: Vec<(Phase, Reply)>,
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was waited for.
    pub phase: Phase,
    /// What came instead.
    pub kind: FailureKind,
    /// For each recipient of the transaction under way, in order: the reply that decided, if it came before the
    /// failure: a refusal, or with LMTP any reply of [`Phase::DataFinal`]. Empty if no transaction was under way.
    pub decided: Vec<Option<(Phase, Reply)>>,
}

/// What ended a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// A reply that ends it: any other greeting than 220, a refused HELO or LHLO, 421 at any time, a reply during the
    /// content.
    Reply(Reply),
    /// The server sent what is no reply, more than the bounds allow, or a reply that nobody asked for. Says what.
    Garbled(&'static str),
    /// The server lacks what the session was to have: TLS for a login, or a login that both sides know. Says what.
    Unfit(&'static str),
    /// The server closed the connection, or it broke.
    Closed,
    /// The driver's deadline passed ([`Session::timed_out`]).
    TimedOut,
}
