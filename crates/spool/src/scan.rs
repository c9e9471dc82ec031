//! Reading a segment from end to end: batches, whole frames, and the way round damage.

use std::io;

use disk::File;

use crate::format::{BLOCK, HEADER_LEN, Kind, PIECE_MAX, RecordHeader, SEGMENT_DATA, Tag, padded};

/// Read at once, so that small records need few calls while content is skipped.
const WINDOW: usize = 8 * 1024;

/// Read at once where all of it is wanted.
const AHEAD: usize = 256 * 1024;

/// A record that was read.
#[derive(Debug, Clone)]
pub(crate) struct Scanned {
    pub(crate) header: RecordHeader,
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

/// Octets that should have been records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) octets: u64,
    /// The first LSN that is missing.
    pub(crate) lsn: u64,
}

/// What a segment holds beside its frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walk {
    pub(crate) batches: u64,
    pub(crate) records: u64,
    pub(crate) gaps: Vec<Gap>,
    /// Behind the last batch whose header is good.
    pub(crate) end: u64,
    /// The LSN of the first batch.
    pub(crate) first_lsn: Option<u64>,
    /// The last LSN seen.
    pub(crate) last_lsn: u64,
    /// The last synced LSN that a header told.
    pub(crate) synced_lsn: u64,
}

