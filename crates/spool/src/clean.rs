//! The cleaner: moves the little that lives out of an old segment, so that the segment can go.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
};

use mail::QueueId;

use crate::{
    content::read_upto,
    format::{HEADER_LEN, Kind},
    frame::{Class, Effect, Frame, Pieces},
    index::{Content, Loc},
    payload::{EnvelopeHead, Outcome, Place, StoredEnvelope, decode_envelope, encode_done, encode_envelope},
    scan::ContentScan,
    shared::Shared,
};

/// A segment with less than this share alive is cleaned.
const SPARSE_PERCENT: u64 = 15;
/// Octets and messages moved between two batches, so that commits do not wait long: each message is read first, perhaps from the disk.
const SLICE_OCTETS: usize = 1 << 20;
const SLICE_MESSAGES: usize = 64;
/// Messages looked at between two batches, moved or not.
const SLICE_LOOKS: usize = 2000;
/// Completions told again between two batches. The queue stands still while they are taken in.
const SLICE_DONE: usize = 2000;
/// With fewer segments than this there is nothing to win, however little room there is.
const SEGMENTS_MIN: usize = 4;
/// Octets of content read at once to warm it.
const WARM_OCTETS: usize = 256 << 10;

/// What is to be moved. It runs between batches, so it sees only what is synced and nothing changes under it. What the segment holds is
/// sought before, off the committer's thread, for that looks at all messages.
#[derive(Default)]
pub(crate) struct Cleaner {
    segment: Option<u32>,
    /// What may need the segment is being sought.
    is_seeking: bool,
    ids: VecDeque<QueueId>,
    /// The last completion that was told again.
    told: Option<(u32, QueueId)>,
}

/// A message as its records tell: the envelope brought up to date.
pub(crate) struct Current {
    pub(crate) head: EnvelopeHead,
    pub(crate) stored: StoredEnvelope,
}

impl Cleaner {
    /// Whether there is something to move now.
    pub(crate) fn is_busy(&self) -> bool {
        self.segment.is_some() && !self.is_seeking
    }

    /// Looks for a segment worth the work.
    pub(crate) fn look(&mut self, shared: &Arc<Shared>) {
        let durable = shared.events.durable_lsn();
        let is_full = shared.full.load(Ordering::SeqCst);
        let segments_min = if is_full { SEGMENTS_MIN } else { shared.config.clean_from };
        let state = shared.state();
        if self.segment.is_some() || state.segments.count() < segments_min {
            return;
        }
        let Some(number) = state.segments.sparse(SPARSE_PERCENT, durable) else { return };
        let records = state.segments.pins(number);
        drop(state);
        *self = Self { segment: Some(number), is_seeking: records > 0, ..Self::default() };
        if self.is_seeking {
            let seeker = Arc::clone(shared);
            shared.io.read(move || seeker.found(seek(&seeker, number, records)));
        }
    }

    /// What was sought is found.
    pub(crate) fn take_up(&mut self, ids: Vec<QueueId>) {
        (self.ids, self.is_seeking) = (ids.into(), false);
    }

    /// Takes up a segment whatever lives in it, damaged or not: what needs anything of it is moved.
    pub(crate) fn begin(&mut self, shared: &Shared, segment: u32) {
        let state = shared.state();
        let needs = state.index.messages().filter(|message| message.locs().any(|loc| loc.segment == segment));
        *self = Self {
            segment: Some(segment),
            ids: needs.map(|message| message.id).collect(),
            ..Self::default()
        };
    }

