//! The append-only log: a thread that writes behind the spool's commits and tells how far it is durable.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use disk::{Clock, Disk};
use mail::Timestamp;

use crate::{EventsError, flusher::Flusher, writer::Writer};

/// Where the log is and how much of it is kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the files.
    pub dir: PathBuf,
    /// A file is closed and a new one begun once it has this many octets.
    pub file_octets: u64,
    /// The oldest files go once all together have more octets than this.
    pub keep_octets: u64,
    /// A file goes once its last event is older than this.
    pub keep_for: Duration,
    /// So many octets of lines wait in memory for a disk that is slow or fails, if there is a [`Source`] for those beyond.
    pub waiting_octets_max: usize,
}

impl Config {
    /// Files of 64 MiB, at most 2 GiB and 30 days of them; 16 MiB of lines in memory.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            file_octets: 64 << 20,
            keep_octets: 2 << 30,
            keep_for: Duration::from_hours(30 * 24),
            waiting_octets_max: 16 << 20,
        }
    }
}

/// Called on the log's thread with each line (LSN included, no line end); returns whether it wants more.
pub type Subscriber = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Gives lines again, in order: those behind an LSN, and no more once they have so many octets. They are all there is for now if they
/// have fewer. Called on the log's thread.
pub type Source = Box<dyn FnMut(u64, usize) -> io::Result<Vec<(u64, Vec<u8>)>> + Send>;

/// What a line in memory costs beside its text.
const LINE_OCTETS: usize = size_of::<(u64, Vec<u8>)>();

/// The event log. Appending is a push onto a list: files, syncs and subscribers are the thread's affair.
pub struct Log {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    pub(crate) awake: Condvar,
    pub(crate) idle: Condvar,
    pub(crate) durable: AtomicU64,
    last: AtomicU64,
    found_at: Option<Timestamp>,
    pub(crate) failing: AtomicBool,
    waiting_octets_max: usize,
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) lines: VecDeque<(u64, Vec<u8>)>,
    /// Octets of the lines that are not written yet, here and in the thread's hands.
    pub(crate) waiting: usize,
    /// So many octets may wait. None: without a source no line can be let go.
    waiting_max: Option<usize>,
    /// The first line that was let go because too many wait: the source has it, and those behind it.
    pub(crate) let_go: Option<u64>,
    pub(crate) source: Option<Source>,
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) closing: bool,
    /// The thread has written all there was and waits for a line. While it lets lines gather, nobody wakes it.
    pub(crate) asleep: bool,
    /// Somebody waits for what was appended.
    pub(crate) hurry: bool,
}

impl Inbox {
    /// Whether there is nothing for the thread to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.let_go.is_none()
    }

    /// Keeps a line, unless too many wait already: then it and those after it are for the source to give again.
    fn push(&mut self, lsn: u64, line: Vec<u8>) {
        let octets = octets_of(&line);
        if self.let_go.is_none() && self.waiting_max.is_some_and(|max| self.waiting + octets > max) {
            self.let_go = Some(lsn);
        }
        if self.let_go.is_none() {
            self.waiting += octets;
            self.lines.push_back((lsn, line));
        }
    }
}

/// What a line takes of memory.
pub(crate) fn octets_of(line: &Vec<u8>) -> usize {
    LINE_OCTETS + line.capacity()
}

