//! All end-to-end tests in one binary: linking it once is quicker than linking each.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![expect(clippy::disallowed_methods, reason = "other programs run by the real clock")]

mod accounts;
mod acme;
mod acme_fake;
mod auth_judges;
mod backup;
mod bans;
mod certificates;
mod client_setup;
mod clients;
mod crash;
mod damage;
mod dev;
mod disk;
mod dkim;
mod dns;
mod doctor;
mod fates;
mod haproxy;
mod harness;
mod imap;
mod imap_clients;
mod imap_crash;
mod imap_index;
mod imap_sync;
mod ldap;
mod lifecycle;
mod lists;
mod logins;
mod mailbox;
mod mailboxes;
mod oauth;
mod peers;
mod pop3;
mod queue;
mod refusals;
mod relays;
mod reload;
mod reports;
mod rights;
mod rules;
mod sendmail;
mod tls;
mod verify;
mod verify_decisions;
