//! Message text: header fields read and written, and the reports that a server writes itself.
//!
//! *Takes* octets of content, and facts. *Hands on* what header fields say, trace fields, and whole DSNs.
//! *Never* changes content that passes through, and never writes CR, LF or NUL that came in as text.

mod clean;
pub mod dsn;
mod field;
mod header;
mod received;
mod trace;
mod write;

pub use dsn::{CONTENT_RETURNED_MAX, Cause, Dsn, FailedRecipient, FailureReport};
pub use field::Field;
pub use header::{Facts, Fields, HeaderSection};
pub use received::Received;
pub use trace::{
    Date, message_id, write_date_field, write_delivered_to, write_message_id_field, write_return_path,
};
pub use write::{FieldName, FieldText, FieldWriter};
