//! The files: each is made whole and never written over.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown, lchown},
    path::{Path, PathBuf},
};

use disk::{Disk as _, OsDisk};
use message_auth::dkim::{KeyError, SigningKey};
use rcgen::KeyPair;

use super::{Key, Plan};
use crate::{config::words, failure::Failure};

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {what} {}: {}", path.display(), words(error)));
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure
            .hint("run it as root (by sudo), or name places of your own: --config FILE --data-dir DIR");
    }
    failure
}

/// Where a key goes.
pub(super) fn key_file(plan: &Plan, Key { selector, domain, .. }: &Key) -> PathBuf {
    plan.key_dir().join(format!("{selector}.{domain}.pem"))
}

/// Makes the directories. Those of the configuration belong to whoever makes them, and the server's group may read there.
pub(super) fn directories(plan: &Plan) -> Result<(), Failure> {
    let key_dir = plan.key_dir();
    let of_config = key_dir.parent().unwrap_or(&key_dir);
    for dir in [of_config, key_dir.as_path()] {
        if !dir.exists() {
            let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
            made.and_then(|()| give_group(plan, dir))
                .map_err(|error| failed("make the directory", dir, &error))?;
        }
    }
    OsDisk
        .create_dir_all(&plan.data_dir)
        .map_err(|error| failed("make the directory", &plan.data_dir, &error))
}

/// Makes a key for signatures. None: it is there already.
pub(super) fn dkim_key(plan: &Plan, key: &Key) -> Result<Option<PathBuf>, Failure> {
    let file = key_file(plan, key);
    if file.exists() {
        return Ok(None);
    }
    let pem = SigningKey::generate(key.algorithm).and_then(|key| key.to_pem());
    let pem = pem.map_err(|error: KeyError| Failure::new(error.to_string()))?;
    create(plan, &file, &pem)?;
    Ok(Some(file))
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
    let acme = plan.data_dir.join("acme");
    for path in below(&plan.data_dir).into_iter().chain(below(&acme)) {
        give(&path)?;
    }
    give(&plan.data_dir)
}
