//! How much one peer may do: rates, and failed logins, in memory that no number of peers can make grow.
//!
//! *Takes* keys that stand for a peer, what it did, and the time. *Hands on* whether it may go on. *Never* knows a protocol, a clock or
//! a socket: what is refused over a limit, and how, is the caller's to say.

mod logins;
mod rates;
mod table;

pub use logins::{Ban, Caller, LoginLimits, Logins, Place, Subject};
pub use rates::{Kind, Limits, Rate, Rates};
pub use table::{Table, Weigh};
