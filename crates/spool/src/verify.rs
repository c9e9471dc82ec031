//! Checking a spool without opening it: reads every octet, writes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use disk::Disk;
use mail::QueueId;

use crate::{
    Damage, Lost, SpoolError,
    aside::pieces_of,
    content::read_upto,
    files::{self, OpenFiles},
    format::{HEADER_LEN_U32, Kind},
    found::{End, Ends, Files, Found, content_damage, find, synced_lsn, walk},
    hurt::{Hurt, Loss, Witnesses},
    index::{Content, Loc, Message},
    payload::{EnvelopeHead, Place, StoredEnvelope, decode_envelope},
    roster,
    scan::{ContentScan, FrameRead, Scanned, Walk},
    state::State,
};

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Each segment.
    pub segments: Vec<VerifiedSegment>,
    /// Messages with a recipient still owed.
    pub messages: u64,
    /// Recipients still owed.
    pub recipients: u64,
    /// The last LSN that is known to be synced.
    pub synced_lsn: u64,
    /// The last LSN that was found, synced or not.
    pub last_lsn: u64,
    /// Files of content that belong to no message: removed at the next start.
    pub orphans: Vec<String>,
    /// Damage to what was synced, place by place; empty if all is good.
    pub damage: Vec<Damage>,
    /// What the damage costs, message by message, as far as that can be told.
    pub hurt: Vec<Hurt>,
}

/// A segment in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifiedSegment {
    /// Its file's name.
    pub name: String,
    /// Batches with a good header.
    pub batches: u64,
    /// Good records, content aside.
    pub records: u64,
    /// Octets in use.
    pub octets: u64,
    /// Octets behind the last sync that are no whole batch: the trace of a crash, no loss.
    pub torn_octets: u64,
    /// Whether something in it is damaged that was synced.
    pub damaged: bool,
}

impl Verified {
    /// Whether nothing that was synced is damaged.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty()
    }

    /// Compares it with the last LSN of the event log: if that knows more, the end of the spool is missing.
    pub fn compare(&mut self, events: u64) {
        let spool = self.last_lsn;
        let file = self.segments.last().map_or_else(|| roster::NAME.to_owned(), |last| last.name.clone());
        let end = Damage { file, at: None, what: Lost::End { spool, events } };
        self.damage.extend((events > spool).then_some(end));
    }
}

