//! The machine itself: one step at a time.

use std::mem;

use mail::Reply;
use wire::Input;

use super::{
    Capabilities, Failure, FailureKind, Outcome, Phase, Step, Transaction,
    exchange::Exchange,
    framing::Framing,
    login::{Exchanging, Login},
    reply_reader::ReplyReader,
};
use crate::{Command, Protocol};

/// What a session holds of replies that it did not look at yet: far more than a server may owe us.
const INPUT_OCTETS_MAX: usize = 256 * 1024;

pub(super) const UNASKED: &str = "a reply that nobody asked for";

/// A session from connect to close.
#[expect(clippy::struct_excessive_bools, reason = "each is told by itself")]
#[derive(Debug)]
pub struct Session {
    pub(super) protocol: Protocol,
    pub(super) hello: String,
    pub(super) capabilities: Capabilities,
    pub(super) state: State,
    input: Input,
    source: Source,
    reader: ReplyReader,
    replies: u64,
    pub(super) output: Vec<u8>,
    /// The server still has the last transaction open.
    pub(super) needs_reset: bool,
    /// QUIT is still welcome though the session failed.
    may_quit: bool,
    /// STARTTLS is said where it is offered, and was not said yet.
    pub(super) wants_tls: bool,
    /// TLS is up.
    pub(super) is_secure: bool,
    /// What a login can be bound to.
    pub(super) binding: Option<Box<[u8]>>,
    /// As whom to log in, before anything else is said under TLS.
    pub(super) login: Option<Login>,
}

/// What may still come from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Ended,
    /// It sent more than we hold; the rest was dropped.
    Flooded,
}

#[derive(Debug)]
pub(super) enum State {
    Greeting,
    Hello {
        extended: bool,
    },
    /// STARTTLS is out.
    StartTls,
    /// The server waits for the handshake.
    Securing,
    /// AUTH is out.
    Auth(Box<Exchanging>),
    Ready,
    /// Commands are out.
    Exchange(Box<Exchange>),
    /// The server waits for content.
    Content(Box<Exchange>, Framing),
    /// The end of data is out, or the last chunk.
    EndOfData(Box<Exchange>),
    Done(Box<Outcome>),
    Failed(Box<Failure>),
    Quitting,
    Closed,
}

impl Session {
    /// A session on a fresh connection. `hello` is our name for EHLO or LHLO: a domain or an address literal.
    pub fn new(protocol: Protocol, hello: String) -> Self {
        Self {
            protocol,
            hello,
            capabilities: Capabilities::default(),
            state: State::Greeting,
            input: Input::default(),
            source: Source::Open,
            reader: ReplyReader::default(),
            replies: 0,
            output: Vec::new(),
            needs_reset: false,
            may_quit: false,
            wants_tls: false,
            is_secure: false,
            binding: None,
            login: None,
        }
    }

    /// The same, that asks for TLS where the server offers STARTTLS. Where it does not, or says no, the session goes on in clear:
    /// whether it was [secured](Self::secured) the driver knows.
    #[must_use]
    pub fn with_tls_where_offered(mut self) -> Self {
        self.wants_tls = true;
        self
    }

    /// The same over a connection that was under TLS before the first word (RFC 8314 §3.3). `binding`: its `tls-exporter`, if it has one.
    #[must_use]
    pub fn under_tls(mut self, binding: Option<Box<[u8]>>) -> Self {
        (self.wants_tls, self.is_secure, self.binding) = (false, true, binding);
        self
    }

