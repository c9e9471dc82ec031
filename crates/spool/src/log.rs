//! The core of the log, without I/O: it makes batches of frames and learns that they are synced.
//!
//! `append` lays frames out, [`Batch`] is what to write where, `synced` says that the write and the sync succeeded. One
//! batch is under way at a time: what lies behind the last synced LSN is one batch at most.

use std::io::IoSlice;

use crate::{
    format::{HEADER_LEN, Kind, RECORD_VERSION, RecordHeader, SEGMENT_DATA, Tag, padded, to_block},
    frame::{Frame, Pieces, Placed},
    index::Loc,
};

/// Where the next batch goes and which LSN it begins with.
#[derive(Debug)]
pub(crate) struct Log {
    segment: u32,
    tag: Tag,
    /// Octets of the segment.
    len: u64,
    end: u64,
    next_lsn: u64,
    synced_lsn: u64,
    /// Kept for their room.
    meta: Vec<u8>,
    headers: Vec<u8>,
}

/// One write. Content stays in the frames: the write takes it from there.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) offset: u64,
    pub(crate) frames: Vec<Placed>,
    meta: Vec<u8>,
    /// Headers of content records, each behind the padding of the run before.
    headers: Vec<u8>,
    /// Octets in `headers` before each run of content.
    cuts: Vec<usize>,
    len: u64,
    last_lsn: u64,
}

impl Log {
    pub(crate) fn new(next_lsn: u64, synced_lsn: u64) -> Self {
        let (meta, headers) = (Vec::new(), Vec::new());
        Self { segment: 0, tag: [0; 16], len: 0, end: 0, next_lsn, synced_lsn, meta, headers }
    }

    /// Goes on in a fresh segment.
    pub(crate) fn begin_segment(&mut self, segment: u32, tag: Tag, len: u64) {
        (self.segment, self.tag, self.len, self.end) = (segment, tag, len, SEGMENT_DATA);
    }

    pub(crate) fn segment(&self) -> u32 {
        self.segment
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    pub(crate) fn synced_lsn(&self) -> u64 {
        self.synced_lsn
    }

    /// Sets what batches tell as the last synced LSN.
    pub(crate) fn set_synced_lsn(&mut self, lsn: u64) {
        self.synced_lsn = lsn;
    }

    /// Octets that frames may have so that they fit into what is left of this segment, in one batch.
    pub(crate) fn room(&self) -> usize {
        usize::try_from(self.len.saturating_sub(self.end)).unwrap_or(usize::MAX).saturating_sub(HEADER_LEN)
    }

    /// Lays frames out as one batch. They must fit ([`Log::room`]).
    pub(crate) fn append(&mut self, frames: Vec<Frame>) -> Batch {
        let mut meta = std::mem::take(&mut self.meta);
        let mut headers = std::mem::take(&mut self.headers);
        meta.clear();
        headers.clear();
        let first_lsn = self.next_lsn;
        let meta_len: usize = frames.iter().map(Frame::meta_len).sum();
        let total = HEADER_LEN + frames.iter().map(Frame::len).sum::<usize>();
        let blocks = to_block(total as u64) / crate::format::BLOCK;
        let records: u64 = frames.iter().map(|frame| frame.records.len() as u64).sum();
        let last_lsn = (first_lsn + records).saturating_sub(1);
        RecordHeader::batch(first_lsn, last_lsn, self.synced_lsn, narrow(meta_len), narrow(blocks))
            .encode(&self.tag, &mut meta);
        let mut layout = Layout {
            segment: self.segment,
            tag: self.tag,
            start: self.end,
            content_at: self.end + (HEADER_LEN + meta_len) as u64,
            cuts: Vec::with_capacity(frames.len()),
            meta,
            headers,
        };
        let mut lsn = first_lsn;
        let frames = frames.into_iter().map(|frame| layout.place(frame, &mut lsn)).collect();
        self.next_lsn = lsn;
        // The rest of the last block: a batch never shares a block with the next.
        let fill = usize::try_from(blocks * crate::format::BLOCK).unwrap_or(total) - total;
        layout.headers.resize(layout.headers.len() + fill, 0);
        let Layout { meta, headers, cuts, .. } = layout;
        let len = blocks * crate::format::BLOCK;
        Batch { offset: self.end, frames, meta, headers, cuts, len, last_lsn }
    }

    /// The batch is on stable storage, or it failed and nothing may follow. Gives the frames back with their places.
    pub(crate) fn synced_or(&mut self, batch: Batch, is_synced: bool) -> Vec<Placed> {
        if is_synced {
            self.end = batch.offset + batch.len;
            self.synced_lsn = batch.last_lsn;
        }
        (self.meta, self.headers) = (batch.meta, batch.headers);
        batch.frames
    }
}

impl Batch {
    /// What to write at [`Batch::offset`], one behind the other.
    pub(crate) fn buffers(&self) -> Vec<IoSlice<'_>> {
        let mut buffers = Vec::with_capacity(2 + 2 * self.cuts.len());
        buffers.push(IoSlice::new(&self.meta));
        let runs = self.frames.iter().flat_map(|placed| placed.frame.contents.iter().flat_map(Pieces::runs));
        let mut from = 0;
        for (cut, run) in self.cuts.iter().zip(runs) {
            buffers.push(IoSlice::new(self.headers.get(from..*cut).unwrap_or_default()));
            buffers.push(IoSlice::new(run));
            from = *cut;
        }
        buffers.push(IoSlice::new(self.headers.get(from..).unwrap_or_default()));
        buffers
    }
}

