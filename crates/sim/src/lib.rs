//! The whole server in a simulation: one thread, and clock, DNS, network, disk and chance all from one seed.
//!
//! *Takes* a seed. *Hands on* whether each receipt ended as it must, and if not, the story of that message. *Never* knows
//! what the server believes of its queue: clients, peers and mailboxes keep the books that it is judged by.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests depend on it"
)]

mod betrayal;
mod client;
mod clock;
mod disk_turns;
mod faults;
mod floor;
mod judge;
mod ledger;
mod life;
mod network;
mod operator;
mod peer;
mod plan;
mod reports;
mod run;
mod server;
mod settings;
mod slips;
mod story;
mod told;
mod watch;
mod weather;
mod wire;
mod world;

pub use run::{Failure, Outcome, Summary, simulate};
