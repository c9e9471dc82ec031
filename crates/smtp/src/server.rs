//! The server's side of a session (RFC 5321 §4): octets in, questions and replies out.

mod answers;
mod auth;
mod chunks;
mod content;
mod lines;
mod obey;
mod replies;
mod session;
mod state;

use mail::{Reply, TlsSession};
use sasl::Mechanisms;

pub use crate::{
    Protocol,
    command::{By, ForwardPath, Hold, MailFrom, Node, RcptTo, Schedule, Xclient},
};
pub use session::Session;

/// What all sessions of a listener share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is spoken.
    pub protocol: Protocol,
    /// The name in the greeting and in the replies to HELO and EHLO.
    pub hostname: String,
    /// The name of the program, shown in the greeting.
    pub software: &'static str,
    /// How much a client may do.
    pub limits: Limits,
}

/// How much a client may do before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of decoded content; announced as SIZE (RFC 1870). Over it: `552 5.3.4`.
    pub message_size_max: u64,
    /// Recipients of one transaction, at least 100 (RFC 5321 §4.5.3.1.8). Over it: `452 4.5.3`.
    pub recipients_max: usize,
    /// The bad command that is answered `421 4.7.0` and ends the session, counted since the last accepted message.
    /// Only what the machine itself refuses counts; refusals by the policy are the policy's to count.
    pub errors_max: u32,
    /// Commands that do no work (NOOP, RSET, HELO, EHLO, HELP, VRFY, EXPN) since the last accepted message.
    /// Each one over it counts as an error.
    pub idle_commands_max: u32,
    /// Octets of a command line, CRLF included; at least 512 (RFC 5321 §4.5.3.1.4). Over it: `500 5.5.2`.
    pub command_line_octets_max: usize,
    /// Transactions of one session. Over it: `421 4.7.0`.
    pub transactions_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size_max: 50 * 1024 * 1024,
            recipients_max: 1000,
            errors_max: 20,
            idle_commands_max: 100,
            command_line_octets_max: 4096,
            transactions_max: 10_000,
        }
    }
}

/// What this client may do beside what all may. Announced to it, and refused to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// XCLIENT: it is a proxy that may say who is behind it.
    pub xclient: bool,
    /// ETRN: it may ask for mail that waits (RFC 1985).
    pub etrn: bool,
    /// STARTTLS: the connection can be put under TLS (RFC 3207). Not offered once it is.
    pub starttls: bool,
    /// AUTH: it may show who it is.
    pub auth: Authentication,
    /// FUTURERELEASE, DELIVERBY and MT-PRIORITY: it may say when its mail is to go.
    pub schedule: Option<Scheduling>,
}

/// How far a client may say when its mail is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduling {
    /// The most seconds that a message is held (RFC 4865 §4); 0: FUTURERELEASE is not offered.
    pub hold_seconds_max: u32,
    /// The end of that, from when the client came.
    pub hold_until_max: mail::Timestamp,
}

/// Whether, and how, a client may show who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Not at all: AUTH is no command here.
    #[default]
    Unknown,
    /// Not in clear: `538 5.7.11`.
    AfterTls,
    /// By these mechanisms.
    By(Mechanisms),
}

