//! The handle that the rest of the server holds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use disk::Caveat;
use mail::{Domain, QueueId, Timestamp};
use tokio::sync::oneshot;

use crate::{
    Config, ContentReader, ContentWriter, Finished, Loaded, Opened, Receipt, SEGMENT_OCTETS_MIN, SpoolError,
    Submission, Work,
    clean::{Cleaner, read_current},
    commit::Committer,
    content::{Kept, Source},
    files,
    format::{BLOCK, Kind},
    frame::{Class, Effect, Frame, Pieces},
    index::{Content, Entry, Message, Standing},
    io::Io,
    owner,
    payload::{Control, EnvelopeHead, Outcome, Place, RecipientState, StoredEnvelope, encode_fresh_envelope},
    recover::{Recovered, recover},
    retell,
    scan::ContentScan,
    shared::Shared,
    state::{Settled, State},
    supply::Supplier,
    unseen::Unseen,
};

/// The durable queue. Cheap to clone; all of it may be called from anywhere.
#[derive(Clone)]
pub struct Spool {
    pub(crate) shared: Arc<Shared>,
    running: Arc<Running>,
}

/// Ends with the last handle: the lock on the directory, and the committer.
struct Running {
    shared: Arc<Shared>,
    committer: Mutex<Option<std::thread::JoinHandle<()>>>,
    _lock: Box<dyn disk::Lock>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic over there has been told by its own message.
            let _ = thread.join();
        }
    }
}

impl Spool {
    /// Opens the spool: locks its directory, replays it, probes that it can be written, starts its threads. Blocks.
    pub fn open(
        config: Config,
        disk: Arc<dyn disk::Disk>,
        clock: Arc<dyn disk::Clock>,
        random: Arc<dyn disk::Random>,
        events: Arc<events::Log>,
    ) -> Result<(Self, Opened), SpoolError> {
        let io = Io::start()?;
        let (mut committer, lock, opened) = Self::prepare(config, disk, clock, random, events, io, None)?;
        let shared = Arc::clone(&committer.shared);
        let Supplier::Inline(supply) = std::mem::replace(&mut committer.supplier, Supplier::None) else {
            return Err(SpoolError::Closed);
        };
        committer.supplier = Supplier::start(*supply, Arc::clone(&shared))?;
        committer.supplier.ask();
        let run = std::thread::Builder::new().name("spool-commit".into());
        let thread = run.spawn(move || committer.run()).map_err(SpoolError::Thread)?;
        let running =
            Running { shared: Arc::clone(&shared), committer: Mutex::new(Some(thread)), _lock: lock };
        Ok((Self { shared, running: Arc::new(running) }, opened))
    }

    /// As [`Spool::open`], but without any thread: the caller turns the committer, and whatever else would wait for the disk
    /// is done at once, where it is asked for. For who has a thread of their own for it, or a time of their own.
    pub fn open_inline(
        config: Config,
        disk: Arc<dyn disk::Disk>,
        clock: Arc<dyn disk::Clock>,
        random: Arc<dyn disk::Random>,
        events: Arc<events::Log>,
    ) -> Result<(Self, Committer, Opened), SpoolError> {
        let (committer, lock, opened) =
            Self::prepare(config, disk, clock, random, events, Io::inline(), None)?;
        let shared = Arc::clone(&committer.shared);
        let running = Running { shared: Arc::clone(&shared), committer: Mutex::new(None), _lock: lock };
        Ok((Self { shared, running: Arc::new(running) }, committer, opened))
    }

