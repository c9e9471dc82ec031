//! Reads a message that comes in pieces, in one pass, and tells its structure.
//!
//! Lines end in LF, with or without a CR before it. Of a line no more than [`LINE_OCTETS_HELD`] are held to find out what it is;
//! text is passed over as fast as its line ends can be counted. Everything that is kept is bounded.

use memchr::{memchr, memchr_iter, memmem};

use super::{
    Content, Message, Part, Span,
    fields::{Facts, Head, Room},
    parameters::{Media, text as parameter_text},
};
use crate::{Field, header::mbox_line};

/// How deep parts may lie: what would have parts at this depth is octets. As Dovecot has it.
pub const DEPTH_MAX: usize = 100;
/// How many parts a message may have: all that follows belongs to the last. As Dovecot has it.
pub const PARTS_MAX: usize = 10_000;
/// What is kept of the fields of a message, in octets: what they say and, roughly, what it costs to keep it.
pub const KEPT_OCTETS_MAX: usize = 4 << 20;
/// After this many octets of a line it is decided what it is.
const LINE_OCTETS_HELD: usize = 1000;
/// RFC 2046 §5.1.1 allows 70. As Dovecot has it.
const BOUNDARY_OCTETS_MAX: usize = 80;

/// A part that is open.
#[derive(Debug)]
struct Node {
    part: Part,
    /// The header section, as long as it is open.
    head: Option<Head>,
    /// It is a message if it does not say what it is (RFC 2046 §5.1.5).
    digest: bool,
    /// It is the whole of a message, whose header section said this.
    is_message: bool,
    message: Message,
    inside: Inside,
    children: Vec<Part>,
    /// How many line ends come before its body.
    lines_before: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Octets,
    Parts { digest: bool },
    Message,
}

/// What a line is that has been decided and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Field,
    /// A part begins behind it.
    Delimiter,
    /// An mbox line, or the delimiter that closes a multipart.
    Nothing,
}

/// Reads a message. [`Parser::push`] takes its octets in any pieces, [`Parser::finish`] tells what they are.
#[derive(Debug)]
pub struct Parser {
    /// From the message to the part that is being read; never empty.
    open: Vec<Node>,
    /// The boundaries that are looked for, and the number of the open part that each belongs to.
    boundaries: Vec<(usize, Vec<u8>)>,
    parts: usize,
    room: Room,
    /// How many octets and line ends have been read.
    at: u64,
    lines: u64,
    /// The beginning of a line of which it is not decided what it is.
    held: Vec<u8>,
    decided: Option<Line>,
    /// A line begins here.
    fresh: bool,
    /// The last octet of text.
    last: u8,
    /// How long the line end is that was read last, if it ended a line of text: it belongs to a delimiter that follows.
    text_end: u64,
    line_dash: memmem::Finder<'static>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// Begins a message.
    pub fn new() -> Self {
        Self {
            open: vec![Node::new(0, true, false)],
            boundaries: Vec::new(),
            parts: 1,
            room: Room { octets: KEPT_OCTETS_MAX, cut: false },
            at: 0,
            lines: 0,
            held: Vec::new(),
            decided: None,
            fresh: true,
            last: 0,
            text_end: 0,
            line_dash: memmem::Finder::new(b"\n-"),
        }
    }

