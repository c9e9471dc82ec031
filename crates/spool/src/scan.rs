//! Reading a segment from end to end: batches, whole frames, and the way round damage.

use std::io;

use disk::File;
use mail::QueueId;

use crate::format::{BLOCK, HEADER_LEN, Kind, PIECE_MAX, RecordHeader, SEGMENT_DATA, Tag, padded, to_block};

/// Read at once, so that small records need few calls while content is skipped.
const WINDOW: usize = 8 * 1024;

/// Read at once where all of it is wanted.
const AHEAD: usize = 256 * 1024;

/// A record that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) header: RecordHeader,
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

/// Records of one frame that stand one behind the other: all of it, or what damage has left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameRead {
    /// Where the frame or its batch begins.
    pub(crate) batch: u64,
    /// Never empty.
    pub(crate) records: Vec<Scanned>,
    pub(crate) is_whole: bool,
}

impl FrameRead {
    /// The last LSN of the frame of which these records are, read or not.
    pub(crate) fn last_lsn_of(records: &[Scanned]) -> u64 {
        records.first().map_or(0, |first| {
            let RecordHeader { lsn, index, count, .. } = first.header;
            lsn.saturating_sub(index.into()) + u64::from(count.max(1)) - 1
        })
    }
}

/// Octets that should have been records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) octets: u64,
    /// The first LSN that is missing.
    pub(crate) lsn: u64,
    /// The last one, once something good was read behind it.
    pub(crate) last: Option<u64>,
    /// Records in it that were read all the same.
    pub(crate) salvaged: u64,
    /// What is missing, where the header is good and the payload is not.
    pub(crate) record: Option<(Kind, QueueId)>,
    /// Where the batch ends in which it is: up to there may be content of a message whose envelope was in it.
    pub(crate) batch_end: u64,
}

impl Gap {
    fn new(offset: u64, octets: u64, lsn: u64) -> Self {
        Self { offset, octets, lsn, last: None, salvaged: 0, record: None, batch_end: offset + octets }
    }

    /// How many records are lost; none if that is not known.
    pub(crate) fn lost(&self) -> Option<u64> {
        Some((self.last? + 1).saturating_sub(self.lsn).saturating_sub(self.salvaged))
    }
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
    /// Octets that the disk could not read.
    pub(crate) unreadable: u64,
}

/// Walks over a segment up to `limit`, and gives each frame, or what there is of it.
pub(crate) struct Scan<'a> {
    window: Window<'a>,
    tag: Tag,
    limit: u64,
    walk: Walk,
    partial: Vec<Scanned>,
    /// The payloads of events up to this LSN are not kept.
    events_known: Option<u64>,
    partial_batch: u64,
}

