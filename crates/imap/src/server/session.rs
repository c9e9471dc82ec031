//! The machine itself: one step at a time.

use std::{mem, sync::Arc};

use mail::TlsSession;

use super::{
    Answer, Config, Enabled, Offers, Phase, Question, Step, Tally,
    outgoing::Queue,
    state::{Asked, Channel, Standing, State},
};
use crate::{
    Grammar, Tag,
    framing::{Fault, Read, Reader},
    response::{Code, Response, Status},
};

/// The longest tag that a line is answered with which is too long itself, and the space behind it.
const TAG_OCTETS_MAX: usize = 64;

/// A session from connect to close. Small while idle.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Arc<Config>,
    pub(super) offers: Offers,
    pub(super) state: State,
    pub(super) standing: Standing,
    pub(super) channel: Channel,
    pub(super) reader: Reader,
    pub(super) output: Vec<u8>,
    pub(super) queue: Queue,
    pub(super) enabled: Enabled,
    /// Bad commands since the last one that was carried out.
    pub(super) errors: u32,
    pub(super) commands_before_login: u32,
    /// NOTIFY is on; whether expunged messages are told at once.
    pub(super) notify: Option<bool>,
    pub(super) compressed: bool,
    pub(super) tally: Tally,
    pub(super) input_ended: bool,
    pub(super) stopping: bool,
}

impl Session {
    /// A session whose first step asks [`Question::Connected`].
    pub fn new(config: Arc<Config>) -> Self {
        let reader = Reader::new(config.limits.framing_before_login);
        Self {
            config,
            offers: Offers::default(),
            state: State::Connected,
            standing: Standing::Stranger,
            channel: Channel::Clear,
            reader,
            output: Vec::new(),
            queue: Queue::default(),
            enabled: Enabled::default(),
            errors: 0,
            commands_before_login: 0,
            notify: None,
            compressed: false,
            tally: Tally::default(),
            input_ended: false,
            stopping: false,
        }
    }

    /// Octets from the client, not more than [`Session::wants`].
    pub fn receive(&mut self, octets: &[u8]) {
        // Nothing is read between STARTTLS and the handshake; what came nevertheless is not what it was said under.
        if !matches!(self.state, State::Closed | State::Securing) {
            self.reader.push(octets);
        }
    }

    /// How many more octets it takes now. Not 0 when [`Step::Read`] was returned.
    pub fn wants(&self) -> usize {
        self.reader.wants()
    }

    /// The client closed its side. What it sent before is still carried out.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// The driver's deadline passed: BYE, and close (RFC 9051 §5.4).
    pub fn timed_out(&mut self) {
        self.close_with(Status::bye("Inactive for too long"));
    }

    /// The client does too much in too short a time: BYE, and close. For when it is awaited.
    pub fn over_rate(&mut self) {
        self.close_with(Status::bye("Too many commands").with(Code::Limit));
    }

    /// The session cannot go on, for this reason: BYE, and close. For when it is awaited.
    pub fn end(&mut self, why: Status) {
        self.close_with(why);
    }

    /// The server stops: BYE at the next command boundary. A message that is under way is read to its end first.
    pub fn shut_down(&mut self) {
        self.stopping = true;
    }

    /// What the client did since this was last asked.
    pub fn tally(&mut self) -> Tally {
        mem::take(&mut self.tally)
    }

    /// What the client has enabled.
    pub fn enabled(&self) -> Enabled {
        self.enabled
    }

    /// TLS is up, as [`Step::Secure`] asked, or because the connection begins with it: then before the first step. In any other
    /// state the session ends.
    pub fn secured(&mut self, tls: impl Into<TlsSession>) {
        let greeted = match self.state {
            State::Connected if self.channel == Channel::Clear => false,
            State::Securing => true,
            _ => {
                self.state = State::Closed;
                return;
            }
        };
        self.channel = Channel::Tls;
        self.state = State::Secured { tls: tls.into(), greeted };
    }

    /// Compression is up, as [`Step::Compress`] asked. In any other state the session ends.
    pub fn compressed(&mut self) {
        let begun = matches!(self.state, State::Compressing);
        self.compressed = begun;
        self.state = if begun { State::Commands } else { State::Closed };
    }

    /// Whether it can be [told](Session::tell) news now: in IDLE, or between commands after NOTIFY. `expunges`: of expunged messages
    /// too.
    pub fn listens(&self) -> Option<Listening> {
        match self.state {
            State::Idle(_) => Some(Listening { expunges: true }),
            State::Commands if !self.reader.is_inside() => self.notify.map(|expunges| Listening { expunges }),
            _ => None,
        }
    }

    /// News for the client. Only while it [listens](Session::listens); otherwise nothing is told, and the session ends.
    pub fn tell(&mut self, news: &[Response]) {
        match self.listens() {
            Some(Listening { expunges }) => self.tell_all(news, expunges),
            None => self.close_with(Status::bye("Internal error").with(Code::ServerBug)),
        }
    }

