//! The compact form in which a structure is kept beside its message: a version, the envelope, and the parts.
//!
//! Numbers are in groups of seven bits, the lowest first. A text is a number and its octets, or the number of a common word. Where a
//! part begins is told from where it could begin at the earliest, so that small parts have small numbers.

use super::{
    Address, Content, DEPTH_MAX, Disposition, Envelope, Message, NString, Parameters, Part, Rare, Span,
};

/// The version of the form.
const VERSION: u8 = 1;

/// Common words, by their place. More may be added at the end, with a new version.
const WORDS: &[&[u8]] = &[
    b"text",
    b"plain",
    b"html",
    b"7bit",
    b"8bit",
    b"quoted-printable",
    b"base64",
    b"charset",
    b"us-ascii",
    b"utf-8",
    b"UTF-8",
    b"multipart",
    b"alternative",
    b"mixed",
    b"related",
    b"boundary",
    b"attachment",
    b"inline",
    b"filename",
    b"name",
    b"application",
    b"octet-stream",
    b"pdf",
    b"image",
    b"png",
    b"jpeg",
    b"gif",
    b"message",
    b"rfc822",
    b"format",
    b"flowed",
    b"iso-8859-1",
    b"ISO-8859-1",
    b"windows-1252",
    b"binary",
    b"size",
    b"signed",
    b"report",
    b"delivery-status",
    b"type",
];

/// Octets that are no structure that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbage;

impl std::fmt::Display for Garbage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no structure of a message, or one of a newer version")
    }
}

impl std::error::Error for Garbage {}

impl Message {
    /// The form that is kept. It is for what a [`super::Parser`] made: a body begins where its header section ends.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![VERSION, u8::from(self.cut)]);
        out.envelope(&self.envelope);
        out.nstring(self.references.as_deref());
        out.part(&self.root, 0);
        out.0
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`Garbage`]: it never wrote that.
    pub fn decode(kept: &[u8]) -> Result<Self, Garbage> {
        let (mut reader, cut) = Reader::begin(kept).ok_or(Garbage)?;
        let message = reader.message(cut).ok_or(Garbage)?;
        if reader.0.is_empty() { Ok(message) } else { Err(Garbage) }
    }
}

