//! The core of the spool without disk and threads, for those who count its instructions and those who fuzz it. No interface:
//! it changes with the code behind it.

use std::io;

use disk::File;
use mail::{Domain, Envelope, QueueId, Timestamp};

use crate::{
    Finished, Submission, Work,
    commit::apply_effect,
    format::{Kind, RECORD_VERSION, RecordHeader, padded},
    frame::{Class, Frame},
    index::{Content, Loc},
    log::Log,
    payload,
    scan::{FrameRead, Scan, Scanned},
    spool::{add_message, by_message, outcome_of, settle},
    state::State,
};

const SEGMENT_OCTETS: u64 = 64 << 20;
const CACHE_OCTETS: usize = 32 << 20;

/// Log, index and queue: what the committer works with between two syncs.
pub struct Core {
    log: Log,
    state: State,
}

/// A record as a scan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its header begins.
    pub offset: u64,
    /// Its number.
    pub lsn: u64,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Default for Core {
    fn default() -> Self {
        let mut log = Log::new(1, 0);
        log.begin_segment(1, [7; 16], SEGMENT_OCTETS);
        let mut state = State::new(CACHE_OCTETS);
        state.index.open_queue();
        Self { log, state }
    }
}

impl Core {
    /// Takes a message in as a commit does; returns the octets that its batch would write.
    pub fn accept(&mut self, submission: Submission) -> usize {
        let mut frame = Frame::new(Class::Mail);
        add_message(&mut frame, submission);
        self.append(frame)
    }

    /// Puts a message into the queue without a record of it.
    pub fn insert(&mut self, envelope: &Envelope, size: u64) {
        self.state.accept(envelope, size, Loc::default(), Content::Own);
    }

    /// As [`crate::Spool::next_due`].
    pub fn next_due(&mut self) -> Option<Timestamp> {
        self.state.index.queue.next_due()
    }

    /// As [`crate::Spool::checkout`].
    pub fn checkout(&mut self, now: Timestamp) -> Option<Domain> {
        self.state.index.queue.checkout(now)
    }

    /// As [`crate::Spool::take`].
    pub fn take(&mut self, domain: &Domain, now: Timestamp, max: usize) -> Vec<Work> {
        let Some(domain) = self.state.index.queue.find(domain) else { return Vec::new() };
        let taken = self.state.index.take(domain, now, max);
        by_message(&self.state, taken)
    }

    /// As [`crate::Spool::release`].
    pub fn release(&mut self, domain: &Domain) {
        self.state.index.queue.release(domain);
    }

    /// As [`crate::Spool::finish`], with its record written; returns the octets that its batch would write.
    pub fn finish(&mut self, finished: Finished) -> usize {
        let Finished { id, outcomes, events, reports } = finished;
        let mut frame = Frame::new(Class::Completion);
        frame.events(&events);
        for report in reports {
            add_message(&mut frame, report);
        }
        let outcome = outcome_of(&self.state, id, outcomes);
        settle(&mut self.state, &mut frame, id, &outcome);
        self.append(frame)
    }

    /// How many messages there are.
    pub fn messages(&self) -> usize {
        self.state.index.messages().count()
    }

    /// Reads a segment as opening does, brings the queue forward by it, and tells of the records of all whole frames.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn replay(&mut self, file: &dyn File, tag: [u8; 16], limit: u64) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        Scan::new(file, tag, limit).run(&mut |FrameRead { records, is_whole, .. }| {
            if !*is_whole {
                return;
            }
            // What is wrong with a frame is told to the operator; here it need only do no harm.
            let _ = self.state.replay(1, records);
            found.extend(records.drain(..).map(|Scanned { header, offset, payload }| Found {
                offset,
                lsn: header.lsn,
                payload,
            }));
        })?;
        Ok(found)
    }

    /// One batch, as if it were synced at once.
    fn append(&mut self, frame: Frame) -> usize {
        if frame.len() > self.log.room() {
            self.log.begin_segment(self.log.segment() + 1, [7; 16], SEGMENT_OCTETS);
        }
        let batch = self.log.append(vec![frame]);
        let octets = batch.buffers().iter().map(|buffer| buffer.len()).sum();
        for mut placed in self.log.synced_or(batch, true) {
            for effect in std::mem::take(&mut placed.frame.effects) {
                apply_effect(&mut self.state, &mut placed, effect);
            }
        }
        octets
    }
}

/// Reads an envelope's payload and writes it again. None: it cannot be read.
pub fn envelope_again(id: QueueId, octets: &[u8]) -> Option<Vec<u8>> {
    let (head, stored) = payload::decode_envelope(id, octets)?;
    Some(payload::encode_envelope(&head, &stored))
}

/// Reads an outcome's payload and writes it again. None: it cannot be read.
pub fn outcome_again(octets: &[u8]) -> Option<Vec<u8>> {
    payload::Outcome::decode(octets).map(|outcome| outcome.encode())
}

/// Reads the payload of a list of completions and writes it again.
pub fn done_again(octets: &[u8]) -> Vec<u8> {
    payload::encode_done(&payload::decode_done(octets))
}

/// The payload of a fresh envelope whose content stands beside it.
pub fn envelope(envelope: &Envelope) -> Vec<u8> {
    let head = payload::EnvelopeHead { place: payload::Place::Here, content_len: 0, stored_len: 0 };
    payload::encode_fresh_envelope(&head, envelope)
}

/// Appends a record whose header vouches for it, whatever it says. `numbers` are its place in its frame and how many records that has.
#[expect(clippy::too_many_arguments, reason = "the fields of a header")]
pub fn record(
    tag: &[u8; 16],
    kind: u8,
    numbers: [u16; 2],
    extra: u32,
    lsn: u64,
    id: [u8; 16],
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let Some(kind) = Kind::from_number(kind) else { return };
    let [index, count] = numbers;
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let payload_crc = crc32c::crc32c(payload);
    let header =
        RecordHeader { kind, version: RECORD_VERSION, index, count, len, extra, lsn, id, payload_crc };
    header.encode(tag, out);
    out.extend_from_slice(payload);
    out.resize(out.len() + padded(payload.len()) - payload.len(), 0);
}
