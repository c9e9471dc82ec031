//! What the machine gives: files that survive a power cut, the time, and randomness.
//!
//! *Takes* paths and octets. *Hands on* files whose syncs are real, behind traits that a test can make fail.
//! *Never* knows what is written, retries a failed sync, or hides a short write from who must know of it.

mod clock;
mod direct;
mod machine;
mod os;
mod random;
mod whole;

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

pub use clock::{Clock, SystemClock};
pub use machine::this_machine;
pub use os::OsDisk;
pub use random::{OsRandom, Random};
pub use whole::{read_whole, replace_whole};

/// A file system. Paths are whole paths; nothing here depends on a working directory.
///
/// A new name, a rename and a removal are durable only once [`Disk::sync_dir`] of the directory has returned.
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it; one that exists is fine. New directories are readable by us alone,
    /// and durable when this returns.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes a new, empty file for reading and writing; one that exists is an error.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// As [`Disk::open`], for a log of whole blocks (4,096 octets) that are synced at once and hardly ever read: they are written past the
    /// page cache where that can be. Everything else works as in other files.
    fn open_log(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }
    /// Opens a file for reading only: an inspection needs no right to write.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Gives a file another name; takes the place of a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The files of a directory, in no order. Directories are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// How much room the file system of `dir` has.
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// Locks a directory for as long as the lock lives. [`io::ErrorKind::WouldBlock`] if another process or another
    /// part of this one has it.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>>;
    /// What the file system of `dir` cannot promise, if it is known for that.
    fn caveat(&self, dir: &Path) -> io::Result<Option<Caveat>>;
}

/// What a file system does not promise that others do; each with its name, as in mount(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caveat {
    /// It never overwrites in place: allocating ahead promises no room.
    CopiesOnWrite(&'static str),
    /// It is in memory: whatever is synced is gone when the machine stops.
    Memory(&'static str),
    /// It is on another machine: locks, renames and errors of writes depend on that one and on the network.
    Network(&'static str),
}

/// A held lock; dropping it gives it back.
pub trait Lock: Send + Sync {}

/// An open file. All methods name their place, so a file may be used from several threads.
pub trait File: Send + Sync {
    /// Reads up to `buffer.len()` octets; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`File::read_at`] if that needs no wait for the disk, else [`io::ErrorKind::WouldBlock`].
    fn read_at_if_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes the buffers one behind the other; returns how many octets were taken, which may be fewer.
    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Makes all that was written so far durable, with what is needed to find it again (fdatasync(2)).
    ///
    /// After an error what was written since the last sync may be lost though a later sync succeeds: never retry.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves room for the first `len` octets and extends the file to them (fallocate(2)).
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// The length in octets.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no octets.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer`; [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = self.read_at(buffer, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(read..).unwrap_or_default();
            offset += read as u64;
        }
        Ok(())
    }

    /// Writes all of `buffer`.
    fn write_all_at(&self, buffer: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_vectored_at(&mut [IoSlice::new(buffer)], offset)
    }

    /// Writes all of the buffers one behind the other, in as few system calls as the system allows.
    fn write_all_vectored_at(&self, mut buffers: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            let written = self.write_vectored_at(buffers, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut buffers, written);
            offset += written as u64;
        }
        Ok(())
    }
}

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name within the directory. Names that are not UTF-8 are left out of listings: we never make them.
    pub name: String,
    /// Its length in octets.
    pub len: u64,
}

/// The room of a file system, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What we may still use.
    pub free: u64,
    /// All there is, used or not.
    pub total: u64,
}