    /// All of an opening but the threads. The directory is locked here, unless the lock is handed over.
    pub(crate) fn prepare(
        mut config: Config,
        disk: Arc<dyn disk::Disk>,
        clock: Arc<dyn disk::Clock>,
        random: Arc<dyn disk::Random>,
        events: Arc<events::Log>,
        io: Io,
        lock: Option<Box<dyn disk::Lock>>,
    ) -> Result<(Committer, Box<dyn disk::Lock>, Opened), SpoolError> {
        // Offsets have 32 bits.
        config.segment_octets =
            config.segment_octets.clamp(SEGMENT_OCTETS_MIN, 1 << 30).next_multiple_of(BLOCK);
        let dir = config.dir.clone();
        let unusable = |source| SpoolError::Directory { dir: dir.clone(), source };
        disk.create_dir_all(&files::large_dir(&dir)).map_err(unusable)?;
        disk.sync_dir(&dir).map_err(unusable)?;
        let caveat = disk.caveat(&dir).map_err(unusable)?;
        if let Some(Caveat::Network(file_system)) = caveat {
            return Err(SpoolError::Network { dir, file_system });
        }
        let lock = lock.map_or_else(|| files::lock(&dir, disk.as_ref()), Ok)?;
        let Recovered { mut state, log, mut supply, file, mut opened, unseen, youngest } =
            recover(&config, &disk, &random, (Unseen::by(&events), io.has_threads()))?;
        supply.fill_reserve()?;
        opened.caveat = caveat;
        if let Some(host) = &config.host {
            opened.taken_from = owner::take(&dir, disk.as_ref(), host)?;
        }
        state.segments.reach(log.segment(), log.end());
        let mut shared = Shared::new(config, disk, clock, random, events, io, state);
        shared.last_recorded = youngest.max(shared.events.found_at());
        let shared = Arc::new(shared);
        shared.synced_lsn.store(log.synced_lsn(), Ordering::SeqCst);
        shared.events.set_source(retell::source(Arc::downgrade(&shared)));
        unseen.tell(&shared.events);
        let committer = Committer {
            shared,
            log,
            supplier: Supplier::Inline(Box::new(supply)),
            file: Some(file),
            cleaner: Cleaner::default(),
            space_checked: None,
            on_reserve: false,
            dying: Vec::new(),
        };
        Ok((committer, lock, opened))
    }

    /// A new queue id.
    pub fn new_id(&self, now: Timestamp) -> QueueId {
        QueueId::new(now, self.shared.config.node, self.shared.random.next_u64())
    }

    /// Begins the content of the message `id`. Beyond 128 KiB it streams to a file of its own.
    pub fn content(&self, id: QueueId) -> ContentWriter {
        ContentWriter::new(Arc::clone(&self.shared), id)
    }

    /// Whether a message would be taken now: what to ask before a client sends one.
    pub fn accepts(&self) -> Result<(), SpoolError> {
        self.shared.check_mail()?;
        self.shared.memory.check()
    }

    /// Commits a message. It is durable when this returns; only this makes a [`Receipt`].
    pub async fn commit(&self, submission: Submission) -> Result<Receipt, SpoolError> {
        self.commit_with(submission, Vec::new()).await
    }

    /// Commits a message with reports that it causes at once: all of it or nothing.
    pub async fn commit_with(
        &self,
        submission: Submission,
        reports: Vec<Submission>,
    ) -> Result<Receipt, SpoolError> {
        self.shared.check_mail()?;
        let id = submission.envelope.id;
        let mut frame = Frame::new(Class::Mail);
        add_message(&mut frame, submission);
        for report in reports {
            add_message(&mut frame, report);
        }
        frame.claims.push(self.shared.memory.claim_for_envelope(frame.meta_len()).await?);
        self.append(frame).await?;
        Ok(Receipt::new(id))
    }

    /// Appends a frame and waits for its sync.
    pub(crate) async fn append(&self, frame: Frame) -> Result<(), SpoolError> {
        synced(self.shared.push_urgent(frame)?).await
    }

    /// Checks a domain with due recipients out: nobody else gets it until [`Spool::release`]. None: nothing is due, or
    /// completions cannot be written, so that nothing may be delivered.
    pub fn checkout(&self, now: Timestamp) -> Option<Domain> {
        if self.shared.is_poisoned() || self.shared.stalled.load(Ordering::SeqCst) {
            return None;
        }
        self.shared.state().index.queue.checkout(now)
    }

