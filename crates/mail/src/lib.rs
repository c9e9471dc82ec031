//! The vocabulary of mail: addresses, paths, replies, envelopes and queue ids.
//!
//! *Takes* octets and facts. *Hands on* values that can only exist if they are valid.
//! *Never* does I/O, reads a clock or asks for randomness: those come in as arguments.

mod address;
mod digits;
mod domain;
mod envelope;
mod orcpt;
mod path;
mod queue_id;
mod reply;
mod status;
mod time;
pub mod xtext;

pub use address::{Address, AddressError, quoted_if_needed};
pub use digits::put_digits;
pub use domain::{Domain, DomainError, valid_ehlo_name};
pub use envelope::{
    Body, Client, ClientCertificate, DeliverBy, Envelope, Notify, Recipient, Ret, Stream, TlsFacts,
    TlsSession, Via,
};
pub use orcpt::OriginalRecipient;
pub use path::ReversePath;
pub use queue_id::{QueueId, QueueIdError};
pub use reply::{Reply, ReplyClass};
pub use status::EnhancedStatus;
pub use time::Timestamp;

/// The longest local part in octets (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// The longest domain in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// The longest path in octets, angle brackets included (RFC 5321 §4.5.3.1.3).
pub const PATH_OCTETS_MAX: usize = 256;
