//! The files: each is made whole and never written over.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown, lchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Clock as _, Disk as _, OsDisk, SystemClock};
use dkim_keys::make_first;
use rcgen::KeyPair;

use super::Plan;
use crate::{
    config::{self, Config, words},
    failure::Failure,
};

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {what} {}: {}", path.display(), words(error)));
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure
            .hint("run it as root (by sudo), or name places of your own: --config FILE --data-dir DIR");
    }
    failure
}

/// Makes the directories. That of the configuration belongs to whoever makes it, and the server's group may read there.
pub(super) fn directories(plan: &Plan) -> Result<(), Failure> {
    let dir = plan.config.parent().unwrap_or(Path::new("/"));
    if !dir.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
        made.and_then(|()| give_group(plan, dir))
            .map_err(|error| failed("make the directory", dir, &error))?;
    }
    OsDisk
        .create_dir_all(&plan.data_dir)
        .map_err(|error| failed("make the directory", &plan.data_dir, &error))
}

/// Makes the first keys for signatures, where the server will find and keep them: their records can be published before it starts. Hands on
/// those that were not there already.
pub(super) fn dkim_keys(plan: &Plan, config: &Config) -> Result<Vec<PathBuf>, Failure> {
    let (dir, algorithms) = (config::keys_dir(&plan.data_dir), config.signing.algorithms());
    let made = make_first(&dir, Arc::new(OsDisk), &plan.domain, algorithms, SystemClock.now());
    made.map_err(|error| Failure::new(error.to_string()))
}

/// Makes the key that all certificates are to be for. None: it is there already.
pub(super) fn tls_key(plan: &Plan) -> Result<Option<PathBuf>, Failure> {
    let dir = plan.data_dir.join("acme");
    let file = dir.join("key.pem");
    if file.exists() {
        return Ok(None);
    }
    OsDisk.create_dir_all(&dir).map_err(|error| failed("make the directory", &dir, &error))?;
    let key = KeyPair::generate().map_err(|error| Failure::new(error.to_string()))?;
    create(plan, &file, &key.serialize_pem())?;
    Ok(Some(file))
}

/// Writes the configuration.
pub(super) fn config(plan: &Plan, text: &str) -> Result<(), Failure> {
    create(plan, &plan.config, text)
}

/// A file appears with all that is in it, or not at all.
fn create(plan: &Plan, path: &Path, text: &str) -> Result<(), Failure> {
    try_create(plan, path, text).map_err(|error| failed("write", path, &error))
}

fn try_create(plan: &Plan, path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // Of a run that was cut off.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    give_group(plan, &new)?;
    // Unlike a renaming it does not replace what is there.
    fs::hard_link(&new, path)?;
    fs::remove_file(&new)?;
    OsDisk.sync_dir(path.parent().unwrap_or(Path::new("/")))
}

fn give_group(plan: &Plan, path: &Path) -> io::Result<()> {
    match &plan.owner {
        Some(owner) => chown(path, None, Some(owner.gid.as_raw())),
        None => Ok(()),
    }
}

/// Gives the server's user what is in its data directory.
pub(super) fn hand_over(plan: &Plan) -> Result<(), Failure> {
    let Some(owner) = &plan.owner else { return Ok(()) };
    // What the server's user has put there may be a link to what is not its own.
    let give = |path: &Path| {
        let given = lchown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()));
        given.map_err(|error| failed("hand over", path, &error))
    };
    let below = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
    };
    // What a server that ran before has made is its user's already, however deep.
    let (acme, keys) = (plan.data_dir.join("acme"), config::keys_dir(&plan.data_dir));
    let of_domain = keys.join(plan.domain.as_str());
    for path in [&plan.data_dir, &acme, &keys, &of_domain].into_iter().flat_map(|dir| below(dir)) {
        give(&path)?;
    }
    give(&plan.data_dir)
}
