//! A backup is made: under another name, until all of it is on stable storage.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use disk::{Clock, Disk, OsDisk, SystemClock};
use store::Store;
use tokio::time::Instant;

use super::{
    Entry, MAILBOXES, MORE, Manifest, STORE,
    manifest::{self, FORMAT, hashed},
    shown,
};
use crate::{config, failure::Failure};

/// The longest rest behind a piece.
const REST_MAX: Duration = Duration::from_millis(200);

/// What is to be copied.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) data_dir: PathBuf,
    /// The configuration file and those that it names; none of `dev`.
    pub(crate) configuration: Vec<PathBuf>,
}

/// Makes a backup. `progress` is told how many octets of the databases are copied, and of how many.
pub(crate) fn create(
    sources: &Sources,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Manifest, Failure> {
    let Sources { data_dir, configuration } = sources;
    let databases: Vec<&str> =
        [MAILBOXES, STORE].into_iter().filter(|name| data_dir.join(name).exists()).collect();
    if databases.is_empty() {
        return Err(Failure::new(format!("there is nothing to back up in {}", shown(data_dir)))
            .hint("name the server with --config FILE or --dir DIR"));
    }
    if to.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{} is there already", shown(to)))
            .hint("nothing is written over: name a directory that is not there yet"));
    }
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(format!("cannot write {}: {}", shown(path), config::words(error)))
    };
    let partial = with_ending(to, ".partial");
    let _claim = claim(&partial)?;
    let sizes: u64 = databases
        .iter()
        .filter_map(|name| fs::metadata(data_dir.join(name)).ok())
        .map(|about| about.len())
        .sum();
    let (mut files, mut before) = (Vec::new(), 0);
    for name in databases {
        let mut last = Instant::now();
        let mut size = 0;
        Store::copy(&data_dir.join(name), &partial.join(name), |done, all| {
            size = all;
            progress(before + done, sizes.max(before + all));
            rest(last.elapsed());
            last = Instant::now();
        })
        .map_err(|error| {
            Failure::new(&error)
                .hint("run this as the server's user, or as root; there has to be room for a copy")
        })?;
        before += size;
        files.push(entry(&partial, name, None).map_err(|error| failed(&partial.join(name), &error))?);
    }
    for name in MORE {
        copy_all(&data_dir.join(name), &partial, name, &mut files)?;
    }
    for (number, path) in (1..).zip(configuration) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("configuration/{number:02}-{name}");
        copy_file(path, &partial, &name)?;
        let from = Some(path.to_string_lossy().into_owned());
        files.push(entry(&partial, &name, from).map_err(|error| failed(&partial.join(&name), &error))?);
    }
    let manifest = Manifest {
        format: FORMAT,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: SystemClock.now().to_string(),
        files,
    };
    finish(&manifest, &partial, to).map_err(|error| failed(to, &error))?;
    Ok(manifest)
}

/// Rests for as long as the work took: the disk is there for mail.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for: others are to have their turn")]
fn rest(worked: Duration) {
    std::thread::sleep(worked.min(REST_MAX));
}

/// A name with something behind.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Makes the directory anew, for us alone.
fn claim(partial: &Path) -> Result<Box<dyn disk::Lock>, Failure> {
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            Failure::new(format!("another backup is being made in {}", shown(partial)))
        }
        _ => Failure::new(format!("cannot make {}: {}", shown(partial), config::words(error))),
    };
    let make = || fs::DirBuilder::new().mode(0o700).create(partial);
    match make() {
        // Of one that was cut off.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            drop(OsDisk.lock(partial).map_err(|error| failed(&error))?);
            fs::remove_dir_all(partial).and_then(|()| make()).map_err(|error| failed(&error))?;
        }
        made => made.map_err(|error| failed(&error))?,
    }
    OsDisk.lock(partial).map_err(|error| failed(&error))
}

/// A file, or a directory with its files.
fn copy_all(from: &Path, partial: &Path, name: &str, files: &mut Vec<Entry>) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::new(format!("cannot copy {}: {}", shown(from), config::words(&error)));
    let about = match fs::metadata(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about.map_err(failed)?,
    };
    if about.is_file() {
        copy_file(from, partial, name)?;
        files.push(entry(partial, name, None).map_err(failed)?);
        return Ok(());
    }
    let mut below: Vec<_> = fs::read_dir(from).and_then(Iterator::collect).map_err(failed)?;
    below.sort_by_key(fs::DirEntry::file_name);
    for one in below {
        let path = one.path();
        copy_all(&path, partial, &format!("{name}/{}", one.file_name().to_string_lossy()), files)?;
    }
    Ok(())
}

/// A small file. Only its owner may read the copy: there are keys among them.
fn copy_file(from: &Path, partial: &Path, name: &str) -> Result<(), Failure> {
    let to = partial.join(name);
    let copy = || {
        if let Some(dir) = to.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()?;
        to.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    copy().map_err(|error| Failure::new(format!("cannot copy {}: {}", shown(from), config::words(&error))))
}

fn entry(partial: &Path, name: &str, from: Option<String>) -> io::Result<Entry> {
    let (octets, sha256) = hashed(&partial.join(name), |_| Ok(()))?;
    Ok(Entry { path: name.to_owned(), octets, sha256, from })
}

/// From here on it is one.
fn finish(manifest: &Manifest, partial: &Path, to: &Path) -> io::Result<()> {
    let path = partial.join(manifest::FILE);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Texts and numbers alone: it cannot fail.
    file.write_all(&serde_json::to_vec_pretty(manifest).unwrap_or_default())?;
    file.sync_all()?;
    File::open(partial)?.sync_all()?;
    // Not over anything that came there meanwhile: a directory takes only the place of an empty one.
    fs::rename(partial, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
