//! ARC: what those who passed a message on saw of it before they changed it (RFC 8617).

mod chain;
mod seal;
mod told;
mod verify;

pub use chain::{Broken, ChainStatus, SETS_MAX};
pub use seal::seal;
pub use verify::{ArcReason, Outcome, Verifier};
