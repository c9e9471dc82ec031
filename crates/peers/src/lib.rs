//! Other people's mail servers, as far as all who start them agree: where they are, whose they are, what runs in them.
//!
//! *Takes* addresses and directories. *Hands on* programs, users and configuration. *Never* starts anything: tests and measurements
//! do, each with settings of its own.

pub mod exim;
pub mod postfix;
mod user;

pub use user::{give, ids};
