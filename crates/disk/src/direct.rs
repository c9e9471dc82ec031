//! Writes past the page cache (`O_DIRECT`): for a log that is written in whole blocks, each synced at once and hardly ever read.
//!
//! The page cache would be a detour for it: a page to find, to copy to, to mark and to look for again at the sync. What cannot go past it
//! (no whole blocks, a file system that knows no direct writes) goes through it; the kernel keeps both ways coherent.

use std::{
    fs,
    io::{self, IoSlice},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::OFlags;

use crate::{File, os::OsFile};

/// What direct writes are aligned to, in the file and in memory: enough for any disk with blocks of at most this size.
const BLOCK: usize = 4096;
/// Octets of one direct write.
const STEP: usize = 1 << 20;

/// A file that is read as usual and written past the page cache.
struct DirectFile {
    usual: OsFile,
    direct: fs::File,
    /// Gathers what is written, aligned; empty until it is needed.
    room: Mutex<Vec<u8>>,
    /// The file system took the flag and refused a write.
    refused: AtomicBool,
}

/// Opens a file for reading and for writing past the page cache, or as usual where the file system cannot do so.
pub(crate) fn open(path: &Path) -> io::Result<Arc<dyn File>> {
    let usual = OsFile(fs::OpenOptions::new().read(true).write(true).open(path)?);
    let flag = OFlags::DIRECT.bits().cast_signed();
    match fs::OpenOptions::new().write(true).custom_flags(flag).open(path) {
        Ok(direct) => {
            let (room, refused) = (Mutex::default(), AtomicBool::new(false));
            Ok(Arc::new(DirectFile { usual, direct, room, refused }))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Arc::new(usual)),
        Err(error) => Err(error),
    }
}

impl DirectFile {
    /// Writes whole blocks from the front of `buffers`, perhaps not all. None if that cannot be.
    fn write_blocks(&self, buffers: &[IoSlice<'_>], offset: u64) -> Option<io::Result<usize>> {
        let octets: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let octets = octets.min(STEP) / BLOCK * BLOCK;
        if octets == 0 || !offset.is_multiple_of(BLOCK as u64) || self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let written = match buffers {
            [buffer] if buffer.as_ptr().align_offset(BLOCK) == 0 => {
                self.direct.write_at(buffer.get(..octets).unwrap_or_default(), offset)
            }
            _ => {
                let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
                self.direct.write_at(gather(buffers, octets, &mut room), offset)
            }
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.refused.store(true, Ordering::Relaxed);
                None
            }
            written => Some(written),
        }
    }
}

/// The first `octets` of all buffers one behind the other, beginning with a block in memory.
fn gather<'a>(buffers: &[IoSlice<'_>], octets: usize, room: &'a mut Vec<u8>) -> &'a [u8] {
    room.clear();
    // Once, for the largest write: where it begins must not change while it is filled.
    room.reserve(STEP + BLOCK);
    let start = room.as_ptr().align_offset(BLOCK);
    let end = start + octets;
    room.resize(start, 0);
    for buffer in buffers {
        let wanted = buffer.len().min(end - room.len());
        room.extend_from_slice(buffer.get(..wanted).unwrap_or_default());
    }
    room.get(start..).unwrap_or_default()
}

impl File for DirectFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.usual.read_at(buffer, offset)
    }

    fn read_at_if_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.usual.read_at_if_cached(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        loop {
            match self.write_blocks(buffers, offset) {
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(written) => return written,
                None => return self.usual.write_vectored_at(buffers, offset),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.usual.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.usual.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.usual.allocate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.usual.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, OsDisk};

    /// Octets of which no two neighbouring blocks are the same.
    fn octets(count: usize) -> Vec<u8> {
        (0..=250).cycle().take(count).collect()
    }

    #[test]
    fn what_is_written_in_any_pieces_at_any_place_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        OsDisk.create(&path).unwrap();
        let (log, reader) = (OsDisk.open_log(&path).unwrap(), OsDisk.open_read(&path).unwrap());
        for (len, cut, offset) in [
            (BLOCK, 64, 0),
            (3 * BLOCK, 5000, BLOCK),
            (BLOCK, BLOCK, BLOCK),
            (2 * STEP + BLOCK, 70_000, 2 * BLOCK),
            (STEP, STEP, 4 * STEP),
            (BLOCK + 1, 7, 7 * BLOCK),
            (100, 50, 33),
        ] {
            let octets = octets(len);
            let mut pieces: Vec<_> = octets.chunks(cut).map(IoSlice::new).collect();
            log.write_all_vectored_at(&mut pieces, offset as u64).unwrap();
            log.sync_data().unwrap();
            // Another descriptor, and pages that were read before what is written over them.
            for file in [&reader, &log] {
                let mut read = vec![0; len];
                file.read_exact_at(&mut read, offset as u64).unwrap();
                assert!(read == octets, "{len} octets in pieces of {cut} at {offset}");
            }
        }
        assert_eq!(log.len().unwrap(), (5 * STEP) as u64);
    }

    #[test]
    fn whole_blocks_begin_aligned_and_end_where_the_write_does() {
        let octets = octets(STEP + 100);
        let buffers: Vec<_> = octets.chunks(999).map(IoSlice::new).collect();
        let mut room = Vec::new();
        for wanted in [BLOCK, STEP, 2 * BLOCK] {
            let gathered = gather(&buffers, wanted, &mut room);
            assert_eq!(gathered.as_ptr().align_offset(BLOCK), 0);
            assert!(gathered == &octets[..wanted], "{wanted}");
        }
    }
}
