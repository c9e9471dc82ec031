//! Walks through content that comes in pieces and tells a visitor what each octet is: both passes walk alike.
//!
//! Lines end in CRLF only: a bare CR or LF is an octet like others, as in BINARYMIME (RFC 3030 §3). So a line may be
//! as long as the content; no more than [`LINE_OCTETS_HELD`] of it, and a piece, are held to find out what it is.

use super::{
    DEPTH_MAX, PARTS_MAX, Refusal,
    head::{Facts, Head, Multipart, Name, Shape},
};
use crate::Field;

/// After this many octets of a line it is decided what it is. No delimiter is longer, for no line is (RFC 5322 §2.1.1).
const LINE_OCTETS_HELD: usize = 1000;

/// What the walk tells. Each octet of the content is told once, in order, by one of the calls that hand octets on.
pub(super) trait Visitor {
    /// A part begins with its header section. Parts are numbered from 0, the message itself, as they begin.
    fn part(&mut self, place: Place);
    /// Octets of a header field, not always all of it at once.
    fn field(&mut self, part: usize, name: Name, octets: &[u8]);
    /// The header section has ended. `line` is the empty line, or nothing where there is none.
    fn header_end(&mut self, part: usize, facts: &Facts, line: &[u8]);
    /// Text begins: the body of a part that has no parts, or what a multipart has before and after its parts.
    fn text_begin(&mut self, part: usize);
    /// Octets of the text. The line end before a delimiter is not among them.
    fn text(&mut self, octets: &[u8]);
    /// The text ends. `last`: with the content.
    fn text_end(&mut self, part: usize, last: bool);
    /// A boundary delimiter with the line ends around it, in one call or two (RFC 2046 §5.1.1).
    fn delimiter(&mut self, octets: &[u8]);
    /// A multipart has ended without a single part.
    fn barren(&mut self, part: usize);
    /// There are too many parts: nothing that is still to come is looked into.
    fn too_many(&mut self);
}

/// Where a part is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// How many parts it lies in.
    depth: usize,
    /// The part that begins the message which this part belongs to; it may be this one.
    pub(super) message: usize,
    /// Whether it lies in a multipart that is signed or encrypted.
    pub(super) sealed: bool,
    /// Whether it is a message if it does not say.
    digest: bool,
}

/// A multipart that is open.
#[derive(Debug)]
struct Frame {
    part: usize,
    boundary: Vec<u8>,
    /// Where its parts are.
    inside: Place,
    /// Whether a part has begun.
    begun: bool,
}

/// What the next line may be.
#[derive(Debug)]
enum State {
    Header { part: usize, place: Place, head: Head, field: Option<Name> },
    Text { part: usize, waiting: Waiting },
}

/// A line end, or half of one, that may turn out to belong to a delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Cr,
    CrLf,
}

impl Waiting {
    fn octets(self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
        }
    }
}

/// The walk. It begins in the header section of the message.
#[derive(Debug)]
pub(super) struct Walker {
    frames: Vec<Frame>,
    state: Option<State>,
    /// How many parts have begun.
    parts: usize,
    /// The beginning of a line of which it is not decided what it is.
    held: Vec<u8>,
    /// What the line is has been decided, and it goes on.
    decided: bool,
    /// The last octet of the line so far is a CR.
    cr: bool,
}

impl Walker {
    pub(super) fn new() -> Self {
        Self { frames: Vec::new(), state: None, parts: 0, held: Vec::new(), decided: false, cr: false }
    }

