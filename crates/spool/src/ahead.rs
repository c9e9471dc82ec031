//! Segments read ahead: one thread reads, checks and gathers frames while the other makes the queue of them.
//!
//! The frames come in the order in which they stand, whoever reads them: what an opening makes does not depend on how fast which
//! thread is.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use crate::{
    SpoolError,
    format::RecordHeader,
    found::{Found, walk},
    octets::Octets,
    scan::{FrameRead, OnFrame, Scanned, Walk},
};

/// Frames handed over at once, or octets of payload.
const TOGETHER: usize = 256;
const TOGETHER_OCTETS: usize = 128 << 10;
/// Hand-overs that may wait: so much is in memory beside the queue.
const WAITING: usize = 4;

/// Reads segments one after the other.
pub(crate) enum Walks {
    /// Each when it is asked for.
    Inline {
        /// The event log has the events up to this LSN: their lines are left out.
        events_known: u64,
    },
    /// All of them, as fast as they are taken.
    Ahead {
        told: Receiver<Told>,
        /// Room that was used goes back: what one thread takes from the allocator and another gives back makes both slow.
        used: Sender<Sheaf>,
        frame: FrameRead,
    },
}

/// What the thread that reads has to say.
pub(crate) enum Told {
    Frames(Sheaf),
    /// A segment is over.
    End(Result<Walk, SpoolError>),
}

impl Walks {
    /// Reads all segments ahead, on a thread that ends with the scope. If none is to be had, nothing is read ahead.
    pub(crate) fn ahead<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        segments: &'scope BTreeMap<u32, Found>,
        events_known: u64,
    ) -> Self {
        let ((sender, told), (used, rooms)) = (sync_channel(WAITING), channel());
        let read = move || {
            for found in segments.values() {
                if tell(found, events_known, &sender, &rooms).is_none() {
                    return;
                }
            }
        };
        match thread::Builder::new().name("spool-open".into()).spawn_scoped(scope, read) {
            Ok(_) => Self::Ahead { told, used, frame: FrameRead::default() },
            Err(_) => Self::Inline { events_known },
        }
    }

    /// Walks over a segment, which is the first or follows the one that was walked over before.
    pub(crate) fn walk(&mut self, found: &Found, on_frame: OnFrame<'_>) -> Result<Walk, SpoolError> {
        let (told, used, frame) = match self {
            Self::Inline { events_known } => return walk(found, *events_known, on_frame),
            Self::Ahead { told, used, frame } => (told, used, frame),
        };
        loop {
            match told.recv() {
                Ok(Told::Frames(sheaf)) => {
                    sheaf.give(frame, on_frame);
                    // All may be read by now.
                    let _ = used.send(sheaf);
                }
                Ok(Told::End(end)) => return end,
                // It has panicked, and the scope will.
                Err(_) => return Err(SpoolError::Closed),
            }
        }
    }
}

/// Reads one segment. None if nobody wants more.
fn tell(found: &Found, events_known: u64, to: &SyncSender<Told>, rooms: &Receiver<Sheaf>) -> Option<()> {
    let room = || {
        let mut sheaf = rooms.try_recv().unwrap_or_default();
        sheaf.clear();
        sheaf
    };
    let (mut sheaf, mut wanted) = (room(), true);
    let walked = walk(found, events_known, &mut |frame| {
        sheaf.add(frame);
        if wanted && sheaf.is_full() {
            wanted = to.send(Told::Frames(std::mem::replace(&mut sheaf, room()))).is_ok();
        }
    });
    to.send(Told::Frames(sheaf)).ok()?;
    to.send(Told::End(walked)).ok()
}

/// Frames one behind the other.
#[derive(Default)]
pub(crate) struct Sheaf {
    /// Where each was, whether it is whole, and how many records it has.
    frames: Vec<(u64, bool, usize)>,
    /// Each with its place, and how many octets of payload.
    records: Vec<(RecordHeader, u64, usize)>,
    octets: Vec<u8>,
}

impl Sheaf {
    fn clear(&mut self) {
        self.frames.clear();
        self.records.clear();
        self.octets.clear();
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= TOGETHER || self.octets.len() >= TOGETHER_OCTETS
    }

    fn add(&mut self, FrameRead { batch, records, is_whole }: &FrameRead) {
        self.frames.push((*batch, *is_whole, records.len()));
        for Scanned { header, offset, payload } in records {
            self.records.push((*header, *offset, payload.len()));
            self.octets.extend_from_slice(payload);
        }
    }

    /// Gives the frames one by one, each in the same room.
    fn give(&self, frame: &mut FrameRead, on_frame: OnFrame<'_>) {
        let (mut records, mut octets) = (self.records.iter(), Octets(&self.octets));
        for (batch, is_whole, count) in &self.frames {
            (frame.batch, frame.is_whole) = (*batch, *is_whole);
            frame.records.resize_with(*count, Scanned::default);
            for (record, (header, offset, len)) in frame.records.iter_mut().zip(&mut records) {
                (record.header, record.offset) = (*header, *offset);
                record.payload.clear();
                record.payload.extend_from_slice(octets.take(*len).unwrap_or_default());
            }
            on_frame(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Kind;

    fn record(lsn: u64, payload: &[u8]) -> Scanned {
        let header = RecordHeader { kind: Kind::Event, lsn, ..RecordHeader::default() };
        Scanned { header, offset: 64 * lsn, payload: payload.to_vec() }
    }

    #[test]
    fn frames_come_out_as_they_went_in_whoever_keeps_what_of_them() {
        let frames = [
            FrameRead { batch: 1, records: vec![record(1, b"one"), record(2, b"")], is_whole: true },
            FrameRead { batch: 2, records: vec![record(3, b"three")], is_whole: false },
            FrameRead {
                batch: 2,
                records: vec![record(4, b"f"), record(5, b"five"), record(6, b"six")],
                is_whole: true,
            },
        ];
        let mut sheaf = Sheaf::default();
        for frame in &frames {
            sheaf.add(frame);
        }
        let (mut room, mut kept) = (FrameRead::default(), Vec::new());
        sheaf.give(&mut room, &mut |frame| {
            let records =
                if frame.batch == 1 { std::mem::take(&mut frame.records) } else { frame.records.clone() };
            kept.push(FrameRead { batch: frame.batch, records, is_whole: frame.is_whole });
        });
        assert_eq!(kept, frames);
        sheaf.clear();
        sheaf.give(&mut room, &mut |_| panic!("it is empty"));
    }
}
