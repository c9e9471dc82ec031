//! The committer: takes all that waits, one write, one sync, and only then says so. FROM HERE IT IS OURS.

use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use disk::File;
use mail::Timestamp;

use crate::{
    SpoolError,
    clean::Cleaner,
    files,
    files::SegmentFile,
    format::{BLOCK, HEADER_LEN, Kind, SEGMENT_DATA},
    frame::{Class, Effect, Frame, Placed},
    index::Content,
    log::Log,
    shared::{Inbox, Shared, Sleep},
    supply::{EMPTY, Supplier},
};

/// No batch is larger, so that nobody waits for the sync of very much.
const BATCH_OCTETS_MAX: usize = 8 << 20;
/// How often the room left is asked for.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);

/// Writes and syncs batches. Has no thread of its own: [`Committer::turn`] does what there is to do.
///
/// [`crate::Spool::open`] gives it a thread. Who opens the spool by [`crate::Spool::open_inline`] turns it: until then
/// commits wait.
pub struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) supplier: Supplier,
    pub(crate) file: Option<Arc<dyn File>>,
    pub(crate) cleaner: Cleaner,
    pub(crate) space_checked: Option<Timestamp>,
    /// The last segment came out of what is reserved for completions.
    pub(crate) on_reserve: bool,
    /// Dead segments that somebody still reads.
    pub(crate) dying: Vec<Arc<SegmentFile>>,
}

/// When a committer is to be turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Not before something is handed to it.
    Idle,
    /// Within this time: what waits may wait for company.
    Within(Duration),
    /// At once.
    Now,
}

impl Committer {
    /// The thread: sleeps until there is something to do, and lets completions wait for company.
    pub(crate) fn run(self) {
        self.until_closed(Self::wait);
    }

    /// Commits what waits and ends the spool: later commits fail with [`SpoolError::Closed`].
    pub fn close(self) {
        self.shared.close();
        self.until_closed(|_| true);
    }

    /// Turns until the spool is closing, by the word of `wait`, and nothing is left to write.
    fn until_closed(mut self, wait: impl Fn(&Self) -> bool) {
        let _end = Closes(Arc::clone(&self.shared));
        loop {
            let closing = wait(&self);
            self.turn();
            if closing && self.shared.inbox().frames.is_empty() {
                break;
            }
        }
        self.finish();
    }

    /// Ends the log: nothing is written any more.
    pub(crate) fn finish(&mut self) {
        if !self.shared.is_poisoned() && self.log.room() > 0 {
            // An empty batch tells that the one before is synced: the next start has nothing to doubt.
            self.write(Vec::new());
        }
        self.supplier.end();
    }

    /// Commits one frame, where nobody else does.
    pub(crate) fn commit_one(&mut self, frame: Frame) -> Result<(), SpoolError> {
        let mut waiting = self.shared.push_urgent(frame)?;
        self.turn();
        waiting.try_recv().unwrap_or(Err(SpoolError::Closed))
    }

    /// Waits for work; returns whether the spool is closing.
    fn wait(&self) -> bool {
        let mut inbox = self.shared.inbox();
        while self.due_by(&inbox) == Due::Idle {
            inbox.sleep = Sleep::Idle;
            inbox = self.shared.awake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.sleep = Sleep::Awake;
        if let Due::Within(delay) = self.due_by(&inbox) {
            inbox = self.wait_for_company(inbox, delay);
        }
        inbox.closing
    }

    /// When it is to be turned, as far as is known now. What makes that earlier is told by [`Committer::changed`].
    pub fn due(&self) -> Due {
        let mut inbox = self.shared.inbox();
        let due = self.due_by(&inbox);
        inbox.sleep = match due {
            Due::Idle => Sleep::Idle,
            Due::Within(_) => Sleep::ForCompany,
            Due::Now => Sleep::Awake,
        };
        due
    }

    fn due_by(&self, inbox: &Inbox) -> Due {
        let is_cleaning = self.cleaner.is_busy() && !self.shared.is_poisoned();
        let is_urgent = inbox.urgent && !inbox.frames.is_empty();
        if inbox.closing || is_cleaning || inbox.found.is_some() || is_urgent {
            Due::Now
        } else if self.shared.stalled.load(Ordering::SeqCst) && !self.shared.is_poisoned() {
            Due::Within(SPACE_INTERVAL)
        } else if inbox.frames.is_empty() {
            Due::Idle
        } else {
            Due::Within(self.shared.config.completion_delay)
        }
    }

    /// Returns once it may be due earlier than [`Committer::due`] has said. Changes between the two calls are not missed.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move { shared.asked.notified().await }
    }

