//! Backups: a directory with copies of the databases and of the files that a server needs, and a manifest that vouches for them.
//!
//! *Takes* a data directory, whether its server runs or not, and the files that its configuration names. *Hands on* a directory that is whole or is not there
//! under its name; and a data directory out of one. *Never* copies the spool: mail in transit would be sent twice.

mod create;
mod manifest;
mod restore;
mod verify;

pub(crate) use create::{Sources, create};
pub(crate) use manifest::{Entry, Manifest};
pub(crate) use restore::{is_unfinished, restore};
pub(crate) use verify::{Checked, check, open_mailboxes};

use std::path::Path;

/// The database of people, in a backup and in a data directory.
const STORE: &str = "store.db";
/// The database of mailboxes.
pub(crate) const MAILBOXES: &str = "mailboxes.db";
/// What is copied of a data directory beside them, if it is there: certificates that we obtained, keys for signatures, tokens for accounts at relays, and
/// what was learned: of hosts, of how much a relay has taken today, and of the policies of domains, without which their mail could be read on its way.
const MORE: [&str; 8] =
    ["acme", "dkim", "tls", "relays", "sites.jsonl", "relays.jsonl", "mta-sts.jsonl", "usage.txt"];

/// The schemas of a database.
fn schemas(name: &str) -> &'static [store::Schema] {
    if name == STORE { &crate::schemas::ALL } else { &crate::schemas::MAILBOXES }
}

/// The names of a database, and files beside it.
fn is_database(name: &str) -> bool {
    name == STORE || name == MAILBOXES
}

fn shown(path: &Path) -> String {
    crate::terminal::clean(&path.to_string_lossy())
}