    /// What is to be sent so far. The driver takes it out when it sends it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What to do next. After [`Step::Ask`] comes [`Session::answer`] before another step; a step without the answer
    /// ends the session.
    pub fn step(&mut self) -> Step {
        loop {
            if self.queue.asked {
                self.queue = Queue::default();
                self.state = State::Closed;
            }
            if let Some(step) = self.flush() {
                return step;
            }
            let step = match mem::replace(&mut self.state, State::Closed) {
                State::Connected if self.stopping => {
                    self.stopped();
                    None
                }
                State::Connected => Some(self.ask(Asked::Connected, Question::Connected)),
                State::Securing => {
                    self.state = State::Securing;
                    Some(Step::Secure)
                }
                State::Secured { tls, greeted } => {
                    Some(self.ask(Asked::Secured { greeted }, Question::Secured(tls)))
                }
                State::Compressing => {
                    self.state = State::Compressing;
                    Some(Step::Compress)
                }
                State::Commands => self.command(),
                State::Skipping { tag, reply } => self.skip(tag, reply),
                State::Auth(talk) => self.talk(talk),
                State::Idle(tag) => self.idle(tag),
                State::Uploading(uploading) => self.upload(uploading),
                State::Telling(tag, telling) => Some(self.ask(Asked::Task(tag, telling), Question::Next)),
                State::Asked(_) | State::AuthAsked(_) | State::Closed => Some(Step::Close),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The answer to the question of the last step. Without a question it is ignored.
    pub fn answer(&mut self, answer: Answer) {
        if self.queue.asked {
            self.octets_answered(answer);
            return;
        }
        match mem::replace(&mut self.state, State::Closed) {
            State::Asked(asked) => self.answered(asked, answer),
            State::AuthAsked(talk) => self.auth_answered(talk, answer),
            state => self.state = state,
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, question: Question) -> Step {
        self.state = State::Asked(asked);
        Step::Ask(question)
    }

    /// RFC 9051 §7.1.5: untagged, and the session ends.
    pub(super) fn close_with(&mut self, status: Status) {
        self.say_response(&Response::Status(Status { kind: crate::response::StatusKind::Bye, ..status }));
        self.state = State::Closed;
    }

    pub(super) fn stopped(&mut self) {
        self.close_with(Status::bye("Server shutting down").with(Code::Unavailable));
    }

    pub(super) fn grammar(&self) -> Grammar {
        Grammar { utf8: self.enabled.is_utf8(), limits: self.config.limits.grammar }
    }

    /// The next command, if there is one. `None`: it was dealt with, step again.
    fn command(&mut self) -> Option<Step> {
        if self.stopping && self.reader.text().is_empty() {
            self.stopped();
            return None;
        }
        match self.reader.read() {
            Read::Command(text) => self.obey_text(&text),
            Read::Literal(literal) => self.announced(literal),
            Read::Faulty { text, fault } => {
                self.faulty(&text, fault);
                None
            }
            // Of messages that nobody waits for.
            Read::Piece(_) | Read::LastPiece(_) => None,
            Read::Hungry if self.input_ended => Some(Step::Close),
            Read::Hungry => {
                self.state = State::Commands;
                Some(Step::Read(match self.standing {
                    _ if self.reader.is_inside() => Phase::Rest,
                    Standing::Stranger => Phase::Login,
                    Standing::Authenticated | Standing::Selected => Phase::Command,
                }))
            }
        }
    }

    fn faulty(&mut self, text: &[u8], fault: Fault) {
        // How much there is of the beginning depends on how it came: a tag that is longer is none.
        let beginning = text.get(..text.len().min(TAG_OCTETS_MAX)).unwrap_or_default();
        let end = beginning.iter().position(|octet| *octet == b' ');
        let word = end.and_then(|end| beginning.get(..end)).unwrap_or_default();
        let tag = std::str::from_utf8(word).ok().and_then(Tag::new);
        match fault {
            Fault::Endless => self.close_with(super::replies::too_long()),
            Fault::TooLong | Fault::Refused => self.bad(tag.as_ref(), &super::replies::too_long()),
        }
    }

    /// A command that has failed is read to its end, and answered then.
    fn skip(&mut self, tag: Tag, reply: Status) -> Option<Step> {
        match self.reader.read() {
            Read::Faulty { fault: Fault::Endless, .. } => self.close_with(reply),
            Read::Faulty { .. } => self.conclude(&tag, &reply),
            Read::Hungry if self.input_ended => return Some(Step::Close),
            Read::Hungry => {
                self.state = State::Skipping { tag, reply };
                return Some(Step::Read(Phase::Rest));
            }
            // The reader holds nothing back of what was refused.
            Read::Command(_) | Read::Literal(_) | Read::Piece(_) | Read::LastPiece(_) => {
                self.close_with(super::replies::local_error());
            }
        }
        None
    }

    /// A command that is refused by the machine: counted, and answered; the one too many ends the session.
    pub(super) fn bad(&mut self, tag: Option<&Tag>, reply: &Status) {
        self.errors = self.errors.saturating_add(1);
        self.tally.errors = self.tally.errors.saturating_add(1);
        match tag {
            Some(tag) => self.answer_tag(tag, reply),
            None => self.say_response(&Response::Status(reply.clone())),
        }
        self.state = State::Commands;
        if self.errors >= self.config.limits.errors_max {
            self.close_with(Status::bye("Too many bad commands").with(Code::ClientBug));
        }
    }
}

/// That a session can be told news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Of expunged messages too.
    pub expunges: bool,
}
