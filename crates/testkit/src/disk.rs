//! A disk in memory that loses what was not synced, tears it, runs full and fails, as it is told.

mod lie;
mod power;
mod random;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use disk::{Caveat, Disk, Entry, File, Lock, Space};

pub use lie::Betrayal;
use power::Power;
pub use random::SeededRandom;

/// What a disk writes at once, or perhaps not.
const SECTOR: usize = 512;

/// The simulated disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// What programs see.
    names: BTreeMap<PathBuf, u64>,
    /// What a crash leaves of the names for sure.
    synced_names: BTreeMap<PathBuf, u64>,
    pending: Vec<Pending>,
    files: BTreeMap<u64, Contents>,
    next_file: u64,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// Handles of an earlier life are dead.
    life: u64,
    capacity: Option<u64>,
    syncs: u64,
    fail_sync: Option<u64>,
    /// The extension of the file whose next sync fails.
    fail_sync_of: Option<&'static str>,
    short_writes: Option<u64>,
    /// Writes and changes of names so far, and which of them fail.
    writes: u64,
    failing: Range<u64>,
    read_only: bool,
    caveat: Option<Caveat>,
    /// Syncs are acknowledged and not done.
    lying: bool,
    power: Power,
}

#[derive(Default)]
struct Contents {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors that differ.
    dirty: BTreeSet<usize>,
    /// A failed sync has made sectors count as clean that differ.
    lost: bool,
    /// Sectors that a lying sync was to make durable.
    lied: BTreeSet<usize>,
}

/// A change of a name that no sync has made durable.
struct Pending {
    change: NameChange,
    /// One has said so.
    lied: bool,
    /// One has failed since: no later one makes it durable.
    lost: bool,
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf, u64),
}

impl NameChange {
    fn file(&self) -> u64 {
        let (Self::Add(_, file) | Self::Rename(_, _, file) | Self::Remove(_, file)) = self;
        *file
    }

    fn path(&self) -> &Path {
        let (Self::Add(path, _) | Self::Rename(_, path, _) | Self::Remove(path, _)) = self;
        path
    }

    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path, _) | Self::Rename(_, path, _) => path.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Add(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Rename(from, to, file) => {
                if names.get(from) == Some(file) {
                    names.remove(from);
                }
                names.insert(to.clone(), *file);
            }
            Self::Remove(path, file) => {
                if names.get(path) == Some(file) {
                    names.remove(path);
                }
            }
        }
    }
}

