//! Segments to write to: made ahead, of real zeros, used again when they are dead.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::JoinHandle,
};

use disk::{Disk, File, Random};

use crate::{
    SpoolError, files,
    files::{OpenFiles, SegmentFile},
    format::{SEGMENT_DATA, SegmentHeader},
    shared::Shared,
};

/// These many spares belong to completions and the cleaner.
const SPARES_RESERVED: usize = 2;

/// A fresh segment, durable by name and header, ready for its first batch.
pub(crate) struct Prepared {
    pub(crate) segment: Arc<SegmentFile>,
    pub(crate) file: Arc<dyn File>,
    /// Whether it came out of what is reserved, because nothing else was left.
    pub(crate) from_reserve: bool,
}

/// Makes segments and takes dead ones back.
pub(crate) struct Supply {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) open: Arc<OpenFiles>,
    pub(crate) segment_octets: u64,
    pub(crate) spares_max: usize,
    pub(crate) next_number: u32,
    /// The numbers of spare files, each of the right length.
    pub(crate) spares: Vec<u32>,
}

impl Supply {
    /// Prepares a segment.
    pub(crate) fn prepare(&mut self, first_of_run: bool) -> Result<Prepared, SpoolError> {
        let (spare, from_reserve) = self.spare()?;
        let number = self.next_number;
        self.next_number += 1;
        let mut tag = [0; 16];
        self.random.fill(&mut tag);
        let path = files::segment_path(&self.dir, number);
        let make = || -> io::Result<Arc<dyn File>> {
            let old_path = files::spare_path(&self.dir, spare);
            let file = self.disk.open(&old_path)?;
            file.write_all_at(&SegmentHeader { segment: number, tag, first_of_run }.encode(), 0)?;
            file.sync_data()?;
            self.disk.rename(&old_path, &path)?;
            self.disk.sync_dir(&self.dir)?;
            Ok(file)
        };
        let file = make().map_err(|source| SpoolError::Write { path: path.clone(), source })?;
        let (disk, open) = (Arc::clone(&self.disk), Arc::clone(&self.open));
        let segment = SegmentFile::new(number, tag, self.segment_octets, &self.dir, disk, open);
        Ok(Prepared { segment: Arc::new(segment), file, from_reserve })
    }