/// Walks over a segment up to `limit`, and gives each whole frame with the offset where it or its batch begins.
pub(crate) struct Scan<'a> {
    window: Window<'a>,
    tag: Tag,
    limit: u64,
    walk: Walk,
    partial: Vec<Scanned>,
    /// The payloads of events up to this LSN are not kept.
    events_known: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn File, tag: Tag, limit: u64) -> Self {
        let walk = Walk { end: SEGMENT_DATA, ..Walk::default() };
        Self {
            window: Window { file, octets: Vec::new(), start: 0 },
            tag,
            limit,
            walk,
            partial: Vec::new(),
            events_known: 0,
        }
    }

    /// Gives events up to this LSN without their lines: the event log has them.
    pub(crate) fn without_events(self, events_known: u64) -> Self {
        Self { events_known, ..self }
    }

    /// Calls `frame` with the records of each whole frame.
    pub(crate) fn run(mut self, frame: &mut dyn FnMut(u64, Vec<Scanned>)) -> io::Result<Walk> {
        let mut at = SEGMENT_DATA;
        while at + HEADER_LEN as u64 <= self.limit {
            if let Some(batch) = self.batch_at(at)? {
                self.batch(at, &batch, frame)?;
                at += u64::from(batch.extra.max(1)) * BLOCK;
                self.walk.end = at;
                continue;
            }
            let next = self.next_batch(at + BLOCK)?;
            let (end, lsn) = (next.unwrap_or(self.limit), self.walk.last_lsn + 1);
            let found = self.salvage(at, end, frame)?;
            // Behind the last batch there is mostly nothing, or a former life of the segment.
            if next.is_some() || found {
                self.walk.gaps.push(Gap { offset: at, octets: end - at, lsn });
            }
            if next.is_none() {
                break;
            }
            at = end;
        }
        Ok(self.walk)
    }

    fn batch_at(&mut self, at: u64) -> io::Result<Option<RecordHeader>> {
        let header = RecordHeader::decode(self.window.get(at, HEADER_LEN)?, &self.tag);
        Ok(header.filter(|header| header.kind == Kind::Batch))
    }

    fn next_batch(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at + HEADER_LEN as u64 <= self.limit {
            if self.batch_at(at)?.is_some() {
                return Ok(Some(at));
            }
            at += BLOCK;
        }
        Ok(None)
    }

    fn batch(
        &mut self,
        at: u64,
        batch: &RecordHeader,
        frame: &mut dyn FnMut(u64, Vec<Scanned>),
    ) -> io::Result<()> {
        let (synced, last) = batch.synced_and_last();
        let lost =
            self.walk.first_lsn.is_some() && batch.lsn > self.walk.last_lsn + 1 && self.walk.gaps.is_empty();
        if lost {
            self.walk.gaps.push(Gap { offset: at, octets: 0, lsn: self.walk.last_lsn + 1 });
        }
        self.walk.first_lsn.get_or_insert(batch.lsn);
        self.walk.batches += 1;
        self.walk.synced_lsn = self.walk.synced_lsn.max(synced);
        let (mut place, end) = (at + HEADER_LEN as u64, at + HEADER_LEN as u64 + u64::from(batch.len));
        let mut lsn = batch.lsn;
        while place < end.min(self.limit) {
            self.window.read_ahead(place, end)?;
            if let Some(record) = self.record_at(place, end)? {
                place += (HEADER_LEN + padded(record.header.len as usize)) as u64;
                lsn = record.header.lsn + 1;
                self.take(at, record, frame);
            } else {
                let next = self.next_record(place + 8, end)?.unwrap_or(end);
                self.walk.gaps.push(Gap { offset: place, octets: next - place, lsn });
                place = next;
            }
        }
        self.walk.last_lsn = self.walk.last_lsn.max(last);
        Ok(())
    }

    /// Takes the records that stand between damaged batches.
    fn salvage(&mut self, from: u64, to: u64, frame: &mut dyn FnMut(u64, Vec<Scanned>)) -> io::Result<bool> {
        let (mut at, mut found) = (from, false);
        while let Some(place) = self.next_record(at, to)? {
            let Some(record) = self.record_at(place, to)? else { break };
            at = place + (HEADER_LEN + padded(record.header.len as usize)) as u64;
            self.walk.last_lsn = self.walk.last_lsn.max(record.header.lsn);
            self.take(u64::MAX, record, frame);
            found = true;
        }
        Ok(found)
    }

    fn next_record(&mut self, mut at: u64, end: u64) -> io::Result<Option<u64>> {
        let tag = self.tag;
        while at + HEADER_LEN as u64 <= end {
            let Some(skip) = self.window.find_tag(at, end, &tag)? else { return Ok(None) };
            at = skip;
            if self.record_at(at, end)?.is_some() {
                return Ok(Some(at));
            }
            at += 8;
        }
        Ok(None)
    }

    fn record_at(&mut self, at: u64, end: u64) -> io::Result<Option<Scanned>> {
        let Some(header) = RecordHeader::decode(self.window.get(at, HEADER_LEN)?, &self.tag) else {
            return Ok(None);
        };
        let payload_end = at + HEADER_LEN as u64 + u64::from(header.len);
        if matches!(header.kind, Kind::Batch | Kind::Content) || payload_end > end.min(self.limit) {
            return Ok(None);
        }
        let payload = self.window.get(at + HEADER_LEN as u64, header.len as usize)?;
        let whole = payload.len() == header.len as usize && crc32c::crc32c(payload) == header.payload_crc;
        let is_known = header.kind == Kind::Event && header.lsn <= self.events_known;
        let keep = || if is_known { Vec::new() } else { payload.to_vec() };
        Ok(whole.then(|| Scanned { header, offset: at, payload: keep() }))
    }

    /// Gathers records to frames: only a whole one counts.
    fn take(&mut self, batch: u64, record: Scanned, frame: &mut dyn FnMut(u64, Vec<Scanned>)) {
        self.walk.records += 1;
        let header = record.header;
        let follows = self.partial.last().is_some_and(|last| {
            last.header.lsn + 1 == header.lsn
                && last.header.index.checked_add(1) == Some(header.index)
                && last.header.count == header.count
        });
        if !follows {
            self.partial.clear();
            if header.index != 0 {
                return;
            }
        }
        self.partial.push(record);
        if self.partial.len() == usize::from(header.count) {
            // Without a batch header the frame's own first block is all that is sure to belong to it.
            let first = self.partial.first().map_or(batch, |first| first.offset / BLOCK * BLOCK);
            frame(batch.min(first), std::mem::take(&mut self.partial));
        }
    }
}