    fn wait_for_company<'a>(
        &'a self,
        mut inbox: MutexGuard<'a, Inbox>,
        delay: Duration,
    ) -> MutexGuard<'a, Inbox> {
        inbox.sleep = Sleep::ForCompany;
        let wait =
            self.shared.awake.wait_timeout_while(inbox, delay, |inbox| !inbox.urgent && !inbox.closing);
        let (mut inbox, _) = wait.unwrap_or_else(PoisonError::into_inner);
        inbox.sleep = Sleep::Awake;
        inbox
    }

    /// Commits what waits. Returns whether there was anything to do. Blocks.
    pub fn turn(&mut self) -> bool {
        let mut frames: Vec<Frame> = {
            let mut inbox = self.shared.inbox();
            inbox.urgent = false;
            if let Some(ids) = inbox.found.take() {
                self.cleaner.take_up(ids);
            }
            inbox.frames.drain(..).collect()
        };
        if self.shared.is_poisoned() {
            frames.drain(..).for_each(|frame| refuse(frame, SpoolError::Poisoned));
            return false;
        }
        self.check_space();
        // Copies go first: they tell what is synced, and what waits comes after it.
        let mut all = self.cleaner.slice(&self.shared);
        let busy = !all.is_empty() || !frames.is_empty();
        all.append(&mut frames);
        if all.is_empty() && self.shared.stalled.load(Ordering::SeqCst) {
            self.resume();
        }
        self.commit(all);
        self.tidy();
        busy
    }

    fn commit(&mut self, frames: Vec<Frame>) {
        let full = self.shared.full.load(Ordering::SeqCst);
        let mut batch: Vec<Frame> = Vec::with_capacity(frames.len());
        let mut octets = 0;
        let mut frames = frames.into_iter();
        while let Some(frame) = frames.next() {
            if full && frame.class == Class::Mail {
                refuse(frame, SpoolError::Full { dir: self.shared.dir() });
                continue;
            }
            let len = frame.len();
            if self.is_too_large(&frame, len) {
                refuse(frame, SpoolError::TooLarge { octets: len as u64 });
                continue;
            }
            if octets + len > self.log.room().min(BATCH_OCTETS_MAX.max(len)) && !batch.is_empty() {
                self.write(std::mem::take(&mut batch));
                octets = 0;
            }
            if len > self.log.room()
                && let Err(error) = self.roll()
            {
                self.stall(std::iter::once(frame).chain(frames), &error);
                return;
            }
            octets += len;
            batch.push(frame);
        }
        if !batch.is_empty() {
            self.write(batch);
        }
    }

    fn is_too_large(&self, frame: &Frame, len: usize) -> bool {
        let capacity = self.shared.config.segment_octets - SEGMENT_DATA - HEADER_LEN as u64;
        len as u64 > capacity || frame.records.len() > usize::from(u16::MAX)
    }

    /// One write, one sync. After a failure nothing is promised any more: see [`File::sync_data`].
    fn write(&mut self, frames: Vec<Frame>) {
        if self.shared.is_poisoned() {
            for frame in frames {
                refuse(frame, SpoolError::Poisoned);
            }
            return;
        }
        let batch = self.log.append(frames);
        let result = write_and_sync(self.file.as_deref(), &batch);
        let placed = self.log.synced_or(batch, result.is_ok());
        if let Err(error) = result {
            tracing::error!(%error, segment = self.log.segment(), "the spool cannot be written: mail stops");
            self.shared.poisoned.store(true, Ordering::SeqCst);
            for placed in placed {
                refuse(placed.frame, SpoolError::Poisoned);
            }
            return;
        }
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        self.shared.synced_lsn.store(self.log.synced_lsn(), Ordering::SeqCst);
        self.apply(placed);
    }

    /// What follows from a synced batch: the queue, the event log, and those who wait.
    fn apply(&mut self, mut placed: Vec<Placed>) {
        let mut waiters = Vec::with_capacity(placed.len());
        let mut lines = Vec::with_capacity(placed.len());
        let segment = self.log.segment();
        let mut state = self.shared.state();
        state.segments.reach(segment, self.log.end());
        for one in &mut placed {
            for (lsn, record) in (one.lsn..).zip(&mut one.frame.records) {
                if record.kind == Kind::Event {
                    state.segments.event(segment, lsn);
                    lines.push((lsn, std::mem::take(&mut record.payload)));
                }
            }
            for effect in std::mem::take(&mut one.frame.effects) {
                apply_effect(&mut state, one, effect);
            }
            waiters.extend(one.frame.waiter.take());
        }
        self.shared.recipients.store(state.index.entries(), Ordering::Relaxed);
        let remove = std::mem::take(&mut state.files_to_remove);
        self.shared.notify_if_earlier(&mut state);
        drop(state);
        if !lines.is_empty() {
            self.shared.events.append(lines);
        }
        for waiter in waiters {
            // Whoever waited may have gone; the message is ours nevertheless.
            let _ = waiter.send(Ok(()));
        }
        for id in remove {
            let (disk, path) =
                (Arc::clone(&self.shared.disk), files::large_path(&self.shared.config.dir, id));
            self.shared.io.spawn(move || drop(disk.remove(&path)));
        }
    }

    /// Goes on in the next segment.
    pub(crate) fn roll(&mut self) -> Result<(), SpoolError> {
        let prepared = self.supplier.next()?;
        let mut state = self.shared.state();
        state.segments.seal(self.log.segment(), self.log.end());
        state.segments.add(&prepared.segment, EMPTY, false);
        drop(state);
        let segment = &prepared.segment;
        self.log.begin_segment(segment.number(), segment.tag(), segment.len() / BLOCK * BLOCK);
        self.file = Some(prepared.file);
        self.on_reserve = prepared.from_reserve;
        if self.shared.stalled.swap(false, Ordering::SeqCst) {
            // The scheduler was told that nothing is due.
            self.shared.changed.notify_one();
            self.shared.bounces.notify_one();
        }
        self.supplier.ask();
        self.space_checked = None;
        self.check_space();
        self.cleaner.look(&self.shared);
        Ok(())
    }

    /// Asks for a segment where nobody else does: new mail was refused, and deliveries, whose completions would ask, wait for it.
    fn resume(&mut self) {
        if let Err(error) = self.roll() {
            self.stall(std::iter::empty(), &error);
        }
    }

    /// No segment is to be had. New mail is refused; completions wait for room, and deliveries wait for them.
    fn stall(&mut self, frames: impl Iterator<Item = Frame>, error: &SpoolError) {
        let full = error.is_full();
        // It is tried again every second: told once is enough.
        let told = full && self.shared.stalled.swap(true, Ordering::SeqCst);
        if !told {
            tracing::error!(%error, "no spool segment is to be had");
        }
        if full {
            self.shared.full.store(true, Ordering::SeqCst);
            self.cleaner.look(&self.shared);
        } else {
            self.shared.poisoned.store(true, Ordering::SeqCst);
        }
        let mut waiting = std::collections::VecDeque::new();
        for frame in frames {
            match frame.class {
                _ if !full => refuse(frame, SpoolError::Poisoned),
                Class::Mail => refuse(frame, SpoolError::Full { dir: self.shared.dir() }),
                Class::Completion => waiting.push_back(frame),
            }
        }
        let mut inbox = self.shared.inbox();
        waiting.append(&mut inbox.frames);
        if inbox.closing {
            waiting.clear();
        }
        inbox.frames = waiting;
    }

    /// Sees whether new mail may come in.
    fn check_space(&mut self) {
        let now = self.shared.clock.now();
        let recent =
            self.space_checked.is_some_and(|checked| now.since(checked) < SPACE_INTERVAL && checked <= now);
        if recent {
            return;
        }
        self.space_checked = Some(now);
        let Ok(space) = self.shared.disk.space(&self.shared.config.dir) else { return };
        let reserve = self.shared.config.reserve.octets(space.total);
        let short = space.free < reserve;
        // The reserved segments can be made again, and one for mail.
        self.on_reserve &= space.free < reserve + 3 * self.shared.config.segment_octets;
        let full = short || self.on_reserve || self.shared.stalled.load(Ordering::SeqCst);
        if self.shared.full.swap(full, Ordering::SeqCst) != full {
            if full {
                tracing::warn!(free = space.free, "too little room: no new mail is accepted");
            } else {
                tracing::info!(free = space.free, "there is room again: new mail is accepted");
            }
        }
    }

    /// Gives dead segments back.
    fn tidy(&mut self) {
        let durable = self.shared.events.durable_lsn();
        let going = self.shared.state().segments.retire(durable);
        self.dying.extend(going);
        let mut kept = Vec::new();
        for segment in self.dying.drain(..) {
            // Ours and the table's: anyone else is reading it.
            if Arc::strong_count(&segment) > 2 {
                kept.push(segment);
            } else {
                self.supplier.retire(segment, &self.shared);
            }
        }
        self.dying = kept;
    }
}

