//! The handle of a test on the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{Errno, ReplyEmpty};

use crate::content::BLOCK;
use crate::fault::Fault;
use crate::mount::Mount;
use crate::names::{Names, Number};
use crate::volume::{Listing, Power, Survey, Volume};

/// As large as a small server's disk; memory is taken only for what is written.
const CAPACITY: u64 = 16 << 30;

/// A disk, mounted or not. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    moved: Condvar,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) volume: Volume,
    holding: bool,
    held: Vec<HeldSync>,
    /// What programs that list directories are shown, by handle: changes meanwhile must not shift it.
    listings: BTreeMap<u64, Listing>,
    next_listing: u64,
}

/// A sync that waits to be done.
#[derive(Debug)]
pub(crate) struct HeldSync {
    pub(crate) number: Number,
    pub(crate) directory: bool,
    pub(crate) reply: ReplyEmpty,
}

/// Syncs take as long as this lives: dropping it does those that wait.
#[derive(Debug)]
#[must_use = "dropping it lets the syncs go on"]
pub struct Held(Disk);

impl Disk {
    /// An empty disk of 16 GiB.
    pub fn new(names: Names) -> Self {
        let inner = Inner {
            volume: Volume::new(names, CAPACITY),
            holding: false,
            held: Vec::new(),
            listings: BTreeMap::new(),
            next_listing: 0,
        };
        Self(Arc::new(Shared { inner: Mutex::new(inner), moved: Condvar::new() }))
    }

    /// Mounts it; needs root, `/dev/fuse` and an existing directory.
    pub fn mount(&self, dir: &Path) -> io::Result<Mount> {
        Mount::new(self.clone(), dir)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the volume, and tells those who wait for what came of it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Volume) -> T) -> T {
        let mut inner = self.lock();
        let result = act(&mut inner.volume);
        if inner.volume.survey.off {
            // Their programs are dead, or will be.
            inner.held.clear();
        }
        drop(inner);
        self.0.moved.notify_all();
        result
    }

    /// A fault that strikes from now on. Of several that mean the same operation the first one strikes.
    pub fn fail(&self, fault: Fault) {
        self.with(|volume| volume.faults.push(fault));
    }

    /// No faults any more.
    pub fn heal(&self) {
        self.with(|volume| volume.faults.clear());
    }

    /// How many octets there are in all, rounded down to blocks of 4,096; less than is used is full.
    pub fn set_capacity(&self, octets: u64) {
        self.with(|volume| volume.capacity_blocks = octets / BLOCK as u64);
    }

    /// Whether everything that writes fails with EROFS, as on a file system that the kernel has given up.
    pub fn set_read_only(&self, read_only: bool) {
        self.with(|volume| volume.read_only = read_only);
    }

    /// The power goes: from now on everything fails, and what was not synced is lost at [`Disk::restore`].
    pub fn cut_power(&self) {
        self.with(|volume| volume.survey.off = true);
    }

    /// The power goes at the `nth` operation from now that changes or syncs something (1 is the next).
    pub fn cut_power_at(&self, nth: u64) {
        self.with(|volume| volume.cut_at = Some(volume.survey.changes + nth));
    }

    /// Waits until the power is off; whether it is.
    #[must_use]
    pub fn wait_for_cut(&self, within: Duration) -> bool {
        self.wait_until(within, |survey| survey.off)
    }

    /// Waits until the disk stands so; whether it does.
    #[must_use]
    pub fn wait_until(&self, within: Duration, stands: impl Fn(&Survey) -> bool) -> bool {
        let waits = |inner: &mut Inner| !stands(&inner.volume.survey());
        let waited = self.0.moved.wait_timeout_while(self.lock(), within, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Everything so far is durable, as after sync(2): for what programs that are tested need not have synced.
    pub fn sync_all(&self) {
        self.with(Volume::sync_all);
    }

    /// The power is on again, and on the disk is what the cut left. To be called when nothing is mounted and no
    /// program runs on it any more.
    pub fn restore(&self, power: Power) {
        self.with(|volume| volume.restore(power));
    }

    /// Where the disk stands.
    pub fn survey(&self) -> Survey {
        self.lock().volume.survey()
    }

    /// From now on no sync returns.
    pub fn hold_syncs(&self) -> Held {
        self.lock().holding = true;
        Held(self.clone())
    }

    pub(crate) fn open_listing(&self) -> u64 {
        let mut inner = self.lock();
        inner.next_listing += 1;
        inner.next_listing
    }

    pub(crate) fn close_listing(&self, handle: u64) {
        self.lock().listings.remove(&handle);
    }

    /// The names of a directory behind the first `offset`, as they were when the listing began.
    pub(crate) fn listing(&self, handle: u64, dir: Number, offset: u64) -> Result<Listing, Errno> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if offset == 0 {
            inner.listings.insert(handle, inner.volume.list(dir)?);
        }
        let all = inner.listings.get(&handle).map(Vec::as_slice).unwrap_or_default();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(all.get(from..).unwrap_or_default().to_vec())
    }

    /// A sync: done now, or held.
    pub(crate) fn sync(&self, sync: HeldSync) {
        let mut inner = self.lock();
        if inner.holding && !inner.volume.survey.off {
            inner.held.push(sync);
            drop(inner);
            self.0.moved.notify_all();
            return;
        }
        drop(inner);
        self.sync_now(sync);
    }

    fn sync_now(&self, sync: HeldSync) {
        let HeldSync { number, directory, reply } = sync;
        let result =
            self.with(|volume| if directory { volume.sync_directory(number) } else { volume.sync(number) });
        match result {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }
}

impl Held {
    /// Waits until so many syncs wait; whether they do.
    #[must_use]
    pub fn wait_for(&self, count: usize, within: Duration) -> bool {
        let waits = |inner: &mut Inner| inner.held.len() < count;
        let waited = self.0.0.moved.wait_timeout_while(self.0.lock(), within, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = {
            let mut inner = self.0.lock();
            inner.holding = false;
            std::mem::take(&mut inner.held)
        };
        for sync in held {
            self.0.sync_now(sync);
        }
    }
}