/// What a client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Command lines, wrong ones too.
    pub commands: u32,
    /// Bad commands, as [`Limits::errors_max`] counts them.
    pub errors: u32,
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Session::output`], then wait for octets and hand them to [`Session::receive`].
    Read(Phase),
    /// Put the question to the policy and hand its answer to [`Session::answer`].
    Ask(Question),
    /// Send [`Session::output`] and read nothing, shake hands, then call [`Session::secured`]. If the handshake fails: close.
    Secure,
    /// Send [`Session::output`], then close.
    Close,
}

/// What the client is expected to send: the driver maps it to a deadline (RFC 5321 §4.5.3.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first HELO or EHLO.
    Greeting,
    /// A command.
    Command,
    /// Content.
    Content,
}

/// What the machine cannot know.
///
/// A transaction begins when [`Question::Mail`] is answered with [`Answer::Proceed`]. It ends with
/// [`Question::EndOfContent`], with [`Question::Reset`], or with the session.
#[derive(Debug, PartialEq, Eq)]
pub enum Question {
    /// A client connected. `Proceed` or `Greet`: greet it. `Refuse(554)`: that greeting, then only QUIT is legal
    /// (RFC 5321 §3.1). `Refuse(421)` and `RefuseAndClose`: that greeting, and the session ends.
    Connected,
    /// TLS is up: before the greeting, or since the client asked for it. What the client said before is forgotten, its
    /// name too (RFC 3207 §4.2). `Proceed`; or `Greet`: from here on this is offered to it. `Refuse`: the session ends.
    Secured(TlsSession),
    /// HELO, EHLO or LHLO with a name of valid syntax. `Proceed` or `Refuse`.
    Hello {
        /// What the client calls itself: a domain or an address literal.
        name: String,
        /// EHLO or LHLO.
        extended: bool,
    },
    /// XCLIENT by a client that it is offered to, outside of a transaction: from here on the session is that of another client.
    /// `Proceed` or `Greet`: greet it, as after connecting. `Refuse`: all is as before.
    Proxied(Box<Xclient>),
    /// MAIL; syntax, SIZE, BODY and SMTPUTF8 are in order. `Proceed` or `Refuse`.
    Mail(Box<MailFrom>),
    /// RCPT; syntax and the number of recipients are in order. `Proceed` or `Refuse`.
    Recipient(Box<RcptTo>),
    /// DATA or the first BDAT, with at least one recipient. `Proceed`, `Normalise` or `Refuse`. Refused, the transaction stays
    /// open after DATA; after BDAT it ends, with [`Question::Reset`].
    Data,
    /// A piece of decoded content, about 64 KiB; more follows. `Proceed`; or `Refuse`: the rest is discarded, the
    /// reply comes at the end of data or chunk, and [`Question::Reset`] before it.
    Content(Vec<u8>),
    /// The last piece, perhaps empty. `Replied`: what the client is told, `250` or not. `Proceed` would promise what
    /// nobody vouched for, so it is told `451`. With LMTP the same is said of each recipient.
    EndOfContent {
        /// It.
        piece: Vec<u8>,
        /// A bare CR or LF was made a CRLF, as [`Answer::Normalise`] allows.
        repaired: bool,
    },
    /// Forget the transaction: RSET, HELO or EHLO inside of it, or content that the machine refused. `Proceed`.
    Reset,
    /// VRFY. `Replied`; `Proceed` stands for `252 2.0.0`.
    Verify(String),
    /// AUTH has come to a question of its mechanism. `Auth`: the answer to it; or `Refuse`: the exchange ends.
    Auth(Box<sasl::server::Question>),
    /// AUTH has come to its end, and the client is who was last granted. `Proceed` or `Refuse`.
    Authenticated,
    /// ETRN by a client that it is offered to, outside of a transaction. `Replied`; `Proceed` stands for `250 2.0.0`.
    Turn(Node),
    /// EXPN. `Replied`; `Proceed` stands for `502 5.5.1`.
    Expand(String),
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, with the usual reply.
    Proceed,
    /// To [`Question::Connected`], [`Question::Secured`] and [`Question::Proxied`]: yes, and this is offered to the client. Elsewhere the same as `Proceed`.
    Greet(Offers),
    /// To [`Question::Data`]: yes, and turn a bare CR or LF in the content into CRLF instead of refusing the message
    /// (for authenticated clients and trusted networks). Elsewhere the same as `Proceed`.
    Normalise,
    /// No, with this reply; the session goes on.
    Refuse(Reply),
    /// No, with this reply; the session ends.
    RefuseAndClose(Reply),
    /// To [`Question::Auth`].
    Auth(Box<sasl::server::Answer>),
    /// This reply, whatever it says. Where `Proceed` is possible, a 2yz reply proceeds with these words.
    Replied(Reply),
}