    /// The same, that logs in before it is ready. A login is never said in clear: STARTTLS comes before it, and where that is not
    /// offered or refused the session fails.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        (self.wants_tls, self.login) = (!self.is_secure, Some(login));
        self
    }

    /// Octets from the server. A server that sends more than anybody asked for makes the session fail.
    pub fn receive(&mut self, octets: &[u8]) {
        if self.input.len() + octets.len() > INPUT_OCTETS_MAX {
            self.source = Source::Flooded;
        } else {
            self.input.push(octets);
        }
    }

    /// The server closed its side, or the connection broke. What it sent before still counts.
    pub fn end_of_input(&mut self) {
        if self.source == Source::Open {
            self.source = Source::Ended;
        }
    }

    /// The driver's deadline passed: the next step says that the session failed.
    pub fn timed_out(&mut self) {
        self.fail(FailureKind::TimedOut);
    }

    /// TLS is up, as [`Step::Secure`] asked. What the server said before may have been somebody else's: it is forgotten, and EHLO is
    /// said again (RFC 3207 §4.2). Out of turn, the session fails.
    pub fn secured(&mut self) {
        self.secured_with(None);
    }

    /// The same. `binding`: the `tls-exporter` of the session (RFC 9266), to which a login can be bound.
    pub fn secured_with(&mut self, binding: Option<Box<[u8]>>) {
        if !matches!(self.state, State::Securing) {
            return self.fail(FailureKind::Garbled("a handshake out of turn"));
        }
        (self.is_secure, self.binding) = (true, binding);
        self.capabilities = Capabilities::default();
        self.say_hello(true);
    }

    /// Octets for the server. The driver takes them out when it sends them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What the server offers. Nothing before the first [`Step::Ready`].
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Treats DSN as not offered from now on: the server has announced it, but refuses its parameters.
    pub fn forgo_dsn(&mut self) {
        self.capabilities.dsn = false;
    }

    /// Treats CHUNKING as not offered from now on: hosts that announce it and do not know BDAT exist.
    pub fn forgo_chunking(&mut self) {
        self.capabilities.chunking = false;
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            match mem::replace(&mut self.state, State::Closed) {
                State::Done(outcome) => {
                    self.state = State::Ready;
                    return Step::Done(outcome);
                }
                State::Failed(failure) => return Step::Failed(failure),
                State::Closed => return Step::Closed,
                state => self.state = state,
            }
            match self.next_reply() {
                Ok(Some(reply)) => self.replied(reply),
                Ok(None) if self.source == Source::Ended => self.input_over(),
                Ok(None) => return self.wait(),
                Err(what) => self.fail(FailureKind::Garbled(what)),
            }
        }
    }

    /// Begins a transaction. Legal when [`Step::Ready`] was returned; otherwise the session fails.
    pub fn begin(&mut self, transaction: Transaction) {
        match self.state {
            State::Ready => {}
            State::Failed(_) | State::Closed => return,
            _ => return self.fail(FailureKind::Garbled("a transaction was begun out of turn")),
        }
        if let Some(reply) = transaction.refusal(&self.capabilities) {
            let recipients = vec![(Phase::Mail, reply); transaction.recipients.len()];
            self.state = State::Done(Box::new(Outcome { recipients }));
            return;
        }
        let mut exchange =
            Box::new(Exchange::new(self.protocol, transaction, &self.capabilities, self.needs_reset));
        exchange.write(&mut self.output);
        self.state = State::Exchange(exchange);
        self.expect_silence();
    }

    /// A piece of content; lines end in CRLF. After DATA, a bare CR or LF is made one; a chunk has the octets as they are,
    /// and is not longer than was said. Legal after [`Step::SendContent`],
    /// else it is ignored.
    pub fn content(&mut self, piece: &[u8]) {
        if let State::Content(_, framing) = &mut self.state {
            framing.write(piece, &mut self.output);
        }
    }

    /// The content is complete: writes the end of data, unless it went by its length. If that is not what was said, the
    /// session fails. Legal after [`Step::SendContent`], else it is ignored.
    pub fn end_content(&mut self) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Content(exchange, mut framing) if self.silent() => {
                if framing.finish(&mut self.output) {
                    self.state = State::EndOfData(exchange);
                } else {
                    self.state = State::Content(exchange, framing);
                    self.fail(FailureKind::Garbled("the content has not the length that was said"));
                }
            }
            // What is here came before the end of data. Whatever it says, it is no reply to that.
            state @ State::Content(..) => {
                self.state = state;
                match self.next_reply() {
                    Ok(Some(reply)) => self.replied(reply),
                    Ok(None) => self.fail(FailureKind::Garbled(UNASKED)),
                    Err(what) => self.fail(FailureKind::Garbled(what)),
                }
            }
            state => self.state = state,
        }
    }

    /// Says QUIT where that is possible; else the session is closed.
    pub fn quit(&mut self) {
        match self.state {
            State::Ready => self.say_quit(),
            State::Failed(_) | State::Closed if self.may_quit => self.say_quit(),
            State::Quitting => {}
            _ => self.state = State::Closed,
        }
    }

    /// How many whole replies have come. The time for one (RFC 5321 §4.5.3.2) begins anew when this grows, and not with
    /// every line, or a server could make one reply last for ever.
    pub fn replies(&self) -> u64 {
        self.replies
    }

    fn say_quit(&mut self) {
        self.may_quit = false;
        Command::Quit.write_to(&mut self.output);
        self.state = State::Quitting;
    }

    /// Nothing was received that was not looked at.
    fn silent(&self) -> bool {
        self.input.is_empty() && self.reader.is_empty() && self.source != Source::Flooded
    }

    /// Called when the only commands that are out were written just now: a reply that is here already cannot be one to
    /// them (the class of attack that response injection is).
    pub(super) fn expect_silence(&mut self) {
        if !self.silent() {
            self.fail(FailureKind::Garbled(UNASKED));
        }
    }

    fn next_reply(&mut self) -> Result<Option<Reply>, &'static str> {
        let next = self.reader.next(&mut self.input);
        self.replies += u64::from(matches!(next, Ok(Some(_))));
        match next {
            Ok(None) if self.source == Source::Flooded => Err("more than a server may send"),
            result => result,
        }
    }

    fn wait(&mut self) -> Step {
        match &self.state {
            State::Ready => Step::Ready,
            State::Securing => Step::Secure,
            State::Content(..) => Step::SendContent,
            _ => Step::Read(self.phase()),
        }
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Greeting => Phase::Greeting,
            State::Hello { .. } => Phase::Hello,
            State::StartTls | State::Securing => Phase::StartTls,
            State::Auth(_) => Phase::Auth,
            State::Exchange(exchange) => exchange.phase(),
            State::Content(..) => Phase::DataBlock,
            State::EndOfData(_) => Phase::DataFinal,
            State::Quitting => Phase::Quit,
            State::Ready | State::Done(_) | State::Failed(_) | State::Closed => Phase::Mail,
        }
    }

    fn input_over(&mut self) {
        match self.state {
            State::Quitting => self.state = State::Closed,
            _ => self.fail(FailureKind::Closed),
        }
    }

    pub(super) fn fail(&mut self, kind: FailureKind) {
        let phase = self.phase();
        let decided = match mem::replace(&mut self.state, State::Closed) {
            State::Exchange(exchange) | State::Content(exchange, _) | State::EndOfData(exchange) => {
                exchange.into_decided()
            }
            // Told already, or to be told: the first failure stands, and so does an outcome.
            State::Closed | State::Quitting => return,
            state @ (State::Failed(_) | State::Done(_)) => {
                self.state = state;
                return;
            }
            State::Greeting
            | State::Hello { .. }
            | State::StartTls
            | State::Securing
            | State::Auth(_)
            | State::Ready => Vec::new(),
        };
        let listens = match &kind {
            FailureKind::Reply(reply) => reply.code() != 421,
            FailureKind::Unfit(_) => true,
            FailureKind::Garbled(_) | FailureKind::Closed | FailureKind::TimedOut => false,
        };
        self.may_quit = listens && matches!(phase, Phase::Greeting | Phase::Hello | Phase::Auth);
        self.state = State::Failed(Box::new(Failure { phase, kind, decided }));
    }
}
