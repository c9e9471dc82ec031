//! The header section of a part: the fields that say what it is, kept while the section streams by.

use super::{
    Needs, Refusal,
    media::{Encoding, Media},
};
use crate::Field;

/// A longer Content-Type or Content-Transfer-Encoding field is not kept: nobody writes one in earnest.
const FIELD_OCTETS_MAX: usize = 16 * 1024;

/// The fields that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    ContentType,
    Encoding,
    MimeVersion,
    DkimSignature,
    Other,
}

impl Name {
    pub(super) fn of(field: &Field<'_>) -> Self {
        // The length decides first: most fields are none of these.
        match field.name().len() {
            12 if field.is("Content-Type") => Self::ContentType,
            12 if field.is("MIME-Version") => Self::MimeVersion,
            14 if field.is("DKIM-Signature") => Self::DkimSignature,
            25 if field.is("Content-Transfer-Encoding") => Self::Encoding,
            _ => Self::Other,
        }
    }
}

/// A field that may stand in a section once.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Absent,
    One(Vec<u8>),
    /// It stands there twice, or is too long.
    Unclear,
}

impl Slot {
    fn begin(&mut self) {
        *self = match self {
            Self::Absent => Self::One(Vec::new()),
            _ => Self::Unclear,
        };
    }

    fn push(&mut self, octets: &[u8]) {
        if let Self::One(field) = self {
            if field.len() + octets.len() <= FIELD_OCTETS_MAX {
                field.extend_from_slice(octets);
            } else {
                *self = Self::Unclear;
            }
        }
    }
}

/// What a header section has said so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    content_type: Slot,
    encoding: Slot,
    mime_version: bool,
}

impl Head {
    /// A field begins.
    pub(super) fn begin(&mut self, name: Name) {
        match name {
            Name::ContentType => self.content_type.begin(),
            Name::Encoding => self.encoding.begin(),
            Name::MimeVersion => self.mime_version = true,
            Name::DkimSignature | Name::Other => {}
        }
    }

    /// Octets of the field, its name and line ends with them.
    pub(super) fn push(&mut self, name: Name, octets: &[u8]) {
        match name {
            Name::ContentType => self.content_type.push(octets),
            Name::Encoding => self.encoding.push(octets),
            Name::MimeVersion | Name::DkimSignature | Name::Other => {}
        }
    }

    /// What the section says now that it has ended. `in_digest`: what it is a message if it does not say.
    pub(super) fn facts(&self, in_digest: bool) -> Facts {
        let encoding = match &self.encoding {
            Slot::Absent => Encoding::Identity(Needs::SevenBit),
            Slot::One(octets) => {
                Field::parse(octets).map_or(Encoding::Unknown, |field| Encoding::parse(&field.value()))
            }
            Slot::Unclear => Encoding::Unknown,
        };
        let media = match &self.content_type {
            Slot::Absent => Some(if in_digest { Media::Message } else { Media::Text }),
            Slot::One(octets) => Field::parse(octets).map(|field| Media::parse(&field.value())),
            Slot::Unclear => None,
        };
        let (shape, multipart) = Shape::of(media, encoding);
        Facts { shape, multipart, encoding, mime_version: self.mime_version }
    }
}

/// What a part is, once its header section has ended.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) shape: Shape,
    /// What its body is to be read by, if its shape is a multipart.
    pub(super) multipart: Option<Multipart>,
    pub(super) encoding: Encoding,
    /// Whether there is a MIME-Version field.
    pub(super) mime_version: bool,
}

/// How to read the parts of a multipart.
#[derive(Debug)]
pub(super) struct Multipart {
    pub(super) boundary: Vec<u8>,
    pub(super) digest: bool,
    pub(super) sealed: bool,
}

/// What can be done with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Has parts, and text around them that nobody reads.
    Multipart,
    /// Has one part, which is a message.
    Message,
    /// Lines of text, to be encoded as such.
    Text,
    /// Other data to be encoded.
    Other,
    /// Must be left as it is, and this is why. What is inside is not looked at.
    Kept(Refusal),
}

impl Shape {
    fn of(media: Option<Media>, encoding: Encoding) -> (Self, Option<Multipart>) {
        let identity = matches!(encoding, Encoding::Identity(_));
        let shape = match media {
            None => Self::Kept(Refusal::ContentType),
            // What may not be encoded at all is not to be judged by an encoding that we do not know.
            Some(Media::MessagePart) => Self::Kept(Refusal::MessagePart),
            // RFC 2045 §6.4: what is composed of parts is never encoded as a whole.
            Some(Media::Multipart { .. } | Media::Message) if !identity => Self::Kept(Refusal::Encoding),
            Some(Media::Multipart { boundary: None, .. }) => Self::Kept(Refusal::Boundary),
            Some(Media::Multipart { boundary: Some(boundary), digest, sealed }) => {
                return (Self::Multipart, Some(Multipart { boundary, digest, sealed }));
            }
            Some(Media::Message) => Self::Message,
            Some(_) if encoding == Encoding::Unknown => Self::Kept(Refusal::Encoding),
            Some(Media::Text) => Self::Text,
            Some(Media::Other) => Self::Other,
        };
        (shape, None)
    }
}
