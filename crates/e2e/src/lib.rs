//! The harness of the end-to-end tests: the real program among real peers, all on loopback.
//!
//! *Takes* the `postrider` binary of the same build. *Hands on* running servers, peers with a script, name servers
//! and Maildirs to look into. *Never* uses a fixed port of the machine, sleeps for a time instead of waiting for an
//! event, or leaves a process behind.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![expect(clippy::disallowed_methods, reason = "other programs run by the real clock and tell of no event")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when the test should fail")]

mod authority;
mod binary;
mod client;
mod dovecot;
mod dovecot_auth;
mod dovecot_imap;
mod exim;
mod fake_acme;
mod fake_provider;
mod flood;
mod glewlwyd;
mod imap_user;
mod inbox;
mod knot;
mod loopback;
mod maildir;
mod nameserver;
mod pebble;
mod postfix;
mod postrider;
mod process;
mod rspamd;
mod sink;
mod slapd;
mod tool;
mod wait;
mod world;

pub use authority::{Authority, Pair};
pub use binary::binary;
pub use client::Client;
pub use dovecot::{Dovecot, Mailbox};
pub use dovecot_auth::DovecotAuth;
pub use dovecot_imap::DovecotImap;
pub use exim::{Exim, EximSettings};
pub use fake_acme::FakeAcme;
pub use fake_provider::{FakeProviders, Submission};
pub use flood::{Flood, Sent, message};
pub use glewlwyd::Glewlwyd;
pub use imap_user::{ImapUser, write_secret};
pub use knot::{Key, Knot, Zone};
pub use loopback::Loopback;
pub use maildir::{Mail, Maildir};
pub use nameserver::Nameserver;
pub use pebble::{Pebble, Validity};
pub use postfix::Postfix;
pub use postrider::{House, Postrider};
pub use process::Process;
pub use rspamd::{Envelope, Judged, Rspamd};
pub use sink::{Received, Script, Sink};
pub use slapd::{Slapd, person};
pub use tool::{Said, run, said};
pub use wait::{eventually, eventually_true};
pub use world::{World, queue_id};
