//! The queue and the segments under it: one state, brought forward by what is synced and by replay alike.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use mail::{Envelope, QueueId};

use crate::{
    Lost,
    format::{HEADER_LEN_U32, Kind},
    frame::Pieces,
    gist,
    index::{Content, Entry, History, Index, Loc, Message, Standing},
    payload::{self, Outcome, Place},
    scan::Scanned,
    segments::Segments,
};

/// Fresh mail kept in memory for its first delivery.
#[derive(Clone)]
pub(crate) struct Fresh {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) pieces: Option<Pieces>,
    octets: usize,
}

/// What an outcome on record makes of the records before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nobody is left: none is needed.
    Last,
    /// It says all that they do.
    All,
    /// They are still needed.
    Part,
}

impl Settled {
    /// By an outcome, whether the message is for one recipient, and how many are left. Of a message for one, an attempt's
    /// outcome says all that those before did; an order alone does not.
    pub(crate) fn by(outcome: &Outcome, for_one: bool, left: u32) -> Self {
        match left {
            0 => Self::Last,
            _ if for_one && !outcome.recipients.is_empty() => Self::All,
            _ => Self::Part,
        }
    }
}

/// All of the spool that is in memory.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) segments: Segments,
    fresh: HashMap<[u8; 16], Fresh>,
    fresh_order: VecDeque<QueueId>,
    fresh_octets: usize,
    fresh_octets_max: usize,
    /// Messages with content in a file of their own that are durably done: the files may go.
    pub(crate) files_to_remove: Vec<QueueId>,
}

impl State {
    /// An empty state that keeps fresh mail of so many octets. Its queue stays shut until all is replayed.
    pub(crate) fn new(fresh_octets_max: usize) -> Self {
        Self { fresh_octets_max, index: Index::with_queue_shut(), ..Self::default() }
    }

    /// A synced message enters the queue.
    pub(crate) fn accept(&mut self, envelope: &Envelope, size: u64, at: Loc, content: Content) {
        let mut message = self.index.message(envelope, &[], size);
        message.envelope = at;
        message.set_content(content);
        message.locs().for_each(|loc| self.segments.pin(loc));
        self.index.insert(message);
    }

    /// Keeps a fresh message in memory, and lets the oldest go if there are too many octets.
    pub(crate) fn keep_fresh(&mut self, envelope: Arc<Envelope>, pieces: Option<Pieces>) {
        let id = envelope.id;
        let content: usize = pieces.iter().flat_map(|pieces| pieces.octets.iter().map(Vec::capacity)).sum();
        let octets = content + 512 + 256 * envelope.recipients.len();
        if octets > self.fresh_octets_max / 4 {
            return;
        }
        self.fresh_octets += octets;
        self.fresh.insert(id.to_bytes(), Fresh { envelope, pieces, octets });
        self.fresh_order.push_back(id);
        while self.fresh_octets > self.fresh_octets_max
            || self.fresh_order.len() > 2 * self.fresh.len() + 1024
        {
            let Some(oldest) = self.fresh_order.pop_front() else { break };
            self.forget_fresh(oldest);
        }
    }

    pub(crate) fn fresh(&self, id: QueueId) -> Option<&Fresh> {
        self.fresh.get(&id.to_bytes())
    }

    pub(crate) fn forget_fresh(&mut self, id: QueueId) {
        if let Some(fresh) = self.fresh.remove(&id.to_bytes()) {
            self.fresh_octets = self.fresh_octets.saturating_sub(fresh.octets);
        }
    }

    /// An outcome is on record. If it was the last one, the message is done for good.
    pub(crate) fn settle(&mut self, id: QueueId, at: Loc, outcome: Settled) {
        if outcome == Settled::Last {
            self.done(id, at.segment);
            return;
        }
        let Some(message) = self.index.get(id) else { return };
        let paused = |entry: &Entry| entry.control.as_ref().is_some_and(|control| !control.paused.is_zero());
        let is_news = |entry: &Entry| {
            entry.standing != Standing::Done && (entry.attempts > 0 || entry.delay_told || paused(entry))
        };
        if message.recipients.iter().any(is_news) {
            // What is in memory tells neither its last reply nor that its sender heard of the delay.
            self.forget_fresh(id);
        }
        let Some(message) = self.index.get_mut(id) else { return };
        let replaced = if outcome == Settled::All { message.history.take_outcomes() } else { History::None };
        message.history.push(at);
        self.segments.pin(at);
        for loc in replaced.outcomes() {
            self.segments.unpin(*loc);
        }
    }