    /// Walks on.
    pub(super) fn push(&mut self, piece: &[u8], visitor: &mut impl Visitor) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (chunk, others) = rest.split_at(self.chunk_len(rest));
            self.chunk(chunk, visitor);
            rest = others;
        }
    }

    /// How much of a piece belongs to the same line: up to CRLF, or all.
    fn chunk_len(&self, piece: &[u8]) -> usize {
        if self.cr && piece.starts_with(b"\n") {
            return 1;
        }
        let mut ends = memchr::memchr_iter(b'\n', piece);
        let end = ends.find(|lf| lf.checked_sub(1).and_then(|cr| piece.get(cr)) == Some(&b'\r'));
        end.map_or(piece.len(), |lf| lf + 1)
    }

    /// The content ends here.
    pub(super) fn finish(mut self, visitor: &mut impl Visitor) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.line(&held, true, visitor);
        }
        match self.state.take() {
            Some(State::Text { part, waiting }) => {
                visitor.text(waiting.octets());
                visitor.text_end(part, true);
            }
            Some(State::Header { part, place, head, .. }) => {
                visitor.header_end(part, &head.facts(place.digest), b"");
            }
            None => {}
        }
        self.close_frames(0, visitor);
    }

    /// Takes octets of one line, to its end or fewer. They are never empty.
    fn chunk(&mut self, chunk: &[u8], visitor: &mut impl Visitor) {
        let complete = chunk.ends_with(b"\r\n") || (self.cr && chunk == b"\n");
        self.cr = chunk.ends_with(b"\r");
        if self.decided {
            self.go_on(chunk, visitor);
            self.decided = !complete;
        } else if self.held.is_empty() && (complete || self.can_decide(chunk)) {
            self.line(chunk, complete, visitor);
            self.decided = !complete;
        } else {
            self.held.extend_from_slice(chunk);
            if complete || self.can_decide(&self.held) {
                let mut held = std::mem::take(&mut self.held);
                self.line(&held, complete, visitor);
                self.decided = !complete;
                held.clear();
                self.held = held;
            }
        }
    }

    /// Whether the beginning of a line says what it is.
    fn can_decide(&self, line: &[u8]) -> bool {
        let text = matches!(self.state, Some(State::Text { .. }));
        let delimiter = !self.frames.is_empty() && matches!(line, [b'-'] | [b'-', b'-', ..]);
        line.len() >= LINE_OCTETS_HELD || (text && !delimiter)
    }

    /// Takes a line, or the beginning of a long one. `whole`: no more of it will come.
    fn line(&mut self, line: &[u8], whole: bool, visitor: &mut impl Visitor) {
        if whole
            && line.len() <= LINE_OCTETS_HELD
            && let Some((frame, close)) = self.delimiter(line)
        {
            return self.cross(frame, close, line, visitor);
        }
        match self.state.take() {
            None => {
                self.begin_part(Place::default(), visitor);
                self.line(line, whole, visitor);
            }
            Some(text @ State::Text { .. }) => {
                self.state = Some(text);
                self.go_on(line, visitor);
            }
            Some(State::Header { part, place, head, field }) => {
                self.header_line(line, whole, (part, place, head, field), visitor);
            }
        }
    }

    fn header_line(
        &mut self,
        line: &[u8],
        whole: bool,
        (part, place, mut head, in_field): (usize, Place, Head, Option<Name>),
        visitor: &mut impl Visitor,
    ) {
        if line == b"\r\n" {
            return self.end_header(part, place, &head, line, visitor);
        }
        let continues = in_field.is_some() && matches!(line.first(), Some(b' ' | b'\t'));
        let beginning = line.get(..LINE_OCTETS_HELD).unwrap_or(line);
        let parsed = Field::parse(beginning).filter(|_| !continues);
        let field = match (in_field, parsed) {
            (Some(name), None) if continues => Some(name),
            (_, Some(parsed)) => {
                let name = Name::of(&parsed);
                head.begin(name);
                Some(name)
            }
            // RFC 7103 §7.2: an mbox line on top of a message is no field, and not its end.
            (None, None) if part == 0 && is_mbox_line(line) => None,
            _ => {
                // RFC 7103 §7.2: the body has begun without an empty line.
                self.end_header(part, place, &head, b"", visitor);
                return self.line(line, whole, visitor);
            }
        };
        self.state = Some(State::Header { part, place, head, field });
        self.go_on(line, visitor);
    }

    /// Takes more octets of a line of which it is known what it is.
    fn go_on(&mut self, octets: &[u8], visitor: &mut impl Visitor) {
        match &mut self.state {
            Some(State::Header { part, head, field, .. }) => {
                let name = field.unwrap_or(Name::Other);
                head.push(name, octets);
                visitor.field(*part, name, octets);
            }
            Some(State::Text { waiting: waiting @ Waiting::Cr, .. }) if octets == b"\n" => {
                *waiting = Waiting::CrLf;
            }
            Some(State::Text { waiting, .. }) => {
                if *waiting != Waiting::Nothing {
                    visitor.text(waiting.octets());
                }
                let (text, end) = match octets {
                    [text @ .., b'\r', b'\n'] => (text, Waiting::CrLf),
                    [text @ .., b'\r'] => (text, Waiting::Cr),
                    text => (text, Waiting::Nothing),
                };
                *waiting = end;
                visitor.text(text);
            }
            None => {}
        }
    }

    /// The open multipart that a line delimits, and whether it closes it. The innermost counts: an outer boundary
    /// may be the same, or the same with `--` behind it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?;
        // RFC 2046 §5.1.1: white space behind a delimiter is none of it.
        let line = line.strip_suffix(b"\r\n").unwrap_or(line).trim_ascii_end();
        self.frames.iter().enumerate().rev().find_map(|(number, frame)| {
            let rest = line.strip_prefix(frame.boundary.as_slice())?;
            matches!(rest, b"" | b"--").then_some((number, rest == b"--"))
        })
    }

    /// A delimiter ends the part that is open, with all multiparts inside of the one that it belongs to.
    fn cross(&mut self, number: usize, close: bool, line: &[u8], visitor: &mut impl Visitor) {
        match self.state.take() {
            Some(State::Text { part, waiting }) => {
                visitor.text_end(part, false);
                visitor.delimiter(waiting.octets());
            }
            Some(State::Header { part, place, head, .. }) => {
                visitor.header_end(part, &head.facts(place.digest), b"");
            }
            None => {}
        }
        visitor.delimiter(line);
        self.close_frames(number + 1, visitor);
        let Some(frame) = self.frames.last_mut() else { return };
        if close {
            let part = frame.part;
            self.close_frames(number, visitor);
            self.begin_text(part, visitor);
        } else {
            frame.begun = true;
            let inside = frame.inside;
            self.begin_part(inside, visitor);
        }
    }

    /// Closes multiparts from the innermost on, until so many are left.
    fn close_frames(&mut self, left: usize, visitor: &mut impl Visitor) {
        for frame in self.frames.drain(left.min(self.frames.len())..).rev() {
            if !frame.begun {
                visitor.barren(frame.part);
            }
        }
    }

    fn begin_part(&mut self, place: Place, visitor: &mut impl Visitor) {
        if self.parts >= PARTS_MAX {
            visitor.too_many();
            self.frames.clear();
            return self.begin_text(self.parts.saturating_sub(1), visitor);
        }
        let part = self.parts;
        self.parts += 1;
        visitor.part(place);
        self.state = Some(State::Header { part, place, head: Head::default(), field: None });
    }

    fn begin_text(&mut self, part: usize, visitor: &mut impl Visitor) {
        visitor.text_begin(part);
        self.state = Some(State::Text { part, waiting: Waiting::Nothing });
    }

    /// The header section has ended, and what follows depends on what it said.
    fn end_header(
        &mut self,
        part: usize,
        place: Place,
        head: &Head,
        line: &[u8],
        visitor: &mut impl Visitor,
    ) {
        let mut facts = head.facts(place.digest);
        let composed = matches!(facts.shape, Shape::Multipart | Shape::Message);
        if composed && place.depth >= DEPTH_MAX {
            facts.shape = Shape::Kept(Refusal::TooDeep);
        } else if line.is_empty() && !matches!(facts.shape, Shape::Message | Shape::Kept(_)) {
            // A first line of the body that is changed could be read as a field.
            facts.shape = Shape::Kept(Refusal::NoEmptyLine);
        }
        visitor.header_end(part, &facts, line);
        let depth = place.depth + 1;
        match (facts.shape, facts.multipart) {
            (Shape::Multipart, Some(Multipart { boundary, digest, sealed })) => {
                let inside = Place { depth, digest, sealed: place.sealed || sealed, ..place };
                self.frames.push(Frame { part, boundary, inside, begun: false });
                self.begin_text(part, visitor);
            }
            (Shape::Message, _) => {
                let message = self.parts;
                self.begin_part(Place { depth, message, digest: false, ..place }, visitor);
            }
            _ => self.begin_text(part, visitor),
        }
    }
}

/// `From ` or `>From `, as mbox files and some old programs put it on top.
fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}
