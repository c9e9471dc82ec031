//! What can be wrong with a header section, and what its writer is told.

use mail::{EnhancedStatus, Reply};

/// Stands in the words of a [`FlawKind`] for the name of the field.
pub(super) const PLACE: &str = "FIELD";
/// A name that is not repeated: it might read like something else where the reply is shown.
const UNNAMED: &str = "a header field";
const NAME_OCTETS_MAX: usize = 76;

/// Something wrong with a header section, and the field that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    kind: FlawKind,
    field: Box<str>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// A field that must be there is not.
    Missing,
    /// A field that may stand there once stands there twice.
    Twice,
    /// What should be addresses are none.
    Address,
    /// More than one author.
    Authors,
    /// What should be a date is none.
    Date,
    /// A date that is far from now.
    DateRange,
    /// What should be a Message-ID is none.
    MessageId,
    /// A line of more than 998 octets (RFC 5322 §2.1.1).
    Line,
    /// A control that is neither the end of a line nor a tab.
    Control,
    /// Octets outside of ASCII where nobody asked for SMTPUTF8.
    EightBit,
    /// SMTPUTF8 was asked for, and this is something else.
    NotUtf8,
    /// White space before the colon, or a name that is none.
    Name,
    /// A line of white space alone.
    Blank,
    /// What is meant to be an encoded word cannot be decoded (RFC 2047).
    EncodedWord,
    /// An encoded word is a part of an address (RFC 2047 §5).
    EncodedAddress,
    /// A domain mixes scripts (UTS #39 §5.2).
    Scripts,
    /// A Subject that large receivers take for too long.
    Subject,
    /// A line that is neither a field nor goes on with one.
    NoField,
}

impl FlawKind {
    /// All.
    pub const ALL: [Self; 18] = [
        Self::Missing,
        Self::Twice,
        Self::Address,
        Self::Authors,
        Self::Date,
        Self::DateRange,
        Self::MessageId,
        Self::Line,
        Self::Control,
        Self::EightBit,
        Self::NotUtf8,
        Self::Name,
        Self::Blank,
        Self::EncodedWord,
        Self::EncodedAddress,
        Self::Scripts,
        Self::Subject,
        Self::NoField,
    ];

    /// What a client is told. RFC 3463 §3.7: X.6.0, something is wrong with the content; §3.8: X.7.1, not authorized, which is what
    /// large receivers say to several authors and to addresses that hide what they are; §3.4: X.3.4, too big.
    pub fn reply(self, field: &str) -> Reply {
        let (status, text) = match self {
            Self::Missing => ((5, 6, 0), "FIELD is missing"),
            Self::Twice => ((5, 6, 0), "FIELD stands there more than once"),
            Self::Address => ((5, 6, 0), "Invalid address in FIELD"),
            Self::Authors => ((5, 7, 1), "FIELD names more than one author, which large receivers refuse"),
            Self::Date => ((5, 6, 0), "Invalid date in FIELD"),
            Self::DateRange => ((5, 6, 0), "FIELD is more than a day ahead or more than a year ago"),
            Self::MessageId => ((5, 6, 0), "FIELD is not of the form <left@right>"),
            Self::Line => ((5, 6, 0), "A line of FIELD is longer than 998 octets"),
            Self::Control => ((5, 6, 0), "Control character in FIELD"),
            Self::EightBit => {
                ((5, 6, 7), "FIELD is not in ASCII and needs SMTPUTF8, which was not asked for")
            }
            Self::NotUtf8 => ((5, 6, 0), "FIELD is not in UTF-8"),
            Self::Name => ((5, 6, 0), "The name of FIELD is malformed"),
            Self::Blank => ((5, 6, 0), "FIELD has a line of nothing but white space"),
            Self::EncodedWord => ((5, 6, 0), "An encoded word in FIELD cannot be decoded"),
            Self::EncodedAddress => {
                ((5, 7, 1), "An address in FIELD has an encoded word, which large receivers refuse")
            }
            Self::Scripts => ((5, 7, 1), "A domain in FIELD mixes scripts, which large receivers refuse"),
            Self::Subject => ((5, 3, 4), "FIELD is longer than 2000 octets"),
            Self::NoField => ((5, 6, 0), "The header section has a line that is no field"),
        };
        let (class, subject, detail) = status;
        let code = if self == Self::Subject { 552 } else { 550 };
        Reply::new(code, EnhancedStatus::new(class, subject, detail), text.replacen(PLACE, field, 1))
    }
}

impl Flaw {
    pub(super) fn new(kind: FlawKind, name: &[u8]) -> Self {
        let plain = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
        let name =
            if name.len() <= NAME_OCTETS_MAX && name.iter().all(plain) { name } else { UNNAMED.as_bytes() };
        Self { kind, field: String::from_utf8_lossy(name).into() }
    }

    /// What is wrong.
    pub fn kind(&self) -> FlawKind {
        self.kind
    }

    /// The name of the field: as it stands there if it is one of letters, digits and hyphens.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What the client is told.
    pub fn reply(&self) -> Reply {
        self.kind.reply(&self.field)
    }
}