    /// Reads on.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            let used = if let Some(line) = self.decided {
                self.go_on(line, rest)
            } else if !self.held.is_empty() || (self.fresh && self.looks_at_lines(rest)) {
                self.hold(rest)
            } else {
                self.pass_text(rest)
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// The message ends here.
    pub fn finish(mut self) -> Message {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.line(&held);
        }
        while self.open.len() > 1 {
            self.close(self.at, self.lines);
        }
        let (at, lines) = (self.at, self.lines);
        let mut message = self.open.pop().map(|root| self.closed(root, at, lines).0).unwrap_or_default();
        message.cut = self.room.cut;
        message
    }

    fn in_header(&self) -> bool {
        self.open.last().is_some_and(|node| node.head.is_some())
    }

    /// Whether the line that begins here has to be looked at.
    fn looks_at_lines(&self, rest: &[u8]) -> bool {
        self.in_header() || (!self.boundaries.is_empty() && rest.first() == Some(&b'-'))
    }

    /// Takes octets of a line of which it has been decided what it is. How many.
    fn go_on(&mut self, line: Line, rest: &[u8]) -> usize {
        let len = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let chunk = rest.get(..len).unwrap_or_default();
        self.count(chunk);
        if let (Line::Field, Some(Node { head: Some(head), .. })) = (line, self.open.last_mut()) {
            head.push(chunk, &mut self.room);
        }
        if chunk.ends_with(b"\n") {
            self.decided = None;
            self.fresh = true;
            if line == Line::Delimiter {
                self.begin_part();
            }
        }
        len
    }

    /// Takes octets of a line that has to be looked at, until it can be decided what it is. How many.
    fn hold(&mut self, rest: &[u8]) -> usize {
        let room = LINE_OCTETS_HELD.saturating_sub(self.held.len());
        let window = rest.get(..room).unwrap_or(rest);
        let lf = memchr(b'\n', window);
        let len = lf.map_or(window.len(), |lf| lf + 1);
        let chunk = window.get(..len).unwrap_or_default();
        if self.held.is_empty() && lf.is_some() {
            self.line(chunk);
            return len;
        }
        self.held.extend_from_slice(chunk);
        let no_delimiter = !self.in_header() && !matches!(self.held.as_slice(), [b'-'] | [b'-', b'-', ..]);
        if lf.is_some() || no_delimiter || self.held.len() >= LINE_OCTETS_HELD {
            let mut held = std::mem::take(&mut self.held);
            self.line(&held);
            held.clear();
            self.held = held;
        }
        len
    }

    /// Passes over text up to where a line has to be looked at. How many octets.
    fn pass_text(&mut self, rest: &[u8]) -> usize {
        let line = if self.boundaries.is_empty() { None } else { self.line_dash.find(rest) };
        let len = line.map_or(rest.len(), |lf| lf + 1);
        self.text(rest.get(..len).unwrap_or_default());
        len
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text);
        let (before, last) = match text {
            [.., before, last] => (*before, *last),
            [last] => (self.last, *last),
            [] => return,
        };
        self.fresh = last == b'\n';
        self.text_end = if self.fresh { 1 + u64::from(before == b'\r') } else { 0 };
        self.last = last;
    }

    fn count(&mut self, octets: &[u8]) {
        self.at += octets.len() as u64;
        self.lines += memchr_iter(b'\n', octets).count() as u64;
    }

    /// Takes a line, or the beginning of one that is long.
    fn line(&mut self, line: &[u8]) {
        if let Some((boundary, close)) = self.delimiter(line) {
            self.cross(boundary, close, line);
        } else if self.in_header() {
            self.header_line(line);
        } else {
            self.text(line);
        }
    }

    /// What is left of a line that was looked at.
    fn decide(&mut self, what: Line, line: &[u8]) {
        self.fresh = line.ends_with(b"\n");
        self.decided = (!self.fresh).then_some(what);
    }

    fn header_line(&mut self, line: &[u8]) {
        let at = self.at;
        if matches!(line, b"\n" | b"\r\n") {
            self.count(line);
            self.fresh = true;
            return self.end_header();
        }
        let Some(Node { head: Some(head), .. }) = self.open.last_mut() else { return };
        let what = if head.in_field() && matches!(line.first(), Some(b' ' | b'\t')) {
            head.push(line, &mut self.room);
            Line::Field
        } else if let Some(field) = Field::parse(line) {
            head.begin(field.name(), &mut self.room);
            head.push(field.raw(), &mut self.room);
            Line::Field
        } else if at == 0 && mbox_line(line) > 0 {
            // RFC 7103 §7.2: an mbox line on top is no field, and not its end.
            Line::Nothing
        } else {
            // RFC 7103 §7.2: the body has begun without an empty line.
            self.end_header();
            return self.line(line);
        };
        self.count(line);
        self.decide(what, line);
    }

    /// The open multipart that a line delimits, and whether it closes it.
    ///
    /// RFC 2046 §5.1.1: the boundary is compared with the beginning of the line. Of several that fit, the longest counts, and of the
    /// same ones the innermost; but one that is the whole line is taken at once: `foo--` is the end of `foo`, not a beginning of `foo-`.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        if self.boundaries.is_empty() {
            return None;
        }
        let line = line.strip_prefix(b"--")?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut best: Option<(usize, &[u8])> = None;
        for (number, (_, boundary)) in self.boundaries.iter().enumerate().rev() {
            let Some(rest) = line.strip_prefix(boundary.as_slice()) else { continue };
            if best.is_none_or(|(_, other)| rest.len() < other.len()) {
                best = Some((number, rest));
            }
            if matches!(rest, b"" | b"--") {
                break;
            }
        }
        best.map(|(number, rest)| (number, rest.starts_with(b"--")))
    }

    /// A delimiter ends the part that is open, with all inside of the multipart that it belongs to.
    fn cross(&mut self, boundary: usize, close: bool, line: &[u8]) {
        let Some((owner, _)) = self.boundaries.get(boundary) else { return };
        let owner = *owner;
        // The line end before a delimiter belongs to it, if it ends a line of text.
        let end = self.at - self.text_end;
        let lines = self.lines - u64::from(self.text_end > 0);
        while self.open.len() > owner + 1 {
            self.close(end, lines);
        }
        self.count(line);
        (self.text_end, self.last) = (0, 0);
        if close {
            self.boundaries.truncate(boundary);
            return self.decide(Line::Nothing, line);
        }
        self.decide(Line::Delimiter, line);
        if self.fresh {
            self.begin_part();
        }
    }

    /// A part of the innermost multipart begins behind its delimiter. Without a line end that is none, so this one has been read.
    fn begin_part(&mut self) {
        if let Some(Node { inside: Inside::Parts { digest }, .. }) = self.open.last() {
            self.begin(Node::new(self.at, false, *digest));
        }
    }

    fn begin(&mut self, node: Node) {
        self.open.push(node);
        self.parts += 1;
        if self.parts >= PARTS_MAX {
            self.boundaries.clear();
            self.room.cut = true;
        }
    }

    /// The header section of the innermost part ends here, and what follows depends on what it said.
    fn end_header(&mut self) {
        let (at, lines) = (self.at, self.lines);
        (self.text_end, self.last) = (0, 0);
        let composed = self.open.len() < DEPTH_MAX && self.parts < PARTS_MAX;
        let owner = self.open.len().saturating_sub(1);
        let Some(node) = self.open.last_mut() else { return };
        node.end_header(at, lines, composed, &mut self.room);
        match node.inside {
            Inside::Octets => {}
            Inside::Parts { .. } => {
                if let Some(boundary) = boundary(&node.part) {
                    self.boundaries.push((owner, boundary));
                }
            }
            Inside::Message => self.begin(Node::new(at, true, false)),
        }
    }

    /// The innermost part ends before an octet and a line end of these numbers.
    fn close(&mut self, end: u64, lines: u64) {
        let Some(node) = self.open.pop() else { return };
        let (message, is_message) = self.closed(node, end, lines);
        let owner = self.open.len();
        while self.boundaries.pop_if(|(number, _)| *number >= owner).is_some() {}
        let Some(parent) = self.open.last_mut() else { return };
        if is_message {
            parent.part.content = Content::Message(Box::new(message));
        } else {
            parent.children.push(message.root);
        }
    }

    /// A part that has ended, as a message. Whether it is one.
    fn closed(&mut self, mut node: Node, end: u64, lines: u64) -> (Message, bool) {
        if node.head.is_some() {
            node.end_header(end, lines, self.open.len() + 1 < DEPTH_MAX, &mut self.room);
        }
        let mut part = node.part;
        part.body.octets = end - part.body.at;
        part.lines = lines - node.lines_before;
        match (node.inside, &part.content) {
            (Inside::Parts { .. }, _) => part.content = Content::Multipart(node.children),
            (Inside::Message, Content::Single) => {
                part.content = Content::Message(Box::new(Message::empty(end)));
            }
            _ => {}
        }
        (Message { root: part, ..node.message }, node.is_message)
    }
}

