//! The durable queue: what is accepted, who is owed, when it is due.
//!
//! *Takes* messages and the results of attempts. *Hands on* receipts once they are on stable storage, and due
//! recipients to whoever delivers. *Never* speaks SMTP, decides when to retry, or says that something is durable
//! before the sync has returned.

mod ahead;
mod aside;
mod clean;
mod codec;
mod command;
mod commit;
mod config;
mod content;
mod damage;
mod entry;
mod error;
mod files;
mod format;
mod found;
mod frame;
mod gist;
mod hurt;
mod index;
mod io;
mod log;
mod memory;
mod message;
mod octets;
mod order;
mod owner;
#[doc(hidden)]
pub mod parts;
mod pattern;
mod payload;
mod queue;
mod recover;
mod repair;
mod retell;
mod roster;
mod scan;
mod segments;
mod selection;
mod shared;
mod slots;
mod spare;
mod spool;
mod state;
mod supply;
mod survey;
mod unseen;
mod verify;
mod view;
mod waiting;

#[cfg(test)]
mod simulation;

pub use commit::{Committer, Due};
pub use config::{Config, Reserve, SEGMENT_OCTETS_MIN};
pub use content::{Content, ContentReader, ContentWriter, Piece};
pub use damage::{Damage, Lost};
pub use error::SpoolError;
pub use hurt::{Hurt, Loss};
pub use message::{
    Changed, Disposition, DomainStats, Finished, ListFilter, Loaded, Opened, Receipt, RecipientOutcome,
    RecipientSummary, Shown, State, Stats, Submission, Summary, Work,
};
pub use order::{Order, Part};
pub use pattern::{Pattern, PatternError};
pub use repair::{Repaired, repair};
pub use selection::Selection;
pub use spool::Spool;
pub use survey::{Survey, Surveyed};
pub use verify::{Verified, VerifiedSegment, verify};
