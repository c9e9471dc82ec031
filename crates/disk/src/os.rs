//! The real file system, by rustix.

use std::{
    fs,
    io::{self, IoSlice},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    },
    path::Path,
    sync::Arc,
};

use rustix::{
    fs::{FallocateFlags, FlockOperation},
    io::{Errno, ReadWriteFlags},
};

use crate::{Caveat, Disk, Entry, File, Lock, Space, direct};

/// `f_type` of statfs(2), and what such a file system does not promise.
const CAVEATS: [(u32, Caveat); 14] = [
    (0x9123_683e, Caveat::CopiesOnWrite("btrfs")),
    (0x2fc1_2fc1, Caveat::CopiesOnWrite("zfs")),
    (0xca45_1a4e, Caveat::CopiesOnWrite("bcachefs")),
    (0x0102_1994, Caveat::Memory("tmpfs")),
    (0x8584_58f6, Caveat::Memory("ramfs")),
    (0x0000_6969, Caveat::Network("nfs")),
    (0x0000_517b, Caveat::Network("smb")),
    (0xff53_4d42, Caveat::Network("cifs")),
    (0xfe53_4d42, Caveat::Network("smb2")),
    (0x0102_1997, Caveat::Network("9p")),
    (0x5346_414f, Caveat::Network("afs")),
    (0x7375_7245, Caveat::Network("coda")),
    (0x00c3_6400, Caveat::Network("ceph")),
    (0x0bd0_0bd0, Caveat::Network("lustre")),
];

/// `IOV_MAX`: no call takes more buffers.
const BUFFERS_MAX: usize = 1024;

/// The disk of this machine. Files it makes are readable by us alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|above| !names_something(above)).collect();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // The name of a directory is as perishable as that of a file: without it all that is synced inside is lost.
        let above = missing.iter().filter_map(|made| made.parent());
        above
            .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
            .try_for_each(|above| self.sync_dir(above))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OsFile(fs::OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn open_log(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        direct::open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OsFile(fs::File::open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => entries.push(Entry { name, len: metadata.len() }),
                // Gone since it was listed, or no file.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize })
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        let directory = fs::File::open(dir)?;
        rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(OsLock { _directory: directory }))
    }

    fn caveat(&self, dir: &Path) -> io::Result<Option<Caveat>> {
        Ok(caveat_of(u64::try_from(rustix::fs::statfs(dir)?.f_type).unwrap_or(0)))
    }
}

fn caveat_of(kind: u64) -> Option<Caveat> {
    CAVEATS.iter().find(|(magic, _)| u64::from(*magic) == kind).map(|(_, caveat)| *caveat)
}

fn names_something(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

/// flock(2) holds as long as the descriptor is open.
struct OsLock {
    _directory: fs::File,
}

impl Lock for OsLock {}

/// A file of this machine.
pub(crate) struct OsFile(pub(crate) fs::File);

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn read_at_if_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut buffers = [io::IoSliceMut::new(buffer)];
        match rustix::io::preadv2(self.0.as_fd(), &mut buffers, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(read),
            // A file system that cannot tell: let the caller read where it may wait.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let buffers = buffers.get(..BUFFERS_MAX).unwrap_or(buffers);
        loop {
            match rustix::io::pwritev(self.0.as_fd(), buffers, offset) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self.0.as_fd(), FallocateFlags::empty(), 0, len) {
            // No promise to be had here: at least the length is right, and ENOSPC comes with the writes.
            Err(Errno::OPNOTSUPP) => self.0.set_len(len.max(self.0.metadata()?.len())),
            result => Ok(result?),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = OsDisk.create(&path).unwrap();
        let pieces: Vec<Vec<u8>> = (0..3000_u32).map(|n| n.to_le_bytes().to_vec()).collect();
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        file.write_all_vectored_at(&mut slices, 7).unwrap();
        file.sync_data().unwrap();
        let mut read = vec![0; 12_000];
        file.read_exact_at(&mut read, 7).unwrap();
        assert_eq!(read, pieces.concat());
        assert_eq!(file.len().unwrap(), 12_007);
        assert_eq!(
            file.read_exact_at(&mut read, 8).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof,
            "the file ends before"
        );
        assert_eq!(OsDisk.create(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(OsDisk.list(dir.path()).unwrap(), [Entry { name: "file".into(), len: 12_007 }]);
    }

    #[test]
    fn a_directory_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let lock = OsDisk.lock(dir.path()).unwrap();
        assert_eq!(OsDisk.lock(dir.path()).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(OsDisk.lock(dir.path()).is_ok());
    }

    #[test]
    fn what_a_file_system_does_not_promise_is_known() {
        assert_eq!(caveat_of(0x0102_1994), Some(Caveat::Memory("tmpfs")));
        assert_eq!(caveat_of(0x6969), Some(Caveat::Network("nfs")));
        assert_eq!(caveat_of(0x9123_683e), Some(Caveat::CopiesOnWrite("btrfs")));
        assert_eq!(caveat_of(0xef53), None, "ext4");
    }

    #[test]
    fn room_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let space = OsDisk.space(dir.path()).unwrap();
        assert!(space.free <= space.total && space.total > 0);
        let file = OsDisk.create(&dir.path().join("a")).unwrap();
        file.allocate(8192).unwrap();
        assert_eq!(file.len().unwrap(), 8192);
    }
}
