//! A data directory out of a backup, after a loss: as it was, but that no number is given twice.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
};

use disk::{Clock, Disk, OsDisk, SystemClock};
use mailstore::Mailstore;
use store::Store;

use super::{
    Entry, MAILBOXES, Manifest, STORE,
    create::with_ending,
    is_database,
    manifest::{damaged, hashed},
    schemas, shown,
};
use crate::{config, failure::Failure};

/// Here all is made ready. As long as it is there, no server starts.
const SCRATCH: &str = "restoring";
/// What the names of the files of a database end in: its own, and those of its log.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Whether a restore was cut off in a data directory.
pub(crate) fn is_unfinished(data_dir: &Path) -> bool {
    data_dir.join(SCRATCH).exists()
}

/// Restores a backup into a data directory without databases. `progress` is told how many octets are copied, and of how many.
pub(crate) fn restore(
    backup: &Path,
    data_dir: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Manifest, Failure> {
    let manifest = Manifest::read(backup)?;
    for name in [MAILBOXES, STORE] {
        // Before anything is touched.
        if manifest.entry(name).is_some() {
            Store::due(&backup.join(name), schemas(name))
                .map_err(|error| Failure::new(&error).hint("nothing was changed"))?;
        }
    }
    let _claim = claim(data_dir)?;
    let wanted: Vec<&Entry> = manifest.files.iter().filter(|entry| entry.from.is_none()).collect();
    if !is_unfinished(data_dir) {
        empty(data_dir, &wanted)?;
    }
    let scratch = data_dir.join(SCRATCH);
    let failed = |error: &io::Error| {
        Failure::new(format!("cannot write to {}: {}", shown(data_dir), config::words(error)))
    };
    prepare(&scratch).map_err(|error| failed(&error))?;
    let all = wanted.iter().map(|entry| entry.octets).sum();
    let mut copied = 0;
    for entry in &wanted {
        let same = copy(backup, &scratch, entry, |octets| {
            copied += octets;
            progress(copied, all);
        });
        if !same.map_err(|error| failed(&error))? {
            fs::remove_dir_all(&scratch).map_err(|error| failed(&error))?;
            return Err(damaged(backup, &format!("{} is not what was written", entry.path)));
        }
    }
    make_new(&scratch, &manifest)?;
    if manifest.entry(MAILBOXES).is_some() {
        forget_index(data_dir).map_err(|error| failed(&error))?;
    }
    take_over(&scratch, data_dir, &wanted).map_err(|error| failed(&error))?;
    Ok(manifest)
}

/// No server starts there, and none runs.
fn claim(data_dir: &Path) -> Result<Box<dyn disk::Lock>, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::new(format!("a server runs on {}", shown(data_dir)))
            .hint("stop it; or put mail back into the running one with --account LOGIN"),
        _ => Failure::new(format!(
            "cannot use the data directory {}: {}",
            shown(data_dir),
            config::words(&error)
        )),
    };
    OsDisk.create_dir_all(data_dir).and_then(|()| OsDisk.lock(data_dir)).map_err(failed)
}

/// Nothing there is written over. Neither is a log of a database left beside one that it does not belong to: whoever opens that would write the log
/// into it.
fn empty(data_dir: &Path, wanted: &[&Entry]) -> Result<(), Failure> {
    let mut names = wanted
        .iter()
        .filter(|entry| is_database(&entry.path))
        .flat_map(|entry| BESIDE.map(|behind| format!("{}{behind}", entry.path)));
    // Also one that leads nowhere.
    let there = names.find(|name| data_dir.join(name).symlink_metadata().is_ok());
    there.map_or(Ok(()), |name| {
        let failure = format!("there is a {name} in {} already", shown(data_dir));
        Err(Failure::usage(failure).hint("nothing is written over: move it away, with the -wal and -shm beside it, or choose another directory"))
    })
}

/// Throws away what one that was cut off has left.
fn prepare(scratch: &Path) -> io::Result<()> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(scratch)?;
    scratch.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Copies a file; whether it is what the manifest says.
fn copy(backup: &Path, scratch: &Path, entry: &Entry, mut each: impl FnMut(u64)) -> io::Result<bool> {
    let to = scratch.join(&entry.path);
    if let Some(dir) = to.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
    let hashed = hashed(&backup.join(&entry.path), |piece| {
        each(piece.len() as u64);
        file.write_all(piece)
    });
    let (octets, sha256) = match hashed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        hashed => hashed?,
    };
    file.sync_all()?;
    Ok(octets == entry.octets && sha256 == entry.sha256)
}

