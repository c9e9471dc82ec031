//! The service as its clients see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod dialogues;
mod listeners;
mod stage;
