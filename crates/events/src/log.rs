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

use crate::{EventsError, files, writer::Writer};

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
}

impl Config {
    /// Files of 64 MiB, at most 2 GiB and 30 days of them.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, file_octets: 64 << 20, keep_octets: 2 << 30, keep_for: Duration::from_hours(30 * 24) }
    }
}

/// Called on the log's thread with each line (LSN included, no line end); returns whether it wants more.
pub type Subscriber = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// The event log. Appending is a push onto a list: files, syncs and subscribers are the thread's affair.
pub struct Log {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    inbox: Mutex<Inbox>,
    awake: Condvar,
    idle: Condvar,
    durable: AtomicU64,
    last: AtomicU64,
    failing: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    lines: VecDeque<(u64, Vec<u8>)>,
    subscribers: Vec<Subscriber>,
    closing: bool,
    /// The thread has written all there was and waits for a line. While it lets lines gather, nobody wakes it.
    asleep: bool,
    /// Somebody waits for what was appended.
    hurry: bool,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Opens the log, finds its last LSN and cuts a torn last line.
    pub fn open(config: Config, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, EventsError> {
        let (mut log, flusher) = Self::open_inline(config, disk, clock)?;
        let thread = std::thread::Builder::new().name("events".into());
        let thread = thread.spawn(move || run(flusher)).map_err(EventsError::Thread)?;
        log.thread = Mutex::new(Some(thread));
        Ok(log)
    }

    /// As [`Log::open`], but without a thread: what is appended waits until the caller turns the [`Flusher`].
    pub fn open_inline(
        config: Config,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Flusher), EventsError> {
        let writer = Writer::open(config, disk, clock)?;
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            awake: Condvar::new(),
            idle: Condvar::new(),
            durable: AtomicU64::new(writer.last_lsn()),
            last: AtomicU64::new(writer.last_lsn()),
            failing: AtomicBool::new(false),
        });
        let flusher = Flusher { shared: Arc::clone(&shared), writer, unwritten: VecDeque::new() };
        Ok((Self { shared, thread: Mutex::default() }, flusher))
    }

    /// Appends lines (JSON objects without LSN and line end) in the order of their LSNs. Those at or below the last
    /// LSN are in the log already and are left out, so that a recovering spool may tell its events again.
    pub fn append(&self, lines: impl IntoIterator<Item = (u64, Vec<u8>)>) {
        let mut inbox = self.shared.inbox();
        let mut last = self.shared.last.load(Ordering::SeqCst);
        let before = inbox.lines.len();
        for (lsn, line) in lines {
            if lsn > last {
                last = lsn;
                inbox.lines.push_back((lsn, line));
            }
        }
        if inbox.lines.len() > before {
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

    /// Whether the last write failed. It is tried again; until it succeeds the spool keeps the events.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::SeqCst)
    }

    /// Calls `subscriber` with each line from here on.
    pub fn subscribe(&self, subscriber: Subscriber) {
        self.shared.inbox().subscribers.push(subscriber);
    }

    /// Waits until all that was appended is durable, or a write has failed. Blocks the thread.
    pub fn flush(&self) {
        let mut inbox = self.shared.inbox();
        while !(self.is_failing() || inbox.asleep && inbox.lines.is_empty()) {
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
        if let Some(thread) = thread {
            // A panic over there has been told by its own message.
            let _ = thread.join();
        }
    }
}

/// How long lines gather for one write and one sync. The spool holds them until then, so nothing hangs on it, and a
/// sync for each of the spool's would cost the disk twice as many.
const GATHER: Duration = Duration::from_millis(100);
/// How long the thread waits before it tries again to write what it could not.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Brings what was appended to the disk and to the subscribers. Has no thread of its own: [`Flusher::turn`] does what
/// there is to do.
pub struct Flusher {
    shared: Arc<Shared>,
    writer: Writer,
    /// What could not be written yet.
    unwritten: VecDeque<(u64, Vec<u8>)>,
}

impl Flusher {
    /// Tells and writes what was appended. Whether all of it is durable now; if not, the next turn tries again. Blocks.
    pub fn turn(&mut self) -> bool {
        let shared = &self.shared;
        let (lines, mut subscribers) = {
            let mut inbox = shared.inbox();
            (std::mem::take(&mut inbox.lines), std::mem::take(&mut inbox.subscribers))
        };
        tell(&mut subscribers, &lines);
        let mut inbox = shared.inbox();
        subscribers.append(&mut inbox.subscribers);
        inbox.subscribers = subscribers;
        drop(inbox);
        self.unwritten.extend(lines);
        let written = write(&mut self.writer, &self.unwritten);
        if let Ok(last) = written {
            self.unwritten.clear();
            shared.durable.fetch_max(last, Ordering::SeqCst);
        }
        shared.failing.store(written.is_err(), Ordering::SeqCst);
        written.is_ok()
    }

    /// Waits for lines; returns whether there will be none any more.
    fn has_ended(&self) -> bool {
        let mut inbox = self.shared.inbox();
        while inbox.lines.is_empty() && self.unwritten.is_empty() && !inbox.closing {
            (inbox.asleep, inbox.hurry) = (true, false);
            self.shared.idle.notify_all();
            inbox = self.shared.awake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.asleep = false;
        let failing = self.shared.failing.load(Ordering::SeqCst);
        inbox.closing && inbox.lines.is_empty() && (self.unwritten.is_empty() || failing)
    }
}

fn run(mut flusher: Flusher) {
    while !flusher.has_ended() {
        if flusher.turn() {
            gather(&flusher.shared);
        } else {
            pause(&flusher.shared);
        }
    }
}

/// A write that failed is tried again behind a cut to the last good line; the spool keeps what we do not confirm.
fn write(writer: &mut Writer, lines: &VecDeque<(u64, Vec<u8>)>) -> io::Result<u64> {
    for (lsn, line) in lines {
        writer.append(*lsn, line)?;
    }
    writer.sync()
}

fn gather(shared: &Shared) {
    let inbox = shared.inbox();
    let waits = |inbox: &mut Inbox| !inbox.closing && !inbox.hurry;
    drop(shared.awake.wait_timeout_while(inbox, GATHER, waits));
}

fn pause(shared: &Shared) {
    let inbox = shared.inbox();
    shared.idle.notify_all();
    if !inbox.closing {
        let _ = shared.awake.wait_timeout(inbox, PAUSE_AFTER_FAILURE);
    }
}

fn tell(subscribers: &mut Vec<Subscriber>, lines: &VecDeque<(u64, Vec<u8>)>) {
    if subscribers.is_empty() {
        return;
    }
    let mut told = Vec::new();
    for (lsn, line) in lines {
        told.clear();
        files::write_line(&mut told, *lsn, line);
        let line = told.strip_suffix(b"\n").unwrap_or(&told);
        subscribers.retain_mut(|subscriber| subscriber(line));
    }
}
