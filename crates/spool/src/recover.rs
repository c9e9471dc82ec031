//! Opening: what the disk holds becomes the queue again, and nothing doubtful is built upon.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    thread,
};

use disk::{Disk, File};
use mail::{QueueId, Timestamp};

use crate::{
    Config, Damage, Lost, Opened, SpoolError,
    ahead::Walks,
    files::{self, OpenFiles},
    format::{BLOCK, Kind, SEGMENT_DATA},
    found::{Ends, Files, Found, content_damage, end_missing, find, synced_lsn},
    frame::{Class, Frame, Pieces},
    index::Content,
    log::Log,
    payload::{Place, decode_envelope},
    roster::Roster,
    scan::{ContentScan, FrameRead, Scanned},
    spare::Manner,
    state::State,
    supply::{EMPTY, Supply},
    unseen::Unseen,
};

/// What opening makes.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) log: Log,
    pub(crate) supply: Supply,
    pub(crate) file: Arc<dyn File>,
    pub(crate) opened: Opened,
    /// Events for the event log: those that it has not seen.
    pub(crate) unseen: Unseen,
    /// When the youngest message was accepted.
    pub(crate) youngest: Option<Timestamp>,
}

/// A frame behind the last synced LSN, with where it was.
struct Doubtful {
    segment: u32,
    batch: u64,
    records: Vec<Scanned>,
}

/// Opens the spool's files. `has_threads`: segments may be read ahead.
pub(crate) fn recover(
    config: &Config,
    disk: &Arc<dyn Disk>,
    random: &Arc<dyn disk::Random>,
    (unseen, has_threads): (Unseen, bool),
) -> Result<Recovered, SpoolError> {
    let events_last = unseen.after();
    let open = Arc::new(OpenFiles::default());
    let mut opened = Opened::default();
    let mut damage = Vec::new();
    let Files { segments, spares, last: last_number, mut roster, .. } =
        find(&config.dir, disk, &open, &mut damage)?;
    let mut state = State::new(config.cache_octets);
    let synced = synced_lsn(&segments)?;
    opened.segments = segments.len() as u64;
    let mut read = thread::scope(|scope| {
        let walks = if has_threads {
            Walks::ahead(scope, &segments, events_last)
        } else {
            Walks::Inline { events_known: events_last }
        };
        let read = Read { last_lsn: synced, unseen, ..Read::default() };
        read.all(walks, &segments, (&mut state, &mut roster, &mut damage), synced)
    })?;
    opened.torn_octets = read.torn_octets;
    damage.extend(end_missing(read.last_lsn, events_last, &segments));
    opened.damage = damage.iter().map(ToString::to_string).collect();
    let cut = read.cut();
    let of_size = |(_, len): &&(u32, u64)| *len == config.segment_octets;
    let mut supply = Supply {
        dir: config.dir.clone(),
        disk: Arc::clone(disk),
        random: Arc::clone(random),
        open,
        segment_octets: config.segment_octets,
        spares_max: config.segments_spare_max,
        next_number: last_number + 1,
        spares: spares.iter().filter(of_size).map(|(number, _)| *number).collect(),
        making: None,
        manner: Manner::AtOnce,
        roster,
    };
    for (number, _) in spares.iter().filter(|(_, len)| *len != config.segment_octets) {
        // Of another size, or not finished: nothing is in it.
        let _ = disk.remove(&files::spare_path(&config.dir, *number));
    }
    forget_twins(&mut read.doubtful);
    let doubtful = read.doubtful.iter();
    let refilled = doubtful.filter_map(|one| refill(one, &segments, config.dir.as_path(), disk, events_last));
    let frames = refilled.filter(|frame| !frame.records.is_empty()).collect();
    let mut log = Log::new(read.last_lsn.max(events_last) + 1, synced);
    let file = rewrite(&mut state, &mut log, &mut supply, frames, &mut read.unseen)?;
    confirm_cuts(disk, &segments, config.segment_octets)?;
    if let Some((number, offset)) = cut {
        truncate(disk, &segments, number, offset)?;
    }
    // Only now, with the doubtful octets gone, may a batch tell that these LSNs are synced.
    log.set_synced_lsn(log.next_lsn().saturating_sub(1));
    state.index.open_queue();
    let own = own_files(&mut state, config, disk, &mut opened)?;
    let youngest = count(&state, &own, &mut opened);
    Ok(Recovered { state, log, supply, file, opened, unseen: read.unseen, youngest })
}

