//! What the thread of the log does: takes lines, tells them to who listens, writes them and syncs them.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    files,
    log::{Inbox, Shared, octets_of},
    writer::Writer,
};

/// Where in the server a log line comes from.
const STATION: &str = "events";
/// How long lines gather for one write and one sync. The spool holds them until then, so nothing hangs on it, and a
/// sync for each of the spool's would cost the disk twice as many.
const GATHER: Duration = Duration::from_millis(100);
/// How long the thread waits before it tries again to write what it could not.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Octets that are taken from the source at once.
const REFILL_OCTETS: usize = 1 << 20;

/// Brings what was appended to the disk and to the subscribers. Has no thread of its own: [`Flusher::turn`] does what
/// there is to do.
pub struct Flusher {
    shared: Arc<Shared>,
    writer: Writer,
    unwritten: VecDeque<(u64, Vec<u8>)>,
    /// Octets of these that count as waiting.
    waiting: usize,
    /// The source has lines that were let go. What is in the inbox comes after them.
    refilling: bool,
    /// The last LSN that subscribers have heard of.
    told: u64,
}

impl Flusher {
    pub(crate) fn new(shared: Arc<Shared>, writer: Writer) -> Self {
        let told = writer.last_lsn();
        Self { shared, writer, unwritten: VecDeque::new(), waiting: 0, refilling: false, told }
    }

    pub(crate) fn run(mut self) {
        while self.wait() {
            if self.turn() {
                self.gather();
            } else {
                self.pause();
            }
        }
    }

    /// Tells and writes what was appended. Whether all of it is durable now; if not, the next turn tries again. Blocks.
    pub fn turn(&mut self) -> bool {
        loop {
            let was_behind = self.is_behind();
            let result = self.take().and_then(|()| self.write());
            let failed = result.is_err();
            self.note(result);
            if failed || !was_behind && !self.is_behind() {
                return !failed;
            }
        }
    }

    /// Tells the operator when the disk begins to fail, and when it works again.
    fn note(&self, result: io::Result<()>) {
        let failed_before = self.shared.failing.swap(result.is_err(), Ordering::SeqCst);
        match result {
            Err(error) if !failed_before => {
                tracing::error!(station = STATION, %error, "the event log cannot be written: mail goes on");
            }
            Ok(()) if failed_before => {
                tracing::info!(station = STATION, "the event log is written again");
            }
            _ => {}
        }
    }

    /// Whether the source has lines that come before those in the inbox.
    fn is_behind(&self) -> bool {
        self.refilling || self.shared.inbox().let_go.is_some()
    }

    /// Waits for something to do; false at the end.
    fn wait(&self) -> bool {
        let mut inbox = self.shared.inbox();
        let has_own = self.refilling || !self.unwritten.is_empty();
        while inbox.is_empty() && !has_own && !inbox.closing {
            (inbox.asleep, inbox.hurry) = (true, false);
            self.shared.idle.notify_all();
            inbox = self.shared.awake.wait(inbox).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        inbox.asleep = false;
        let is_done = inbox.is_empty() && !has_own;
        // What the disk does not take, and what only the source has, is told again at the next start.
        let is_vain =
            self.shared.failing.load(Ordering::SeqCst) && (self.refilling || inbox.lines.is_empty());
        !(inbox.closing && (is_done || is_vain))
    }

    /// Takes lines from the inbox, or from the source those that were let go.
    fn take(&mut self) -> io::Result<()> {
        let mut inbox = self.shared.inbox();
        if self.unwritten.is_empty() && (self.refilling || inbox.let_go.is_some()) {
            // From here on lines are kept again. All that were let go before are in the source already.
            (self.refilling, inbox.let_go) = (true, None);
            drop(inbox);
            return self.refill();
        }
        if self.refilling {
            return Ok(());
        }
        let lines = std::mem::take(&mut inbox.lines);
        drop(inbox);
        self.waiting += lines.iter().map(|(_, line)| octets_of(line)).sum::<usize>();
        self.unwritten.extend(lines);
        self.tell();
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        let Some(mut source) = self.shared.inbox().source.take() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let lines = source(self.writer.last_lsn(), REFILL_OCTETS);
        // Another may have come meanwhile.
        self.shared.inbox().source.get_or_insert(source);
        let lines = lines?;
        self.refilling = lines.iter().map(|(_, line)| line.len()).sum::<usize>() >= REFILL_OCTETS;
        self.unwritten.extend(lines);
        self.tell();
        Ok(())
    }

    /// Tells subscribers what they have not heard yet.
    fn tell(&mut self) {
        let mut subscribers = std::mem::take(&mut self.shared.inbox().subscribers);
        let mut told = Vec::new();
        for (lsn, line) in &self.unwritten {
            if *lsn > self.told && !subscribers.is_empty() {
                told.clear();
                files::write_line(&mut told, *lsn, line);
                let line = told.strip_suffix(b"\n").unwrap_or(&told);
                subscribers.retain_mut(|subscriber| subscriber(line));
            }
        }
        self.told = self.unwritten.back().map_or(self.told, |(last, _)| self.told.max(*last));
        let mut inbox = self.shared.inbox();
        subscribers.append(&mut inbox.subscribers);
        inbox.subscribers = subscribers;
    }

    /// A write that failed is tried again behind a cut to the last good line; the spool keeps what we do not confirm.
    fn write(&mut self) -> io::Result<()> {
        for (lsn, line) in &self.unwritten {
            self.writer.append(*lsn, line)?;
        }
        let last = self.writer.sync()?;
        self.unwritten.clear();
        self.shared.durable.fetch_max(last, Ordering::SeqCst);
        let mut inbox = self.shared.inbox();
        inbox.waiting = inbox.waiting.saturating_sub(std::mem::take(&mut self.waiting));
        Ok(())
    }

    fn gather(&self) {
        let inbox = self.shared.inbox();
        let waits = |inbox: &mut Inbox| !inbox.closing && !inbox.hurry;
        drop(self.shared.awake.wait_timeout_while(inbox, GATHER, waits));
    }

    fn pause(&self) {
        let inbox = self.shared.inbox();
        self.shared.idle.notify_all();
        if !inbox.closing {
            let _ = self.shared.awake.wait_timeout(inbox, PAUSE_AFTER_FAILURE);
        }
    }
}
