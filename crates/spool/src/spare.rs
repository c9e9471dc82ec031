//! A spare segment in the making: written zeros, for overwriting those needs no journal at each sync, as unwritten
//! extents do.

use std::{io, path::PathBuf, sync::Arc};

use disk::{Disk, File};

/// Octets that are synced at once beside running mail. A disk writes in order: whoever syncs a message right behind 64 MiB
/// of zeros waits for all of them, which takes up to half a second.
pub(crate) const SYNC_STEP_OCTETS: u64 = 256 << 10;
/// Octets of one write.
const WRITE_OCTETS: u64 = 1 << 20;
const BLOCK: usize = 4096;

/// How zeros get to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// All at once and one sync: nobody else needs the disk yet.
    AtOnce,
    /// So that the syncs of others get between.
    InSteps,
}

/// A file of zeros that is not complete.
pub(crate) struct Making {
    pub(crate) number: u32,
    path: PathBuf,
    file: Arc<dyn File>,
    octets: u64,
    written: u64,
    /// Kept from step to step.
    zeros: Vec<u8>,
}

impl Making {
    /// Makes the file, with room for all of it.
    pub(crate) fn begin(disk: &dyn Disk, path: PathBuf, number: u32, octets: u64) -> io::Result<Self> {
        disk.create(&path)?;
        let opened = disk.open_log(&path).and_then(|file| file.allocate(octets).map(|()| file));
        match opened {
            Ok(file) => Ok(Self { number, path, file, octets, written: 0, zeros: Vec::new() }),
            Err(error) => {
                let _ = disk.remove(&path);
                Err(error)
            }
        }
    }

    /// Writes some zeros and syncs them; returns whether that was all. Its name is for the caller to sync.
    pub(crate) fn step(&mut self, manner: Manner) -> io::Result<bool> {
        let end = match manner {
            Manner::AtOnce => self.octets,
            Manner::InSteps => self.octets.min(self.written + SYNC_STEP_OCTETS),
        };
        let wanted = usize::try_from(WRITE_OCTETS.min(end - self.written)).unwrap_or(0);
        if self.zeros.len() < wanted + BLOCK {
            self.zeros = vec![0; wanted + BLOCK];
        }
        // From the beginning of a block in memory on they are written from where they are: see `Disk::open_log`.
        let zeros = self.zeros.get(self.zeros.as_ptr().align_offset(BLOCK)..).unwrap_or_default();
        while self.written < end {
            let now = usize::try_from(end - self.written).unwrap_or(usize::MAX).min(wanted);
            self.file.write_all_at(zeros.get(..now).unwrap_or_default(), self.written)?;
            self.written += now as u64;
        }
        self.file.sync_data()?;
        Ok(self.written >= self.octets)
    }

    /// Gives it up. It is not in use: what is left of it loses nothing, and is found at the next start.
    pub(crate) fn discard(self, disk: &dyn Disk) {
        let _ = disk.remove(&self.path);
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::IoSlice,
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
    };

    use testkit::disk::SimDisk;

    use super::*;

    /// Counts what a sync would have to write.
    #[derive(Default)]
    struct Meter {
        unsynced: AtomicU64,
        most: AtomicU64,
        len: AtomicU64,
    }

    impl File for Meter {
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }
        fn read_at_if_cached(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }
        fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            let octets: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            let unsynced = self.unsynced.fetch_add(octets as u64, Ordering::SeqCst) + octets as u64;
            self.most.fetch_max(unsynced, Ordering::SeqCst);
            self.len.fetch_max(offset + octets as u64, Ordering::SeqCst);
            Ok(octets)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.unsynced.store(0, Ordering::SeqCst);
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn allocate(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.len.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn in_steps_no_sync_has_more_than_a_step_to_write() {
        let octets = 3 * SYNC_STEP_OCTETS + 4096;
        let meter = Arc::new(Meter::default());
        let file = Arc::clone(&meter) as Arc<dyn File>;
        let mut making =
            Making { number: 1, path: "0.free".into(), file, octets, written: 0, zeros: Vec::new() };
        let steps = std::iter::from_fn(|| Some(making.step(Manner::InSteps).unwrap()));
        assert_eq!(steps.take_while(|done| !done).count(), 3);
        assert_eq!(meter.most.load(Ordering::SeqCst), SYNC_STEP_OCTETS);
        assert_eq!((meter.len().unwrap(), meter.unsynced.load(Ordering::SeqCst)), (octets, 0));
    }

    #[test]
    fn what_cannot_get_its_room_leaves_no_file() {
        let disk = SimDisk::default();
        disk.create_dir_all(Path::new("/s")).unwrap();
        disk.set_capacity(Some(1 << 20));
        let path = PathBuf::from("/s/00000001.free");
        assert!(Making::begin(&disk, path, 1, 2 << 20).is_err());
        assert_eq!(disk.list(Path::new("/s")).unwrap(), []);
        let path = PathBuf::from("/s/00000002.free");
        let making = Making::begin(&disk, path, 2, 1 << 20).unwrap();
        making.discard(&disk);
        assert_eq!(disk.list(Path::new("/s")).unwrap(), []);
    }
}
