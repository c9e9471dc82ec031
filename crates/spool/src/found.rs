//! The segments that a directory holds, and what of them is damage rather than the trace of a crash.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use disk::{Disk, File};

use crate::{
    Damage, Lost, SpoolError,
    content::read_upto,
    files::{self, OpenFiles, SegmentFile},
    format::{
        HEADER_LEN, HeaderError, Kind, RecordHeader, SEGMENT_DATA, SEGMENT_HEADERS, SegmentHeader, Tag,
        VERSION,
    },
    index::{Content, Message},
    roster::{self, Roster},
    scan::{Gap, OnFrame, Scan, Walk},
};

/// A segment as it was found.
pub(crate) struct Found {
    pub(crate) file: Arc<SegmentFile>,
    /// Nothing from here on counts.
    pub(crate) limit: u64,
    pub(crate) header: SegmentHeader,
}

/// The segments and spares of a directory.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) segments: BTreeMap<u32, Found>,
    /// Number and length.
    pub(crate) spares: Vec<(u32, u64)>,
    /// The highest number.
    pub(crate) last: u32,
    /// Files with a segment's name that cannot be used.
    pub(crate) unusable: Vec<u32>,
    pub(crate) roster: Roster,
}

/// Finds the segments. A header that cannot be read is damage.
pub(crate) fn find(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    open: &Arc<OpenFiles>,
    damage: &mut Vec<Damage>,
) -> Result<Files, SpoolError> {
    let entries = disk.list(dir).map_err(|source| SpoolError::Directory { dir: dir.to_owned(), source })?;
    let (mut files, mut headless) = (Files::default(), BTreeMap::new());
    for entry in entries {
        if let Some(number) = files::number_in(&entry.name, ".free") {
            files.spares.push((number, entry.len));
            files.last = files.last.max(number);
        }
        let Some(number) = files::number_in(&entry.name, ".seg") else { continue };
        files.last = files.last.max(number);
        let path = files::segment_path(dir, number);
        let unreadable = |source| SpoolError::Read { path: path.clone(), source };
        let file = disk.open_read(&path).map_err(unreadable)?;
        let take = |header: SegmentHeader| {
            let (disk, open) = (Arc::clone(disk), Arc::clone(open));
            let file = SegmentFile::new(number, header.tag, entry.len, dir, disk, open);
            Found { file: Arc::new(file), limit: entry.len, header }
        };
        match read_header(file.as_ref()) {
            Ok(header) if header.segment == number => drop(files.segments.insert(number, take(header))),
            Ok(header) => {
                files.unusable.push(number);
                let of = files::segment_name(header.segment);
                damage.push(Damage { file: entry.name, at: None, what: Lost::Misplaced { of } });
            }
            Err(HeaderError::Newer(found)) => {
                return Err(SpoolError::NewerVersion { path, found, known: VERSION });
            }
            Err(HeaderError::Damaged) => {
                let read = first_batch(file.as_ref());
                let header = |tag| SegmentHeader { segment: number, tag, first_of_run: true };
                headless.insert(number, read.map(|(tag, lsn)| (take(header(tag)), lsn)));
            }
        }
    }
    adopt(headless, &mut files, damage);
    call_the_roll(dir, disk.as_ref(), &mut files, damage);
    Ok(files)
}

/// Which segments are missing.
fn call_the_roll(dir: &Path, disk: &dyn Disk, files: &mut Files, damage: &mut Vec<Damage>) {
    let Some(mut roster) = Roster::read(dir, disk) else {
        damage.push(Damage { file: roster::NAME.to_owned(), at: None, what: Lost::Roster });
        return;
    };
    let is_there = |segment| files.segments.contains_key(&segment) || files.unusable.contains(&segment);
    for segment in roster.found(is_there) {
        let file = files::segment_name(segment);
        damage.push(Damage { file, at: None, what: Lost::MissingSegment });
    }
    files.last = files.last.max(roster.highest());
    files.roster = roster;
}

/// The event log must not know more than the spool.
pub(crate) fn end_missing(spool: u64, events: u64, segments: &BTreeMap<u32, Found>) -> Option<Damage> {
    let file = segments.values().next_back().map_or_else(|| roster::NAME.to_owned(), Found::name);
    (events > spool).then_some(Damage { file, at: None, what: Lost::End { spool, events } })
}

/// The header, or its copy if the disk cannot read the first.
fn read_header(file: &dyn File) -> Result<SegmentHeader, HeaderError> {
    let whole = read_upto(file, 0, SEGMENT_HEADERS);
    whole.map_or(Err(HeaderError::Damaged), |octets| SegmentHeader::decode(&octets)).or_else(|error| {
        let copy = read_upto(file, SegmentHeader::COPY_AT, SEGMENT_HEADERS / 2).unwrap_or_default();
        match (error, SegmentHeader::decode(&copy)) {
            (HeaderError::Damaged, read @ (Ok(_) | Err(HeaderError::Newer(_)))) => read,
            _ => Err(error),
        }
    })
}

