//! Serves mailboxes to the programs that people read mail with.
//!
//! *Takes* clients from listeners, the directory's word on who may log in, and the mailboxes of the mailstore. *Hands on* what is in them, and
//! changes that are durable before they are answered. *Never* tells a client of a message by a number that another one had for it, never
//! announces what it does not do, and never reads the disk on a thread that serves sockets.

mod backend;
mod config;
mod gate;
pub mod imap;
mod login;
pub mod pop3;
mod service;

pub use config::{Config, Entrance};
pub use service::Service;
