//! Who answers for a message: DKIM, SPF, DMARC and ARC, for those who believe and for those who want to be believed.
//!
//! *Takes* header fields and bodies as they come, facts of the session, and answers of the DNS. *Hands on* verdicts with their reasons,
//! and fields to be put before a message. *Never* opens a socket or reads a clock, and never decides what becomes of mail.

pub mod arc;
mod author;
pub mod dkim;
pub mod dmarc;
pub mod results;
pub mod spf;
pub mod srs;
mod tags;
mod told;

pub use author::{DomainName, NoAuthor, author};
pub use told::Told;
