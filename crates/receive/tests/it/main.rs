//! The service as its clients see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the spool looks for room by the real clock")]

mod dialogues;
mod listeners;
mod open_relay;
mod properties;
mod relaying;
mod replies;
mod stage;
mod tls;