    /// The next frames that move something.
    pub(crate) fn slice(&mut self, shared: &Shared) -> Vec<Frame> {
        let Some(segment) = self.segment.filter(|_| !self.is_seeking) else { return Vec::new() };
        let (mut frames, mut octets) = (Vec::new(), 0);
        for _ in 0..SLICE_LOOKS {
            if octets >= SLICE_OCTETS || frames.len() >= SLICE_MESSAGES {
                break;
            }
            let Some(id) = self.ids.pop_front() else { break };
            match move_out(shared, id, segment) {
                Ok(Some(frame)) => {
                    octets += frame.len();
                    frames.push(frame);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, message = %id, "a message cannot be moved out of its segment");
                }
            }
        }
        if self.ids.is_empty() {
            match self.tell_done(shared, segment) {
                Some(frame) => frames.push(frame),
                None => self.segment = None,
            }
        }
        frames
    }

    /// Tells again some of those who are done by the word of a segment alone. None: all were told.
    fn tell_done(&mut self, shared: &Shared, segment: u32) -> Option<Frame> {
        let entries = shared.state().segments.done_in(segment, self.told, SLICE_DONE);
        self.told = Some(*entries.last()?);
        let ids: Vec<QueueId> = entries.iter().map(|(_, id)| *id).collect();
        let mut frame = Frame::new(Class::Completion);
        let record = frame.record(Kind::Done, QueueId::from_bytes([0; 16]), encode_done(&ids), None);
        frame.effects.push(Effect::Done { record, from: segment, entries });
        Some(frame)
    }
}

/// The messages that need some of the `records` of a segment. The index is walked, not the segment: to read 64 MiB back makes the
/// syncs of others wait. Nothing new comes to need a sealed segment, so a message that comes in behind the walk is not missed.
fn seek(shared: &Shared, segment: u32, mut records: u64) -> Vec<QueueId> {
    let (mut needed, mut places, mut from) = (Vec::new(), Vec::new(), Some(0));
    while let Some(slot) = from.filter(|_| records > 0) {
        let state = shared.state();
        let (messages, next) = state.index.some(slot, SLICE_LOOKS);
        for message in messages {
            let needs = message.locs().filter(|loc| loc.segment == segment).count() as u64;
            if needs > 0 {
                needed.push(message.id);
                let is_read = |loc: &Loc| loc.segment == segment || message.content() != Content::In(*loc);
                places.extend(message.locs().filter(is_read));
                records = records.saturating_sub(needs);
            }
        }
        drop(state);
        // Whoever waits for the queue gets it.
        std::thread::yield_now();
        from = next;
    }
    if shared.io.has_threads() {
        places.sort_unstable_by_key(|place: &Loc| (place.segment, place.offset));
        warm(shared, &places);
    }
    needed
}

/// Reads what the committer will read, so that it has it from memory: segments are written past the page cache, and mail would wait
/// for each of its reads. What cannot be read is its business.
fn warm(shared: &Shared, places: &[Loc]) {
    let mut room = vec![0; WARM_OCTETS];
    for of_segment in places.chunk_by(|one, other| one.segment == other.segment) {
        let Some(number) = of_segment.first().map(|place| place.segment) else { continue };
        let segment = shared.state().segments.file(number);
        let Some(file) = segment.and_then(|segment| segment.file().ok()) else { continue };
        for place in of_segment {
            let mut at = u64::from(place.offset);
            let end = at + u64::from(place.len);
            while at < end {
                let len = usize::try_from(end - at).unwrap_or(WARM_OCTETS).min(WARM_OCTETS);
                match file.read_at(room.get_mut(..len).unwrap_or_default(), at) {
                    Ok(read) if read > 0 => at += read as u64,
                    _ => break,
                }
            }
        }
    }
}

