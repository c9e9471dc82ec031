//! Serves SMTP: decides who may send what, and commits what it accepts to the spool.
//!
//! *Takes* clients from listeners, and the directory's word on who exists. *Hands on* messages with their envelopes to the
//! spool, and to the client the reply that the spool's receipt earned. *Never* answers `250` to the end of data without a
//! receipt, relays for a client that no named network has and that has not logged in, or reports later what it can refuse now.

mod checks;
mod config;
mod content;
mod deciding;
mod expansion;
mod flood;
mod judgement;
mod local;
mod login;
mod machine;
mod meter;
pub mod parts;
mod patience;
mod policy;
mod proxied;
mod receiver;
mod reception;
mod record;
mod returned;
mod rules;
mod schedule;
mod service;
mod storing;
mod submission;
mod transaction;
mod turn;
mod verdict;
mod verify;

pub use config::{Config, NamedLimits};
pub use local::{LocalMail, Refusal};
pub use meter::Quotas;
pub use policy::Decision;
pub use receiver::Receiver;
pub use rules::{Action, AddressPattern, Conditions, FieldName, FieldPattern, Glob, ResultWord, Rule};
pub use service::{Entrance, Service};
pub use verify::{Measure, Verify};
