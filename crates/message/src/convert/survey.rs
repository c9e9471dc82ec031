//! The first pass: finds the structure of a content, and what each part of it needs.

use super::{
    Needs, Refusal, Target,
    action::decide,
    head::{Facts, Name, Shape},
    media::Encoding,
    meter::Meter,
    walk::{Place, Visitor, Walker},
};

/// Reads a content once, in pieces of any size.
#[derive(Debug)]
pub struct Survey {
    walker: Walker,
    notes: Notes,
}

impl Survey {
    /// Begins at the first octet of the content, its header section.
    pub fn new() -> Self {
        Self { walker: Walker::new(), notes: Notes::default() }
    }

    /// Reads the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.walker.push(piece, &mut self.notes);
    }

    /// Ends with the content.
    pub fn finish(mut self) -> Plan {
        self.walker.finish(&mut self.notes);
        self.notes.plan
    }
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`Survey`] found: a few octets for each part of the content. It serves any number of conversions.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(super) parts: Vec<Part>,
    too_many: bool,
    headers: Headers,
}

/// What was found in the header sections.
#[derive(Debug, Clone, Copy, Default)]
struct Headers {
    /// Bare CR or LF, or NUL.
    bare: bool,
    eight_bit: bool,
    /// In that of the message.
    dkim_signature: bool,
}

impl Plan {
    /// What a next hop must offer to get the content as it is. The header section of the message counts only with
    /// bare CR or LF, or NUL; see [`Plan::has_eight_bit_header`].
    ///
    /// A part that is labelled binary counts as binary (RFC 2045 §6.2), even if its octets would fit elsewhere. Any
    /// other label counts for nothing: ASCII lines that are labelled 8bit need no more than 7bit.
    pub fn needs(&self) -> Needs {
        let header = if self.headers.bare { Needs::Binary } else { Needs::SevenBit };
        self.parts.iter().map(Part::needs).fold(header, Needs::max)
    }

    /// Whether a header section, of the message or of a part, has octets beyond ASCII. Those are the business of
    /// SMTPUTF8 and not of a conversion, which leaves them as they are.
    pub fn has_eight_bit_header(&self) -> bool {
        self.headers.eight_bit
    }

    /// Whether the message has a DKIM signature, which a conversion of any part breaks (RFC 6376 §5.3).
    pub fn is_dkim_signed(&self) -> bool {
        self.headers.dkim_signature
    }

    /// Why the content neither fits the target nor may be made to; `None`: one of them is so.
    pub fn refusal(&self, target: Target) -> Option<Refusal> {
        if self.headers.bare {
            return Some(Refusal::HeaderOctets);
        }
        if self.too_many && !target.takes(self.needs()) {
            return Some(Refusal::TooManyParts);
        }
        self.parts.iter().find_map(|part| decide(part, target).err())
    }
}

/// What was found of one part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) shape: Shape,
    pub(super) encoding: Encoding,
    /// Its text: its body, or what a multipart has before and after its parts.
    pub(super) text: Text,
    /// Inside of a multipart that is signed or encrypted.
    pub(super) sealed: bool,
    /// Whether it has a MIME-Version field.
    pub(super) mime_version: bool,
    /// The number of the part that begins the message it is in.
    pub(super) message: usize,
}

/// What was found of the text of a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) needs: Needs,
    /// It has no bare CR or LF and no NUL.
    pub(super) lines: bool,
    /// It ends where another line can follow: not with the content in the middle of a line.
    pub(super) ended: bool,
}

impl Part {
    fn new(place: Place) -> Self {
        Self {
            shape: Shape::Text,
            encoding: Encoding::Identity(Needs::SevenBit),
            text: Text { needs: Needs::SevenBit, lines: true, ended: true },
            sealed: place.sealed,
            mime_version: false,
            message: place.message,
        }
    }

    fn needs(&self) -> Needs {
        let kept = self.sealed || matches!(self.shape, Shape::Kept(_));
        match self.encoding {
            Encoding::Identity(Needs::Binary) if !kept => Needs::Binary,
            _ => self.text.needs,
        }
    }
}

/// What the walk has told so far.
#[derive(Debug, Default)]
struct Notes {
    plan: Plan,
    /// Measures what goes by: a header section, or a text.
    meter: Meter,
}

impl Visitor for Notes {
    fn part(&mut self, place: Place) {
        self.plan.parts.push(Part::new(place));
        self.meter = Meter::default();
    }

    fn field(&mut self, part: usize, name: Name, octets: &[u8]) {
        self.plan.headers.dkim_signature |= part == 0 && name == Name::DkimSignature;
        self.meter.push(octets);
    }

    fn header_end(&mut self, part: usize, facts: &Facts, _line: &[u8]) {
        self.plan.headers.bare |= self.meter.has_bare();
        self.plan.headers.eight_bit |= self.meter.has_eight_bit();
        if let Some(part) = self.plan.parts.get_mut(part) {
            part.shape = facts.shape;
            part.encoding = facts.encoding;
            part.mime_version = facts.mime_version;
        }
    }

    fn text_begin(&mut self, _part: usize) {
        self.meter = Meter::default();
    }

    fn text(&mut self, octets: &[u8]) {
        self.meter.push(octets);
    }

    fn text_end(&mut self, part: usize, last: bool) {
        if let Some(Part { text, .. }) = self.plan.parts.get_mut(part) {
            text.needs = text.needs.max(self.meter.needs());
            text.lines &= !self.meter.has_bare();
            text.ended = !last || self.meter.is_ended();
        }
    }

    fn delimiter(&mut self, _octets: &[u8]) {}

    fn barren(&mut self, part: usize) {
        // Its text is not beside its parts, then, but all there is.
        if let Some(part) = self.plan.parts.get_mut(part) {
            part.shape = Shape::Kept(Refusal::Boundary);
        }
    }

    fn too_many(&mut self) {
        self.plan.too_many = true;
    }
}
