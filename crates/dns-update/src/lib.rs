//! Dynamic updates of the DNS (RFC 2136), signed with a shared key (RFC 8945): records put in, replaced and taken out.
//!
//! *Takes* records, and a server that was told to let us change them.
//! *Hands on* whether all was done, or the server's word for why not.
//! *Never* changes records of other names or types than it was given.

mod config;
mod message;
mod record;
mod server;
mod tsig;
mod update;

pub use config::{Config, TsigKey};
pub use message::is_host;
pub use record::{Data, Record};
pub use server::{Error, Server};
pub use update::Change;