impl Shared {
    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Opens the log, finds its last LSN and cuts a torn last line.
    pub fn open(config: Config, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, EventsError> {
        let (mut log, flusher) = Self::open_inline(config, disk, clock)?;
        let thread = std::thread::Builder::new().name("events".into());
        let thread = thread.spawn(move || flusher.run()).map_err(EventsError::Thread)?;
        log.thread = Mutex::new(Some(thread));
        Ok(log)
    }

    /// As [`Log::open`], but without a thread: what is appended waits until the caller turns the [`Flusher`].
    pub fn open_inline(
        config: Config,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Flusher), EventsError> {
        let waiting_octets_max = config.waiting_octets_max;
        let writer = Writer::open(config, disk, clock)?;
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            awake: Condvar::new(),
            idle: Condvar::new(),
            durable: AtomicU64::new(writer.last_lsn()),
            last: AtomicU64::new(writer.last_lsn()),
            found_at: writer.found_at(),
            failing: AtomicBool::new(false),
            waiting_octets_max,
        });
        let flusher = Flusher::new(Arc::clone(&shared), writer);
        Ok((Self { shared, thread: Mutex::default() }, flusher))
    }

    /// Appends lines (JSON objects without LSN and line end) in the order of their LSNs. Those at or below the last
    /// LSN are in the log already and are left out, so that a recovering spool may tell its events again.
    pub fn append(&self, lines: impl IntoIterator<Item = (u64, Vec<u8>)>) {
        let mut inbox = self.shared.inbox();
        let mut last = self.shared.last.load(Ordering::SeqCst);
        let before = last;
        for (lsn, line) in lines {
            if lsn > last {
                last = lsn;
                inbox.push(lsn, line);
            }
        }
        if last > before {
            self.shared.last.store(last, Ordering::SeqCst);
            let asleep = inbox.asleep;
            drop(inbox);
            if asleep {
                self.shared.awake.notify_one();
            }
        }
    }

    /// All events up to this LSN are on stable storage: what the spool holds of them may go.
    pub fn durable_lsn(&self) -> u64 {
        self.shared.durable.load(Ordering::SeqCst)
    }

    /// The last LSN that was ever appended, durable or not.
    pub fn last_lsn(&self) -> u64 {
        self.shared.last.load(Ordering::SeqCst)
    }

    /// When the last event happened that was in the log when it was opened.
    pub fn found_at(&self) -> Option<Timestamp> {
        self.shared.found_at
    }

    /// Whether the last write failed. It is tried again; until it succeeds the spool keeps the events.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::SeqCst)
    }

    /// From here on memory is bounded: lines beyond [`Config::waiting_octets_max`] are let go, and taken from `source` once the disk
    /// has those before. It must have all lines from the durable LSN on.
    pub fn set_source(&self, source: Source) {
        let mut inbox = self.shared.inbox();
        inbox.waiting_max = Some(self.shared.waiting_octets_max);
        inbox.source = Some(source);
    }

    /// There are lines behind the last one that only the source has, up to this LSN: the log takes them from there.
    pub fn left_to_source(&self, last: u64) {
        let mut inbox = self.shared.inbox();
        let before = self.shared.last.fetch_max(last, Ordering::SeqCst);
        if last <= before {
            return;
        }
        inbox.let_go.get_or_insert(before + 1);
        drop(inbox);
        self.shared.awake.notify_one();
    }

    /// So many octets of lines wait in memory at most.
    pub fn waiting_octets_max(&self) -> usize {
        self.shared.waiting_octets_max
    }

    /// Octets of memory that lines take which are not durable yet.
    pub fn waiting_octets(&self) -> usize {
        self.shared.inbox().waiting
    }

    /// Calls `subscriber` with each line from here on.
    pub fn subscribe(&self, subscriber: Subscriber) {
        self.shared.inbox().subscribers.push(subscriber);
    }

    /// Waits until all that was appended is durable, or a write has failed. Blocks the thread.
    pub fn flush(&self) {
        let mut inbox = self.shared.inbox();
        while !(self.is_failing() || inbox.asleep && inbox.is_empty()) {
            inbox.hurry = true;
            self.shared.awake.notify_one();
            inbox = self.shared.idle.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes what is left and ends the thread.
impl Drop for Log {
    fn drop(&mut self) {
        self.shared.inbox().closing = true;
        self.shared.awake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The source may hold the last handle, on the thread itself: that ends by itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic over there has been told by its own message.
            let _ = thread.join();
        }
    }
}
