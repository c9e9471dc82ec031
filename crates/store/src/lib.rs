//! The database: what is looked up and changed by people and programs, as against mail in transit.
//!
//! *Takes* statements of the crates that own the tables, and their migrations. *Hands on* rows, and the word that a change is on
//! stable storage. *Never* knows what a table means, and lets no type of an engine out: today that is SQLite in a file of the data
//! directory, and PostgreSQL has its place behind the same calls.

mod copy;
mod error;
mod migrate;
mod open;
mod snapshot;
mod sql;
mod store;
mod writer;

pub use error::StoreError;
pub use migrate::{Migration, Pending, Schema};
pub use snapshot::Snapshot;
pub use sql::{Row, Sql, Value};
pub use store::Store;
