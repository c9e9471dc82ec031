//! The index of texts: what messages say, so that SEARCH reads none of them. It is derived, in a file of its own (`docs/design/search.md`).
//!
//! What it says of an email is always true: an email never changes, and its identifier is never used again. What it says nothing of is
//! left to whoever asks.

mod agree;
mod find;
mod index;
mod indexing;
mod kept;
mod merging;
mod runs;
mod searching;
mod segment;
mod tables;
#[cfg(test)]
mod tests;
mod units;

pub(crate) use agree::disagreements;
pub(crate) use index::TextIndex;
pub use searching::{SearchedText, TextFound};
pub use tables::TEXT_SCHEMA;
