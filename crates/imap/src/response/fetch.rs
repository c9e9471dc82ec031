//! FETCH responses (RFC 9051 §7.5.2): what is told of one message. Large contents are announced here and streamed by the driver.

use super::structure::{BodyStructure, Envelope};
use crate::{
    DateTime, Flag, ObjectId,
    command::{Section, write_section},
    text::{Text, dotted},
};

/// What is told of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its message number.
    pub number: u32,
    /// What; at least one.
    pub values: Vec<FetchValue>,
}

/// One thing that is told of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchValue {
    /// `FLAGS`
    Flags(Vec<Flag>),
    /// `UID`
    Uid(u32),
    /// `INTERNALDATE`
    InternalDate(DateTime),
    /// `RFC822.SIZE`
    Size(u64),
    /// `ENVELOPE`
    Envelope(Box<Envelope>),
    /// `BODY`: the structure without extension data.
    Body(Box<BodyStructure>),
    /// `BODYSTRUCTURE`
    BodyStructure(Box<BodyStructure>),
    /// Octets of the message.
    Content {
        /// What they are.
        name: ContentName,
        /// The first of them, if a slice was asked for.
        origin: Option<u64>,
        /// They.
        content: Content,
    },
    /// `BINARY.SIZE`
    BinarySize {
        /// The part.
        part: Vec<u32>,
        /// Octets, decoded.
        octets: u32,
    },
    /// `MODSEQ` (RFC 7162).
    ModSeq(u64),
    /// `EMAILID` (RFC 8474).
    EmailId(ObjectId),
    /// `THREADID` (RFC 8474).
    ThreadId(Option<ObjectId>),
    /// `PREVIEW` (RFC 8970), in UTF-8. `None`: there is none now.
    Preview(Option<Box<str>>),
    /// `SAVEDATE` (RFC 8514). `None`: the mailbox does not know it.
    SaveDate(Option<DateTime>),
}

/// What octets of a message are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentName {
    /// `BODY[section]`
    Section(Section),
    /// `BINARY[part]`
    Binary(Vec<u32>),
    /// `RFC822` of IMAP4rev1.
    Rfc822,
    /// `RFC822.HEADER` of IMAP4rev1.
    Rfc822Header,
    /// `RFC822.TEXT` of IMAP4rev1.
    Rfc822Text,
}

/// Octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// There is no such part.
    Nil,
    /// They are here.
    Here(Box<[u8]>),
    /// They come when they are sent.
    Stream(Stream),
}

/// Octets that come when they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// What the maker of the response knows them by.
    pub reference: u64,
    /// How many there are. Just so many have to come.
    pub octets: u64,
    /// They may hold NUL and are a literal8 (RFC 3516). Only with [`ContentName::Binary`]; elsewhere a NUL becomes 0x80, which is
    /// what others do with it: no literal may hold one.
    pub binary: bool,
}

impl Fetched {
    pub(super) fn write(&self, out: &mut Text) {
        out.show(format_args!("{} FETCH ", self.number));
        out.list(&self.values, |out, value| value.write(out));
    }
}

impl FetchValue {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Flags(flags) => {
                out.raw("FLAGS ");
                out.flags(flags);
            }
            Self::Uid(uid) => out.show(format_args!("UID {uid}")),
            Self::InternalDate(date) => out.show(format_args!("INTERNALDATE \"{date}\"")),
            Self::Size(octets) => out.show(format_args!("RFC822.SIZE {octets}")),
            Self::Envelope(envelope) => {
                out.raw("ENVELOPE ");
                envelope.write(out);
            }
            Self::Body(structure) => {
                out.raw("BODY ");
                structure.write(out, false);
            }
            Self::BodyStructure(structure) => {
                out.raw("BODYSTRUCTURE ");
                structure.write(out, true);
            }
            Self::Content { name, origin, content } => {
                name.write(out);
                if let Some(origin) = origin {
                    out.show(format_args!("<{origin}>"));
                }
                out.sp();
                content.write(out, matches!(name, ContentName::Binary(_)));
            }
            Self::BinarySize { part, octets } => {
                out.show(format_args!("BINARY.SIZE[{}] {octets}", dotted(part)));
            }
            Self::ModSeq(value) => out.show(format_args!("MODSEQ ({value})")),
            Self::EmailId(id) => out.show(format_args!("EMAILID ({id})")),
            Self::ThreadId(Some(id)) => out.show(format_args!("THREADID ({id})")),
            Self::ThreadId(None) => out.raw("THREADID NIL"),
            Self::Preview(text) => {
                out.raw("PREVIEW ");
                out.nstring(text.as_deref().map(str::as_bytes));
            }
            Self::SaveDate(Some(date)) => out.show(format_args!("SAVEDATE \"{date}\"")),
            Self::SaveDate(None) => out.raw("SAVEDATE NIL"),
        }
    }
}

impl ContentName {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Section(section) => {
                out.raw("BODY");
                write_section(out, section);
            }
            Self::Binary(part) => out.show(format_args!("BINARY[{}]", dotted(part))),
            Self::Rfc822 => out.raw("RFC822"),
            Self::Rfc822Header => out.raw("RFC822.HEADER"),
            Self::Rfc822Text => out.raw("RFC822.TEXT"),
        }
    }
}

impl Content {
    /// Always as a literal: clients look for one here. `decoded`: it may be a literal8.
    fn write(&self, out: &mut Text, decoded: bool) {
        match self {
            Self::Nil => out.raw("NIL"),
            Self::Here(octets) if decoded && octets.contains(&0) => {
                out.announce("~", octets.len() as u64);
                out.octets.extend_from_slice(octets);
            }
            Self::Here(octets) => {
                out.announce("", octets.len() as u64);
                extend_without_nul(&mut out.octets, octets);
            }
            Self::Stream(stream) => {
                let stream = Stream { binary: stream.binary && decoded, ..*stream };
                out.announce(if stream.binary { "~" } else { "" }, stream.octets);
                out.stream(stream);
            }
        }
    }
}

/// Adds what a literal may hold: a NUL becomes 0x80.
pub(crate) fn extend_without_nul(out: &mut Vec<u8>, octets: &[u8]) {
    if memchr::memchr(0, octets).is_none() {
        out.extend_from_slice(octets);
    } else {
        out.extend(octets.iter().map(|octet| if *octet == 0 { 0x80 } else { *octet }));
    }
}
