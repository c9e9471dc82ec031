//! What can be said of any message: envelope, structure, where its parts are, and their text (RFC 2045, RFC 5322, RFC 9051 §7.5.2).
//!
//! Broken messages are read as far as they can be; nothing is refused. docs/design/mime.md says what was decided for odd forms.

mod addresses;
mod casemap;
mod charset;
mod decode;
mod envelope;
mod fields;
mod html;
mod kept;
mod parameters;
mod parser;
mod scan;
mod sought;
mod structure;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod words;

pub use casemap::folded;
pub use charset::TextDecoder;
pub use decode::{BodyDecoder, TransferEncoding};
pub use envelope::{Address, Envelope};
pub use kept::Garbage;
pub use parser::{DEPTH_MAX, KEPT_OCTETS_MAX, PARTS_MAX, Parser};
pub use scan::unfolded;
pub use sought::header_fields;
pub use structure::{Content, Disposition, Message, NString, Parameters, Part, Rare, Span};
pub use text::{PREVIEW_CHARACTERS_MAX, PartText, Preview};
pub use threads::{BaseSubject, Sent, base_subject, message_ids, sent};
pub use words::header_text;
