//! From octets to responses: lines, the literals in them (RFC 9051 §4.3), and messages that pass through in pieces.

use std::fmt;

use wire::Input;

use super::{Response, response};
use crate::framing;

/// The most octets of a response, without a message in it.
pub const RESPONSE_OCTETS_MAX: usize = 256 * 1024;
/// About how much of a message goes on at once.
const PIECE_OCTETS: usize = 64 * 1024;
/// Octets that may wait beside a response.
const READ_AHEAD_OCTETS: usize = 64 * 1024;
/// So much of what cannot be read is told.
const TOLD_OCTETS: usize = 80;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More octets are needed.
    Hungry,
    /// Octets of a message. Which it is stands in the response that follows the last of them.
    Piece(Vec<u8>),
    /// A response.
    Response(Response),
}

/// What comes is not IMAP as it has to be: nobody knows what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A response has more octets than [`RESPONSE_OCTETS_MAX`].
    TooLong,
    /// A response that matters has no form that it can have: its beginning.
    Unreadable(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "a response has more than {RESPONSE_OCTETS_MAX} octets without a message")
            }
            Self::Unreadable(text) => write!(f, "a response cannot be read: {text}"),
        }
    }
}

impl std::error::Error for Broken {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// A line, or its rest behind a literal.
    Line,
    /// In a literal that belongs to the response.
    Part(usize),
    /// In a message.
    Message(u64),
}

/// Reads responses out of octets that come in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    input: Input,
    /// The response so far; where a message passed through stands `NIL`.
    text: Vec<u8>,
    /// How long the message in it was.
    message: Option<u64>,
    at: At,
    broken: Option<Broken>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { input: Input::default(), text: Vec::new(), message: None, at: At::Line, broken: None }
    }
}

impl Reader {
    /// Octets from the server, not more than [`wants`](Self::wants).
    pub fn push(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// How many more octets it takes now. Not 0 when [`Event::Hungry`] was returned.
    pub fn wants(&self) -> usize {
        (RESPONSE_OCTETS_MAX + READ_AHEAD_OCTETS).saturating_sub(self.input.len())
    }

    /// Whether octets wait to be read, or a response has begun.
    pub fn is_inside(&self) -> bool {
        !self.input.is_empty() || !self.text.is_empty() || self.at != At::Line
    }

    /// What comes next.
    ///
    /// # Errors
    /// It cannot be told, and nor can anything behind it.
    pub fn next_event(&mut self) -> Result<Event, Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        loop {
            let event = match self.at {
                At::Line => self.line(),
                At::Part(left) => Ok(self.part(left)),
                At::Message(left) => Ok(Some(self.message(left))),
            };
            match event {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(broken) => {
                    self.broken = Some(broken.clone());
                    return Err(broken);
                }
            }
        }
    }

    fn line(&mut self) -> Result<Option<Event>, Broken> {
        let Some(length) = self.input.crlf_line() else {
            // The CR may be here already.
            let too_long = self.text.len() + self.input.len() > RESPONSE_OCTETS_MAX + 1;
            return if too_long { Err(Broken::TooLong) } else { Ok(Some(Event::Hungry)) };
        };
        let line = self.input.pending().get(..length - 2).unwrap_or_default();
        if self.text.len() + line.len() > RESPONSE_OCTETS_MAX {
            return Err(Broken::TooLong);
        }
        self.text.extend_from_slice(line);
        self.input.consume(length);
        match framing::announced(&self.text).filter(|_| response::may_hold_literals(&self.text)) {
            Some(literal) => self.literal(literal.octets).map(|()| None),
            None => self.response().map(Some),
        }
    }

    fn literal(&mut self, octets: u64) -> Result<(), Broken> {
        let begin = self.text.iter().rposition(|octet| *octet == b'{').unwrap_or_default();
        if response::holds_message(self.text.get(..begin).unwrap_or_default()) {
            if self.message.is_some() {
                return Err(self.unreadable());
            }
            self.text.truncate(begin);
            self.text.extend_from_slice(b"NIL");
            (self.message, self.at) = (Some(octets), At::Message(octets));
            return Ok(());
        }
        self.text.extend_from_slice(b"\r\n");
        let room = RESPONSE_OCTETS_MAX.saturating_sub(self.text.len());
        let octets = usize::try_from(octets).ok().filter(|octets| *octets <= room);
        self.at = At::Part(octets.ok_or(Broken::TooLong)?);
        Ok(())
    }

    fn part(&mut self, left: usize) -> Option<Event> {
        let pending = self.input.pending();
        let taken = pending.get(..left.min(pending.len())).unwrap_or_default();
        self.text.extend_from_slice(taken);
        let count = taken.len();
        self.input.consume(count);
        self.at = if count == left { At::Line } else { At::Part(left - count) };
        (count < left).then_some(Event::Hungry)
    }

