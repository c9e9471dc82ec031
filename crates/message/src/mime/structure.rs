//! The structure of a message: its parts, what they say of themselves, and where their octets are.

use super::{Envelope, TransferEncoding};

/// A text of a message as it stands there, or nothing.
pub type NString = Option<Box<[u8]>>;

/// Parameters of a MIME field: names and values as written, but without quotes, and with continuations joined
/// (RFC 2231 §3). What RFC 2231 §4 encodes stays so, and its name ends in `*`: RFC 2231 §6 wants it in BODYSTRUCTURE like that.
/// [`Part::parameter`] and [`Part::file_name`] decode.
pub type Parameters = Vec<(Box<[u8]>, Box<[u8]>)>;

/// Octets of the outermost message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// How many octets stand before them in the message.
    pub at: u64,
    /// How many they are.
    pub octets: u64,
}

/// A message: the outermost one, or one inside of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Its envelope.
    pub envelope: Envelope,
    /// The References field, of the outermost message only.
    pub references: NString,
    /// The message as a part: its header section is that of the message.
    pub root: Part,
    /// A bound was met: what lies behind it is not told as parts of its own, or not kept. Of the outermost message only.
    pub cut: bool,
}

/// A part of a message, or the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// As `text`, in the case in which it is written.
    pub kind: Box<[u8]>,
    /// As `plain`.
    pub subtype: Box<[u8]>,
    /// The parameters of Content-Type. Text has a charset among them, `us-ascii` where it names none (RFC 2045 §5.2).
    pub parameters: Parameters,
    /// Content-Transfer-Encoding, as written; `7bit` where there is none (RFC 2045 §6.1).
    pub encoding: Box<[u8]>,
    /// What few parts have.
    pub rare: Option<Box<Rare>>,
    /// Its header section, with the empty line behind it.
    pub header: Span,
    /// Its body, without the line end before a boundary delimiter.
    pub body: Span,
    /// How many line ends are in the body.
    pub lines: u64,
    /// What is in the body.
    pub content: Content,
}

/// What few parts say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rare {
    /// Content-ID (RFC 2045 §7).
    pub id: NString,
    /// Content-Description (RFC 2045 §8).
    pub description: NString,
    /// Content-MD5 (RFC 1864).
    pub md5: NString,
    /// Content-Disposition (RFC 2183).
    pub disposition: Option<Disposition>,
    /// Content-Language (RFC 3282).
    pub languages: Vec<Box<[u8]>>,
    /// Content-Location (RFC 2557).
    pub location: NString,
}

/// How a part is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disposition {
    /// As `attachment`; empty if it cannot be read.
    pub kind: Box<[u8]>,
    /// Its parameters.
    pub parameters: Parameters,
}

/// What is in a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Content {
    /// Octets. They are text if [`Part::is_text`] says so.
    #[default]
    Single,
    /// Parts; perhaps none.
    Multipart(Vec<Part>),
    /// message/rfc822 or message/global.
    Message(Box<Message>),
}

impl Message {
    /// The part of a number, as in `BODY[1.2]` (RFC 9051 §6.4.5.1); of no number, the whole message.
    pub fn part(&self, numbers: &[u32]) -> Option<&Part> {
        let mut part = &self.root;
        // What a number counts in: a message, or the parts of a multipart.
        let mut inside = Inside::Message(self);
        for number in numbers {
            part = inside.part(*number)?;
            inside = match &part.content {
                Content::Single => Inside::Nothing,
                Content::Multipart(parts) => Inside::Parts(parts),
                Content::Message(message) => Inside::Message(message),
            };
        }
        Some(part)
    }

    /// The message of which `BODY[1.2.HEADER]` is the header section (RFC 9051 §6.4.5.1); of no number, this one.
    pub fn message(&self, numbers: &[u32]) -> Option<&Self> {
        if numbers.is_empty() {
            return Some(self);
        }
        match &self.part(numbers)?.content {
            Content::Message(message) => Some(message),
            _ => None,
        }
    }

    /// The parts that have no parts of their own, in order; those of inner messages, too.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        self.parts().filter(|part| matches!(part.content, Content::Single))
    }

    /// All parts, each before those inside of it.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let mut open = vec![&self.root];
        std::iter::from_fn(move || {
            let part = open.pop()?;
            match &part.content {
                Content::Single => {}
                Content::Multipart(parts) => open.extend(parts.iter().rev()),
                Content::Message(message) => open.push(&message.root),
            }
            Some(part)
        })
    }
}

/// What a part number counts in.
enum Inside<'a> {
    Nothing,
    Parts(&'a [Part]),
    Message(&'a Message),
}

impl<'a> Inside<'a> {
    fn part(&self, number: u32) -> Option<&'a Part> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        match self {
            Self::Nothing => None,
            Self::Parts(parts) => parts.get(at),
            Self::Message(message) => match &message.root.content {
                Content::Multipart(parts) => parts.get(at),
                // RFC 9051 §6.4.5.1: a message that is no multipart has one part.
                _ => (at == 0).then_some(&message.root),
            },
        }
    }
}

impl Part {
    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"text")
    }

    /// Whether it is of this type, as `text/plain`.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// How its body is encoded.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        TransferEncoding::of(&self.encoding)
    }

    /// What Content-Disposition says.
    pub fn disposition(&self) -> Option<&Disposition> {
        self.rare.as_ref()?.disposition.as_ref()
    }

    /// A parameter of Content-Type in UTF-8, its encoding undone.
    pub fn parameter(&self, name: &str) -> Option<String> {
        super::parameters::text(&self.parameters, name)
    }

    /// The name that it wants to be kept by: of Content-Disposition (RFC 2183 §2.3), or else of Content-Type.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.disposition().map(|disposition| &disposition.parameters);
        let named = disposition.and_then(|parameters| super::parameters::text(parameters, "filename"));
        named.or_else(|| self.parameter("name"))
    }
}
