//! Delivery as a whole: a real spool, scripted DNS, scripted peers, Maildirs in a temporary directory.

mod bad_peers;
mod bounds;
mod chunking;
mod conversion;
mod extensions;
mod fairness;
mod forward;
mod lmtp;
mod local;
mod mailboxes;
mod ordered;
mod queue;
mod relay_choice;
mod relay_logins;
mod remote;
mod reports;
mod routes;
mod schedule;
mod signing;
mod sites;
mod support;
mod tls;
mod utf8;
