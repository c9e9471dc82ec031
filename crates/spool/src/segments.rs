//! The segments in use: what pins each of them, and when one may go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mail::QueueId;

use crate::{files::SegmentFile, index::Loc};

/// One segment in use.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) file: Arc<SegmentFile>,
    /// Where its records end.
    pub(crate) end: u64,
    /// Records in it that a live message needs.
    pins: u64,
    /// Octets of these.
    live_octets: u64,
    /// Messages that are done by a record here, by the segment that still holds an envelope record of them.
    done: BTreeMap<u32, BTreeSet<QueueId>>,
    /// The last event record in it: the event log must have passed it.
    last_event: u64,
    /// Nothing more is written to it.
    sealed: bool,
    /// On its way out; until its name is durably gone it still counts for the others.
    retiring: bool,
}

/// All segments, by number.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    table: BTreeMap<u32, Segment>,
}

impl Segments {
    pub(crate) fn add(&mut self, file: &Arc<SegmentFile>, end: u64, sealed: bool) {
        let segment = Segment {
            end,
            pins: 0,
            live_octets: 0,
            done: BTreeMap::new(),
            last_event: 0,
            sealed,
            retiring: false,
            file: Arc::clone(file),
        };
        self.table.insert(file.number(), segment);
    }

    pub(crate) fn file(&self, segment: u32) -> Option<Arc<SegmentFile>> {
        self.table.get(&segment).map(|segment| Arc::clone(&segment.file))
    }

    pub(crate) fn contains(&self, segment: u32) -> bool {
        self.table.contains_key(&segment)
    }

    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn seal(&mut self, segment: u32, end: u64) {
        if let Some(segment) = self.table.get_mut(&segment) {
            segment.sealed = true;
            segment.end = end;
        }
    }

    /// A batch up to `end` is synced.
    pub(crate) fn reach(&mut self, segment: u32, end: u64) {
        if let Some(segment) = self.table.get_mut(&segment) {
            segment.end = segment.end.max(end);
        }
    }

    /// The segments with events behind an LSN, in order, and how far each is written.
    pub(crate) fn with_events_after(&self, lsn: u64) -> Vec<(Arc<SegmentFile>, u64)> {
        let segments = self.table.values().filter(|segment| segment.last_event > lsn);
        segments.map(|segment| (Arc::clone(&segment.file), segment.end)).collect()
    }

    pub(crate) fn pin(&mut self, loc: Loc) {
        if let Some(segment) = self.table.get_mut(&loc.segment) {
            segment.pins += 1;
            segment.live_octets += u64::from(loc.len);
        }
    }

    pub(crate) fn unpin(&mut self, loc: Loc) {
        if let Some(segment) = self.table.get_mut(&loc.segment) {
            segment.pins = segment.pins.saturating_sub(1);
            segment.live_octets = segment.live_octets.saturating_sub(u64::from(loc.len));
        }
    }

    /// A record in `segment` says that a message is done whose envelope record is in `home`.
    pub(crate) fn done(&mut self, segment: u32, id: QueueId, home: u32) {
        if home != segment
            && self.table.contains_key(&home)
            && let Some(segment) = self.table.get_mut(&segment)
        {
            segment.done.entry(home).or_default().insert(id);
        }
    }

    pub(crate) fn event(&mut self, segment: u32, lsn: u64) {
        if let Some(segment) = self.table.get_mut(&segment) {
            segment.last_event = segment.last_event.max(lsn);
        }
    }

    /// The segments that may go now, marked as on their way out.
    ///
    /// A segment may go when no live message needs a record in it, when no message is done by its word alone whose
    /// envelope record would come back to life without it, and when the event log has its events.
    pub(crate) fn retire(&mut self, events_durable: u64) -> Vec<Arc<SegmentFile>> {
        let numbers: BTreeSet<u32> = self.table.keys().copied().collect();
        let mut going = Vec::new();
        for segment in self.table.values_mut() {
            if !segment.sealed || segment.retiring || segment.pins > 0 || segment.last_event > events_durable
            {
                continue;
            }
            segment.done.retain(|home, _| numbers.contains(home));
            if segment.done.is_empty() {
                segment.retiring = true;
                going.push(Arc::clone(&segment.file));
            }
        }
        going
    }

    /// A retired segment's name is durably gone.
    pub(crate) fn gone(&mut self, segment: u32) {
        self.table.remove(&segment);
    }

    /// A sealed segment worth cleaning: one that holds little that lives, or that only the word of done messages keeps.
    pub(crate) fn sparse(&self, live_percent: u64, events_durable: u64) -> Option<u32> {
        let worth = |segment: &&Segment| {
            segment.sealed
                && !segment.retiring
                && segment.last_event <= events_durable
                && (segment.pins > 0 || !segment.done.is_empty())
                && segment.live_octets * 100 < segment.file.len() * live_percent
        };
        self.table.values().find(worth).map(|segment| segment.file.number())
    }

    /// The messages that are done by the word of a segment, with the segments that hold their envelopes.
    pub(crate) fn done_in(&self, segment: u32) -> Vec<(u32, QueueId)> {
        let homes = self.table.get(&segment).into_iter().flat_map(|segment| &segment.done);
        let live = homes.filter(|(home, _)| self.table.contains_key(home));
        live.flat_map(|(home, ids)| ids.iter().map(|id| (*home, *id))).collect()
    }

    /// What a segment said of done messages is told elsewhere now.
    pub(crate) fn clear_done(&mut self, segment: u32, told: &[(u32, QueueId)]) {
        if let Some(segment) = self.table.get_mut(&segment) {
            for (home, id) in told {
                if let Some(ids) = segment.done.get_mut(home) {
                    ids.remove(id);
                }
            }
            segment.done.retain(|_, ids| !ids.is_empty());
        }
    }
}
