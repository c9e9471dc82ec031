//! The writing side of the log's files: append, sync, rotate, and let the oldest go.

use std::{io, path::PathBuf, sync::Arc};

use disk::{Clock, Disk, File};
use mail::Timestamp;

use crate::{
    Config, Event, EventsError,
    files::{self, LogFile},
};

/// Lines gather here before they are written.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Appends to the newest file. After a failed write or sync it goes on in a new file: what a failed sync left in the
/// old one cannot be trusted, so all lines since the last good sync are given to it again.
pub(crate) struct Writer {
    config: Config,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    file: Arc<dyn File>,
    number: u64,
    path: PathBuf,
    /// Octets of the file that are written.
    written: u64,
    /// Octets of the file that are synced.
    synced: u64,
    buffer: Vec<u8>,
    last_lsn: u64,
    /// When the last event happened that was there at the opening.
    found_at: Option<Timestamp>,
    synced_lsn: u64,
    failed: bool,
}

impl Writer {
    pub(crate) fn open(
        config: Config,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EventsError> {
        let unusable = |source| EventsError::Directory { path: config.dir.clone(), source };
        disk.create_dir_all(&config.dir).map_err(unusable)?;
        let existing = files::list(disk.as_ref(), &config.dir)?;
        let (last_lsn, found_at) = cut_torn_line(disk.as_ref(), &existing)?;
        let newest = existing.last();
        let number = newest.map_or(1, |file| file.number);
        let path = files::path_of(&config.dir, number);
        let unwritable = |source| EventsError::Write { path: path.clone(), source };
        let file = match newest {
            Some(_) => disk.open(&path).map_err(unwritable)?,
            None => disk.create(&path).map_err(unwritable)?,
        };
        let written = file.len().map_err(unwritable)?;
        disk.sync_dir(&config.dir).map_err(unusable)?;
        // What was left by a crash is readable, but perhaps not durable.
        file.sync_data().map_err(unwritable)?;
        Ok(Self {
            config,
            disk,
            clock,
            file,
            number,
            path,
            written,
            synced: written,
            buffer: Vec::new(),
            last_lsn,
            found_at,
            synced_lsn: last_lsn,
            failed: false,
        })
    }

    pub(crate) fn last_lsn(&self) -> u64 {
        self.last_lsn
    }

    /// When the last event happened that was there at the opening.
    pub(crate) fn found_at(&self) -> Option<Timestamp> {
        self.found_at
    }

    pub(crate) fn append(&mut self, lsn: u64, line: &[u8]) -> io::Result<()> {
        if self.failed {
            self.begin_again()?;
        }
        if lsn <= self.last_lsn {
            return Ok(());
        }
        if self.written + self.buffer.len() as u64 >= self.config.file_octets {
            self.sync()?;
            self.rotate()?;
        }
        files::write_line(&mut self.buffer, lsn, line);
        self.last_lsn = lsn;
        if self.buffer.len() >= BUFFER_OCTETS { self.write() } else { Ok(()) }
    }

    /// Makes all that was appended durable; returns the last LSN of it.
    pub(crate) fn sync(&mut self) -> io::Result<u64> {
        self.write()?;
        if self.written > self.synced {
            let result = self.file.sync_data();
            self.failed |= result.is_err();
            result?;
            self.synced = self.written;
        }
        self.synced_lsn = self.last_lsn;
        Ok(self.synced_lsn)
    }

    fn write(&mut self) -> io::Result<()> {
        let result = self.file.write_all_at(&self.buffer, self.written);
        self.failed |= result.is_err();
        result?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn begin_again(&mut self) -> io::Result<()> {
        self.buffer.clear();
        // Not needed for truth, only for tidiness: a reader leaves out lines whose LSN it has seen.
        let _ = self.file.set_len(self.synced);
        self.last_lsn = self.synced_lsn;
        if self.synced == 0 {
            // Nothing in it counts: a disk that fails all day shall not leave a file for each try.
            let _ = self.disk.remove(&self.path);
            self.begin_file(self.number)?;
        } else {
            self.rotate()?;
        }
        self.failed = false;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.begin_file(self.number + 1)
    }

    fn begin_file(&mut self, number: u64) -> io::Result<()> {
        let path = files::path_of(&self.config.dir, number);
        let file = match self.disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.disk.open(&path)?,
            result => result?,
        };
        file.set_len(0)?;
        self.disk.sync_dir(&self.config.dir)?;
        (self.file, self.path, self.number, self.written, self.synced) = (file, path, number, 0, 0);
        self.forget_old();
        Ok(())
    }

    /// Lets the oldest files go. That a file cannot be removed is no reason to stop.
    fn forget_old(&self) {
        let Ok(files) = files::list(self.disk.as_ref(), &self.config.dir) else { return };
        let mut total: u64 = files.iter().map(|file| file.len).sum();
        let mut removed = false;
        for file in files.iter().filter(|file| file.number < self.number) {
            if total <= self.config.keep_octets && !self.is_too_old(file) {
                break;
            }
            total -= file.len;
            removed |= self.disk.remove(&file.path).is_ok();
        }
        if removed {
            let _ = self.disk.sync_dir(&self.config.dir);
        }
    }

    fn is_too_old(&self, file: &LogFile) -> bool {
        let last_at = || {
            let open = self.disk.open_read(&file.path).ok()?;
            let tail = files::read_from(open.as_ref(), file.len.saturating_sub(64 * 1024), file.len).ok()?;
            let line = tail.split(|octet| *octet == b'\n').rfind(|line| !line.is_empty())?;
            Event::from_line(line).map(|event| event.at)
        };
        last_at().is_some_and(|at| self.clock.now().since(at) > self.config.keep_for)
    }
}

/// Cuts what a crash has left behind the last whole line of the newest file; returns the last LSN of the log, and when that event happened.
///
/// Sectors reach the disk in any order: behind one that never did, which reads as zeros, later lines may stand whole. They go
/// too, for their LSNs would say that nothing is missing, and nobody would tell those before them again.
fn cut_torn_line(disk: &dyn Disk, existing: &[LogFile]) -> Result<(u64, Option<Timestamp>), EventsError> {
    for (age, log_file) in existing.iter().rev().enumerate() {
        let octets = files::read(disk, &log_file.path)?;
        let sound = memchr::memchr(0, &octets).unwrap_or(octets.len());
        let sound = octets.get(..sound).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', sound).map_or(0, |end| end + 1);
        if age == 0 && whole < octets.len() {
            let unwritable = |source| EventsError::Write { path: log_file.path.clone(), source };
            disk.open(&log_file.path).and_then(|file| file.set_len(whole as u64)).map_err(unwritable)?;
        }
        let lines = octets.get(..whole).unwrap_or_default();
        let last = |line| files::lsn_of(line).map(|lsn| (lsn, Event::from_line(line).map(|event| event.at)));
        if let Some(last) = lines.split(|octet| *octet == b'\n').rev().find_map(last) {
            return Ok(last);
        }
    }
    Ok((0, None))
}
