//! From octets to commands: lines, the literals in them (RFC 9051 §4.3, RFC 7888), and messages that pass through in pieces.

use wire::Input;

use crate::scan::Literal;

/// About how much of a message goes on at once.
const PIECE_OCTETS: usize = 64 * 1024;
/// Octets that may wait beside a line, so that pipelined commands come in one read.
const READ_AHEAD_OCTETS: usize = 16 * 1024;
/// Enough of the end of a line to hold the announcement of a literal.
const TAIL_OCTETS: usize = 40;
/// Enough of the beginning of a line to hold a tag.
const HEAD_OCTETS: usize = 128;

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one command, its lines and literals together, without messages.
    pub command_octets_max: usize,
    /// Octets that are read only to be thrown away, in one command, before the session ends.
    pub discarded_octets_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { command_octets_max: 64 * 1024, discarded_octets_max: 64 * 1024 * 1024 }
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// More octets are needed.
    Hungry,
    /// A command, or what stands behind a message: without the last CRLF, and with its literals, each behind its announcement
    /// and CRLF.
    Command(Vec<u8>),
    /// A literal is announced at the end of [`Reader::text`]. [`Reader::accept_part`], [`Reader::accept_message`] or
    /// [`Reader::refuse`].
    Literal(Literal),
    /// A piece of a message; more follows.
    Piece(Vec<u8>),
    /// The last piece of a message, perhaps empty. The rest of the line follows.
    LastPiece(Vec<u8>),
    /// A command that was too long or refused has come to its end.
    Faulty {
        /// The beginning of the command.
        text: Vec<u8>,
        /// What was wrong.
        fault: Fault,
    },
}

/// Why a command was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More octets than [`Limits::command_octets_max`].
    TooLong,
    /// [`Reader::refuse`] was called.
    Refused,
    /// More octets than [`Limits::discarded_octets_max`]: nobody knows where the next command begins.
    Endless,
}

/// Reads commands out of octets that come in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    input: Input,
    limits: Limits,
    /// The command so far.
    text: Vec<u8>,
    at: At,
    fault: Option<Fault>,
    discarded: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// A line, or its rest behind a literal.
    Line,
    /// Behind the announcement of a literal that is not decided about.
    Announced(Literal),
    /// In a literal that belongs to the command.
    Part(usize),
    /// In a message.
    Message(u64),
    /// In a literal that nobody wants.
    Unwanted(u64),
}

/// The digits of a number of 64 bits.
const DIGITS_MAX: usize = 20;

/// The announcement at the end of a text. One of more than 64 bits announces more than there can be; with more digits than that needs,
/// it is none.
pub(crate) fn announced(text: &[u8]) -> Option<Literal> {
    let text = text.strip_suffix(b"}")?;
    let (text, synchronising) = match text.strip_suffix(b"+") {
        Some(text) => (text, false),
        None => (text, true),
    };
    let digits = text.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (before, digits) = text.split_at(text.len() - digits);
    let before = before.strip_suffix(b"{")?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| (1..=DIGITS_MAX).contains(&digits.len()))?;
    let octets = digits.parse().unwrap_or(u64::MAX);
    Some(Literal { octets, synchronising, binary: before.ends_with(b"~") })
}

impl Reader {
    /// A reader without octets.
    pub fn new(limits: Limits) -> Self {
        Self { input: Input::default(), limits, text: Vec::new(), at: At::Line, fault: None, discarded: 0 }
    }