/// Told of each frame. Whoever wants to keep its records takes them out: what is left is room for the next.
pub(crate) type OnFrame<'a> = &'a mut dyn FnMut(&mut FrameRead);

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn File, tag: Tag, limit: u64) -> Self {
        let walk = Walk { end: SEGMENT_DATA, ..Walk::default() };
        Self {
            window: Window::new(file),
            tag,
            limit,
            walk,
            partial: Vec::new(),
            partial_batch: 0,
            events_known: None,
        }
    }

    /// Gives events up to this LSN without their lines: the event log has them.
    pub(crate) fn without_events(self, events_known: u64) -> Self {
        Self { events_known: Some(events_known), ..self }
    }

    /// Calls `frame` with each frame.
    pub(crate) fn run(mut self, frame: OnFrame<'_>) -> io::Result<Walk> {
        let mut at = SEGMENT_DATA;
        while at + HEADER_LEN as u64 <= self.limit {
            if let Some(batch) = self.batch_at(at)? {
                at = self.batch(at, &batch, frame)?;
                self.walk.end = at;
                continue;
            }
            let next = self.next_batch(at + BLOCK, self.limit)?;
            let (end, known) = (next.unwrap_or(self.limit), self.walk.first_lsn.map(|_| self.walk.last_lsn));
            let (salvaged, first) = self.salvage(at, end, frame)?;
            // Where nothing stands before and nothing behind, only what was read tells whether that was synced: a batch is
            // begun when the one before is.
            let lsn = known.map_or(first.filter(|_| next.is_none()).unwrap_or(1), |last| last + 1);
            // Behind the last batch there is mostly nothing, or a former life of the segment.
            if next.is_some() || salvaged > 0 {
                self.walk.gaps.push(Gap { salvaged, ..Gap::new(at, end - at, lsn) });
            }
            if next.is_none() {
                break;
            }
            at = end;
        }
        self.walk.unreadable = self.window.unreadable;
        Ok(self.walk)
    }

    fn batch_at(&mut self, at: u64) -> io::Result<Option<RecordHeader>> {
        let header = RecordHeader::decode(self.window.get(at, HEADER_LEN)?, &self.tag);
        Ok(header.filter(|header| header.kind == Kind::Batch))
    }

    fn next_batch(&mut self, mut at: u64, end: u64) -> io::Result<Option<u64>> {
        while at + HEADER_LEN as u64 <= end.min(self.limit) {
            if self.batch_at(at)?.is_some() {
                return Ok(Some(at));
            }
            at += BLOCK;
        }
        Ok(None)
    }

    /// Takes the records of a batch; returns where the next one is to be sought.
    fn batch(&mut self, at: u64, batch: &RecordHeader, frame: OnFrame<'_>) -> io::Result<u64> {
        let (synced, last) = batch.synced_and_last();
        let gaps = self.walk.gaps.len();
        self.close_gap(batch.lsn);
        let known = self.walk.gaps.last().and_then(|gap| gap.last).unwrap_or(0).max(self.walk.last_lsn);
        let follows = self.walk.first_lsn.is_none() || batch.lsn == known + 1;
        if !follows && batch.lsn > known {
            self.walk.gaps.push(Gap::new(at, 0, known + 1));
            self.close_gap(batch.lsn);
        }
        self.walk.first_lsn.get_or_insert(batch.lsn);
        self.walk.batches += 1;
        self.walk.synced_lsn = self.walk.synced_lsn.max(synced);
        let (mut place, end) = (at + HEADER_LEN as u64, at + HEADER_LEN as u64 + u64::from(batch.len));
        let batch_end = at + u64::from(batch.extra.max(1)) * BLOCK;
        let mut lsn = batch.lsn;
        while place < end.min(self.limit) {
            self.window.read_ahead(place, end)?;
            if let Some(record) = self.record_at(place, end)? {
                place += (HEADER_LEN + padded(record.header.len as usize)) as u64;
                lsn = record.header.lsn + 1;
                self.close_gap(record.header.lsn);
                self.take(at, record, frame);
                continue;
            }
            let mut gap = self.gap_at(place, end, lsn)?;
            gap.batch_end = batch_end;
            place += gap.octets;
            lsn = gap.last.map_or(lsn, |last| last + 1);
            self.walk.gaps.push(gap);
        }
        self.give(frame);
        self.close_gap(last + 1);
        self.walk.last_lsn = self.walk.last_lsn.max(last);
        if follows && self.walk.gaps.len() == gaps {
            return Ok(batch_end);
        }
        // A header in the wrong place must not hide the batches behind it.
        Ok(self.next_batch(at + BLOCK, batch_end)?.unwrap_or(batch_end))
    }

    /// The gap that begins at `at`, up to the next record.
    fn gap_at(&mut self, at: u64, end: u64, lsn: u64) -> io::Result<Gap> {
        if let Some(header) = self.header_at(at, end)? {
            let octets = (HEADER_LEN + padded(header.len as usize)) as u64;
            let record = Some((header.kind, header.queue_id()));
            return Ok(Gap { last: Some(header.lsn), record, ..Gap::new(at, octets, header.lsn) });
        }
        let next = self.next_record(at + 8, end)?.unwrap_or(end);
        Ok(Gap::new(at, next - at, lsn))
    }

    /// Something good was read: what is missing before it is known now.
    fn close_gap(&mut self, next: u64) {
        if let Some(gap) = self.walk.gaps.last_mut() {
            gap.last.get_or_insert(next.saturating_sub(1));
        }
    }

    /// Takes the records that stand between damaged batches; returns how many, and the LSN of the first.
    fn salvage(&mut self, from: u64, to: u64, frame: OnFrame<'_>) -> io::Result<(u64, Option<u64>)> {
        let (mut at, mut found, mut first) = (from, 0, None);
        while let Some(place) = self.next_record(at, to)? {
            let Some(record) = self.record_at(place, to)? else { break };
            at = place + (HEADER_LEN + padded(record.header.len as usize)) as u64;
            first.get_or_insert(record.header.lsn);
            self.walk.last_lsn = self.walk.last_lsn.max(record.header.lsn);
            self.take(u64::MAX, record, frame);
            found += 1;
        }
        self.give(frame);
        Ok((found, first))
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

    /// The header of a record whose payload ends before `end`.
    fn header_at(&mut self, at: u64, end: u64) -> io::Result<Option<RecordHeader>> {
        let header = RecordHeader::decode(self.window.get(at, HEADER_LEN)?, &self.tag);
        let fits =
            |header: &RecordHeader| at + HEADER_LEN as u64 + u64::from(header.len) <= end.min(self.limit);
        Ok(header.filter(|header| !matches!(header.kind, Kind::Batch | Kind::Content)).filter(fits))
    }

    fn record_at(&mut self, at: u64, end: u64) -> io::Result<Option<Scanned>> {
        let Some(header) = self.header_at(at, end)? else { return Ok(None) };
        let payload = self.window.get(at + HEADER_LEN as u64, header.len as usize)?;
        let whole = payload.len() == header.len as usize && crc32c::crc32c(payload) == header.payload_crc;
        let is_known =
            header.kind == Kind::Event && self.events_known.is_some_and(|known| header.lsn <= known);
        let keep = || if is_known { Vec::new() } else { payload.to_vec() };
        Ok(whole.then(|| Scanned { header, offset: at, payload: keep() }))
    }

    /// Gathers records to frames.
    fn take(&mut self, batch: u64, record: Scanned, frame: OnFrame<'_>) {
        self.walk.records += 1;
        let header = record.header;
        let follows = self.partial.last().is_some_and(|last| {
            last.header.lsn + 1 == header.lsn
                && last.header.index.checked_add(1) == Some(header.index)
                && last.header.count == header.count
        });
        if !follows {
            self.give(frame);
        }
        // Without a batch header the frame's own first block is all that is sure to belong to it.
        if self.partial.is_empty() {
            self.partial_batch = batch.min(record.offset / BLOCK * BLOCK);
        }
        let is_last = header.index.checked_add(1) == Some(header.count);
        self.partial.push(record);
        if is_last {
            self.give(frame);
        }
    }

    /// Hands on what was gathered.
    fn give(&mut self, frame: OnFrame<'_>) {
        let records = std::mem::take(&mut self.partial);
        let Some(first) = records.first() else { return };
        let is_whole = first.header.index == 0 && records.len() == usize::from(first.header.count);
        let mut read = FrameRead { batch: self.partial_batch, records, is_whole };
        frame(&mut read);
        self.partial = read.records;
        self.partial.clear();
    }
}