impl Envelope {
    /// Reads the envelope of what [`Message::encode`] wrote, and nothing behind it.
    ///
    /// # Errors
    /// [`Garbage`]: it never wrote that.
    pub fn decode(kept: &[u8]) -> Result<Self, Garbage> {
        let (mut reader, _) = Reader::begin(kept).ok_or(Garbage)?;
        reader.envelope().ok_or(Garbage)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or_default();
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    /// An odd number is one of a word, an even one twice the length.
    fn text(&mut self, text: &[u8]) {
        if let Some(word) = WORDS.iter().position(|word| *word == text) {
            return self.number(word as u64 * 2 + 1);
        }
        self.number(text.len() as u64 * 2);
        self.0.extend_from_slice(text);
    }

    fn nstring(&mut self, text: Option<&[u8]>) {
        match text {
            None => self.number(0),
            Some(text) => {
                self.number(text.len() as u64 + 1);
                self.0.extend_from_slice(text);
            }
        }
    }

    fn parameters(&mut self, parameters: &Parameters) {
        self.number(parameters.len() as u64);
        for (name, value) in parameters {
            self.text(name);
            self.text(value);
        }
    }

    fn envelope(&mut self, envelope: &Envelope) {
        for text in [&envelope.date, &envelope.subject, &envelope.in_reply_to, &envelope.message_id] {
            self.nstring(text.as_deref());
        }
        let Envelope { from, sender, reply_to, to, cc, bcc, .. } = envelope;
        for addresses in [from, sender, reply_to, to, cc, bcc] {
            self.number(addresses.len() as u64);
            for address in addresses {
                for text in [&address.name, &address.route, &address.mailbox, &address.host] {
                    self.nstring(text.as_deref());
                }
            }
        }
    }

    /// `from`: where it could begin.
    fn part(&mut self, part: &Part, from: u64) {
        let kind = match &part.content {
            Content::Single => 0,
            Content::Multipart(_) => 1,
            Content::Message(_) => 2,
        };
        self.number(kind | u64::from(part.rare.is_some()) << 2);
        self.number(part.header.at.wrapping_sub(from));
        for number in [part.header.octets, part.body.octets, part.lines] {
            self.number(number);
        }
        for text in [&part.kind, &part.subtype, &part.encoding] {
            self.text(text);
        }
        self.parameters(&part.parameters);
        if let Some(rare) = &part.rare {
            self.rare(rare);
        }
        match &part.content {
            Content::Single => {}
            Content::Multipart(parts) => {
                self.number(parts.len() as u64);
                let mut from = part.body.at;
                for part in parts {
                    self.part(part, from);
                    from = part.body.at.wrapping_add(part.body.octets);
                }
            }
            Content::Message(message) => {
                self.envelope(&message.envelope);
                self.nstring(message.references.as_deref());
                self.part(&message.root, part.body.at);
            }
        }
    }

    fn rare(&mut self, rare: &Rare) {
        for text in [&rare.id, &rare.description, &rare.md5, &rare.location] {
            self.nstring(text.as_deref());
        }
        self.number(rare.disposition.is_some().into());
        if let Some(Disposition { kind, parameters }) = &rare.disposition {
            self.text(kind);
            self.parameters(parameters);
        }
        self.number(rare.languages.len() as u64);
        rare.languages.iter().for_each(|language| self.text(language));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn begin(kept: &'a [u8]) -> Option<(Self, bool)> {
        match kept {
            [VERSION, cut @ (0 | 1), rest @ ..] => Some((Self(rest), *cut == 1)),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            let low = u64::from(octet & 0x7f);
            if low << shift >> shift != low {
                return None;
            }
            number |= low << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn octets(&mut self, len: u64) -> Option<&'a [u8]> {
        let (octets, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<Box<[u8]>> {
        let number = self.number()?;
        let text = if number & 1 == 1 {
            WORDS.get(usize::try_from(number / 2).ok()?)?
        } else {
            self.octets(number / 2)?
        };
        Some(text.into())
    }

    fn nstring(&mut self) -> Option<NString> {
        match self.number()? {
            0 => Some(None),
            len => Some(Some(self.octets(len - 1)?.into())),
        }
    }

    /// Each takes an octet at least, so there are no more than octets are left.
    fn several<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let number = self.number()?;
        if number > self.0.len() as u64 {
            return None;
        }
        (0..number).map(|_| read(self)).collect()
    }

    fn parameters(&mut self) -> Option<Parameters> {
        self.several(|reader| Some((reader.text()?, reader.text()?)))
    }

    fn addresses(&mut self) -> Option<Vec<Address>> {
        self.several(|reader| {
            Some(Address {
                name: reader.nstring()?,
                route: reader.nstring()?,
                mailbox: reader.nstring()?,
                host: reader.nstring()?,
            })
        })
    }

    fn envelope(&mut self) -> Option<Envelope> {
        let [date, subject, in_reply_to, message_id] =
            [self.nstring()?, self.nstring()?, self.nstring()?, self.nstring()?];
        Some(Envelope {
            date,
            subject,
            in_reply_to,
            message_id,
            from: self.addresses()?,
            sender: self.addresses()?,
            reply_to: self.addresses()?,
            to: self.addresses()?,
            cc: self.addresses()?,
            bcc: self.addresses()?,
        })
    }

    fn message(&mut self, cut: bool) -> Option<Message> {
        Some(Message {
            envelope: self.envelope()?,
            references: self.nstring()?,
            root: self.part(0, DEPTH_MAX)?,
            cut,
        })
    }

    /// `depth_left`: how many levels there may be with this one.
    fn part(&mut self, from: u64, depth_left: usize) -> Option<Part> {
        let depth_left = depth_left.checked_sub(1)?;
        let flags = self.number()?;
        let header = Span { at: from.wrapping_add(self.number()?), octets: self.number()? };
        let body = Span { at: header.at.checked_add(header.octets)?, octets: self.number()? };
        body.at.checked_add(body.octets)?;
        let lines = self.number()?;
        let (kind, subtype, encoding) = (self.text()?, self.text()?, self.text()?);
        let parameters = self.parameters()?;
        let rare = if flags & 4 == 0 { None } else { Some(Box::new(self.rare()?)) };
        let content = match flags & !4 {
            0 => Content::Single,
            1 => {
                let mut from = body.at;
                Content::Multipart(self.several(|reader| {
                    let part = reader.part(from, depth_left)?;
                    from = part.body.at.wrapping_add(part.body.octets);
                    Some(part)
                })?)
            }
            2 => Content::Message(Box::new(Message {
                envelope: self.envelope()?,
                references: self.nstring()?,
                root: self.part(body.at, depth_left)?,
                cut: false,
            })),
            _ => return None,
        };
        Some(Part { kind, subtype, parameters, encoding, rare, header, body, lines, content })
    }

    fn rare(&mut self) -> Option<Rare> {
        let [id, description, md5, location] =
            [self.nstring()?, self.nstring()?, self.nstring()?, self.nstring()?];
        let disposition = match self.number()? {
            0 => None,
            1 => Some(Disposition { kind: self.text()?, parameters: self.parameters()? }),
            _ => return None,
        };
        Some(Rare { id, description, md5, location, disposition, languages: self.several(Self::text)? })
    }
}
