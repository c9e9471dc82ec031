//! What the handle, the committer and the other threads share.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use disk::{Clock, Disk, Random};
use mail::{QueueId, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::{
    Config, SpoolError,
    frame::{Class, Frame},
    io::Io,
    memory::Memory,
    state::State,
};

/// Shared by all handles. Neither lock is ever held across a read, a write or a sync.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) events: Arc<events::Log>,
    pub(crate) io: Io,
    pub(crate) memory: Memory,
    /// Recipients in the index, as of the last batch.
    pub(crate) recipients: AtomicUsize,
    state: Mutex<State>,
    inbox: Mutex<Inbox>,
    pub(crate) awake: Condvar,
    /// As `awake`, for a committer without a thread.
    pub(crate) asked: Notify,
    pub(crate) changed: Notify,
    /// Somebody is to be given up.
    pub(crate) bounces: Notify,
    pub(crate) poisoned: AtomicBool,
    pub(crate) full: AtomicBool,
    /// Completions cannot be written: deliveries stop.
    pub(crate) stalled: AtomicBool,
    /// Retries that somebody asked for.
    pub(crate) retries: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) synced_lsn: AtomicU64,
    pub(crate) spares: AtomicU64,
    /// The last time on record before the opening.
    pub(crate) last_recorded: Option<Timestamp>,
}

/// What waits for the committer.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) frames: VecDeque<Frame>,
    /// What the cleaner has sought.
    pub(crate) found: Option<Vec<QueueId>>,
    /// Somebody waits for a sync.
    pub(crate) urgent: bool,
    pub(crate) sleep: Sleep,
    pub(crate) closing: bool,
    pub(crate) closed: bool,
}

/// Whether the committer needs to be woken, which costs a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sleep {
    /// It is at work and looks into the inbox before it sleeps.
    #[default]
    Awake,
    /// It waits for anything.
    Idle,
    /// It has frames that may wait, and waits for somebody who cannot, or for the time.
    ForCompany,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        events: Arc<events::Log>,
        io: Io,
        state: State,
    ) -> Self {
        let memory = Memory::new(config.memory_max);
        let recipients = AtomicUsize::new(state.index.entries());
        Self {
            memory,
            recipients,
            config,
            disk,
            clock,
            random,
            events,
            io,
            state: Mutex::new(state),
            inbox: Mutex::default(),
            awake: Condvar::new(),
            asked: Notify::new(),
            changed: Notify::new(),
            bounces: Notify::new(),
            poisoned: AtomicBool::new(false),
            full: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            retries: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            synced_lsn: AtomicU64::new(0),
            spares: AtomicU64::new(0),
            last_recorded: None,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.config.dir.clone()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    /// Whether new mail may come in, as far as can be told now.
    pub(crate) fn check_mail(&self) -> Result<(), SpoolError> {
        if self.is_poisoned() {
            return Err(SpoolError::Poisoned);
        }
        let recipients = self.config.recipients_max;
        if self.recipients.load(Ordering::Relaxed) >= recipients {
            return Err(SpoolError::QueueFull { recipients });
        }
        // Room may have come back, and the committer may have had no reason to look.
        if self.full.load(Ordering::SeqCst) { self.check_room() } else { Ok(()) }
    }

    /// Whether the file system has more room than the reserve.
    pub(crate) fn check_room(&self) -> Result<(), SpoolError> {
        match self.disk.space(&self.config.dir) {
            Ok(space) if space.free < self.config.reserve.octets(space.total) => {
                Err(SpoolError::Full { dir: self.dir() })
            }
            _ => Ok(()),
        }
    }

    /// Hands a frame to the committer.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), SpoolError> {
        let mut inbox = self.inbox();
        if inbox.closed || (inbox.closing && frame.class == Class::Mail) {
            return Err(SpoolError::Closed);
        }
        inbox.urgent |= frame.waiter.is_some();
        inbox.frames.push_back(frame);
        let wake = match inbox.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::ForCompany => inbox.urgent,
        };
        if wake {
            inbox.sleep = Sleep::Awake;
        }
        drop(inbox);
        if wake {
            self.awake.notify_one();
            self.asked.notify_one();
        }
        Ok(())
    }

    /// Hands the cleaner what it has sought.
    pub(crate) fn found(&self, ids: Vec<QueueId>) {
        let mut inbox = self.inbox();
        inbox.found = Some(ids);
        // Who waits for company wakes soon enough.
        let wake = inbox.sleep == Sleep::Idle;
        if wake {
            inbox.sleep = Sleep::Awake;
        }
        drop(inbox);
        if wake {
            self.awake.notify_one();
            self.asked.notify_one();
        }
    }

    /// Has the committer write what waits, and end.
    pub(crate) fn close(&self) {
        self.inbox().closing = true;
        self.awake.notify_all();
        self.asked.notify_one();
    }

    /// Hands a frame to the committer, to be written at once; the receiver is told once it is synced.
    pub(crate) fn push_urgent(
        &self,
        mut frame: Frame,
    ) -> Result<oneshot::Receiver<Result<(), SpoolError>>, SpoolError> {
        let (sender, receiver) = oneshot::channel();
        frame.waiter = Some(sender);
        self.push(frame)?;
        Ok(receiver)
    }

    /// Wakes the scheduler if something is due earlier than it was told, and whoever gives up what somebody ordered to.
    pub(crate) fn notify_if_earlier(&self, state: &mut State) {
        if state.index.queue.has_bounces() {
            self.bounces.notify_one();
        }
        if state.index.queue.is_earlier() {
            self.changed.notify_one();
        }
    }
}