/// Part of a file, read when it is needed.
pub(crate) struct Window<'a> {
    file: &'a dyn File,
    octets: Vec<u8>,
    /// How many of them count.
    filled: usize,
    start: u64,
    /// Octets that the disk could not read.
    unreadable: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn File) -> Self {
        Self { file, octets: Vec::new(), filled: 0, start: 0, unreadable: 0 }
    }

    /// `len` octets from `at` on; fewer if the file ends before.
    pub(crate) fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let end = self.start + self.filled as u64;
        if at < self.start || at + len as u64 > end {
            self.fill(at, len.max(WINDOW))?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let to = from.saturating_add(len).min(self.filled);
        Ok(self.octets.get(from..to).unwrap_or_default())
    }

    /// Reads much at once where records stand one behind the other up to `end`.
    fn read_ahead(&mut self, at: u64, end: u64) -> io::Result<()> {
        let is_here = at >= self.start && at + HEADER_LEN as u64 <= self.start + self.filled as u64;
        let len = usize::try_from(end - at).unwrap_or(AHEAD).min(AHEAD);
        if is_here || len <= WINDOW { Ok(()) } else { self.fill(at, len) }
    }

    /// What the disk cannot read becomes zeros, block by block: it costs no more than what stood there.
    fn fill(&mut self, at: u64, len: usize) -> io::Result<()> {
        if self.octets.len() < len {
            self.octets.resize(len, 0);
        }
        // Until all went well nothing counts.
        self.filled = 0;
        let end = self.file.len()?;
        let mut filled = 0;
        while let Some(rest) = self.octets.get_mut(filled..len).filter(|rest| !rest.is_empty()) {
            let place = at + filled as u64;
            match self.file.read_at(rest, place) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(_) if place >= end => break,
                Err(_) => filled += self.fill_block(place, filled, len)?,
            }
        }
        (self.start, self.filled) = (at, filled);
        Ok(())
    }

    /// Reads up to the end of one block, behind a read of more that failed; returns how far it came.
    fn fill_block(&mut self, place: u64, filled: usize, len: usize) -> io::Result<usize> {
        let step = usize::try_from(to_block(place + 1).min(self.file.len()?) - place).unwrap_or(usize::MAX);
        let end = filled.saturating_add(step).min(len);
        let Some(block) = self.octets.get_mut(filled..end) else { return Ok(0) };
        match self.file.read_at(block, place) {
            Ok(read) if read > 0 => Ok(read),
            _ => {
                block.fill(0);
                self.unreadable += block.len() as u64;
                Ok(block.len())
            }
        }
    }

    /// The next place from `at` on, in steps of 8, where the tag stands.
    pub(crate) fn find_tag(&mut self, mut at: u64, end: u64, tag: &Tag) -> io::Result<Option<u64>> {
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
            let mut window = Window::new(file);
            window.fill(self.at, self.want())?;
            window.octets.truncate(window.filled);
            if !self.take(&mut window.octets) {
                return Ok(None);
            }
            pieces.push(window.octets);
        }
        Ok(Some(pieces))
    }
}
