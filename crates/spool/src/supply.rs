//! Segments to write to: made ahead, of real zeros, used again when they are dead.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use disk::{Disk, File, Random};

use crate::{
    SpoolError, files,
    files::{OpenFiles, SegmentFile},
    format::{SEGMENT_DATA, SegmentHeader},
    roster::{self, Roster},
    shared::Shared,
    spare::{Making, Manner},
};

/// These many spares belong to completions and the cleaner.
const SPARES_RESERVED: usize = 2;
/// These many more are made while nobody waits for one, so that the next segment costs the disk nothing when it is needed.
const SPARES_AHEAD: usize = 1;

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
    pub(crate) making: Option<Making>,
    pub(crate) manner: Manner,
    pub(crate) roster: Roster,
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
        let mut make = || -> io::Result<Arc<dyn File>> {
            let old_path = files::spare_path(&self.dir, spare);
            let file = self.disk.open_log(&old_path)?;
            file.write_all_at(&SegmentHeader { segment: number, tag, first_of_run }.encode(), 0)?;
            file.sync_data()?;
            self.disk.rename(&old_path, &path)?;
            self.disk.sync_dir(&self.dir)?;
            self.roster.enter(number, first_of_run);
            self.roster.write(&self.dir, self.disk.as_ref())?;
            Ok(file)
        };
        let file = make().map_err(|source| SpoolError::Write { path: path.clone(), source })?;
        let (disk, open) = (Arc::clone(&self.disk), Arc::clone(&self.open));
        let segment = SegmentFile::new(number, tag, self.segment_octets, &self.dir, disk, open);
        Ok(Prepared { segment: Arc::new(segment), file, from_reserve })
    }

    /// A spare to use: one beyond the reserved ones, or a new one, or in need a reserved one.
    fn spare(&mut self) -> Result<(u32, bool), SpoolError> {
        while self.spares.len() <= SPARES_RESERVED {
            match self.advance() {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    return self.spares.pop().map(|spare| (spare, true)).ok_or(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.spares.pop().map(|spare| (spare, false)).ok_or(SpoolError::Closed)
    }

    /// Brings the reserved spares to their number, as far as there is room.
    pub(crate) fn fill_reserve(&mut self) -> Result<(), SpoolError> {
        while self.spares.len() < SPARES_RESERVED {
            match self.advance() {
                Ok(()) => {}
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether there are fewer spares than there should be before anybody asks. Those ahead are for new mail.
    fn is_short(&self, takes_mail: bool) -> bool {
        self.spares.len() < SPARES_RESERVED + if takes_mail { SPARES_AHEAD } else { 0 }
    }

    /// Gives up the spare in the making: by its length it would pass for a complete one.
    fn abandon(&mut self) {
        if let Some(making) = self.making.take() {
            making.discard(self.disk.as_ref());
        }
    }

    /// Goes on with the spare in the making, or begins one. Once complete it is among the spares.
    fn advance(&mut self) -> Result<(), SpoolError> {
        let mut making = match self.making.take() {
            Some(making) => making,
            None => self.begin()?,
        };
        let path = making.path();
        let step = making.step(self.manner).and_then(|done| {
            if done {
                self.disk.sync_dir(&self.dir)?;
            }
            Ok(done)
        });
        match step {
            Ok(true) => self.spares.push(making.number),
            Ok(false) => self.making = Some(making),
            Err(source) => {
                making.discard(self.disk.as_ref());
                return Err(self.unmade(path, source));
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<Making, SpoolError> {
        let number = self.next_number;
        self.next_number += 1;
        let path = files::spare_path(&self.dir, number);
        Making::begin(self.disk.as_ref(), path.clone(), number, self.segment_octets)
            .map_err(|source| self.unmade(path, source))
    }

    fn unmade(&self, path: PathBuf, source: io::Error) -> SpoolError {
        if is_full(&source) {
            SpoolError::Full { dir: self.dir.clone() }
        } else {
            SpoolError::Write { path, source }
        }
    }

    /// Missing segments are given up.
    pub(crate) fn forget_missing(&mut self) -> Result<(), SpoolError> {
        self.roster.forget_missing();
        let written = self.roster.write(&self.dir, self.disk.as_ref());
        written.map_err(|source| SpoolError::Write { path: self.dir.join(roster::NAME), source })
    }

    /// Takes a dead segment back: its name goes first, durably, so that its records can never count again.
    pub(crate) fn retire(&mut self, segment: &SegmentFile) -> Result<(), SpoolError> {
        segment.close();
        self.roster.strike(segment.number());
        let retire = || -> io::Result<bool> {
            self.roster.write(&self.dir, self.disk.as_ref())?;
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
        supply.manner = Manner::InSteps;
        let run = move || {
            serve(&mut supply, &shared, &orders_in, &prepared_out);
            supply.abandon();
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

/// Does what is asked, and makes spares in the time between.
fn serve(
    supply: &mut Supply,
    shared: &Shared,
    orders: &mpsc::Receiver<Order>,
    prepared: &mpsc::Sender<Result<Prepared, SpoolError>>,
) {
    let mut rest = Some(Duration::ZERO);
    loop {
        let order = match rest {
            Some(rest) => orders.recv_timeout(rest),
            None => orders.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(Order::Prepare) => {
                if prepared.send(supply.prepare(false)).is_err() {
                    return;
                }
                rest = Some(Duration::ZERO);
            }
            Ok(Order::Retire(segment)) => retire(supply, shared, &segment),
            Err(mpsc::RecvTimeoutError::Timeout) => rest = make_ahead(supply, shared),
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        shared.spares.store(supply.spares.len() as u64, Ordering::Relaxed);
    }
}

/// One step towards the spares there should be. Returns how long to leave the disk to others before the next: as long as
/// this one took. None: there is nothing to make, or no room, until somebody needs a segment.
fn make_ahead(supply: &mut Supply, shared: &Shared) -> Option<Duration> {
    if !supply.is_short(!shared.full.load(Ordering::SeqCst)) {
        return None;
    }
    let begun = shared.clock.now();
    match supply.advance() {
        Ok(()) => Some(shared.clock.now().since(begun)),
        Err(error) => {
            tracing::warn!(%error, "no spare spool segment can be made");
            None
        }
    }
}

fn retire(supply: &mut Supply, shared: &Shared, segment: &SegmentFile) {
    match supply.retire(segment) {
        Ok(()) => {
            // Dropped once nobody waits for the queue.
            let gone = shared.state().segments.gone(segment.number());
            drop(gone);
        }
        // It keeps its name and its place among the segments: nothing is lost but room.
        Err(error) => tracing::warn!(%error, "a finished spool segment cannot be taken back"),
    }
}

/// The end of an empty segment.
pub(crate) const EMPTY: u64 = SEGMENT_DATA;
