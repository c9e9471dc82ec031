//! Exchanges from end to end: as the standards print them, between our two sides, and with an implementation that is not ours.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod exchanges;
mod oracle;
mod policy;
