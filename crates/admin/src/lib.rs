//! The HTTP API by which a running server is watched and controlled, for now over a Unix socket alone.
//!
//! *Takes* requests of the command line (later of the web pages and of programs). *Hands on* commands to the spool, messages to and from the
//! mailstore, and answers from the spool and the event log as JSON. *Never* changes mail, and never answers an error without a problem document
//! (RFC 9457).

pub mod api;
mod bans;
mod convert;
mod filter;
mod follow;
pub mod frames;
mod gist;
mod lists;
mod mailboxes;
#[doc(hidden)]
pub mod parts;
mod people;
mod problem;
mod query;
mod queue;
mod routes;
mod select;
mod signing;
mod socket;
mod stats;
mod trace;

pub use filter::EventFilter;
pub use problem::Problem;
pub use routes::{Control, Rotate, Server, router};
pub use socket::{SocketError, bind, serve};
pub use trace::trace;