impl SimDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes. Each sector and each change of a name that was not synced is kept or lost, in no order; a kept
    /// sector may be torn. All open files and locks are gone. Returns what a lying disk has lost of what it had acknowledged.
    pub fn crash(&self, random: &SeededRandom) -> Vec<Betrayal> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        // Some crashes lose everything, some nothing: both ends are where bugs live.
        let keep = match random.below(4) {
            0 => 0,
            1 => 100,
            _ => random.below(101),
        };
        let mut betrayals = Vec::new();
        for Pending { change, lied, lost } in std::mem::take(&mut inner.pending) {
            if !lost && random.below(100) < keep {
                change.apply(&mut inner.synced_names);
            } else if lied {
                let covered = inner.files.get(&change.file()).map(|file| file.seen.clone());
                betrayals.push(Betrayal {
                    path: change.path().to_owned(),
                    covered: covered.unwrap_or_default(),
                    lost: None,
                });
            }
        }
        let before = std::mem::replace(&mut inner.names, inner.synced_names.clone());
        let names: BTreeMap<u64, &PathBuf> = before.iter().map(|(path, file)| (*file, path)).collect();
        let named: BTreeSet<u64> = inner.names.values().copied().collect();
        inner.files.retain(|file, _| named.contains(file));
        for (number, file) in &mut inner.files {
            let path = names.get(number).map(|path| (*path).clone()).unwrap_or_default();
            betrayals.extend(file.crash(path, random, keep));
        }
        inner.begin_life();
        betrayals
    }

    /// The process dies and the machine does not: what was written stays readable, synced or not. All open files and locks
    /// are gone.
    pub fn restart(&self) {
        self.inner().begin_life();
    }

    /// From now on nothing can be read or written, until [`SimDisk::crash`] or [`SimDisk::restart`].
    pub fn power_off(&self) {
        self.inner().power.off();
    }

    /// The power goes at the `nth` change from now on (1 is the next): a write, a sync, a new, other or removed name. `told`
    /// hears of it at once, and must not use the disk.
    pub fn cut_power_at(&self, nth: u64, told: impl FnOnce() + Send + 'static) {
        self.inner().power.cut_at(nth, Box::new(told));
    }

    /// Changes so far, as [`SimDisk::cut_power_at`] counts them.
    pub fn changes(&self) -> u64 {
        self.inner().power.changes()
    }

    /// So many writes and changes of names, from the `nth` from now on (1 is the next), fail and are not done.
    pub fn fail_writes(&self, nth: u64, count: u64) {
        let mut inner = self.inner();
        let first = inner.writes + nth;
        inner.failing = first..first + count;
    }

    /// From now on syncs are acknowledged and not done, or done again.
    pub fn set_lying(&self, lying: bool) {
        self.inner().lying = lying;
    }

    /// The files that are there now, with what they hold.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let inner = self.inner();
        let contents = |file: &u64| inner.files.get(file).map(|file| file.seen.clone()).unwrap_or_default();
        inner.names.iter().map(|(path, file)| (path.clone(), contents(file))).collect()
    }

    /// The `nth` sync from now on (1 is the next) fails, and what it should have made durable will be lost.
    pub fn fail_sync(&self, nth: u64) {
        let mut inner = self.inner();
        inner.fail_sync = Some(inner.syncs + nth);
    }

    /// The next sync of a file with this extension fails, whatever other threads sync before.
    pub fn fail_sync_of(&self, extension: &'static str) {
        self.inner().fail_sync_of = Some(extension);
    }

    /// The disk has room for so many octets in all files; `None` for no end.
    pub fn set_capacity(&self, octets: Option<u64>) {
        self.inner().capacity = octets;
    }

    /// Octets of all files.
    pub fn used(&self) -> u64 {
        self.inner().used()
    }

    /// Each write takes at most so many octets.
    pub fn set_short_writes(&self, max: Option<u64>) {
        self.inner().short_writes = max;
    }

    /// Nothing can be made or written any more.
    pub fn set_read_only(&self, read_only: bool) {
        self.inner().read_only = read_only;
    }

    /// It is a file system that does not promise all.
    pub fn set_caveat(&self, caveat: Option<Caveat>) {
        self.inner().caveat = caveat;
    }

    /// Turns one bit of a file over, on the disk and in what is seen.
    pub fn flip(&self, path: &Path, bit: u64) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let Some(file) = inner.names.get(path).and_then(|file| inner.files.get_mut(file)) else { return };
        let place = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        for octets in [&mut file.seen, &mut file.synced] {
            if let Some(octet) = octets.get_mut(place) {
                *octet ^= 1 << (bit % 8);
            }
        }
    }

    /// What a file holds now.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner();
        inner.names.get(path).and_then(|file| inner.files.get(file)).map(|file| file.seen.clone())
    }

    /// Another disk with all that was synced: a backup, or what a disk has that lost the rest.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.inner();
        let copied = |file: &Contents| Contents {
            seen: file.synced.clone(),
            synced: file.synced.clone(),
            ..Contents::default()
        };
        Self(Arc::new(Mutex::new(Inner {
            names: inner.synced_names.clone(),
            synced_names: inner.synced_names.clone(),
            files: inner.files.iter().map(|(number, file)| (*number, copied(file))).collect(),
            next_file: inner.next_file,
            dirs: inner.dirs.clone(),
            ..Inner::default()
        })))
    }

    /// Syncs so far.
    pub fn syncs(&self) -> u64 {
        self.inner().syncs
    }
}

impl Contents {
    /// Returns what is lost of what lying syncs had covered.
    fn crash(&mut self, path: PathBuf, random: &SeededRandom, keep: u64) -> Option<Betrayal> {
        let lied = std::mem::take(&mut self.lied);
        let before = if lied.is_empty() { Vec::new() } else { self.seen.clone() };
        self.lose(random, keep);
        lie::lost(path, &lied, &before, &self.seen)
    }