impl Node {
    fn new(at: u64, is_message: bool, digest: bool) -> Self {
        Self {
            part: Part { header: Span { at, octets: 0 }, ..Part::default() },
            head: Some(Head::new(is_message)),
            digest,
            is_message,
            message: Message::default(),
            inside: Inside::Octets,
            children: Vec::new(),
            lines_before: 0,
        }
    }

    /// The header section ends. `composed`: it may have parts.
    fn end_header(&mut self, at: u64, lines: u64, composed: bool, room: &mut Room) {
        let facts = self.head.take().map(|head| head.finish(room)).unwrap_or_default();
        let Facts { envelope, references, media, encoding, rare } = facts;
        (self.message.envelope, self.message.references) = (envelope, references);
        let Media { kind, subtype, parameters } = media.unwrap_or_else(|| Media::default_of(self.digest));
        let part = &mut self.part;
        (part.kind, part.subtype, part.parameters, part.rare) = (kind, subtype, parameters, rare);
        part.encoding = encoding.unwrap_or_else(|| b"7bit".as_slice().into());
        part.header.octets = at - part.header.at;
        part.body.at = at;
        self.lines_before = lines;
        self.inside = if part.kind.eq_ignore_ascii_case(b"multipart") {
            Inside::Parts { digest: part.subtype.eq_ignore_ascii_case(b"digest") }
        } else if part.is("message", "rfc822") || part.is("message", "global") {
            Inside::Message
        } else {
            Inside::Octets
        };
        if self.inside != Inside::Octets && !composed {
            self.inside = Inside::Octets;
            (part.kind, part.subtype) = (b"application".as_slice().into(), b"octet-stream".as_slice().into());
            room.cut = true;
        }
        let named = |(name, _): &(Box<[u8]>, Box<[u8]>)| {
            name.eq_ignore_ascii_case(b"charset") || name.eq_ignore_ascii_case(b"charset*")
        };
        if part.is_text() && !part.parameters.iter().any(named) {
            part.parameters.push((b"charset".as_slice().into(), b"us-ascii".as_slice().into()));
        }
    }
}

/// What delimits the parts of a multipart. Nothing: it has none.
fn boundary(part: &Part) -> Option<Vec<u8>> {
    let plain = part.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"));
    let boundary = match plain {
        Some((_, boundary)) => boundary.to_vec(),
        None => parameter_text(&part.parameters, "boundary")?.into_bytes(),
    };
    let boundary = boundary.get(..BOUNDARY_OCTETS_MAX).unwrap_or(&boundary);
    // RFC 2046 §5.1.1: it ends in no space.
    Some(boundary.trim_ascii_end().to_vec())
}

impl Message {
    /// Reads a message whose octets are all here.
    pub fn parse(content: &[u8]) -> Self {
        let mut parser = Parser::new();
        parser.push(content);
        parser.finish()
    }

    /// A message without an octet.
    fn empty(at: u64) -> Self {
        let mut node = Node::new(at, true, false);
        node.end_header(at, 0, false, &mut Room { octets: 0, cut: false });
        Self { root: node.part, ..Self::default() }
    }
}