/// Brings the tables up to date, and sees to it that no UID is given twice.
fn make_new(scratch: &Path, manifest: &Manifest) -> Result<(), Failure> {
    if manifest.entry(STORE).is_some() {
        let opened = Store::open(&scratch.join(STORE), schemas(STORE));
        opened.map_err(|error| Failure::new(&error).hint(error.hint()))?.0.close();
    }
    if manifest.entry(MAILBOXES).is_some() {
        let failed = |error: mailstore::MailstoreError| Failure::new(error);
        let (mailstore, _) = Mailstore::open(&scratch.join(MAILBOXES)).map_err(failed)?;
        let now = i64::try_from(SystemClock.now().as_millis()).unwrap_or(i64::MAX);
        // The runtime only waits: the store has a thread of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
        let renumbered = runtime.block_on(mailstore.renumber(now));
        mailstore.close();
        renumbered.map_err(failed)?;
    }
    Ok(())
}

/// The index of texts of whatever mailboxes were there before. By their numbers it would be taken for that of those which come: they may be of another
/// server, and identifiers that were passed over make it look older than they are. It is made anew from the messages.
fn forget_index(data_dir: &Path) -> io::Result<()> {
    let index = config::text_index_file(data_dir);
    for behind in BESIDE {
        match fs::remove_file(with_ending(&index, behind)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(data_dir)?.sync_all()
}

/// Puts everything in its place; the directory in which it was made ready goes last, and with it what keeps servers from starting.
fn take_over(scratch: &Path, data_dir: &Path, wanted: &[&Entry]) -> io::Result<()> {
    let owner = fs::metadata(data_dir)?;
    for entry in wanted {
        let (from, to) = (scratch.join(&entry.path), data_dir.join(&entry.path));
        if !is_database(&entry.path) && to.exists() {
            continue;
        }
        let mut above: Vec<PathBuf> = Vec::new();
        for dir in to.ancestors().skip(1).take_while(|dir| *dir != data_dir) {
            if !dir.exists() {
                above.push(dir.to_owned());
            }
        }
        for dir in above.iter().rev() {
            fs::DirBuilder::new().mode(0o700).create(dir)?;
            belong(dir, &owner)?;
        }
        File::open(&from)?.sync_all()?;
        belong(&from, &owner)?;
        fs::rename(&from, &to)?;
        to.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
    }
    File::open(data_dir)?.sync_all()?;
    fs::remove_dir_all(scratch)?;
    File::open(data_dir)?.sync_all()
}

/// Gives a path to whom the data directory belongs: root restores, the server's user reads.
fn belong(path: &Path, owner: &fs::Metadata) -> io::Result<()> {
    let about = fs::metadata(path)?;
    if (about.uid(), about.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(path, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Sources, create},
        *,
    };

    #[test]
    fn the_log_of_a_lost_database_is_not_left_beside_another() {
        let entry = |path: &str| Entry { path: path.into(), octets: 0, sha256: String::new(), from: None };
        let (mailboxes, learned) = (entry(MAILBOXES), entry("sites.jsonl"));
        for (name, is_empty) in [
            ("sites.jsonl", true),
            ("text.db", true),
            ("mailboxes.db", false),
            ("mailboxes.db-wal", false),
            ("mailboxes.db-shm", false),
            ("mailboxes.db-journal", false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(name), b"x").unwrap();
            let found = empty(dir.path(), &[&learned, &mailboxes]);
            assert_eq!(found.is_ok(), is_empty, "{name}");
        }
    }

    #[test]
    fn what_others_gave_us_and_what_was_learned_of_them_comes_back() {
        let parent = tempfile::tempdir().unwrap();
        let [server, other, backup] = ["server", "other", "backup"].map(|name| parent.path().join(name));
        fs::create_dir(&server).unwrap();
        Mailstore::open(&server.join(MAILBOXES)).unwrap().0.close();
        fs::create_dir(server.join("relays")).unwrap();
        let learned =
            ["sites.jsonl", "relays.jsonl", "mta-sts.jsonl", "usage.txt", "relays/tokens of an account"];
        for name in learned {
            fs::write(server.join(name), name).unwrap();
        }
        create(&Sources { data_dir: server, configuration: Vec::new() }, &backup, |_, _| ()).unwrap();
        restore(&backup, &other, |_, _| ()).unwrap();
        for name in learned {
            assert_eq!(fs::read_to_string(other.join(name)).ok().as_deref(), Some(name));
        }
    }

    #[test]
    fn an_index_of_other_mailboxes_is_not_taken_for_that_of_those_restored() {
        let parent = tempfile::tempdir().unwrap();
        let [server, other, backup] = ["server", "other", "backup"].map(|name| parent.path().join(name));
        fs::create_dir(&server).unwrap();
        Mailstore::open(&server.join(MAILBOXES)).unwrap().0.close();
        create(&Sources { data_dir: server, configuration: Vec::new() }, &backup, |_, _| ()).unwrap();
        fs::create_dir(&other).unwrap();
        let index = config::text_index_file(&other);
        for behind in ["", "-wal"] {
            fs::write(with_ending(&index, behind), b"of others").unwrap();
        }
        restore(&backup, &other, |_, _| ()).unwrap();
        assert!(other.join(MAILBOXES).exists());
        assert!(!index.exists() && !with_ending(&index, "-wal").exists());
    }
}
