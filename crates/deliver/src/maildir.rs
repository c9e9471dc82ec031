//! Files messages into Maildirs so that they survive a power cut (<https://cr.yp.to/proto/maildir.html>).
//!
//! A message is written and synced under `tmp`, moved into `new`, and `new` is synced; only then it is delivered. Its
//! name is made from its queue id, so that a second delivery after a crash replaces the first as long as no reader has
//! moved it. Blocking: call it where blocking is allowed.

use std::{
    io::{self, ErrorKind, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Disk, File};
use mail::{Envelope, Reply};

/// The folder of a Maildir for junk, as Courier and Dovecot name theirs (Maildir++).
pub(crate) const JUNK: &str = ".Junk";

/// A message under `tmp`.
pub(crate) struct Draft {
    file: Arc<dyn File>,
    octets: u64,
    tmp: PathBuf,
    new: PathBuf,
    new_dir: PathBuf,
}

/// The name of the file of one recipient (`time.unique.host`, the unique part from the queue id).
pub(crate) fn file_name(envelope: &Envelope, recipient: u32, hostname: &str) -> String {
    // cr.yp.to: `/` and `:` in the host name as \057 and \072.
    let host = hostname.replace('/', "\\057").replace(':', "\\072");
    format!("{}.Q{}R{recipient}.{host}", envelope.received.as_secs(), envelope.id)
}

impl Draft {
    /// Begins a file in the Maildir `dir`, which is made if it is not there.
    pub(crate) fn begin(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<Self> {
        let (tmp, new_dir) = (dir.join("tmp").join(name), dir.join("new"));
        let file = match disk.create(&tmp) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(disk, dir)?;
                disk.create(&tmp)?
            }
            // Left there by a crash: names are not used twice otherwise.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                disk.remove(&tmp)?;
                disk.create(&tmp)?
            }
            file => file?,
        };
        Ok(Self { file, octets: 0, new: new_dir.join(name), tmp, new_dir })
    }

    /// Writes the next octets of the file.
    fn write(&mut self, buffers: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<_> = buffers.iter().map(|buffer| IoSlice::new(buffer)).collect();
        self.file.write_all_vectored_at(&mut slices, self.octets)?;
        self.octets += buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Writes the next octets of the file, or gives it up: half a file only takes the room that is short.
    pub(crate) fn write_or_discard(mut self, disk: &dyn Disk, buffers: &[&[u8]]) -> io::Result<Self> {
        match self.write(buffers) {
            Ok(()) => Ok(self),
            Err(error) => {
                self.discard(disk);
                Err(error)
            }
        }
    }

    /// Gives the file up.
    fn discard(self, disk: &dyn Disk) {
        // What remains under `tmp` is no message; readers clean it up after 36 hours.
        let _ = disk.remove(&self.tmp);
    }

    fn publish(&self, disk: &dyn Disk) -> io::Result<()> {
        self.file.sync_data()?;
        disk.rename(&self.tmp, &self.new)
    }
}

/// Makes drafts messages. Each directory is synced once, however many messages came into it.
pub(crate) fn publish(disk: &dyn Disk, drafts: Vec<io::Result<Draft>>) -> Vec<io::Result<()>> {
    let mut dirs: Vec<(PathBuf, Option<io::Error>)> = Vec::new();
    let mut published = Vec::with_capacity(drafts.len());
    for draft in drafts {
        published.push(draft.and_then(|draft| match draft.publish(disk) {
            Ok(()) => {
                if !dirs.iter().any(|(dir, _)| *dir == draft.new_dir) {
                    dirs.push((draft.new_dir.clone(), None));
                }
                Ok(draft.new_dir)
            }
            Err(error) => {
                draft.discard(disk);
                Err(error)
            }
        }));
    }
    for (dir, problem) in &mut dirs {
        *problem = disk.sync_dir(dir).err();
    }
    let synced = |dir: PathBuf| match dirs.iter().find(|(other, _)| *other == dir) {
        Some((_, Some(error))) => Err(io::Error::new(error.kind(), error.to_string())),
        _ => Ok(()),
    };
    published.into_iter().map(|result| result.and_then(synced)).collect()
}

/// Makes a Maildir, durably: a message in a directory that a power cut takes away is lost too. A folder is in one that is made first, and has a
/// file that says so (Maildir++).
fn make(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    if dir.ends_with(JUNK) {
        dir.parent().map_or(Ok(()), |whole| make(disk, whole))?;
        disk.create_dir_all(dir)?;
        match disk.create(&dir.join("maildirfolder")) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    // `tmp` comes last: whoever finds it there, made by another worker, may count on the others.
    for part in ["new", "cur", "tmp"] {
        disk.create_dir_all(&dir.join(part))?;
    }
    disk.sync_dir(dir)?;
    dir.parent().map_or(Ok(()), |root| {
        disk.sync_dir(root)?;
        root.parent().map_or(Ok(()), |above| disk.sync_dir(above))
    })
}

/// What a failure means: all of them may pass.
pub(crate) fn refusal(error: &io::Error) -> Reply {
    match error.kind() {
        ErrorKind::QuotaExceeded => Reply::fixed(452, (4, 2, 2), "the mailbox is full"),
        ErrorKind::StorageFull => Reply::fixed(452, (4, 3, 1), "the disk with the mailboxes is full"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Reply::fixed(451, (4, 3, 5), "the mailbox cannot be written: no permission")
        }
        _ => Reply::fixed(451, (4, 2, 0), "the mailbox cannot be written"),
    }
}

/// Line ends as Maildir readers expect them: CRLF becomes LF. A CR at the end of a piece waits in `held` for its LF.
pub(crate) fn to_lf(octets: &[u8], held: &mut bool, out: &mut Vec<u8>) {
    out.reserve(octets.len() + 1);
    if std::mem::take(held) && octets.first() != Some(&b'\n') {
        out.push(b'\r');
    }
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (line, tail) = rest.split_at(at);
        out.extend_from_slice(line);
        rest = tail.get(1..).unwrap_or_default();
        match rest.first() {
            Some(b'\n') => {}
            Some(_) => out.push(b'\r'),
            None => *held = true,
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
#[path = "maildir_tests.rs"]
mod tests;
