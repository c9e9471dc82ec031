//! The spool's files: their names, and segments opened when they are needed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use disk::{Disk, File, Lock};
use mail::QueueId;

use crate::{SpoolError, format::Tag};

/// No more segments than these are kept open for reading.
const OPEN_MAX: usize = 64;

/// Locks a spool's directory: one server, or one inspection, at a time.
pub(crate) fn lock(dir: &Path, disk: &dyn Disk) -> Result<Box<dyn Lock>, SpoolError> {
    disk.lock(dir).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => SpoolError::Locked { dir: dir.to_owned() },
        _ => SpoolError::Directory { dir: dir.to_owned(), source },
    })
}

pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:08x}.seg")
}

pub(crate) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(segment_name(number))
}

pub(crate) fn spare_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08x}.free"))
}

pub(crate) fn large_dir(dir: &Path) -> PathBuf {
    dir.join("large")
}

pub(crate) fn large_path(dir: &Path, id: QueueId) -> PathBuf {
    large_dir(dir).join(id.to_string())
}

/// The number in a name such as `0000002a.seg`.
pub(crate) fn number_in(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix).filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok()
}

/// Files kept open, the longest unused first.
#[derive(Default)]
pub(crate) struct OpenFiles(Mutex<Vec<(u32, Arc<dyn File>)>>);

/// A segment on disk. As long as somebody holds it, it is not used anew.
pub(crate) struct SegmentFile {
    number: u32,
    tag: Tag,
    len: AtomicU64,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    open: Arc<OpenFiles>,
}

impl std::fmt::Debug for SegmentFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "segment {}", self.path.display())
    }
}

impl SegmentFile {
    pub(crate) fn new(
        number: u32,
        tag: Tag,
        len: u64,
        dir: &Path,
        disk: Arc<dyn Disk>,
        open: Arc<OpenFiles>,
    ) -> Self {
        Self { number, tag, len: AtomicU64::new(len), path: segment_path(dir, number), disk, open }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// It was cut: it is not of use for another life.
    pub(crate) fn was_cut(&self, len: u64) {
        self.len.store(len, Ordering::Relaxed);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file. Opening is the one wait here, and it is for a directory entry.
    pub(crate) fn file(&self) -> io::Result<Arc<dyn File>> {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = open.iter().position(|(number, _)| *number == self.number) {
            let last = open.len() - 1;
            if place + 8 < open.len() {
                open.swap(place, last);
            }
            if let Some((_, file)) = open.iter().rev().find(|(number, _)| *number == self.number) {
                return Ok(Arc::clone(file));
            }
        }
        let file = self.disk.open_read(&self.path)?;
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((self.number, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes the file; who reads it keeps it open.
    pub(crate) fn close(&self) {
        self.open
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(number, _)| *number != self.number);
    }
}
