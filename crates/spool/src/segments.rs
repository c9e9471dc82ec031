//! The segments in use: what pins each of them, and when one may go.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
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

    /// Records of a segment that live messages need.
    pub(crate) fn pins(&self, segment: u32) -> u64 {
        self.table.get(&segment).map_or(0, |segment| segment.pins)
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

    /// A retired segment's name is durably gone. What it knew is long: whoever asks lets go of it.
    pub(crate) fn gone(&mut self, segment: u32) -> Option<Segment> {
        self.table.remove(&segment)
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

    /// Some messages that are done by the word of a segment, with the segments that hold their envelopes: the first ones behind `after`.
    pub(crate) fn done_in(
        &self,
        segment: u32,
        after: Option<(u32, QueueId)>,
        max: usize,
    ) -> Vec<(u32, QueueId)> {
        let Some(segment) = self.table.get(&segment) else { return Vec::new() };
        let homes = segment.done.range(after.map_or(0, |(home, _)| home)..);
        let live = homes.filter(|(home, _)| self.table.contains_key(home));
        let behind = |home: u32| match after {
            Some((last, id)) if last == home => Bound::Excluded(id),
            _ => Bound::Unbounded,
        };
        let ids =
            live.flat_map(|(home, ids)| ids.range((behind(*home), Bound::Unbounded)).map(|id| (*home, *id)));
        ids.take(max).collect()
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use testkit::disk::SimDisk;

    use super::*;

    #[test]
    fn completions_are_told_again_piece_by_piece() {
        let disk: Arc<dyn disk::Disk> = Arc::new(SimDisk::default());
        let file = |number| {
            let open = Arc::default();
            Arc::new(SegmentFile::new(number, [0; 16], 4096, Path::new("/s"), Arc::clone(&disk), open))
        };
        let mut segments = Segments::default();
        for number in 1..=4 {
            segments.add(&file(number), 0, true);
        }
        let id = |number| QueueId::from_bytes([number; 16]);
        let told = [(1, id(1)), (1, id(2)), (3, id(0)), (3, id(9))];
        for (home, id) in told {
            segments.done(4, id, home);
        }
        let (mut after, mut again) = (None, Vec::new());
        while let Some(last) = segments.done_in(4, after, 3).last().copied() {
            again.extend(segments.done_in(4, after, 3));
            after = Some(last);
        }
        assert_eq!(again, told);
        segments.clear_done(4, &told[..3]);
        assert_eq!(segments.done_in(4, None, 9), told[3..]);
        assert!(segments.gone(3).is_some());
        assert_eq!(segments.done_in(4, None, 9), [], "its envelope is gone");
    }
}