    fn lose(&mut self, random: &SeededRandom, keep: u64) {
        if self.dirty.is_empty() && self.seen.len() == self.synced.len() && !self.lost {
            return;
        }
        for sector in std::mem::take(&mut self.dirty) {
            if random.below(100) >= keep {
                continue;
            }
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.seen.len());
            if end <= start {
                continue;
            }
            if self.synced.len() < end {
                self.synced.resize(end, 0);
            }
            // A torn sector: the beginning is new, the rest is old.
            let whole = end - start;
            let taken = if random.one_in(8) {
                usize::try_from(random.below(whole as u64)).unwrap_or(0)
            } else {
                whole
            };
            if let (Some(to), Some(from)) =
                (self.synced.get_mut(start..start + taken), self.seen.get(start..start + taken))
            {
                to.copy_from_slice(from);
            }
        }
        self.seen.clone_from(&self.synced);
        self.lost = false;
    }

    fn sync(&mut self) {
        self.lied.clear();
        self.synced.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.seen.len());
            if let (Some(to), Some(from)) = (self.synced.get_mut(start..end), self.seen.get(start..end)) {
                to.copy_from_slice(from);
            }
        }
    }

    fn write(&mut self, octets: &[u8], offset: usize) {
        let end = offset + octets.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        if let Some(to) = self.seen.get_mut(offset..end) {
            to.copy_from_slice(octets);
        }
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }
}

