//! DMARC: whether a message is its author's, and what the author's domain asks for if not (RFC 9989).

mod check;
mod lint;
mod record;

pub use check::{DmarcResult, Evidence, Verdict, WALK_MAX, check, check_unsure};
pub use lint::{Flaw, flaws};
pub use record::{Alignment, Policy, Record};