/// A frame that writes a message's envelope anew, and its content if that is in the segment.
fn move_out(shared: &Shared, id: QueueId, segment: u32) -> io::Result<Option<Frame>> {
    let (locs, content) = {
        let state = shared.state();
        let Some(message) = state.index.get(id) else { return Ok(None) };
        let locs: Vec<Loc> = message.locs().collect();
        if locs.iter().all(|loc| loc.segment != segment) {
            return Ok(None);
        }
        (locs, message.content())
    };
    let Some(Current { mut head, stored }) = read_current(shared, id, &locs, content)? else {
        return Err(io::Error::other("its envelope is damaged"));
    };
    let mut frame = Frame::new(Class::Completion);
    let mut which = None;
    match content {
        Content::In(loc) if loc.segment == segment => {
            let Some(pieces) = read_content(shared, id, loc, head.content_len)? else {
                return Err(io::Error::other("its content is damaged"));
            };
            head.place = Place::Here;
            frame.contents.push(Pieces::new(id, pieces));
            which = Some(0);
        }
        Content::In(loc) => head.place = Place::Elsewhere(loc.segment, loc.offset),
        Content::Own => {}
    }
    if let Some(pieces) = frame.contents.first() {
        head.stored_len = u32::try_from(pieces.stored_len()).unwrap_or(u32::MAX);
    }
    let record = frame.record(Kind::Envelope, id, encode_envelope(&head, &stored), which);
    frame.effects.push(Effect::Move { record, id, content });
    Ok(Some(frame))
}

/// Reads a message's envelope and the outcomes since. None if the envelope is damaged.
pub(crate) fn read_current(
    shared: &Shared,
    id: QueueId,
    locs: &[Loc],
    content: Content,
) -> io::Result<Option<Current>> {
    let (Some(envelope), rest) = (locs.first(), locs.get(1..).unwrap_or_default()) else { return Ok(None) };
    let states = if matches!(content, Content::In(_)) { rest.get(1..).unwrap_or_default() } else { rest };
    let Some((head, mut stored)) =
        read_record(shared, id, Kind::Envelope, *envelope)?.and_then(|payload| decode_envelope(id, &payload))
    else {
        return Ok(None);
    };
    for loc in states {
        // A damaged outcome costs its news alone: the recipients' standing is in the index.
        let payload = read_record(shared, id, Kind::Outcome, *loc)?;
        if let Some(outcome) = payload.and_then(|payload| Outcome::decode(&payload)) {
            outcome.apply(&mut stored);
        }
    }
    overlay(shared, id, &mut stored);
    Ok(Some(Current { head, stored }))
}

/// What the index knows goes over what was read, but for recipients that are done in memory only.
fn overlay(shared: &Shared, id: QueueId, stored: &mut StoredEnvelope) {
    let state = shared.state();
    let Some(message) = state.index.get(id) else { return };
    for (entry, recipient) in message.recipients.iter().zip(&mut stored.envelope.recipients) {
        if let Some(control) = &entry.control {
            control.write_to(recipient);
        }
        recipient.due = entry.due;
        recipient.delay_told |= entry.delay_told;
        recipient.attempts = recipient.attempts.max(entry.attempts.into());
    }
}

/// Reads a record's payload. None if it is not what is sought, or damaged.
pub(crate) fn read_record(shared: &Shared, id: QueueId, kind: Kind, loc: Loc) -> io::Result<Option<Vec<u8>>> {
    let Some(segment) = shared.state().segments.file(loc.segment) else { return Ok(None) };
    let file = segment.file()?;
    let mut octets = read_upto(file.as_ref(), loc.offset.into(), loc.len as usize)?;
    let good = crate::format::RecordHeader::decode(&octets, &segment.tag()).is_some_and(|header| {
        let payload = octets.get(HEADER_LEN..).unwrap_or_default();
        header.kind == kind
            && header.queue_id() == id
            && header.len as usize == payload.len()
            && crc32c::crc32c(payload) == header.payload_crc
    });
    Ok(good.then(|| {
        octets.drain(..HEADER_LEN);
        octets
    }))
}

fn read_content(shared: &Shared, id: QueueId, loc: Loc, len: u64) -> io::Result<Option<Vec<Vec<u8>>>> {
    let Some(segment) = shared.state().segments.file(loc.segment) else { return Ok(None) };
    let file = segment.file()?;
    let scan =
        ContentScan { tag: segment.tag(), id: id.to_bytes(), at: loc.offset.into(), left: len, index: 0 };
    scan.read_all(file.as_ref())
}