impl Inner {
    fn begin_life(&mut self) {
        self.locks.clear();
        self.life += 1;
        self.power.on();
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.seen.len() as u64).sum()
    }

    fn check_room(&self, more: u64) -> io::Result<()> {
        self.power.check()?;
        if self.read_only {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match self.capacity {
            Some(capacity) if more > 0 && self.used() + more > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn count_sync(&mut self) -> io::Result<()> {
        self.power.strike()?.survived()?;
        self.syncs += 1;
        if self.fail_sync == Some(self.syncs) {
            Err(io::Error::other("the simulated sync failed"))
        } else {
            Ok(())
        }
    }

    fn count_sync_of(&mut self, file: u64) -> io::Result<()> {
        let is_named = |extension: &mut &'static str| {
            let fits = |path: &Path| path.extension().is_some_and(|found| found == *extension);
            self.names.iter().any(|(path, named)| *named == file && fits(path))
        };
        let failing = self.fail_sync_of.take_if(is_named);
        self.count_sync()?;
        if failing.is_some() { Err(io::Error::other("the simulated sync failed")) } else { Ok(()) }
    }

    fn change(&mut self, change: NameChange) -> io::Result<()> {
        self.count_write()?;
        let strike = self.power.strike()?;
        change.apply(&mut self.names);
        self.pending.push(Pending { change, lied: false, lost: false });
        strike.survived()
    }

    fn count_write(&mut self) -> io::Result<()> {
        self.writes += 1;
        if self.failing.contains(&self.writes) {
            return Err(io::Error::other("the simulated write failed"));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_room(0)?;
        if !inner.dirs.contains(dir) {
            // Durable when this returns, so it needs a sync.
            inner.count_sync()?;
            inner.dirs.extend(dir.ancestors().map(Path::to_owned));
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut inner = self.inner();
        inner.check_room(0)?;
        if inner.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.parent().is_none_or(|dir| !inner.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.next_file += 1;
        let file = inner.next_file;
        inner.files.insert(file, Contents::default());
        inner.change(NameChange::Add(path.to_owned(), file))?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, life: inner.life }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inner = self.inner();
        inner.check_room(0)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file: inner.find(path)?, life: inner.life }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inner = self.inner();
        inner.power.check()?;
        Ok(Arc::new(SimFile { disk: self.clone(), file: inner.find(path)?, life: inner.life }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_room(0)?;
        let file = inner.find(from)?;
        inner.change(NameChange::Rename(from.to_owned(), to.to_owned(), file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_room(0)?;
        let file = inner.find(path)?;
        inner.change(NameChange::Remove(path.to_owned(), file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let inner = self.inner();
        inner.power.check()?;
        if !inner.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = inner.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entries = inside.filter_map(|(path, file)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, len: inner.files.get(file)?.seen.len() as u64 })
        });
        Ok(entries.collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let result = inner.count_sync();
        inner.power.check()?;
        if result.is_ok() && inner.lying {
            let here = inner.pending.iter_mut().filter(|pending| pending.change.dir() == Some(dir));
            here.for_each(|pending| pending.lied = true);
            return Ok(());
        }
        let (here, elsewhere): (Vec<_>, _) = std::mem::take(&mut inner.pending)
            .into_iter()
            .partition(|pending| !pending.lost && pending.change.dir() == Some(dir));
        inner.pending = elsewhere;
        if let Err(error) = result {
            // What a lie had covered stays on its account.
            let lied = here.into_iter().filter(|pending| pending.lied);
            inner.pending.extend(lied.map(|pending| Pending { lost: true, ..pending }));
            return Err(error);
        }
        for Pending { change, .. } in &here {
            change.apply(&mut inner.synced_names);
        }
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let inner = self.inner();
        inner.power.check()?;
        let total = inner.capacity.unwrap_or(1 << 40);
        Ok(Space { free: total.saturating_sub(inner.used()), total })
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        let mut inner = self.inner();
        inner.power.check()?;
        if !inner.locks.insert(dir.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), dir: dir.to_owned(), life: inner.life }))
    }

    fn caveat(&self, _: &Path) -> io::Result<Option<Caveat>> {
        Ok(self.inner().caveat)
    }
}

struct SimLock {
    disk: SimDisk,
    dir: PathBuf,
    life: u64,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        if inner.life == self.life {
            inner.locks.remove(&self.dir);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    file: u64,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, use_it: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut inner = self.disk.inner();
        inner.power.check()?;
        if inner.life != self.life {
            return Err(io::Error::other("the machine has crashed since this file was opened"));
        }
        inner.files.get_mut(&self.file).map(use_it).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Refuses what would not fit.
    fn check_growth(&self, end: u64) -> io::Result<()> {
        let len = self.len()?;
        self.disk.inner().check_room(end.saturating_sub(len))
    }

    /// A change that is on its way to the disk when the power goes, if it goes now.
    fn change(&self, change: impl FnOnce(&mut Contents)) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.count_write()?;
        let strike = inner.power.strike()?;
        if inner.life != self.life {
            return Err(io::Error::other("the machine has crashed since this file was opened"));
        }
        let file = inner.files.get_mut(&self.file).ok_or(io::ErrorKind::NotFound)?;
        change(file);
        strike.survived()
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|file| {
            let from = file.seen.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            let len = from.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..len), from.get(..len)) {
                to.copy_from_slice(from);
            }
            len
        })
    }

    fn read_at_if_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut octets = Vec::with_capacity(buffers.iter().map(|buffer| buffer.len()).sum());
        for buffer in buffers {
            octets.extend_from_slice(buffer);
        }
        if let Some(max) = self.disk.inner().short_writes {
            octets.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        }
        self.check_growth(offset + octets.len() as u64)?;
        let write = |file: &mut Contents| file.write(&octets, usize::try_from(offset).unwrap_or(usize::MAX));
        self.change(write)?;
        Ok(octets.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.disk.inner().count_sync_of(self.file);
        if result.is_ok() && self.disk.inner().lying {
            return self.with(|file| file.lied.extend(&file.dirty));
        }
        self.with(|file| match result {
            Ok(()) => {
                file.sync();
                Ok(())
            }
            // As Linux does: the pages count as clean from here on, though they never reached the disk.
            Err(error) => {
                file.dirty.clear();
                file.lost = true;
                Err(error)
            }
        })?
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_growth(len)?;
        self.change(|file| {
            let (before, len) = (file.seen.len(), usize::try_from(len).unwrap_or(usize::MAX));
            file.seen.resize(len, 0);
            file.dirty.extend(before.min(len) / SECTOR..before.max(len).div_ceil(SECTOR));
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.len()? < len { self.set_len(len) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|file| file.seen.len() as u64)
    }
}

#[cfg(test)]
mod tests;
