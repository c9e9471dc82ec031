//! The server's side of a session (RFC 9051 §3): octets in, questions and responses out.

mod answers;
mod auth;
mod capabilities;
mod idle;
mod obey;
mod outgoing;
mod replies;
mod session;
mod state;
mod tasks;
mod upload;

use std::borrow::Cow;

use mail::TlsSession;
use sasl::Mechanisms;

use crate::{
    Command, GrammarLimits, Tag,
    command::{MessageHead, Target},
    framing,
    response::{Response, Status},
};

pub use session::Session;

/// What all sessions of a listener share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name in the greeting.
    pub hostname: String,
    /// The name of the program, shown in the greeting.
    pub software: &'static str,
    /// What is announced to who has logged in, beside what the machine itself can: the extensions that the policy carries out.
    pub capabilities: Vec<Cow<'static, str>>,
    /// How much a client may do.
    pub limits: Limits,
}

/// How much a client may do before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of commands of who has logged in.
    pub framing: framing::Limits,
    /// Octets of commands of who has not.
    pub framing_before_login: framing::Limits,
    /// How complex a command may be.
    pub grammar: GrammarLimits,
    /// Octets of a message. Over it: `NO [TOOBIG]`.
    pub message_octets_max: u64,
    /// The bad command that ends the session, counted since the last one that was carried out.
    pub errors_max: u32,
    /// Commands before a login. One more ends the session.
    pub commands_before_login_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            framing: framing::Limits::default(),
            framing_before_login: framing::Limits {
                command_octets_max: 16 * 1024,
                discarded_octets_max: 64 * 1024,
            },
            grammar: GrammarLimits::default(),
            message_octets_max: 50 * 1024 * 1024,
            errors_max: 20,
            commands_before_login_max: 100,
        }
    }
}

/// What this client is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// STARTTLS: the connection can be put under TLS. Not offered once it is.
    pub starttls: bool,
    /// How it may show who it is.
    pub auth: Authentication,
}

/// Whether, and how, a client may show who it is. LOGIN goes with the mechanism PLAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Not in clear: `NO [PRIVACYREQUIRED]`, and LOGINDISABLED is announced (RFC 9051 §6.2.3).
    #[default]
    AfterTls,
    /// By these mechanisms.
    By(Mechanisms),
}

/// What a client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Commands, wrong ones too.
    pub commands: u32,
    /// Bad commands.
    pub errors: u32,
}

/// What the driver does next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send [`Session::output`], then wait for octets and hand them to [`Session::receive`]; or for news, if the session
    /// [listens](Session::listens), and hand them to [`Session::tell`].
    Read(Phase),
    /// Put the question to the policy and hand its answer to [`Session::answer`].
    Ask(Question),
    /// Send [`Session::output`] and read nothing, shake hands, then call [`Session::secured`]. If the handshake fails: close.
    Secure,
    /// Send [`Session::output`], compress both ways from here on (RFC 4978), then call [`Session::compressed`].
    Compress,
    /// Send [`Session::output`], then close.
    Close,
}

/// What the client is expected to send: the driver maps it to a deadline (RFC 9051 §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A command of a client that has not logged in.
    Login,
    /// A command.
    Command,
    /// The rest of a command, or a message.
    Rest,
    /// DONE, some time (RFC 9051 §6.3.13).
    Idle,
}

/// What the machine cannot know.
#[derive(Debug, PartialEq)]
pub enum Question {
    /// A client connected. `Proceed` or `Greet`: greet it. `Refuse`: BYE with this text, and the session ends.
    Connected,
    /// TLS is up: before the greeting, or since the client asked for it. `Proceed`; or `Greet`: from here on this is offered to it.
    /// `Refuse`: the session ends.
    Secured(TlsSession),
    /// An exchange has come to a question of its mechanism; LOGIN is one of PLAIN. `Auth`: the answer to it; or `Refuse`: the exchange
    /// ends so.
    Auth(Box<sasl::server::Question>),
    /// The exchange has come to its end, and the client is who was last granted. `Proceed` or `Refuse`.
    Authenticated,
    /// A command to carry out. `Done`; or `More`, if not all can be told at once: then `Next` follows.
    Task(Box<Task>),
    /// What comes behind the last `More`. `Done` or `More`.
    Next,
    /// IDLE. `Proceed`: the client is told so, and the session [listens](Session::listens). `Refuse`: not now.
    Idle,
    /// The client has ended IDLE. `Done`.
    IdleEnded,
    /// A client wants to send a message. `Proceed`: it may; or `Refuse`: it is skipped, and the whole command has failed.
    Message(Box<Incoming>),
    /// A piece of it, about 64 KiB; more follows. It may hold NUL, whether it was announced as a literal8 or not: what becomes of
    /// that is for the policy. `Proceed`; or `Refuse`: the rest is skipped, and the whole command has failed.
    Piece(Vec<u8>),
    /// The last piece, perhaps empty. `Proceed` or `Refuse`, as with a piece.
    LastPiece(Vec<u8>),
    /// The command with all its messages is complete: now they are put where they belong, all or none. `Done`.
    Commit,
    /// The command is wrong behind a message that was accepted: forget all. `Proceed`.
    Abandon,
    /// The next octets of a [`Stream`](crate::response::Stream). `Octets`, at least one and at most `octets_max`; anything else ends
    /// the session, for the client counts on what was announced.
    Octets {
        /// Its reference.
        reference: u64,
        /// Where they begin in it.
        offset: u64,
        /// How many at the most.
        octets_max: usize,
    },
}

/// A command to carry out.
#[derive(Debug, PartialEq)]
pub struct Task {
    /// Its tag, for ESEARCH.
    pub tag: Tag,
    /// It. ENABLE names only what was not enabled before, and can be.
    pub command: Command,
    /// Whether EXPUNGE and VANISHED may be told with it (RFC 9051 §7.5.1), but those of `(EARLIER)`. The machine
    /// ends the session if they are told nevertheless: message numbers would mean one thing here and another one there.
    pub expunges: bool,
}

/// A message that a client is about to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// What becomes of it.
    pub target: Target,
    /// What is told about it.
    pub head: MessageHead,
    /// It is the first of its command.
    pub first: bool,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes.
    Proceed,
    /// To [`Question::Connected`] and [`Question::Secured`]: yes, and this is offered to the client.
    Greet(Offers),
    /// No, for this reason.
    Refuse(Status),
    /// No, for this reason, and the session ends.
    RefuseAndClose(Status),
    /// To [`Question::Auth`].
    Auth(Box<sasl::server::Answer>),
    /// Tell this; there is more.
    More(Vec<Response>),
    /// Tell this, and then how it went: `OK`, `NO` or `BAD`.
    Done {
        /// What else is told before.
        responses: Vec<Response>,
        /// How it went.
        status: Status,
    },
    /// To [`Question::Octets`].
    Octets(Vec<u8>),
}

/// What the client has made the session speak (RFC 5161).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is enabled by itself")]
pub struct Enabled {
    /// IMAP4rev2.
    pub rev2: bool,
    /// UTF8=ACCEPT.
    pub utf8: bool,
    /// CONDSTORE.
    pub condstore: bool,
    /// QRESYNC.
    pub qresync: bool,
}