    /// The earliest due time among the domains that are not checked out.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.state().index.queue.next_due()
    }

    /// Returns once something may be due earlier than was said before. Changes between two calls are not missed. Meant
    /// for one scheduler.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Takes due recipients of a checked-out domain, at most `max` of them, grouped by message, marked in flight.
    pub fn take(&self, domain: &Domain, now: Timestamp, max: usize) -> Vec<Work> {
        let mut state = self.shared.state();
        let Some(domain) = state.index.queue.find(domain) else { return Vec::new() };
        let taken = state.index.take(domain, now, max);
        by_message(&state, taken)
    }

    /// Returns once somebody is to be given up ([`Spool::bounce`]), or may be. Meant for one task.
    pub async fn bounces_ordered(&self) {
        self.shared.bounces.notified().await;
    }

    /// Takes recipients that are to be given up, at most `max` of them, grouped by message, marked in flight. Their envelopes tell with
    /// which words.
    pub fn take_bounces(&self, max: usize) -> Vec<Work> {
        if self.shared.is_poisoned() || self.shared.stalled.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let mut state = self.shared.state();
        let taken = state.index.take_bounces(max);
        by_message(&state, taken)
    }

    /// How many recipients of a message are in flight or due: what is known of the others is all there is for now.
    pub fn underway(&self, id: QueueId, now: Timestamp) -> usize {
        let state = self.shared.state();
        let Some(message) = state.index.get(id) else { return 0 };
        let is_underway = |entry: &&Entry| match entry.standing {
            Standing::InFlight => true,
            Standing::Waiting => entry.is_to_bounce() || entry.is_scheduled() && entry.due <= now,
            Standing::Done => false,
        };
        message.recipients.iter().filter(is_underway).count()
    }

    /// Gives a checked-out domain back.
    pub fn release(&self, domain: &Domain) {
        let mut state = self.shared.state();
        state.index.queue.release(domain);
        self.shared.notify_if_earlier(&mut state);
    }

    /// Gives work back that nobody tried: due again as it was.
    pub fn put_back(&self, work: &Work) {
        let mut state = self.shared.state();
        for recipient in &work.recipients {
            state.index.put_back(work.id, *recipient);
        }
        self.shared.notify_if_earlier(&mut state);
    }

    /// Those recipients of a piece of work that are in flight still: nothing has become of them.
    pub fn still_in_flight(&self, work: &Work) -> Work {
        let state = self.shared.state();
        let message = state.index.get(work.id);
        let is_in_flight = |number: &u32| {
            let entry = message.and_then(|message| message.recipients.get(*number as usize));
            entry.is_some_and(|entry| entry.standing == Standing::InFlight)
        };
        Work {
            id: work.id,
            priority: work.priority,
            recipients: work.recipients.iter().copied().filter(is_in_flight).collect(),
        }
    }

    /// Reads a message back. A fresh one comes from memory, any other from disk, off the caller's thread.
    pub async fn load(&self, id: QueueId) -> Result<Loaded, SpoolError> {
        {
            let state = self.shared.state();
            let message = state.index.get(id).ok_or(SpoolError::Unknown(id))?;
            if let Some(fresh) = state.fresh(id) {
                let len = message.size;
                if let Some(content) = &fresh.pieces {
                    let source = Source::Memory { pieces: Arc::clone(&content.octets), next: 0 };
                    let envelope = Arc::clone(&fresh.envelope);
                    return Ok(Loaded { envelope, content: ContentReader { len, source } });
                }
            }
        }
        let shared = Arc::clone(&self.shared);
        self.shared.io.run(move || load(&shared, id)).await
    }

    /// Results of an attempt: in memory at once, durable with the next batch, at most 100 ms later. Reports become
    /// due once the commit is synced.
    pub fn finish(&self, finished: Finished) {
        // Closed or poisoned: the outcome is not durable, and nobody was told that it is.
        let _ = self.finishing(finished, |frame| self.shared.push(frame));
    }

    /// As [`Spool::finish`], but returns once it is durable.
    pub async fn finish_durable(&self, finished: Finished) -> Result<(), SpoolError> {
        let receiver = self.finishing(finished, |frame| self.shared.push_urgent(frame))?;
        synced(receiver).await
    }

    /// The frame goes while the state stands still: records of a message are in the order in which they came to hold.
    fn finishing<T>(&self, finished: Finished, push: impl FnOnce(Frame) -> T) -> T {
        let Finished { id, outcomes, events, reports } = finished;
        let mut frame = Frame::new(Class::Completion);
        frame.events(&events);
        for report in reports {
            add_message(&mut frame, report);
        }
        let mut state = self.shared.state();
        let outcome = outcome_of(&state, id, outcomes);
        settle(&mut state, &mut frame, id, &outcome);
        self.shared.notify_if_earlier(&mut state);
        push(frame)
    }

    /// Whether a write or sync has failed: deliveries must stop, for completions cannot be written.
    pub fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// Writes and syncs what waits, then ends the threads. Later commits fail with [`SpoolError::Closed`]. The lock on
    /// the directory goes with the last handle.
    pub async fn close(self) {
        let running = Arc::clone(&self.running);
        let (sender, receiver) = oneshot::channel();
        let wait = move || {
            running.shared.close();
            let thread = running.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(thread.map(std::thread::JoinHandle::join));
            drop(running);
            // Whoever closes may not wait for it.
            let _ = sender.send(());
        };
        drop(self);
        // Joining waits for a last sync: that is no work for a thread of the runtime.
        if std::thread::Builder::new().name("spool-close".into()).spawn(wait).is_ok() {
            // The sender cannot go unsent but by a panic over there.
            let _ = receiver.await;
        }
    }
}

