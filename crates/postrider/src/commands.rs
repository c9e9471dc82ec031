//! The commands that look at a server or at its files.

pub(crate) mod backup;
pub(crate) mod ban;
pub(crate) mod config;
pub(crate) mod dkim;
pub(crate) mod dns;
mod dns_publish;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod ldap;
pub(crate) mod lists;
pub(crate) mod mailbox;
pub(crate) mod password;
pub(crate) mod people;
mod progress;
pub(crate) mod queue;
pub(crate) mod relay;
pub(crate) mod settings;
pub(crate) mod spool;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod trace;

use crate::failure::Failure;

/// Runs a client's exchange to its end: one thread is enough for it.
pub(crate) fn run<T>(exchange: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?.block_on(exchange)
}