    /// A message is done by the word of a record in `segment`, and of the outcomes before it: each tells of its own recipients
    /// alone, so all of them have to last as long as an envelope record does.
    pub(crate) fn done(&mut self, id: QueueId, segment: u32) {
        self.forget_fresh(id);
        let Some(message) = self.index.remove(id) else { return };
        message.locs().for_each(|loc| self.segments.unpin(loc));
        let outcomes = message.history.outcomes().iter().map(|loc| loc.segment);
        for word in outcomes.chain([segment]) {
            message.homes().for_each(|home| self.segments.done(word, id, home));
        }
        if message.content() == Content::Own {
            self.files_to_remove.push(id);
        }
    }

    /// A message's envelope stands in a new place, up to date, so that older records of it are not needed any more.
    pub(crate) fn moved(&mut self, id: QueueId, at: Loc, content: Content) {
        let Some(message) = self.index.get_mut(id) else { return };
        let before: Vec<Loc> = message.locs().collect();
        message.history.take_outcomes();
        let home = message.envelope.segment;
        if home != at.segment {
            let mut homes = message.history.homes().to_vec();
            homes.retain(|older| *older != home && *older != at.segment);
            homes.push(home);
            homes.retain(|home| self.segments.contains(*home));
            message.history = History::of_homes(homes);
        }
        message.envelope = at;
        message.set_content(content);
        let after: Vec<Loc> = message.locs().collect();
        for loc in after {
            self.segments.pin(loc);
        }
        for loc in before {
            self.segments.unpin(loc);
        }
    }

    /// Brings the state forward by a frame read from disk. Returns what is wrong with it.
    pub(crate) fn replay(&mut self, segment: u32, records: &[Scanned]) -> Option<Lost> {
        let mut wrong = None;
        for record in records {
            let (id, header) = (record.header.queue_id(), &record.header);
            let at = Loc {
                segment,
                offset: u32::try_from(record.offset).unwrap_or(u32::MAX),
                len: header.len + HEADER_LEN_U32,
            };
            match header.kind {
                Kind::Envelope => {
                    if self.replay_envelope(id, at, header.extra, &record.payload).is_none() {
                        wrong = Some(Lost::Envelope(id));
                    }
                }
                Kind::Outcome => match Outcome::decode(&record.payload) {
                    Some(outcome) => {
                        if let Some(left) = self.index.apply(id, &outcome) {
                            let one = self.index.get(id).is_some_and(|message| message.recipients.len() == 1);
                            self.settle(id, at, Settled::by(&outcome, one, left));
                        }
                    }
                    None => wrong = Some(Lost::Outcome(id)),
                },
                Kind::Done => {
                    for id in payload::decode_done(&record.payload) {
                        self.done(id, segment);
                    }
                }
                Kind::Event => self.segments.event(segment, header.lsn),
                Kind::Batch | Kind::Content => {}
            }
        }
        wrong
    }

    /// None if it cannot be read. `here` is where content in the same segment begins.
    fn replay_envelope(&mut self, id: QueueId, at: Loc, here: u32, payload: &[u8]) -> Option<()> {
        let (head, held, fields) = payload::decode_head(payload)?;
        let mut message = gist::message(&mut self.index.queue, id, fields, held)?;
        let content = match head.place {
            Place::Here => Content::In(Loc { segment: at.segment, offset: here, len: head.stored_len }),
            Place::Elsewhere(segment, offset) => Content::In(Loc { segment, offset, len: head.stored_len }),
            Place::Own(_) => Content::Own,
        };
        (message.envelope, message.size) = (at, head.content_len);
        message.set_content(content);
        if self.index.slot(id).is_some() {
            self.replace(id, message);
        } else {
            message.locs().for_each(|loc| self.segments.pin(loc));
            self.index.insert(message);
        }
        Some(())
    }

    /// An envelope record tells anew of a message that is here. The records that said so before may be gone: its recipients stand
    /// as the newer one tells, but completions win whatever the order.
    fn replace(&mut self, id: QueueId, mut message: Message) {
        self.moved(id, message.envelope, message.content());
        // The numbers of its domains were looked up already: they must not go with the old one, and come to other domains.
        let domains: Vec<u32> = message.recipients.iter().map(|entry| entry.domain).collect();
        for domain in &domains {
            self.index.queue.hold_domain(*domain);
        }
        let Some(before) = self.index.remove(id) else { return };
        for (entry, before) in message.recipients.iter_mut().zip(before.recipients.iter()) {
            if before.standing == Standing::Done {
                entry.standing = Standing::Done;
            }
        }
        let left = message.recipients.iter().filter(|entry| entry.is_owed()).count();
        message.left = u32::try_from(left).unwrap_or(u32::MAX);
        message.history = History::of_homes(before.history.homes().to_vec());
        self.index.insert(message);
        for domain in &domains {
            self.index.queue.drop_domain(*domain);
        }
    }
}