pub(crate) fn by_message(state: &State, taken: Vec<(u32, u32)>) -> Vec<Work> {
    let mut work: Vec<Work> = Vec::with_capacity(taken.len());
    let mut places: HashMap<u32, usize> = HashMap::new();
    for (slot, recipient) in taken {
        let Some(message) = state.index.at(slot) else { continue };
        let place = *places.entry(slot).or_insert_with(|| {
            work.push(Work { id: message.id, priority: message.priority, recipients: Vec::new() });
            work.len() - 1
        });
        if let Some(work) = work.get_mut(place) {
            work.recipients.push(recipient);
        }
    }
    work
}

/// Waits for a frame's sync.
pub(crate) async fn synced(receiver: oneshot::Receiver<Result<(), SpoolError>>) -> Result<(), SpoolError> {
    receiver.await.unwrap_or(Err(SpoolError::Closed))
}

/// Applies an outcome in memory and records it.
pub(crate) fn settle(state: &mut State, frame: &mut Frame, id: QueueId, outcome: &Outcome) {
    let (before, for_one) =
        state.index.get(id).map_or((0, false), |message| (message.left, message.recipients.len() == 1));
    let after = state.index.apply(id, outcome).unwrap_or(0);
    if !outcome.controls.is_empty() {
        // What is in memory does not tell the order.
        state.forget_fresh(id);
    }
    // A message that is done or removed already needs no record.
    if before > 0 {
        let record = frame.record(Kind::Outcome, id, outcome.encode(), None);
        frame.effects.push(Effect::Settle { record, id, outcome: Settled::by(outcome, for_one, after) });
    }
}

/// Lays a message into a frame.
pub(crate) fn add_message(frame: &mut Frame, submission: Submission) {
    let Submission { envelope, content, events } = submission;
    let size = content.len();
    let id = envelope.id;
    // A message for nobody is done as it comes: its events are all there is of it.
    if !envelope.recipients.is_empty() {
        let (place, which, stored_len, own_file) = match content.0 {
            Kept::Memory(pieces, claim) => {
                frame.claims.extend(claim);
                let pieces = Pieces { id, ..pieces };
                let stored_len = u32::try_from(pieces.stored_len()).unwrap_or(u32::MAX);
                frame.contents.push(pieces);
                (Place::Here, Some(frame.contents.len() - 1), stored_len, None)
            }
            Kept::File { guard, tag, .. } => (Place::Own(tag), None, 0, Some(guard)),
        };
        let head = EnvelopeHead { place, content_len: size, stored_len };
        let record = frame.record(Kind::Envelope, id, encode_fresh_envelope(&head, &envelope), which);
        frame.effects.push(Effect::Accept { record, envelope: Arc::new(envelope), size, own_file });
    }
    frame.events(&events);
}

