//! What is amiss, and what to do about it: for `postrider doctor` and `postrider dns check`.
//!
//! Each check has two halves: one looks (`gather`, `look`), within a deadline, and hands on facts; the other judges the facts and
//! knows neither sockets nor files, so that every finding is tested by a table. What could not be looked at is a finding too.

mod addresses;
mod authority;
mod blocklists;
mod caa;
mod certificates;
mod clients;
mod clock;
mod disk_space;
mod dkim;
mod dmarc;
mod domain;
mod files;
mod finding;
mod machine;
mod mx;
mod outbound;
mod ports;
pub(crate) mod publish;
mod resolver;
mod server;
mod spf;
mod sts;
mod tlsa;
mod zone;

pub(crate) use domain::{Against, check as check_domain};
#[cfg(test)]
pub(crate) use finding::Level;
pub(crate) use finding::{Finding, Report};
pub(crate) use machine::{check as check_machine, check_network};
pub(crate) use zone::Asking;