/// Nobody may wait for a committer that has ended, however it did.
struct Closes(Arc<Shared>);

impl Drop for Closes {
    fn drop(&mut self) {
        let mut inbox = self.0.inbox();
        inbox.closed = true;
        // Frames that could not be written: their waiters learn of it by the closed channel.
        inbox.frames.clear();
    }
}

fn write_and_sync(file: Option<&dyn File>, batch: &crate::log::Batch) -> io::Result<()> {
    let file = file.ok_or(io::ErrorKind::NotFound)?;
    file.write_all_vectored_at(&mut batch.buffers(), batch.offset)?;
    file.sync_data()
}

pub(crate) fn apply_effect(state: &mut crate::state::State, placed: &mut Placed, effect: Effect) {
    let at = |record: usize| placed.locs.get(record).copied().unwrap_or_default();
    let content = |record: usize| {
        let which = placed.frame.records.get(record).and_then(|draft| draft.content)?;
        placed.contents.get(which).copied().map(Content::In)
    };
    match effect {
        Effect::Accept { record, envelope, size, own_file } => {
            state.accept(&envelope, size, at(record), content(record).unwrap_or(Content::Own));
            let which = placed.frame.records.get(record).and_then(|draft| draft.content);
            let pieces = which.and_then(|which| placed.frame.contents.get(which)).cloned();
            state.keep_fresh(envelope, pieces);
            if let Some(guard) = own_file {
                guard.keep();
            }
        }
        Effect::Settle { record, id, outcome } => state.settle(id, at(record), outcome),
        Effect::Move { record, id, content: elsewhere } => {
            state.moved(id, at(record), content(record).unwrap_or(elsewhere));
        }
        Effect::Done { record, from, entries } => {
            for (home, id) in &entries {
                state.segments.done(at(record).segment, *id, *home);
            }
            state.segments.clear_done(from, &entries);
        }
    }
}

fn refuse(frame: Frame, error: SpoolError) {
    if let Some(waiter) = frame.waiter {
        // Whoever waited may have gone.
        let _ = waiter.send(Err(error));
    }
}
