//! What is appended at once: records that count together or not at all, and what follows from them once synced.

use std::sync::Arc;

use events::Event;
use mail::{Envelope, QueueId};
use tokio::sync::oneshot;

use crate::{
    SpoolError,
    content::Guard,
    format::{HEADER_LEN, HEADER_LEN_U32, Kind, PIECE_MAX, RECORD_VERSION, RecordHeader, padded},
    index::{Content, Loc},
    memory::Claim,
    scan::Scanned,
    state::Settled,
};

/// A record before it has its place.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) id: QueueId,
    pub(crate) payload: Vec<u8>,
    pub(crate) crc: u32,
    /// For an envelope with content in its segment: the place in [`Frame::contents`].
    pub(crate) content: Option<usize>,
}

/// Content that goes into a segment: shared, for the queue's first delivery reads it from memory.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    pub(crate) id: QueueId,
    pub(crate) octets: Arc<Vec<Vec<u8>>>,
    /// A checksum for each run of at most [`PIECE_MAX`] octets of each piece.
    pub(crate) crcs: Vec<u32>,
}

impl Pieces {
    pub(crate) fn new(id: QueueId, pieces: Vec<Vec<u8>>) -> Self {
        let pieces: Vec<Vec<u8>> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let crcs = pieces.iter().flat_map(|piece| piece.chunks(PIECE_MAX)).map(crc32c::crc32c).collect();
        Self { id, octets: Arc::new(pieces), crcs }
    }

    /// The runs that become a record each.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.octets.iter().flat_map(|piece| piece.chunks(PIECE_MAX))
    }

    /// Octets on disk.
    pub(crate) fn stored_len(&self) -> usize {
        self.runs().map(|run| HEADER_LEN + padded(run.len())).sum()
    }
}

/// What follows once a frame is synced. Records are named by their place in the frame.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A message is ours.
    Accept { record: usize, envelope: Arc<Envelope>, size: u64, own_file: Option<Guard> },
    /// An outcome is on record.
    Settle { record: usize, id: QueueId, outcome: Settled },
    /// A message's envelope, with its content or without, has moved.
    Move { record: usize, id: QueueId, content: Content },
    /// Done messages of an older segment are told again.
    Done { record: usize, from: u32, entries: Vec<(u32, QueueId)> },
}

/// Who may use the last room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// New mail: refused when room is short.
    Mail,
    /// Completions, their reports, commands: they end things.
    Completion,
}

/// Told when the frame is synced, or why it is not.
pub(crate) type Waiter = oneshot::Sender<Result<(), SpoolError>>;

/// Records that stand or fall together.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) class: Class,
    pub(crate) records: Vec<Draft>,
    pub(crate) contents: Vec<Pieces>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) waiter: Option<Waiter>,
    /// For memory that goes once the frame is synced, or refused.
    pub(crate) claims: Vec<Claim>,
}

impl Frame {
    pub(crate) fn new(class: Class) -> Self {
        Self {
            class,
            records: Vec::with_capacity(2),
            contents: Vec::new(),
            effects: Vec::with_capacity(1),
            waiter: None,
            claims: Vec::new(),
        }
    }

    /// Adds a record; returns its place.
    pub(crate) fn record(
        &mut self,
        kind: Kind,
        id: QueueId,
        payload: Vec<u8>,
        content: Option<usize>,
    ) -> usize {
        let crc = crc32c::crc32c(&payload);
        self.records.push(Draft { kind, id, payload, crc, content });
        self.records.len() - 1
    }

    pub(crate) fn events(&mut self, events: &[Event]) {
        for event in events {
            self.record(Kind::Event, event.id, event.to_line(), None);
        }
    }

    /// Octets of the records without content.
    pub(crate) fn meta_len(&self) -> usize {
        self.records.iter().map(|record| HEADER_LEN + padded(record.payload.len())).sum()
    }

    /// Octets in all.
    pub(crate) fn len(&self) -> usize {
        self.meta_len() + self.contents.iter().map(Pieces::stored_len).sum::<usize>()
    }
}

/// Where the records of a synced frame are.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) frame: Frame,
    /// The LSN of its first record.
    pub(crate) lsn: u64,
    /// The place of each record.
    pub(crate) locs: Vec<Loc>,
    /// The place of each content.
    pub(crate) contents: Vec<Loc>,
}

impl Placed {
    /// The records as a scan would read them.
    pub(crate) fn as_scanned(&self) -> Vec<Scanned> {
        let count = u16::try_from(self.frame.records.len()).unwrap_or(u16::MAX);
        let records = self.frame.records.iter().zip(&self.locs).zip(self.lsn..).zip(0_u16..);
        let scanned = records.map(|(((draft, loc), lsn), index)| {
            let content = draft.content.and_then(|which| self.contents.get(which));
            let header = RecordHeader {
                kind: draft.kind,
                version: RECORD_VERSION,
                index,
                count,
                len: loc.len - HEADER_LEN_U32,
                extra: content.map_or(0, |loc| loc.offset),
                lsn,
                id: draft.id.to_bytes(),
                payload_crc: draft.crc,
            };
            Scanned { header, offset: loc.offset.into(), payload: draft.payload.clone() }
        });
        scanned.collect()
    }
}
