//! Whether a backup is what was written, and can be used by this program.

use std::{io, path::Path};

use mailstore::Mailstore;
use store::{Store, StoreError};

use super::{
    Entry, MAILBOXES, Manifest, is_database,
    manifest::{damaged, hashed},
    schemas, shown,
};
use crate::{config, failure::Failure};

/// What was found.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) manifest: Manifest,
    /// What is wrong, in words.
    pub(crate) wrong: Vec<String>,
    /// How many accounts have mailboxes in it, and how many messages they hold.
    pub(crate) holds: Option<(u64, u64)>,
}

/// Looks at all of a backup. `progress` is told how many octets were read, and of how many.
pub(crate) fn check(backup: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Checked, Failure> {
    let manifest = Manifest::read(backup)?;
    let all = manifest.files.iter().map(|entry| entry.octets).sum();
    let (mut wrong, mut read) = (Vec::new(), 0);
    for entry in &manifest.files {
        let told = difference(backup, entry, |octets| {
            read += octets;
            progress(read, all);
        });
        match told {
            Some(why) => wrong.push(why),
            None if is_database(&entry.path) => wrong.extend(faults(backup, &entry.path)?),
            None => {}
        }
    }
    let mut holds = None;
    if wrong.is_empty() && manifest.entry(MAILBOXES).is_some() {
        holds = held(backup).map_err(|error| Failure::new(&error))?;
    }
    Ok(Checked { manifest, wrong, holds })
}

/// How a file is not what the manifest says.
pub(super) fn difference(backup: &Path, entry: &Entry, mut each: impl FnMut(u64)) -> Option<String> {
    let hashed = hashed(&backup.join(&entry.path), |piece| {
        each(piece.len() as u64);
        Ok(())
    });
    match hashed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{} is missing", entry.path)),
        Err(error) => Some(format!("{} cannot be read: {}", entry.path, config::words(&error))),
        Ok((octets, _)) if octets != entry.octets => {
            Some(format!("{} has {octets} octets instead of {}", entry.path, entry.octets))
        }
        Ok((_, sha256)) if sha256 != entry.sha256 => Some(format!("{} is not what was written", entry.path)),
        Ok(_) => None,
    }
}

/// How a database is broken, though it is what was written.
fn faults(backup: &Path, name: &str) -> Result<Vec<String>, Failure> {
    let path = backup.join(name);
    let newer = |error: &StoreError| Failure::new(error).hint("use the newer program; nothing was changed");
    match Store::due(&path, schemas(name)) {
        Err(error @ StoreError::Newer { .. }) => return Err(newer(&error)),
        Err(error) => return Ok(vec![format!("{name}: {error}")]),
        Ok(_) => {}
    }
    let faults = Store::faults(&path);
    Ok(match faults {
        Ok(faults) => faults.into_iter().map(|fault| format!("{name}: {fault}")).collect(),
        Err(error) => vec![format!("{name}: {error}")],
    })
}

/// Accounts and messages. Nothing if it is of an older program: that would have to be made new first.
fn held(backup: &Path) -> Result<Option<(u64, u64)>, mailstore::MailstoreError> {
    let path = backup.join(MAILBOXES);
    if !Store::due(&path, schemas(MAILBOXES)).is_ok_and(|due| due.is_empty()) {
        return Ok(None);
    }
    let mailstore = Mailstore::look_into(&path)?;
    let accounts = mailstore.accounts()?;
    let mut messages = 0;
    for (account, _) in &accounts {
        messages += mailstore.quota(*account)?.messages;
    }
    mailstore.close();
    Ok(Some((accounts.len() as u64, messages)))
}

/// Opens the mailboxes of a backup to look into them; those of an older program in `scratch`, a directory for a copy. All of it is read first, so that nothing
/// that is damaged is believed.
pub(crate) fn open_mailboxes(
    backup: &Path,
    scratch: &Path,
    progress: impl FnMut(u64),
) -> Result<Mailstore, Failure> {
    let manifest = Manifest::read(backup)?;
    let entry = manifest.entry(MAILBOXES);
    let entry =
        entry.ok_or_else(|| Failure::usage(format!("there are no mailboxes in {}", shown(backup))))?;
    if let Some(why) = difference(backup, entry, progress) {
        return Err(damaged(backup, &why));
    }
    let path = backup.join(MAILBOXES);
    let due =
        Store::due(&path, schemas(MAILBOXES)).map_err(|error| Failure::new(&error).hint(error.hint()))?;
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("cannot open the mailboxes of {}: {error}", shown(backup)))
    };
    if due.is_empty() {
        return Mailstore::look_into(&path).map_err(|error| failed(&error));
    }
    let copy = scratch.join(MAILBOXES);
    std::fs::copy(&path, &copy).map_err(|error| failed(&error))?;
    let (mailstore, _) = Mailstore::open(&copy).map_err(|error| failed(&error))?;
    Ok(mailstore)
}
