//! Checks against a DNS by script, and signatures made and checked.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod arc;
mod attacks;
mod dkim;
mod dmarc;
mod spf;
mod srs;
