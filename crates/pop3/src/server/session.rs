//! The machine itself: one step at a time.

use std::{mem, sync::Arc};

use mail::TlsSession;

use super::{
    Answer, Authentication, Code, Config, Offers, Phase, Question, Refusal, Step, Tally,
    auth::LINE_OCTETS_MAX,
    lines::{Bounds, Fault, Lines},
    state::{Asked, Channel, Standing, State},
};
use crate::command::{Command, CommandError, is_foreign, looks_like_auth};

/// Octets that may wait beside a line, so that pipelined commands come in one read.
const READ_AHEAD_OCTETS: usize = 4 * 1024;
/// The first octet of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A session from connect to close. Small while idle.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Arc<Config>,
    pub(super) offers: Offers,
    pub(super) state: State,
    pub(super) standing: Standing,
    pub(super) channel: Channel,
    pub(super) lines: Lines,
    pub(super) output: Vec<u8>,
    /// Errors since the last command that was carried out.
    pub(super) errors: u32,
    pub(super) commands_before_login: u32,
    pub(super) tally: Tally,
    pub(super) input_ended: bool,
    pub(super) stopping: bool,
}

/// A line as it was understood.
pub(super) enum Line {
    Command(Command),
    Wrong(CommandError),
    Faulty(Fault),
    /// Another protocol's.
    Foreign,
}

impl Session {
    /// A session whose first step asks [`Question::Connected`].
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            offers: Offers::default(),
            state: State::Connected,
            standing: Standing::Stranger(None),
            channel: Channel::Clear,
            lines: Lines::default(),
            output: Vec::new(),
            errors: 0,
            commands_before_login: 0,
            tally: Tally::default(),
            input_ended: false,
            stopping: false,
        }
    }

    /// Octets from the client, not more than [`Session::wants`].
    pub fn receive(&mut self, octets: &[u8]) {
        // Nothing is read between STLS and the handshake; what came nevertheless is not what it was said under.
        if !matches!(self.state, State::Closed | State::Securing) {
            self.lines.input.push(octets);
        }
    }

    /// How many more octets it takes now. Not 0 when [`Step::Read`] was returned.
    pub fn wants(&self) -> usize {
        (self.longest() + READ_AHEAD_OCTETS).saturating_sub(self.lines.input.len())
    }

    /// The client closed its side. What it sent before is still carried out.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// The driver's deadline passed. RFC 1939 §3: nothing is deleted, and nothing is said.
    pub fn timed_out(&mut self) {
        self.state = State::Closed;
    }

    /// The client does too much in too short a time. For when it is awaited.
    pub fn over_rate(&mut self) {
        self.close_with(&Refusal::new("Too many commands").with(Code::SysTemp));
    }

    /// The server stops: said at the next command boundary. A message that is on its way is sent to its end first.
    pub fn shut_down(&mut self) {
        self.stopping = true;
    }

    /// What the client did since this was last asked.
    pub fn tally(&mut self) -> Tally {
        mem::take(&mut self.tally)
    }

    /// TLS is up, as [`Step::Secure`] asked, or because the connection begins with it: then before the first step. In any other
    /// state the session ends.
    pub fn secured(&mut self, session: TlsSession) {
        let greeted = match self.state {
            State::Connected if self.channel == Channel::Clear => false,
            State::Securing => true,
            _ => {
                self.state = State::Closed;
                return;
            }
        };
        self.channel = Channel::Tls;
        self.state = State::Secured { session: Box::new(session), greeted };
    }

    /// What is to be sent so far. The driver takes it out when it sends it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What to do next. After [`Step::Ask`] comes [`Session::answer`] before another step; a step without the answer
    /// ends the session.
    pub fn step(&mut self) -> Step {
        loop {
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
                State::Secured { session, greeted } => {
                    Some(self.ask(Asked::Secured { greeted }, Question::Secured(*session)))
                }
                State::Commands => self.command(),
                State::Auth(talk) => self.talk(talk),
                State::Listing { by, next } => Some(self.list_on(by, next)),
                State::Sending(sending) => Some(self.send_on(sending)),
                State::Asked(_) | State::AuthAsked(_) | State::Closed => Some(Step::Close),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The answer to the question of the last step. Without a question it is ignored.
    pub fn answer(&mut self, answer: Answer) {
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

    /// A line for the client.
    pub(super) fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    pub(super) fn close_with(&mut self, refusal: &Refusal) {
        self.say(&refusal.line());
        self.state = State::Closed;
    }

    pub(super) fn stopped(&mut self) {
        self.close_with(&Refusal::new("Server shutting down").with(Code::SysTemp));
    }

    /// The answer to a command that was carried out.
    pub(super) fn done(&mut self, line: &str) {
        self.say(line);
        self.state = State::Commands;
        if matches!(self.standing, Standing::Client(_)) {
            self.errors = 0;
        }
    }

    /// A command that cannot be carried out now, through no fault of the client's.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.say(&refusal.line());
        self.state = State::Commands;
    }

    /// An error of the client's: counted, and answered; the one too many ends the session.
    pub(super) fn bad(&mut self, refusal: &Refusal) {
        self.errors = self.errors.saturating_add(1);
        self.tally.errors = self.tally.errors.saturating_add(1);
        if self.errors >= self.config.limits.errors_max {
            self.close_with(&Refusal::new(format!("{}; too many errors", refusal.text)));
        } else {
            self.refused(refusal);
        }
    }

    /// The next command, if there is one. `None`: it was dealt with, step again.
    fn command(&mut self) -> Option<Step> {
        if self.stopping {
            self.stopped();
            return None;
        }
        match self.next_line() {
            Some(line) => self.obey(line),
            None if self.input_ended => Some(Step::Close),
            None => {
                self.state = State::Commands;
                Some(Step::Read(match self.standing {
                    Standing::Stranger(_) => Phase::Login,
                    Standing::Client(_) => Phase::Command,
                }))
            }
        }
    }

    fn next_line(&mut self) -> Option<Line> {
        let stranger = matches!(self.standing, Standing::Stranger(_));
        if stranger && self.lines.first_octet() == Some(TLS_HANDSHAKE) {
            return Some(Line::Foreign);
        }
        let octets_max = self.command_octets_max();
        let bounds = self.bounds();
        let parsed = self.lines.next(bounds, |line| match Command::parse(line) {
            _ if line.len() + 2 > octets_max && !(stranger && looks_like_auth(line)) => {
                Line::Faulty(Fault::TooLong)
            }
            Ok(command) => Line::Command(command),
            Err(_) if stranger && is_foreign(line) => Line::Foreign,
            Err(error) => Line::Wrong(error),
        });
        parsed.map(|parsed| parsed.unwrap_or_else(Line::Faulty))
    }

    fn command_octets_max(&self) -> usize {
        // Not so small that a standard's command would not fit, nor so large that it would not be bounded.
        self.config.limits.command_octets_max.clamp(255, 16 * 1024)
    }

    /// Octets of the longest line that is read now.
    fn longest(&self) -> usize {
        // Only AUTH may be longer, and a response of its exchange, where they are offered at all.
        match (&self.standing, self.offers.auth) {
            (Standing::Stranger(_), Authentication::By(_)) => LINE_OCTETS_MAX.max(self.command_octets_max()),
            _ => self.command_octets_max(),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { octets_max: self.longest(), discarded_max: self.config.limits.discarded_octets_max }
    }
}