    fn message(&mut self, left: u64) -> Event {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_OCTETS);
        let pending = self.input.pending();
        let piece = pending.get(..most.min(pending.len())).unwrap_or_default().to_vec();
        self.input.consume(piece.len());
        let left = left - piece.len() as u64;
        self.at = if left == 0 { At::Line } else { At::Message(left) };
        if piece.is_empty() && left > 0 { Event::Hungry } else { Event::Piece(piece) }
    }

    fn response(&mut self) -> Result<Event, Broken> {
        let response = Response::parse(&self.text, self.message.take());
        let response = response.ok_or_else(|| self.unreadable())?;
        self.text = Vec::new();
        Ok(Event::Response(response))
    }

    fn unreadable(&self) -> Broken {
        let told = self.text.get(..TOLD_OCTETS).unwrap_or(&self.text);
        Broken::Unreadable(told.escape_ascii().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Body, Fetched};

    /// All that comes of octets in pieces of a size; the pieces of a message put together.
    fn read(octets: &[u8], size: usize) -> (Vec<Event>, Option<Broken>) {
        let (mut reader, mut events) = (Reader::default(), Vec::<Event>::new());
        for part in octets.chunks(size) {
            reader.push(part);
            loop {
                match reader.next_event() {
                    Ok(Event::Hungry) => break,
                    Ok(Event::Piece(piece)) => match events.last_mut() {
                        Some(Event::Piece(before)) => before.extend(piece),
                        _ => events.push(Event::Piece(piece)),
                    },
                    Ok(event) => events.push(event),
                    Err(broken) => return (events, Some(broken)),
                }
            }
        }
        (events, None)
    }

    fn fetched(number: u32, uid: u32, body: Option<Body>) -> Event {
        Event::Response(Response::Fetch(Box::new(Fetched {
            number,
            uid: Some(uid),
            body,
            ..Fetched::default()
        })))
    }

    #[test]
    fn a_message_passes_through_and_its_response_follows_however_it_is_cut() {
        let wire = b"* 1 FETCH (UID 7 BODY[] {10}\r\nhello\r\nyou)\r\n* 2 FETCH (BODY[] {0}\r\n UID 8)\r\n* 3 FETCH (UID 9 BODY[] \"x\")\r\n\
                     * 4 FETCH (UID 10 BODY[] NIL)\r\n* 5 FETCH (UID 11 BODY[HEADER] {5}\r\nab\r\nc)\r\n* OK ends with {5}\r\na1 OK {7}\r\n";
        let (events, broken) = read(wire, wire.len());
        assert_eq!(broken, None);
        assert_eq!(
            events.get(..6).unwrap(),
            [
                Event::Piece(b"hello\r\nyou".to_vec()),
                fetched(1, 7, Some(Body::Passed(10))),
                Event::Piece(Vec::new()),
                fetched(2, 8, Some(Body::Passed(0))),
                fetched(3, 9, Some(Body::Whole(b"x".to_vec()))),
                fetched(4, 10, Some(Body::Nothing)),
            ]
        );
        assert_eq!((events.get(6), events.len()), (Some(&fetched(5, 11, None)), 9));
        for size in 1..wire.len() {
            assert_eq!(read(wire, size), (events.clone(), None), "{size}");
        }
    }

    #[test]
    fn a_server_that_lies_is_found_out_and_costs_no_memory() {
        let endless = [b"* OK ".to_vec(), vec![b'x'; 2 * RESPONSE_OCTETS_MAX]].concat();
        let literal = format!("* LIST () \"/\" {{{RESPONSE_OCTETS_MAX}}}\r\n");
        for wire in [endless.as_slice(), literal.as_bytes(), b"* LIST () {99999999999999999999}\r\n"] {
            assert_eq!(read(wire, 4096), (Vec::new(), Some(Broken::TooLong)));
        }
        for wire in [
            &b"* 1 FETCH (BODY[] {1}\r\nx BODY[] {1}\r\ny)\r\n"[..],
            b"* 1 FETCH (UID 1 BODY[] NIL BODY[] {1}\r\nx)\r\n",
            b"* 1 FETCH (UID 1 X (BODY[] {1}\r\nx))\r\n",
            b"* 1 FETCH (UID 1 BODY[] {1}\r\nx\r\n",
            b"* 1 FETCH (UID 1 BODY[] {5}\r\nlonger than that)\r\n",
            b"* 1 FETCH (UID 0)\r\n",
            b"* 1 FETCH UID 1\r\n",
            b"a1 MAYBE\r\n",
            b"\r\n",
        ] {
            let (_, broken) = read(wire, 4096);
            assert!(matches!(broken, Some(Broken::Unreadable(_))), "{}: {broken:?}", wire.escape_ascii());
        }
        let mut reader = Reader::default();
        reader.push(b"* 1 FETCH (BODY[] {9000000000}\r\n");
        for _ in 0..1000 {
            let octets = vec![b'x'; 65_536.min(reader.wants())];
            reader.push(&octets);
            while reader.next_event().unwrap() != Event::Hungry {}
        }
        assert!(reader.is_inside() && reader.input.is_empty());
    }
}
