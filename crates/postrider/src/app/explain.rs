//! From the errors of the parts to what the operator is told, and what to do next.

use std::{io, path::Path};

use acme::OpenError;
use directory::PeopleError;
use events::EventsError;
use mailstore::MailstoreError;
use spool::SpoolError;

use crate::{config::words, failure::Failure};

const WRITABLE: &str = "the server's user must be able to write there; or choose another data directory";

pub(crate) fn data_dir(dir: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot use the data directory {}: {}", dir.display(), words(error)));
    failure.hint(WRITABLE)
}

/// Half of a backup is there.
pub(super) fn unfinished_restore(dir: &Path) -> Failure {
    let failure = Failure::new(format!("a restore into {} was cut off", dir.display()));
    failure.hint("run `postrider restore` again: it begins anew")
}

pub(super) fn locked(dir: &Path) -> Failure {
    Failure::new(format!("another postrider runs on {}", dir.display()))
        .hint("stop it first, or give this one a data directory of its own")
}

pub(crate) fn maildir(dir: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot use the mail directory {}: {}", dir.display(), words(error))).hint(WRITABLE)
}

pub(super) fn spool(error: &SpoolError) -> Failure {
    let failure = Failure::new(error);
    match error {
        SpoolError::Locked { .. } => {
            failure.hint("stop it first, or give this one a data directory of its own")
        }
        SpoolError::Directory { .. } | SpoolError::Write { .. } => failure.hint(WRITABLE),
        SpoolError::Network { .. } => {
            failure.hint("put the data directory on a disk of this machine; mailboxes may be elsewhere")
        }
        SpoolError::Full { .. } => failure.hint("free some space; what is queued stays as it is"),
        SpoolError::NewerVersion { .. } => {
            failure.hint("the data directory belongs to a later version: install that one again")
        }
        SpoolError::Poisoned => {
            failure.hint("the disk failed a test write: look at the kernel's log before anything else")
        }
        SpoolError::Read { .. } | SpoolError::Damaged { .. } => failure
            .hint("`postrider spool verify` tells what is readable; look at the disk before anything else"),
        _ => failure,
    }
}

pub(super) fn events(error: &EventsError) -> Failure {
    Failure::new(error).hint(WRITABLE)
}

/// The configuration was checked already, so its people are wrong for `dev` with its fixed settings never, and else only if it changed
/// meanwhile.
pub(super) fn people(error: &PeopleError) -> Failure {
    let failure = match error {
        PeopleError::Wrong(_) => Failure::usage(error),
        _ => Failure::new(error),
    };
    failure.hint(error.hint())
}

/// The database with the mailboxes.
pub(super) fn mailstore(error: &MailstoreError) -> Failure {
    let failure = Failure::new(error);
    match error {
        MailstoreError::Store(store) => failure.hint(store.hint()),
        _ => failure,
    }
}

pub(crate) fn listen(error: &net::ListenError) -> Failure {
    let failure = Failure::new(error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Where authorities of certificates come from.
const AUTHORITIES: &str = "install the authorities of certificates (on Debian: apt-get install ca-certificates), or name `ca_file` in";

pub(super) fn oauth(error: &net::AnchorsError) -> Failure {
    Failure::new(error).hint(format!("{AUTHORITIES} [[oauth]]"))
}

pub(super) fn acme(error: &OpenError) -> Failure {
    let failure = Failure::new(error);
    match error {
        OpenError::Store(_) => failure.hint(WRITABLE),
        OpenError::Anchors(_) => failure.hint(format!("{AUTHORITIES} [tls.acme]")),
        OpenError::SelfSigned(_) => failure,
    }
}