/// Part of a file, read when it is needed.
struct Window<'a> {
    file: &'a dyn File,
    octets: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    /// `len` octets from `at` on; fewer if the file ends before.
    fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let end = self.start + self.octets.len() as u64;
        if at < self.start || at + len as u64 > end {
            self.fill(at, len.max(WINDOW))?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let to = from.saturating_add(len).min(self.octets.len());
        Ok(self.octets.get(from..to).unwrap_or_default())
    }

    /// Reads much at once where records stand one behind the other up to `end`.
    fn read_ahead(&mut self, at: u64, end: u64) -> io::Result<()> {
        let is_here = at >= self.start && at + HEADER_LEN as u64 <= self.start + self.octets.len() as u64;
        let len = usize::try_from(end - at).unwrap_or(AHEAD).min(AHEAD);
        if is_here || len <= WINDOW { Ok(()) } else { self.fill(at, len) }
    }

    fn fill(&mut self, at: u64, len: usize) -> io::Result<()> {
        self.octets.resize(len, 0);
        let mut filled = 0;
        while let Some(rest) = self.octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let read = self.file.read_at(rest, at + filled as u64)?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        self.octets.truncate(filled);
        self.start = at;
        Ok(())
    }

    /// The next place from `at` on, in steps of 8, where the tag stands.
    fn find_tag(&mut self, mut at: u64, end: u64, tag: &Tag) -> io::Result<Option<u64>> {
        const STEP: usize = 256 * 1024;
        while at + 16 <= end {
            let want = STEP.min(usize::try_from(end - at).unwrap_or(STEP));
            let octets = self.get(at, want)?;
            let hit = memchr::memmem::find_iter(octets, tag).find(|hit| hit.is_multiple_of(8));
            if let Some(hit) = hit {
                return Ok(Some(at + hit as u64));
            }
            if octets.len() < want || want < STEP {
                return Ok(None);
            }
            // A tag may begin just before the end of what was read; places are multiples of 8.
            at += (octets.len() - 16) as u64;
        }
        Ok(None)
    }
}

/// Reads the run of content records at `at` and gives each payload; `None` in between means damage.
pub(crate) struct ContentScan {
    pub(crate) tag: Tag,
    pub(crate) id: [u8; 16],
    pub(crate) at: u64,
    pub(crate) left: u64,
    pub(crate) index: u16,
}

/// What one read of content must fetch.
impl ContentScan {
    /// Octets that hold the next record whatever its size.
    pub(crate) fn want(&self) -> usize {
        HEADER_LEN + usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_MAX)
    }

    /// Takes the record at the head of `octets`; they keep its payload alone. False means damage.
    pub(crate) fn take(&mut self, octets: &mut Vec<u8>) -> bool {
        let Some(header) = RecordHeader::decode(octets, &self.tag) else { return false };
        let len = header.len as usize;
        let expected = header.kind == Kind::Content && header.id == self.id && header.index == self.index;
        if !expected || len == 0 || u64::from(header.len) > self.left || HEADER_LEN + len > octets.len() {
            return false;
        }
        octets.truncate(HEADER_LEN + len);
        octets.drain(..HEADER_LEN);
        if crc32c::crc32c(octets) != header.payload_crc {
            return false;
        }
        self.at += (HEADER_LEN + padded(len)) as u64;
        self.left -= u64::from(header.len);
        self.index = self.index.wrapping_add(1);
        true
    }

    /// Reads all of it where waiting does no harm; none if it is damaged.
    pub(crate) fn read_all(mut self, file: &dyn File) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut pieces = Vec::new();
        while self.left > 0 {
            let mut window = Window { file, octets: Vec::new(), start: 0 };
            window.fill(self.at, self.want())?;
            if !self.take(&mut window.octets) {
                return Ok(None);
            }
            pieces.push(window.octets);
        }
        Ok(Some(pieces))
    }
}