/// What the segments tell beside the queue.
#[derive(Default)]
struct Read {
    /// Events that the event log has not seen.
    unseen: Unseen,
    doubtful: Vec<Doubtful>,
    last_lsn: u64,
    /// The last batch of which anything was synced for sure.
    settled: (u32, u64),
    /// Where the log ends, and where the first batch is of which nothing can be read.
    tail: Option<(u32, u64)>,
    torn: Option<(u32, u64)>,
    torn_octets: u64,
}

impl Read {
    /// Brings the state forward by all segments in order.
    fn all(
        mut self,
        mut walks: Walks,
        segments: &BTreeMap<u32, Found>,
        (state, roster, damage): (&mut State, &mut Roster, &mut Vec<Damage>),
        synced: u64,
    ) -> Result<Self, SpoolError> {
        let mut ends = Ends::default();
        for (number, found) in segments {
            state.segments.add(&found.file, found.limit, true);
            let walked = walks.walk(found, &mut |FrameRead { batch, records, is_whole }| {
                if FrameRead::last_lsn_of(records) <= synced {
                    // All of the frame was synced: what is left of it counts, be it whole or not.
                    self.settled = (*number, *batch);
                    damage.extend(state.replay(*number, records).into_iter().map(|lost| found.damage(lost)));
                    self.unseen.gather(records);
                } else if *is_whole {
                    let records = std::mem::take(records);
                    self.doubtful.push(Doubtful { segment: *number, batch: *batch, records });
                }
            })?;
            self.torn_octets += found.judge(&walked, ends.before(*number, roster), synced, damage);
            // A batch of which nothing can be read goes too: once later LSNs are synced it would be taken for damage.
            let gap = walked.gaps.iter().find(|gap| gap.lsn > synced);
            self.torn = self.torn.or(gap.map(|gap| (*number, gap.offset / BLOCK * BLOCK)));
            self.last_lsn = self.last_lsn.max(walked.last_lsn);
            ends.add(*number, &walked);
            roster.admit(*number);
            if walked.batches > 0 {
                self.tail = Some((*number, walked.end));
            }
        }
        Ok(self)
    }

    /// Where the old log is cut. What damage has moved before frames that count is written again, but nothing is cut there.
    fn cut(&self) -> Option<(u32, u64)> {
        let places = self.doubtful.iter().map(|doubtful| (doubtful.segment, doubtful.batch));
        places.chain(self.torn).filter(|place| *place > self.settled).min().or(self.tail)
    }
}

/// Counts what is owed, and tells what content is missing. Returns when the youngest message was accepted. `own`: whose content is there
/// in a file of its own.
fn count(state: &State, own: &BTreeSet<QueueId>, opened: &mut Opened) -> Option<Timestamp> {
    let mut youngest = None;
    for message in state.index.messages() {
        opened.messages += u64::from(message.left > 0);
        opened.recipients += u64::from(message.left);
        youngest = youngest.max(Some(message.received));
        let is_there = match message.content() {
            Content::In(loc) => state.segments.contains(loc.segment),
            Content::Own => own.contains(&message.id),
        };
        if !is_there {
            opened.damage.push(content_damage(message, Lost::MissingContent(message.id)).to_string());
        }
    }
    youngest
}

/// After a crash within an opening a frame may stand twice. Its state may be applied twice, its events not.
fn forget_twins(doubtful: &mut Vec<Doubtful>) {
    let mut seen = std::collections::HashSet::new();
    doubtful.retain(|one| {
        let has_event = one.records.iter().any(|record| record.header.kind == Kind::Event);
        let name = |record: &Scanned| (record.header.id, record.header.kind, record.header.payload_crc);
        !has_event || seen.insert(one.records.iter().map(name).collect::<Vec<_>>())
    });
}

/// Makes a frame of one that may or may not have reached the disk. None if its content did not.
fn refill(
    doubtful: &Doubtful,
    segments: &BTreeMap<u32, Found>,
    dir: &Path,
    disk: &Arc<dyn Disk>,
    events_last: u64,
) -> Option<Frame> {
    let found = segments.get(&doubtful.segment)?;
    let file = found.file.file().ok()?;
    let mut frame = Frame::new(Class::Completion);
    for record in &doubtful.records {
        let (header, id) = (&record.header, record.header.queue_id());
        if header.kind == Kind::Event && header.lsn <= events_last {
            // The event log has it, under the LSN that it had: under a new one it would be told again.
            continue;
        }
        let mut which = None;
        if header.kind == Kind::Envelope {
            let (head, _) = decode_envelope(id, &record.payload)?;
            match head.place {
                Place::Here => {
                    let (at, left) = (header.extra.into(), head.content_len);
                    let scan = ContentScan { tag: found.header.tag, id: header.id, at, left, index: 0 };
                    frame.contents.push(Pieces::new(id, scan.read_all(file.as_ref()).ok()??));
                    which = Some(frame.contents.len() - 1);
                }
                Place::Own(_) => drop(disk.open_read(&files::large_path(dir, id)).ok()?),
                Place::Elsewhere(..) => {}
            }
        }
        frame.record(header.kind, id, record.payload.clone(), which);
    }
    Some(frame)
}