    /// A spare to use: one beyond the reserved ones, or a new one, or in need a reserved one.
    fn spare(&mut self) -> Result<(u32, bool), SpoolError> {
        if self.spares.len() > SPARES_RESERVED
            && let Some(spare) = self.spares.pop()
        {
            return Ok((spare, false));
        }
        match self.make_spare() {
            Ok(spare) => Ok((spare, false)),
            Err(error) if error.is_full() => self.spares.pop().map(|spare| (spare, true)).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Brings the reserved spares to their number, as far as there is room.
    pub(crate) fn fill_reserve(&mut self) -> Result<(), SpoolError> {
        while self.spares.len() < SPARES_RESERVED {
            match self.make_spare() {
                Ok(spare) => self.spares.push(spare),
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes a file of written zeros: overwriting those needs no journal at each sync, as unwritten extents do.
    fn make_spare(&mut self) -> Result<u32, SpoolError> {
        let number = self.next_number;
        self.next_number += 1;
        let path = files::spare_path(&self.dir, number);
        let make = || -> io::Result<()> {
            let file = self.disk.create(&path)?;
            file.allocate(self.segment_octets)?;
            let zeros = vec![0; 1 << 20];
            let mut at = 0;
            while at < self.segment_octets {
                let step = usize::try_from(self.segment_octets - at).unwrap_or(usize::MAX).min(zeros.len());
                file.write_all_at(zeros.get(..step).unwrap_or_default(), at)?;
                at += step as u64;
            }
            file.sync_data()?;
            self.disk.sync_dir(&self.dir)
        };
        make().map(|()| number).map_err(|source| {
            // It is not in use: losing it loses nothing.
            let _ = self.disk.remove(&path);
            if is_full(&source) {
                SpoolError::Full { dir: self.dir.clone() }
            } else {
                SpoolError::Write { path: path.clone(), source }
            }
        })
    }

    /// Takes a dead segment back: its name goes first, durably, so that its records can never count again.
    pub(crate) fn retire(&mut self, segment: &SegmentFile) -> Result<(), SpoolError> {
        segment.close();
        let retire = || -> io::Result<bool> {
            let keep =
                segment.len() == self.segment_octets && self.spares.len() < SPARES_RESERVED + self.spares_max;
            if keep {
                self.disk.rename(segment.path(), &files::spare_path(&self.dir, segment.number()))?;
            } else {
                self.disk.remove(segment.path())?;
            }
            self.disk.sync_dir(&self.dir)?;
            Ok(keep)
        };
        let kept =
            retire().map_err(|source| SpoolError::Write { path: segment.path().to_owned(), source })?;
        if kept {
            self.spares.push(segment.number());
        }
        Ok(())
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What the thread is asked for.
pub(crate) enum Order {
    Prepare,
    Retire(Arc<SegmentFile>),
}

/// The supply on a thread of its own, or at once, where it is asked for.
pub(crate) enum Supplier {
    /// Between the two.
    None,
    Inline(Box<Supply>),
    Thread {
        orders: mpsc::Sender<Order>,
        prepared: mpsc::Receiver<Result<Prepared, SpoolError>>,
        asked: bool,
        thread: JoinHandle<()>,
    },
}

impl Supplier {
    /// Puts the supply on a thread.
    pub(crate) fn start(mut supply: Supply, shared: Arc<Shared>) -> Result<Self, SpoolError> {
        let (orders, orders_in) = mpsc::channel::<Order>();
        let (prepared_out, prepared) = mpsc::channel();
        let run = move || {
            while let Ok(order) = orders_in.recv() {
                match order {
                    Order::Prepare => {
                        if prepared_out.send(supply.prepare(false)).is_err() {
                            return;
                        }
                        // Spares that were needed are made again, once there is room.
                        if let Err(error) = supply.fill_reserve() {
                            tracing::warn!(%error, "no spare spool segment can be made");
                        }
                    }
                    Order::Retire(segment) => retire(&mut supply, &shared, &segment),
                }
                shared.spares.store(supply.spares.len() as u64, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("spool-segments".into());
        let thread = thread.spawn(run).map_err(SpoolError::Thread)?;
        Ok(Self::Thread { orders, prepared, asked: false, thread })
    }

    /// Ends the thread once its orders are done, so that nothing is renamed after the directory's lock is given back.
    pub(crate) fn end(&mut self) {
        if let Self::Thread { orders, thread, .. } = std::mem::replace(self, Self::None) {
            drop(orders);
            // A panic over there has been told by its own message.
            let _ = thread.join();
        }
    }

    /// The next segment. It is there already, unless segments fill faster than they are made.
    pub(crate) fn next(&mut self) -> Result<Prepared, SpoolError> {
        match self {
            Self::None => Err(SpoolError::Closed),
            Self::Inline(supply) => supply.prepare(false),
            Self::Thread { .. } => {
                self.ask();
                let Self::Thread { prepared, asked, .. } = self else { return Err(SpoolError::Closed) };
                *asked = false;
                prepared.recv().unwrap_or(Err(SpoolError::Closed))
            }
        }
    }

    /// Has the next segment made while the current one is filled.
    pub(crate) fn ask(&mut self) {
        if let Self::Thread { orders, asked, .. } = self
            && !*asked
        {
            *asked = orders.send(Order::Prepare).is_ok();
        }
    }

    pub(crate) fn retire(&mut self, segment: Arc<SegmentFile>, shared: &Shared) {
        match self {
            Self::None => {}
            Self::Inline(supply) => retire(supply, shared, &segment),
            // If the thread is gone we are closing: the segment is found dead at the next start.
            Self::Thread { orders, .. } => drop(orders.send(Order::Retire(segment))),
        }
    }
}

fn retire(supply: &mut Supply, shared: &Shared, segment: &SegmentFile) {
    match supply.retire(segment) {
        Ok(()) => shared.state().segments.gone(segment.number()),
        // It keeps its name and its place among the segments: nothing is lost but room.
        Err(error) => tracing::warn!(%error, "a finished spool segment cannot be taken back"),
    }
}

/// The end of an empty segment.
pub(crate) const EMPTY: u64 = SEGMENT_DATA;