pub(crate) fn outcome_of(state: &State, id: QueueId, outcomes: Vec<crate::RecipientOutcome>) -> Outcome {
    let message = state.index.get(id);
    let mut controls = paused(message, &outcomes);
    let recipients = outcomes.into_iter().map(|outcome| {
        let entry = message.and_then(|message| message.recipients.get(outcome.recipient as usize));
        let attempts = entry.map_or(0, |entry| u32::from(entry.attempts)) + u32::from(outcome.attempted);
        let due = match outcome.disposition {
            crate::Disposition::Deferred { until } => until,
            _ => entry.map(|entry| entry.due).unwrap_or_default(),
        };
        RecipientState {
            recipient: outcome.recipient,
            done: outcome.disposition.is_final(),
            due,
            attempts,
            reply: outcome.reply,
            mx: outcome.mx,
            site: outcome.site,
            policy: outcome.policy,
            delay_told: outcome.delay_told || entry.is_some_and(|entry| entry.delay_told),
        }
    });
    let recipients = recipients.collect();
    // Of a message for one, only the last outcome is kept: it has to say all that those before did.
    let alone = message.filter(|message| message.recipients.len() == 1);
    let control = alone.and_then(|message| message.recipients.first()?.control.as_deref().cloned());
    if controls.is_empty() {
        controls.extend(control.map(|control| (0, control)));
    }
    Outcome { recipients, controls, ..Outcome::default() }
}

/// What stands still for recipients, by number: what was ordered for them stays.
fn paused(message: Option<&Message>, outcomes: &[crate::RecipientOutcome]) -> Vec<(u32, Control)> {
    let paused = |outcome: &crate::RecipientOutcome| {
        let entry = message?.recipients.get(outcome.recipient as usize)?;
        let before = entry.control.as_deref().cloned().unwrap_or_default();
        let paused = before.paused.saturating_add(outcome.paused);
        Some((outcome.recipient, Control { paused, ..before }))
    };
    // Hardly ever: nothing is looked up for it.
    outcomes.iter().filter(|outcome| !outcome.paused.is_zero()).filter_map(paused).collect()
}

/// Reads a message's envelope, and opens its content.
pub(crate) fn load(shared: &Arc<Shared>, id: QueueId) -> Result<Loaded, SpoolError> {
    let dir = shared.dir();
    let unreadable = |source| SpoolError::Read { path: dir.clone(), source };
    // A message may move while it is read: then its new place is read.
    for _ in 0..3 {
        let (locs, content, len) = {
            let state = shared.state();
            let message = state.index.get(id).ok_or(SpoolError::Unknown(id))?;
            (message.locs().collect::<Vec<_>>(), message.content(), message.size)
        };
        let segment = match content {
            Content::In(loc) => shared.state().segments.file(loc.segment),
            Content::Own => None,
        };
        let Some(current) = read_current(shared, id, &locs, content).map_err(unreadable)? else { continue };
        let StoredEnvelope { envelope, .. } = current.stored;
        let (file, tag, at) = match (content, current.head.place, &segment) {
            (Content::In(loc), _, Some(segment)) => {
                (segment.file().map_err(unreadable)?, segment.tag(), u64::from(loc.offset))
            }
            (Content::Own, Place::Own(tag), _) => {
                let path = files::large_path(&shared.config.dir, id);
                let file =
                    shared.disk.open_read(&path).map_err(|source| SpoolError::Read { path, source })?;
                (file, tag, 0)
            }
            _ => continue,
        };
        let scan = Some(ContentScan { tag, id: id.to_bytes(), at, left: len, index: 0 });
        let source = Source::File { shared: Arc::clone(shared), file, scan, _segment: segment };
        return Ok(Loaded { envelope: Arc::new(envelope), content: ContentReader { len, source } });
    }
    Err(SpoolError::Damaged { id, what: "envelope" })
}
