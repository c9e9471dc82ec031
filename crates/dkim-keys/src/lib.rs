//! Keys for signatures of ours (DKIM): made and kept for each domain, published, used, retired; and watched, so that no mail goes unsigned or
//! wrongly signed without a word.
//!
//! *Takes* which domains, a disk, a clock, and whom to ask for DNS records. *Hands on* who signs for each domain, or why nobody does for now;
//! and how things stand to whoever asks.
//! *Never* signs by a key whose record is not in the DNS, and never has a record taken out that somebody may still look for.
//!
//! What is decided (which key signs, when the next one is made, when an old one goes) is [`plan`], without I/O; the rest does as it is told.

mod config;
mod keeper;
mod kept;
mod look;
mod plan;
mod ring;
mod status;
mod store;

pub use config::{ByHand, Config, Keep, Update};
pub use keeper::{Keeper, Parts};
pub use kept::{KeptKey, MakeError, Role, kept_keys, make_first};
pub use ring::DomainKeys;
pub use status::{KeyStatus, RotateError, Status, Watch};
pub use store::StoreError;