/// The tag and the LSN of what stands where the first batch belongs.
fn first_batch(file: &dyn File) -> Option<(Tag, u64)> {
    let octets = read_upto(file, SEGMENT_DATA, HEADER_LEN).ok()?;
    let tag = *octets.first_chunk()?;
    let batch = RecordHeader::decode(&octets, &tag).filter(|header| header.kind == Kind::Batch)?;
    Some((tag, batch.lsn))
}

/// Takes segments by the tag of their first batch, where header and copy are damaged.
///
/// That batch might be of the segment's former life, if the machine stopped between the header and the first batch of the new
/// one. But then the segment that was written to at that time has a lower number and began with a higher LSN.
fn adopt(headless: BTreeMap<u32, Option<(Found, u64)>>, files: &mut Files, damage: &mut Vec<Damage>) {
    for (number, read) in headless {
        let began = |found: &Found| first_batch(found.file.file().ok()?.as_ref()).map(|(_, lsn)| lsn);
        let is_of_now =
            |lsn: u64| files.segments.range(..number).all(|(_, before)| began(before) <= Some(lsn));
        let mut told = |what| damage.push(Damage { file: files::segment_name(number), at: None, what });
        match read {
            Some((found, lsn)) if is_of_now(lsn) => {
                told(Lost::Header);
                files.segments.insert(number, found);
            }
            _ => {
                told(Lost::Segment);
                files.unusable.push(number);
            }
        }
    }
}

/// Walks over a segment. The lines of events up to `events_known` are left out.
pub(crate) fn walk(found: &Found, events_known: u64, frame: OnFrame<'_>) -> Result<Walk, SpoolError> {
    let path = || found.file.path().to_owned();
    let file = found.file.file().map_err(|source| SpoolError::Read { path: path(), source })?;
    Scan::new(file.as_ref(), found.header.tag, found.limit)
        .without_events(events_known)
        .run(frame)
        .map_err(|source| SpoolError::Read { path: path(), source })
}

/// The last LSN that is known to be synced: the last good batch header tells it.
pub(crate) fn synced_lsn(segments: &BTreeMap<u32, Found>) -> Result<u64, SpoolError> {
    for found in segments.values().rev() {
        let walked = walk(found, u64::MAX, &mut |_| {})?;
        if walked.batches > 0 {
            return Ok(walked.synced_lsn);
        }
    }
    Ok(0)
}

/// How the segment ends whose log another one goes on with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    number: u32,
    last_lsn: u64,
}

/// The ends of segments that were walked.
#[derive(Default)]
pub(crate) struct Ends(BTreeMap<u32, u64>);

impl Ends {
    pub(crate) fn add(&mut self, segment: u32, walked: &Walk) {
        self.0.insert(segment, walked.last_lsn);
    }

    /// The end before a segment.
    pub(crate) fn before(&self, segment: u32, roster: &Roster) -> Option<End> {
        let number = roster.before(segment)?;
        self.0.get(&number).map(|last_lsn| End { number, last_lsn: *last_lsn })
    }
}

impl Found {
    /// The file's name.
    pub(crate) fn name(&self) -> String {
        files::segment_name(self.file.number())
    }

    /// Damage somewhere in the segment.
    pub(crate) fn damage(&self, what: Lost) -> Damage {
        Damage { file: self.name(), at: None, what }
    }

    /// Damage at or below the last synced LSN is loud, above it is the torn tail of a crash. Returns how many octets are torn.
    pub(crate) fn judge(
        &self,
        walked: &Walk,
        before: Option<End>,
        synced: u64,
        damage: &mut Vec<Damage>,
    ) -> u64 {
        let mut torn = 0;
        for gap in &walked.gaps {
            if gap.lsn <= synced {
                damage.push(Damage { at: Some((gap.offset, gap.octets)), ..self.damage(lost(gap)) });
            } else {
                torn += gap.octets;
            }
        }
        if walked.unreadable > 0 {
            damage.push(self.damage(Lost::Unreadable));
        }
        if let (Some(before), Some(first)) = (before, walked.first_lsn) {
            let what = match before.last_lsn {
                0 => Some(Lost::Emptied),
                last if last + 1 < first && last < synced => {
                    let (count, last) = (Some(first - last - 1), Some(first - 1));
                    Some(Lost::Records { count, first: before.last_lsn + 1, last })
                }
                _ => None,
            };
            damage.extend(what.map(|what| Damage {
                file: files::segment_name(before.number),
                at: None,
                what,
            }));
        }
        torn
    }
}

fn lost(gap: &Gap) -> Lost {
    match gap.record {
        Some((Kind::Envelope, id)) => Lost::Envelope(id),
        Some((Kind::Outcome, id)) => Lost::Outcome(id),
        Some((Kind::Event, id)) => Lost::Event(id),
        Some((Kind::Done, _)) => Lost::Completions,
        _ if gap.lost() == Some(0) => Lost::Frame,
        _ => Lost::Records { count: gap.lost(), first: gap.lsn, last: gap.last },
    }
}

/// Damage to the content of a message.
pub(crate) fn content_damage(message: &Message, what: Lost) -> Damage {
    let file = match message.content() {
        Content::In(loc) => files::segment_name(loc.segment),
        Content::Own => format!("large/{}", message.id),
    };
    Damage { file, at: None, what }
}
