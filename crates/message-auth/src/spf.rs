//! SPF: who may send for a domain (RFC 7208). The text of the standard was not at hand; sections are cited from knowledge.

mod check;
mod macros;
mod record;
mod survey;

pub use check::{LOOKUPS_MAX, Problem, Query, SpfResult, VOID_LOOKUPS_MAX, Verdict, check};
pub use survey::{Allowed, Survey, Trouble, survey};