/// Reads a spool's directory, all of its content included; changes nothing.
///
/// # Errors
/// [`SpoolError::Locked`] while a server runs on it: segments that are reused meanwhile would look like damage.
pub fn verify(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Verified, SpoolError> {
    let _lock = files::lock(dir, disk.as_ref())?;
    Ok(Inspection::of(dir, disk)?.verified)
}

/// What verification found, with what is needed to mend it.
pub(crate) struct Inspection {
    pub(crate) verified: Verified,
    pub(crate) segments: BTreeMap<u32, Found>,
    /// Segments of which something is damaged.
    pub(crate) damaged: BTreeSet<u32>,
    /// Files with a segment's name of which nothing can be used.
    pub(crate) unusable: Vec<u32>,
    state: State,
    synced: u64,
    /// Contents that were read, by segment and offset.
    contents: BTreeSet<(u32, u32)>,
    witnesses: Witnesses,
}

impl Inspection {
    /// Reads everything. The directory is locked.
    pub(crate) fn of(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Self, SpoolError> {
        let (mut verified, open) = (Verified::default(), Arc::new(OpenFiles::default()));
        let Files { segments, unusable, roster, .. } = find(dir, disk, &open, &mut verified.damage)?;
        let synced = synced_lsn(&segments)?;
        verified.synced_lsn = synced;
        let mut inspection = Self {
            verified,
            segments: BTreeMap::new(),
            damaged: BTreeSet::new(),
            unusable,
            state: State::default(),
            synced,
            contents: BTreeSet::new(),
            witnesses: Witnesses::default(),
        };
        let mut ends = Ends::default();
        for (number, found) in &segments {
            let walked = inspection.segment(found, ends.before(*number, &roster))?;
            inspection.verified.last_lsn = inspection.verified.last_lsn.max(walked.last_lsn);
            ends.add(*number, &walked);
        }
        inspection.segments = segments;
        inspection.own_files(dir, disk)?;
        inspection.live_contents();
        inspection.name_hurt();
        let messages = inspection.state.index.messages();
        inspection.verified.messages = messages.filter(|message| message.left > 0).count() as u64;
        let messages = inspection.state.index.messages();
        inspection.verified.recipients = messages.map(|message| u64::from(message.left)).sum();
        Ok(inspection)
    }

    /// A segment with its content.
    fn segment(&mut self, found: &Found, before: Option<End>) -> Result<Walk, SpoolError> {
        let (number, known) = (found.file.number(), self.verified.damage.len());
        self.state.segments.add(&found.file, found.limit, true);
        let walked = walk(found, 0, &mut |FrameRead { records, is_whole, .. }| {
            let is_synced = FrameRead::last_lsn_of(records) <= self.synced;
            if !is_synced && !*is_whole {
                return;
            }
            let wrong = self.state.replay(number, records);
            self.verified.damage.extend(wrong.map(|lost| found.damage(lost)));
            for record in &*records {
                // Behind the last sync it may be the trace of a crash: an opening settles it.
                if let Some(id) = self.check_content(found, record).filter(|_| is_synced) {
                    self.verified.damage.push(found.damage(Lost::Content(id)));
                }
            }
            self.witnesses.saw(records, *is_whole);
        })?;
        let torn_octets = found.judge(&walked, before, self.synced, &mut self.verified.damage);
        let damaged = self.verified.damage.iter().skip(known).any(|damage| damage.file == found.name());
        for gap in walked.gaps.iter().filter(|gap| gap.lsn <= self.synced) {
            self.witnesses.seek(found, gap)?;
        }
        let numbers = self.verified.damage.iter().skip(known);
        self.damaged.extend(numbers.filter_map(|damage| files::number_in(&damage.file, ".seg")));
        let (batches, records, octets) = (walked.batches, walked.records, walked.end);
        let name = found.name();
        self.verified.segments.push(VerifiedSegment { name, batches, records, octets, torn_octets, damaged });
        Ok(walked)
    }

    /// Reads content that stands in the segment of its envelope. Tells the message if it is damaged.
    fn check_content(&mut self, found: &Found, record: &Scanned) -> Option<QueueId> {
        let (header, id) = (&record.header, record.header.queue_id());
        if header.kind != Kind::Envelope {
            return None;
        }
        let (head, _) = decode_envelope(id, &record.payload)?;
        if head.place != Place::Here {
            return None;
        }
        let is_good = is_content_good(found, id, header.extra, head.content_len);
        self.contents.insert((found.file.number(), header.extra));
        (!is_good).then_some(id)
    }

    /// The contents of live messages that stand apart from their envelopes.
    fn live_contents(&mut self) {
        for message in self.state.index.messages() {
            let Content::In(loc) = message.content() else { continue };
            let Some(found) = self.segments.get(&loc.segment) else {
                self.verified.damage.push(content_damage(message, Lost::MissingContent(message.id)));
                continue;
            };
            // Those that stand with their envelopes were read with them.
            let is_read = self.contents.contains(&(loc.segment, loc.offset));
            if !is_read && !is_content_good(found, message.id, loc.offset, message.size) {
                self.damaged.insert(loc.segment);
                self.verified.damage.push(content_damage(message, Lost::Content(message.id)));
            }
        }
    }

    /// What is left of the content of a live message, damaged octets included.
    pub(crate) fn content_left(&self, id: QueueId, dir: &Path, disk: &Arc<dyn Disk>) -> Vec<Vec<u8>> {
        let read = || {
            let message = self.state.index.get(id)?;
            if let Content::In(loc) = message.content() {
                let found = self.segments.get(&loc.segment)?;
                let (from, to) = (loc.offset.into(), u64::from(loc.offset) + u64::from(loc.len));
                return Some(pieces_of(found.file.file().ok()?.as_ref(), &found.header.tag, id, from, to));
            }
            let (EnvelopeHead { place: Place::Own(tag), .. }, _) = self.envelope(message)? else {
                return None;
            };
            let file = disk.open_read(&files::large_path(dir, id)).ok()?;
            Some(pieces_of(file.as_ref(), &tag, id, 0, file.len().ok()?))
        };
        read().unwrap_or_default()
    }

    /// What is left of the content of a message whose envelope is lost.
    pub(crate) fn stray_content(&self, id: QueueId) -> Vec<Vec<u8>> {
        let pieces = self.witnesses.content(id).into_iter().filter_map(|stray| {
            let file = self.segments.get(&stray.segment)?.file.file().ok()?;
            read_upto(file.as_ref(), stray.offset + u64::from(HEADER_LEN_U32), stray.octets as usize).ok()
        });
        pieces.collect()
    }

    fn own_files(&mut self, dir: &Path, disk: &Arc<dyn Disk>) -> Result<(), SpoolError> {
        let large = files::large_dir(dir);
        let entries = match disk.list(&large) {
            // A copy that leaves empty directories out.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(|source| SpoolError::Directory { dir: large.clone(), source })?,
        };
        let mut there = BTreeSet::new();
        for entry in entries {
            let id = entry.name.parse().ok();
            let message = id.and_then(|id| self.state.index.get(id));
            match message.filter(|message| message.content() == Content::Own) {
                Some(message) => drop(there.insert(message.id)),
                None => self.verified.orphans.push(entry.name),
            }
        }
        for message in self.state.index.messages().filter(|message| message.content() == Content::Own) {
            let what = if !there.contains(&message.id) {
                Lost::MissingContent(message.id)
            } else if self.is_file_good(dir, disk, message)? {
                continue;
            } else {
                Lost::Content(message.id)
            };
            self.verified.damage.push(content_damage(message, what));
        }
        Ok(())
    }

    fn is_file_good(&self, dir: &Path, disk: &Arc<dyn Disk>, message: &Message) -> Result<bool, SpoolError> {
        let path = files::large_path(dir, message.id);
        let unreadable = |source| SpoolError::Read { path: path.clone(), source };
        let Some(Place::Own(tag)) = self.envelope(message).map(|(head, _)| head.place) else {
            return Ok(true);
        };
        let scan = ContentScan { tag, id: message.id.to_bytes(), at: 0, left: message.size, index: 0 };
        let file = disk.open_read(&path).map_err(unreadable)?;
        Ok(scan.read_all(file.as_ref()).map_err(unreadable)?.is_some())
    }

    /// A live message's envelope, as its record tells it.
    pub(crate) fn envelope(&self, message: &Message) -> Option<(EnvelopeHead, StoredEnvelope)> {
        let Loc { segment, offset, len } = message.envelope;
        let file = self.state.segments.file(segment)?.file().ok()?;
        let (at, len) = (offset + HEADER_LEN_U32, len.saturating_sub(HEADER_LEN_U32) as usize);
        decode_envelope(message.id, &read_upto(file.as_ref(), at.into(), len).ok()?)
    }

    /// Tells the cost of all damage, message by message.
    fn name_hurt(&mut self) {
        let strays = self.witnesses.envelopes_lost().map(|id| (id, Loss::Envelope));
        let damage = self.verified.damage.iter().filter_map(|damage| Loss::of(&damage.what));
        let hurt: BTreeSet<(QueueId, Loss)> = damage.chain(strays).collect();
        let name = |(id, part)| match (self.state.index.get(id), part) {
            // There is another record of it.
            (Some(_), Loss::Envelope) => None,
            (Some(message), _) => {
                let (_, stored) = self.envelope(message)?;
                Some(Hurt::of_live(part, message, &stored.envelope))
            }
            (None, Loss::Envelope) => self.witnesses.hurt(id),
            // It is done; or its envelope is lost too, which is told by itself.
            (None, _) => None,
        };
        self.verified.hurt = hurt.into_iter().filter_map(name).collect();
    }
}

fn is_content_good(found: &Found, id: QueueId, offset: u32, len: u64) -> bool {
    let scan =
        ContentScan { tag: found.header.tag, id: id.to_bytes(), at: offset.into(), left: len, index: 0 };
    let read = found.file.file().and_then(|file| scan.read_all(file.as_ref()));
    matches!(read, Ok(Some(_)))
}