/// The probe: writes a batch, even an empty one, and syncs it. Only then is anything promised.
///
/// These batches tell no LSN beyond the one that was synced before: after a crash in here all of it is doubtful still,
/// the old octets and the new, and is written again. To apply a frame twice does no harm.
fn rewrite(
    state: &mut State,
    log: &mut Log,
    supply: &mut Supply,
    mut frames: Vec<Frame>,
    unseen: &mut Unseen,
) -> Result<Arc<dyn File>, SpoolError> {
    let synced = log.synced_lsn();
    loop {
        let prepared = supply.prepare(true)?;
        let segment = &prepared.segment;
        state.segments.add(segment, EMPTY, false);
        log.begin_segment(segment.number(), segment.tag(), segment.len());
        let rest = frames.split_off(fitting(&frames, log.room()));
        if frames.is_empty() && !rest.is_empty() {
            // It fitted a segment once: the size was set smaller since.
            return Err(SpoolError::TooLarge { octets: rest.first().map_or(0, |frame| frame.len() as u64) });
        }
        let batch = log.append(frames);
        prepared
            .file
            .write_all_vectored_at(&mut batch.buffers(), batch.offset)
            .and_then(|()| prepared.file.sync_data())
            .map_err(|source| SpoolError::Write { path: segment.path().to_owned(), source })?;
        for placed in log.synced_or(batch, true) {
            let records = placed.as_scanned();
            unseen.gather(&records);
            // Decoded once already: nothing can be wrong with it.
            let _ = state.replay(log.segment(), &records);
        }
        log.set_synced_lsn(synced);
        if rest.is_empty() {
            return Ok(prepared.file);
        }
        state.segments.seal(log.segment(), log.end());
        frames = rest;
    }
}

/// How many of the frames have room together.
fn fitting(frames: &[Frame], room: usize) -> usize {
    let mut octets = 0;
    frames
        .iter()
        .take_while(|frame| {
            octets += frame.len();
            octets <= room
        })
        .count()
}

/// Segments that an earlier opening has cut, perhaps without a sync that succeeded: what they lost must not come back once its
/// LSNs count as synced.
fn confirm_cuts(
    disk: &Arc<dyn Disk>,
    segments: &BTreeMap<u32, Found>,
    segment_octets: u64,
) -> Result<(), SpoolError> {
    for found in segments.values().filter(|found| found.limit < segment_octets) {
        let sync = disk.open(found.file.path()).and_then(|file| file.sync_data());
        sync.map_err(|source| SpoolError::Write { path: found.file.path().to_owned(), source })?;
    }
    Ok(())
}

/// What was written again, or was torn, is cut off durably: from here on it is neither damage nor mail.
fn truncate(
    disk: &Arc<dyn Disk>,
    segments: &BTreeMap<u32, Found>,
    number: u32,
    offset: u64,
) -> Result<(), SpoolError> {
    for (later, found) in segments.range(number..) {
        let limit = if *later == number { offset } else { SEGMENT_DATA };
        let cut = || -> std::io::Result<()> {
            let file = disk.open(found.file.path())?;
            if file.len()? > limit {
                file.set_len(limit)?;
                file.sync_data()?;
                found.file.was_cut(limit);
            }
            Ok(())
        };
        cut().map_err(|source| SpoolError::Write { path: found.file.path().to_owned(), source })?;
    }
    Ok(())
}

/// Content in files of its own: what has no message goes. Returns whose is there.
fn own_files(
    state: &mut State,
    config: &Config,
    disk: &Arc<dyn Disk>,
    opened: &mut Opened,
) -> Result<BTreeSet<QueueId>, SpoolError> {
    let dir = files::large_dir(&config.dir);
    let entries = disk.list(&dir).map_err(|source| SpoolError::Directory { dir: dir.clone(), source })?;
    state.files_to_remove.clear();
    let mut there = BTreeSet::new();
    for entry in entries {
        let Ok(id) = entry.name.parse() else { continue };
        if state.index.get(id).is_some_and(|message| message.content() == Content::Own) {
            there.insert(id);
        } else {
            let path = dir.join(&entry.name);
            match disk.remove(&path) {
                // The last run was about to remove it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.map_err(|source| SpoolError::Write { path, source })?,
            }
            opened.orphans += 1;
        }
    }
    Ok(there)
}