/// Batches and segments are far below 4 GiB: the committer sees to it.
fn narrow(len: impl TryInto<u32>) -> u32 {
    len.try_into().unwrap_or(u32::MAX)
}

struct Layout {
    segment: u32,
    tag: Tag,
    start: u64,
    content_at: u64,
    meta: Vec<u8>,
    headers: Vec<u8>,
    cuts: Vec<usize>,
}

impl Layout {
    fn place(&mut self, frame: Frame, lsn: &mut u64) -> Placed {
        let first = *lsn;
        let mut contents = vec![Loc::default(); frame.contents.len()];
        for (index, draft) in (0_u64..).zip(&frame.records) {
            if let Some(which) = draft.content
                && let Some(pieces) = frame.contents.get(which)
                && let Some(place) = contents.get_mut(which)
            {
                *place = self.content(pieces, first + index);
            }
        }
        let count = u16::try_from(frame.records.len()).unwrap_or(u16::MAX);
        let mut locs = Vec::with_capacity(frame.records.len());
        for (index, draft) in (0_u16..).zip(&frame.records) {
            let offset = narrow(self.start + self.meta.len() as u64);
            let content = draft.content.and_then(|which| contents.get(which));
            let header = RecordHeader {
                kind: draft.kind,
                version: RECORD_VERSION,
                index,
                count,
                len: narrow(draft.payload.len()),
                extra: content.map_or(0, |loc| loc.offset),
                lsn: *lsn,
                id: draft.id.to_bytes(),
                payload_crc: draft.crc,
            };
            header.encode(&self.tag, &mut self.meta);
            self.meta.extend_from_slice(&draft.payload);
            self.meta.resize(self.meta.len() + padded(draft.payload.len()) - draft.payload.len(), 0);
            let len = narrow(HEADER_LEN + draft.payload.len());
            locs.push(Loc { segment: self.segment, offset, len });
            *lsn += 1;
        }
        Placed { frame, lsn: first, locs, contents }
    }

    fn content(&mut self, pieces: &Pieces, lsn: u64) -> Loc {
        let offset = narrow(self.content_at);
        for (index, (run, crc)) in (0..).zip(pieces.runs().zip(&pieces.crcs)) {
            let header = RecordHeader {
                kind: Kind::Content,
                version: RECORD_VERSION,
                index,
                count: 0,
                len: narrow(run.len()),
                extra: 0,
                lsn,
                id: pieces.id.to_bytes(),
                payload_crc: *crc,
            };
            header.encode(&self.tag, &mut self.headers);
            self.cuts.push(self.headers.len());
            self.headers.resize(self.headers.len() + padded(run.len()) - run.len(), 0);
            self.content_at += (HEADER_LEN + padded(run.len())) as u64;
        }
        Loc { segment: self.segment, offset, len: narrow(self.content_at - u64::from(offset)) }
    }
}
