//! The server's side of a session (RFC 1939 §3): octets in, questions and responses out.

mod answers;
mod auth;
mod capabilities;
mod lines;
mod maildrop;
mod marks;
mod obey;
mod refusal;
mod session;
mod state;

use mail::TlsSession;
use sasl::Mechanisms;

pub use refusal::{Code, Refusal};
pub use session::Session;

/// What all sessions of a listener share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name in the greeting.
    pub hostname: String,
    /// The name of the program, shown in the greeting and by CAPA.
    pub software: &'static str,
    /// So many seconds have to be between two logins of one user (RFC 2449 §6.5), if any: announced by CAPA, and held by the policy.
    pub login_delay_seconds: Option<u32>,
    /// How much a client may do.
    pub limits: Limits,
}

/// How much a client may do before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line with its CRLF; at least 255 (RFC 2449 §4). AUTH may be longer, to carry a token.
    pub command_octets_max: usize,
    /// Octets of a line too long that are read only to be thrown away, before the session ends.
    pub discarded_octets_max: usize,
    /// The error that ends the session, counted since the last command that was carried out for who has logged in.
    pub errors_max: u32,
    /// Commands before a login. One more ends the session.
    pub commands_before_login_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_octets_max: 512,
            discarded_octets_max: 64 * 1024,
            errors_max: 20,
            commands_before_login_max: 100,
        }
    }
}

/// What this client is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// STLS: the connection can be put under TLS. Not offered once it is.
    pub stls: bool,
    /// How it may show who it is.
    pub auth: Authentication,
}

/// Whether, and how, a client may show who it is. USER and PASS go with the mechanism PLAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Not in clear: USER is refused, so that no client goes on to send a password.
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
    /// Errors.
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

/// What the client is expected to send: the driver maps it to a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A command of a client that has not logged in.
    Login,
    /// A command (RFC 1939 §3: at least ten minutes).
    Command,
}

/// What the machine cannot know.
#[derive(Debug, PartialEq, Eq)]
pub enum Question {
    /// A client connected. `Proceed` or `Greet`: greet it. `Refuse`: the session ends with this.
    Connected,
    /// TLS is up: before the greeting, or since the client asked for it. `Proceed`; or `Greet`: from here on this is offered to it.
    /// `Refuse`: the session ends.
    Secured(TlsSession),
    /// An exchange has come to a question of its mechanism; USER and PASS are one of PLAIN. `Auth`: the answer to it; or `Refuse`: the
    /// exchange ends so.
    Auth(Box<sasl::server::Question>),
    /// The exchange has come to its end, and the client is who was last granted. `Opened`; or `Refuse`: the maildrop cannot be opened, and
    /// the client may try again.
    Open,
    /// Sizes and names of messages. `Listed`, exactly as many; or `Refuse`.
    List {
        /// The number of the first, from 1.
        from: u32,
        /// How many.
        count: u32,
    },
    /// The next octets of a message. `Octets`, at most so many, and none at its end; or `Refuse`: at its beginning the client hears why,
    /// later the session ends, for half a message must not look like a whole one.
    Octets {
        /// Which message, from 1.
        number: u32,
        /// Where they begin in it.
        offset: u64,
        /// How many at the most.
        octets_max: usize,
    },
    /// The client has ended the session by QUIT: these messages are deleted, all or none. `Proceed` once that will not be lost; or
    /// `Refuse`.
    Update(Vec<u32>),
}

/// What is in a maildrop as it was opened. Numbers of its messages hold to the end of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maildrop {
    /// Messages.
    pub messages: u32,
    /// Octets of all together.
    pub octets: u64,
}

/// A message, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its octets.
    pub octets: u64,
    /// Its unique-id: 1 to 70 octets of visible ASCII, never used again for another message (RFC 1939 §7).
    pub unique_id: Box<str>,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Proceed,
    /// To [`Question::Connected`] and [`Question::Secured`]: yes, and this is offered to the client.
    Greet(Offers),
    /// No, for this reason.
    Refuse(Refusal),
    /// No, for this reason, and the session ends.
    RefuseAndClose(Refusal),
    /// To [`Question::Auth`].
    Auth(Box<sasl::server::Answer>),
    /// To [`Question::Open`].
    Opened(Maildrop),
    /// To [`Question::List`].
    Listed(Vec<Listed>),
    /// To [`Question::Octets`].
    Octets(Vec<u8>),
}
