//! Content for a next hop that lacks an extension: what it needs, and how it is made to fit (RFC 6152 §3, RFC 3030 §3).
//!
//! *Takes* content in pieces of any size, twice: first a [`Survey`], which ends in a [`Plan`], then a [`Converter`].
//! *Hands on* content in the domain of the [`Target`], or a [`Refusal`] that says why it must not be changed.
//! *Never* changes an octet but of parts and fields that do not fit, never holds more than a line, a field and a few
//! octets for each part, and never fails half-way: what is refused is refused before the second pass.
//!
//! ```
//! use message::convert::{Converter, Needs, Survey, Target};
//!
//! let content = "Subject: menu\r\n\r\nCrème brûlée\r\n".as_bytes();
//! let mut survey = Survey::new();
//! survey.push(content);
//! let plan = survey.finish();
//! assert_eq!(plan.needs(), Needs::EightBit);
//!
//! let mut converter = Converter::new(&plan, Target::SevenBit).unwrap();
//! let mut out = Vec::new();
//! converter.push(content, &mut out);
//! converter.finish(&mut out);
//! assert!(out.ends_with(b"\r\n\r\nCr=C3=A8me br=C3=BBl=C3=A9e\r\n"));
//! ```

use std::fmt;

use mail::Body;

mod action;
mod base64;
mod clean;
mod converter;
mod head;
mod media;
mod meter;
mod quoted_decoder;
mod recode;
mod survey;
mod walk;

pub use converter::Converter;
pub(crate) use meter::Meter;
pub use survey::{Plan, Survey};

/// How deep parts and messages may lie in each other. What lies deeper is left as it is.
const DEPTH_MAX: usize = 50;
/// How many parts a content may have, messages and multiparts counted, to be converted.
const PARTS_MAX: usize = 10_000;

/// What a body is made of, whatever its labels say: the narrowest of 7bit, 8bit and binary data that holds it
/// (RFC 2045 §2.7, §2.8, §2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Needs {
    /// Lines of ASCII.
    #[default]
    SevenBit,
    /// Lines of any octets but NUL: the next hop must offer 8BITMIME.
    EightBit,
    /// Bare CR or LF, NUL, or lines over 998 octets: the next hop must offer BINARYMIME, and CHUNKING with it.
    Binary,
}

impl Needs {
    /// What the content has to be made to fit for a next hop that offers these; `None`: it may go as it is.
    ///
    /// A host that offers BINARYMIME takes all, under `BODY=BINARYMIME` if it does not offer 8BITMIME.
    pub fn target(self, offers_8bitmime: bool, offers_binarymime: bool) -> Option<Target> {
        let target = if offers_8bitmime { Target::EightBit } else { Target::SevenBit };
        (!offers_binarymime && !target.takes(self)).then_some(target)
    }

    /// The BODY parameter that says so.
    pub fn body(self) -> Body {
        match self {
            Self::SevenBit => Body::SevenBit,
            Self::EightBit => Body::EightBitMime,
            Self::Binary => Body::BinaryMime,
        }
    }
}

/// What content is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The next hop offers neither 8BITMIME nor BINARYMIME: all bodies become 7bit data.
    SevenBit,
    /// The next hop offers 8BITMIME, but not BINARYMIME: binary bodies become 7bit data, others stay.
    EightBit,
}

impl Target {
    /// Whether content with these needs fits as it is.
    pub fn takes(self, needs: Needs) -> bool {
        needs <= self.widest()
    }

    /// The widest data that fits.
    fn widest(self) -> Needs {
        match self {
            Self::SevenBit => Needs::SevenBit,
            Self::EightBit => Needs::EightBit,
        }
    }
}

/// Why content does not fit and must not be made to: a permanent failure, 5.6.3 or, for binary content, 5.6.1.
///
/// Only what would have to be changed is refused. A part that nobody can make sense of, but that fits, is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is inside of a multipart/signed or multipart/encrypted, whose signature a change would break
    /// (RFC 1847 §2.1).
    Signed,
    /// A message/partial or another type of message that may not be encoded (RFC 2046 §5.2).
    MessagePart,
    /// A header section has a bare CR or LF, or NUL.
    HeaderOctets,
    /// More than one Content-Type field, or one of unreasonable length.
    ContentType,
    /// A multipart without a boundary that is legal and occurs.
    Boundary,
    /// A Content-Transfer-Encoding that is unknown, given twice, or not allowed for this type (RFC 2045 §6.4).
    Encoding,
    /// A header section that does not end in an empty line, so that it is not clear what is encoded.
    NoEmptyLine,
    /// Parts lie too deep in each other.
    TooDeep,
    /// There are too many parts.
    TooManyParts,
}

impl Refusal {
    /// The reason in words for a reply or a report, such as `Conversion needed, but the message is signed`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Signed => "Conversion needed, but the message is signed or encrypted",
            Self::MessagePart => {
                "Conversion needed, but a part is of a message type that must not be encoded"
            }
            Self::HeaderOctets => "Conversion needed, but a header section has a bare CR or LF, or NUL",
            Self::ContentType => "Conversion needed, but the Content-Type of a part is not clear",
            Self::Boundary => "Conversion needed, but a multipart has no usable boundary",
            Self::Encoding => "Conversion needed, but the Content-Transfer-Encoding of a part is not clear",
            Self::NoEmptyLine => "Conversion needed, but a header section does not end in an empty line",
            Self::TooDeep => "Conversion needed, but parts are nested too deeply",
            Self::TooManyParts => "Conversion needed, but there are too many parts",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
