//! The machine itself: one step at a time.

use std::{mem, sync::Arc};

use mail::{Reply, TlsSession};

use super::{
    Answer, Config, Offers, Phase, Question, Step, Tally,
    content::{Content, Progress},
    lines::Lines,
    replies,
    state::{After, Asked, Channel, Skip, Spoilt, Stage, Standing, State},
};

/// Octets that wait to be used. More than a command line, so that a pipelined group comes in one read.
const INPUT_OCTETS_MAX: usize = 64 * 1024;

/// A session from connect to close. Small while idle.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Arc<Config>,
    pub(super) offers: Offers,
    pub(super) state: State,
    pub(super) lines: Lines,
    pub(super) output: Vec<u8>,
    /// Bad commands since the last accepted message.
    pub(super) errors: u32,
    /// Commands that did no work since the last accepted message.
    pub(super) idle: u32,
    pub(super) transactions: u32,
    pub(super) tally: Tally,
    /// The last greeting was EHLO or LHLO, so extensions may be used.
    pub(super) extended: bool,
    /// How many replies the message that is coming in gets at its end.
    pub(super) replies_due: usize,
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    pub(super) input_ended: bool,
    pub(super) stopping: bool,
}

impl Session {
    /// A session whose first step asks [`Question::Connected`].
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            offers: Offers::default(),
            state: State::Connected,
            lines: Lines::default(),
            output: Vec::new(),
            errors: 0,
            idle: 0,
            transactions: 0,
            tally: Tally::default(),
            extended: false,
            replies_due: 1,
            channel: Channel::Clear,
            standing: Standing::Stranger,
            input_ended: false,
            stopping: false,
        }
    }

    /// Octets from the client, not more than [`Session::wants`].
    pub fn receive(&mut self, octets: &[u8]) {
        let mut octets = octets;
        // The shortest way for content: straight from the driver's buffer into the piece.
        if let State::Content(content) = &mut self.state
            && self.lines.input.is_empty()
        {
            let taken = content.take(octets);
            octets = octets.get(taken..).unwrap_or_default();
        }
        // Nothing is read between STARTTLS and the handshake; what came nevertheless is not what it was said under.
        if !octets.is_empty() && !matches!(self.state, State::Closed | State::Securing) {
            self.lines.input.push(octets);
        }
    }

    /// How many more octets it takes now. Not 0 when [`Step::Read`] was returned.
    pub fn wants(&self) -> usize {
        INPUT_OCTETS_MAX.saturating_sub(self.lines.input.len())
    }

    /// The client closed its side. What it sent before is still carried out.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// The driver's deadline passed: `421 4.4.2` and close (RFC 5321 §4.5.3.2).
    pub fn timed_out(&mut self) {
        self.close_with(&replies::TIMED_OUT);
    }

    /// What the client did since this was last asked.
    pub fn tally(&mut self) -> Tally {
        mem::take(&mut self.tally)
    }

    /// The client does too much in too short a time: `421 4.7.0` and close. For when it is awaited.
    pub fn over_rate(&mut self) {
        self.close_with(&replies::TOO_OFTEN);
    }

    /// The server stops: `421 4.3.2` at the next command boundary (RFC 5321 §3.8). Content that is under way is
    /// read to its end and answered first.
    pub fn shut_down(&mut self) {
        self.stopping = true;
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

    /// Replies gathered so far. The driver takes them out when it sends them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What to do next. After [`Step::Ask`] comes [`Session::answer`] before another step; a step without the answer
    /// ends the session.
    pub fn step(&mut self) -> Step {
        loop {
            let step = match mem::replace(&mut self.state, State::Closed) {
                State::Connected if self.stopping => {
                    self.close_with(&replies::SHUTTING_DOWN);
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
                State::Commands(stage) => self.command(stage),
                State::Content(content) => self.content(content),
                State::Auth(talk) => self.talk(talk),
                State::Skip(skip) => self.skip(skip),
                State::Forget(after) => Some(self.ask(Asked::Reset(after), Question::Reset)),
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

    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    pub(super) fn say_often(&mut self, times: usize, reply: &Reply) {
        for _ in 0..times {
            self.say(reply);
        }
    }

    pub(super) fn close_with(&mut self, reply: &Reply) {
        self.say(reply);
        self.state = State::Closed;
    }

    /// The next command line, if there is one. None: it was dealt with, step again.
    fn command(&mut self, stage: Stage) -> Option<Step> {
        if self.stopping {
            self.close_with(&replies::SHUTTING_DOWN);
            return None;
        }
        if let Some(line) = self.next_line() {
            self.tally.commands = self.tally.commands.saturating_add(1);
            return self.obey(stage, line);
        }
        if self.input_ended {
            return Some(Step::Close);
        }
        let phase = if matches!(stage, Stage::Greeted) { Phase::Greeting } else { Phase::Command };
        self.state = State::Commands(stage);
        Some(Step::Read(phase))
    }

    fn content(&mut self, mut content: Box<Content>) -> Option<Step> {
        let taken = content.take(self.lines.input.pending());
        self.lines.input.consume(taken);
        Some(match content.progress() {
            Progress::Hungry if self.input_ended => Step::Close,
            Progress::Hungry => {
                self.state = State::Content(content);
                Step::Read(Phase::Content)
            }
            Progress::Piece(piece) => self.ask(Asked::Content(content), Question::Content(piece)),
            Progress::Chunk(octets) => {
                self.say(&replies::chunk(octets));
                self.state = State::Commands(Stage::Chunks(content));
                return None;
            }
            Progress::Last { piece, repaired } => {
                self.ask(Asked::EndOfContent, Question::EndOfContent { piece, repaired })
            }
            Progress::Refused { reply, close, patience: None } => {
                let after = After { reply, times: self.replies_due, close, stage: Stage::READY };
                self.ask(Asked::Reset(after), Question::Reset)
            }
            Progress::Refused { reply, close, patience: Some(patience) } => {
                let stage = Stage::Spoilt(Box::new(Spoilt { reply: reply.clone(), patience }));
                self.ask(Asked::Reset(After { reply, times: 1, close, stage }), Question::Reset)
            }
        })
    }

    /// Reads a chunk that nobody wants, all of it, and answers it then (RFC 3030 §2).
    fn skip(&mut self, mut skip: Skip) -> Option<Step> {
        let left = usize::try_from(skip.left).unwrap_or(usize::MAX);
        let taken = left.min(self.lines.input.len());
        self.lines.input.consume(taken);
        skip.left -= taken as u64;
        skip.patience = skip.patience.saturating_sub(taken as u64);
        if skip.left == 0 || skip.patience == 0 {
            self.skipped(skip);
            return None;
        }
        if self.input_ended {
            return Some(Step::Close);
        }
        self.state = State::Skip(skip);
        Some(Step::Read(Phase::Content))
    }
}