    /// From here on these limits count.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Octets from the client, not more than [`wants`](Self::wants).
    pub fn push(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// How many more octets it takes now. Not 0 when [`Read::Hungry`] was returned.
    pub fn wants(&self) -> usize {
        (self.limits.command_octets_max + READ_AHEAD_OCTETS).saturating_sub(self.input.len())
    }

    /// Whether octets wait to be read.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether a command has begun, and is not complete.
    pub fn is_inside(&self) -> bool {
        self.has_input() || !self.text.is_empty() || self.at != At::Line || self.fault.is_some()
    }

    /// Forgets all octets that wait, and the command that has begun.
    pub fn clear(&mut self) {
        self.input.clear();
        self.reset();
    }

    /// The command so far.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a literal may become a part of the command.
    pub fn fits(&self, literal: Literal) -> bool {
        let room = self.limits.command_octets_max.saturating_sub(self.text.len() + 2);
        usize::try_from(literal.octets).is_ok_and(|octets| octets <= room)
    }

    /// The announced literal is part of the command. One that does not [fit](Self::fits) is refused.
    pub fn accept_part(&mut self) {
        let At::Announced(literal) = self.at else { return };
        match usize::try_from(literal.octets) {
            Ok(octets) if self.fits(literal) => {
                self.text.extend_from_slice(b"\r\n");
                self.at = At::Part(octets);
            }
            _ => self.refuse(Fault::TooLong),
        }
    }

    /// The announced literal is a message: it passes through, and the text is forgotten.
    pub fn accept_message(&mut self) {
        if let At::Announced(literal) = self.at {
            self.text.clear();
            self.at = At::Message(literal.octets);
        }
    }

    /// Nobody wants the literal, announced or half read, nor the command. If the client waits for our consent, the command is over;
    /// otherwise [`Read::Faulty`] comes at its end.
    pub fn refuse(&mut self, fault: Fault) {
        match self.at {
            At::Announced(Literal { synchronising: true, .. }) => self.reset(),
            At::Announced(literal) => self.unwanted(literal.octets, fault),
            At::Message(left) => self.unwanted(left, fault),
            At::Line | At::Part(_) | At::Unwanted(_) => _ = self.fault.get_or_insert(fault),
        }
    }

    fn unwanted(&mut self, octets: u64, fault: Fault) {
        self.at = At::Unwanted(octets);
        self.fault.get_or_insert(fault);
    }

    fn reset(&mut self) {
        (self.text, self.at, self.fault, self.discarded) = (Vec::new(), At::Line, None, 0);
    }

    /// What comes next. After [`Read::Literal`] nothing does before it is decided about.
    pub fn read(&mut self) -> Read {
        loop {
            let read = match self.at {
                At::Line => self.line(),
                At::Announced(literal) => Some(Read::Literal(literal)),
                At::Part(left) => self.part(left),
                At::Message(left) => Some(self.message(left)),
                At::Unwanted(left) => self.skip(left),
            };
            if let Some(read) = read {
                return read;
            }
        }
    }

    /// A line that is no command: a response of the client's. `None`: it is not here yet.
    ///
    /// # Errors
    /// It is longer than `octets_max`, CRLF not counted. However it comes, nobody waits for its end.
    pub fn bare_line(&mut self, octets_max: usize) -> Option<Result<Vec<u8>, Fault>> {
        let Some(length) = self.input.crlf_line() else {
            return (self.input.len() > octets_max + 1).then_some(Err(Fault::Endless));
        };
        let line = self.input.pending().get(..length - 2).unwrap_or_default();
        let read = if line.len() > octets_max { Err(Fault::Endless) } else { Ok(line.to_vec()) };
        self.input.consume(length);
        Some(read)
    }

    fn line(&mut self) -> Option<Read> {
        let Some(length) = self.input.crlf_line() else { return Some(self.half_line()) };
        let line = self.input.pending().get(..length - 2).unwrap_or_default();
        let literal = announced(line);
        if self.text.len() + line.len() > self.limits.command_octets_max {
            self.fault.get_or_insert(Fault::TooLong);
        }
        if self.fault.is_some() {
            self.keep_head();
            self.discard(length);
            return self.faulty_line(literal);
        }
        self.text.extend_from_slice(line);
        self.input.consume(length);
        match literal {
            Some(literal) => {
                self.at = At::Announced(literal);
                Some(Read::Literal(literal))
            }
            None => Some(Read::Command(std::mem::take(&mut self.text))),
        }
    }

    /// The end of a line in a command that is lost. RFC 7888 §3: a literal that does not synchronise comes whatever we say.
    fn faulty_line(&mut self, literal: Option<Literal>) -> Option<Read> {
        match literal {
            _ if self.is_endless() => Some(self.give_up(Fault::Endless)),
            Some(literal) if !literal.synchronising => {
                self.at = At::Unwanted(literal.octets);
                None
            }
            _ => Some(self.give_up(self.fault.unwrap_or(Fault::TooLong))),
        }
    }

    /// No end of line yet. What cannot become a command is thrown away as it comes.
    fn half_line(&mut self) -> Read {
        // The CR may be here already.
        if self.text.len() + self.input.len() > self.limits.command_octets_max + 1 {
            self.fault.get_or_insert(Fault::TooLong);
        }
        if self.fault.is_some() {
            self.keep_head();
            self.discard(self.input.len().saturating_sub(TAIL_OCTETS));
        }
        if self.is_endless() { self.give_up(Fault::Endless) } else { Read::Hungry }
    }

    fn part(&mut self, left: usize) -> Option<Read> {
        let pending = self.input.pending();
        let taken = pending.get(..left.min(pending.len())).unwrap_or_default();
        self.text.extend_from_slice(taken);
        let count = taken.len();
        self.input.consume(count);
        self.at = if count == left { At::Line } else { At::Part(left - count) };
        (count < left).then_some(Read::Hungry)
    }

    fn message(&mut self, left: u64) -> Read {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_OCTETS - self.text.len());
        let pending = self.input.pending();
        let taken = pending.get(..most.min(pending.len())).unwrap_or_default();
        self.text.extend_from_slice(taken);
        let count = taken.len();
        self.input.consume(count);
        let left = left - count as u64;
        if left == 0 {
            self.at = At::Line;
            return Read::LastPiece(std::mem::take(&mut self.text));
        }
        self.at = At::Message(left);
        if self.text.len() < PIECE_OCTETS {
            Read::Hungry
        } else {
            Read::Piece(std::mem::take(&mut self.text))
        }
    }

    fn skip(&mut self, left: u64) -> Option<Read> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
        self.discard(count);
        let left = left - count as u64;
        self.at = if left == 0 { At::Line } else { At::Unwanted(left) };
        if self.is_endless() || self.discarded.saturating_add(left) > self.limits.discarded_octets_max {
            return Some(self.give_up(Fault::Endless));
        }
        (left > 0).then_some(Read::Hungry)
    }

    /// Of a command that is lost, its tag is still needed.
    fn keep_head(&mut self) {
        if self.discarded == 0 && self.text.is_empty() {
            let pending = self.input.pending();
            self.text.extend_from_slice(pending.get(..HEAD_OCTETS.min(pending.len())).unwrap_or_default());
        }
    }

    fn discard(&mut self, octets: usize) {
        self.input.consume(octets);
        self.discarded = self.discarded.saturating_add(octets as u64);
    }

    fn is_endless(&self) -> bool {
        self.discarded > self.limits.discarded_octets_max
    }

    fn give_up(&mut self, fault: Fault) -> Read {
        let text = std::mem::take(&mut self.text);
        self.reset();
        Read::Faulty { text, fault }
    }
}
