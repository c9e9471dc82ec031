//! Message text: header fields read and written, the structure of any message, the reports that a server writes itself, and conversion.
//!
//! *Takes* octets of content, and facts. *Hands on* what header fields and parts say, trace fields, whole DSNs, and content made
//! to fit a next hop that lacks an extension. *Never* changes content that passes through, but where [`convert`] is
//! asked to, and never writes CR, LF or NUL that came in as text.

mod bulk;
mod clean;
pub mod convert;
pub mod dsn;
mod encoded_word;
mod field;
mod forwarded;
mod header;
mod list;
mod list_author;
pub mod mime;
mod quoted;
mod received;
pub mod strict;
mod trace;
mod write;

pub use dsn::{Action, CONTENT_RETURNED_MAX, Cause, Dsn, Report, ReportedRecipient, Topic};
pub use encoded_word::decoded;
pub use field::Field;
pub use forwarded::write_forwarded;
pub use header::{Facts, Fields, HeaderSection};
pub use list::{ListFields, without_list_fields};
pub use list_author::with_list_as_author;
pub use received::Received;
pub use trace::{
    Date, message_id, write_date_field, write_delivered_to, write_junk_fields, write_message_id_field,
    write_return_path,
};
pub use write::{FieldName, FieldText, FieldWriter};
