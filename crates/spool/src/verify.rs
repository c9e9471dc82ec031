//! Checking a spool without opening it: reads every octet, writes nothing.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use disk::Disk;

use crate::{
    SpoolError,
    content::read_upto,
    files::{self, OpenFiles},
    format::{HEADER_LEN_U32, Kind},
    index::Content,
    payload::{EnvelopeHead, Place, decode_envelope},
    recover::{Found, find, judge, synced_lsn, walk},
    scan::{ContentScan, Scanned},
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
    /// Files of content that belong to no message: removed at the next start.
    pub orphans: Vec<String>,
    /// Damage to what was synced; empty if all is good.
    pub damage: Vec<String>,
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
}

impl Verified {
    /// Whether nothing that was synced is damaged.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads a spool's directory, all of its content included; changes nothing.
///
/// # Errors
/// [`SpoolError::Locked`] while a server runs on it: segments that are reused meanwhile would look like damage.
pub fn verify(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Verified, SpoolError> {
    let _lock = files::lock(dir, disk.as_ref())?;
    let mut verified = Verified::default();
    let open = Arc::new(OpenFiles::default());
    let segments = find(dir, disk, &open, &mut verified.damage)?.segments;
    let synced = synced_lsn(&segments)?;
    verified.synced_lsn = synced;
    let (mut state, mut before) = (State::default(), None);
    for (number, found) in &segments {
        state.segments.add(&found.file, found.limit, true);
        let mut wrong = Vec::new();
        let walked = walk(found, 0, &mut |_, records| {
            wrong.extend(state.replay(*number, &records));
            wrong.extend(records.iter().filter_map(|record| wrong_content(found, record)));
        })?;
        let name = files::segment_path(Path::new(""), *number).display().to_string();
        verified.damage.extend(wrong.iter().map(|wrong| format!("{name}: {wrong}")));
        let torn_octets = judge(found, &walked, before, synced, &mut verified.damage);
        if walked.batches > 0 {
            before = Some((*number, walked.last_lsn));
        }
        let (batches, records, octets) = (walked.batches, walked.records, walked.end);
        verified.segments.push(VerifiedSegment { name, batches, records, octets, torn_octets });
    }
    own_files(&state, dir, disk, &mut verified)?;
    verified.messages = state.index.messages().filter(|message| message.left > 0).count() as u64;
    verified.recipients = state.index.messages().map(|message| u64::from(message.left)).sum();
    Ok(verified)
}

/// What is wrong with the content in the segment of an envelope. Behind the last sync that may be the trace of a crash;
/// a server that runs or starts again settles it.
fn wrong_content(found: &Found, record: &Scanned) -> Option<String> {
    let header = &record.header;
    if header.kind != Kind::Envelope {
        return None;
    }
    let id = header.queue_id();
    let (head, _) = decode_envelope(id, &record.payload)?;
    if head.place != Place::Here {
        return None;
    }
    let scan = ContentScan {
        tag: found.header.tag,
        id: header.id,
        at: header.extra.into(),
        left: head.content_len,
        index: 0,
    };
    let read = found.file.file().and_then(|file| scan.read_all(file.as_ref()));
    match read {
        Ok(Some(_)) => None,
        Ok(None) => Some(format!("the content of message {id} is damaged")),
        Err(error) => Some(format!("the content of message {id} cannot be read: {error}")),
    }
}

fn own_files(
    state: &State,
    dir: &Path,
    disk: &Arc<dyn Disk>,
    verified: &mut Verified,
) -> Result<(), SpoolError> {
    let large = files::large_dir(dir);
    let entries = disk.list(&large).map_err(|source| SpoolError::Directory { dir: large.clone(), source })?;
    let mut there = BTreeSet::new();
    for entry in entries {
        let id = entry.name.parse().ok();
        match id.and_then(|id| state.index.get(id)).filter(|message| message.content == Content::Own) {
            Some(message) => drop(there.insert(message.id)),
            None => verified.orphans.push(entry.name),
        }
    }
    for message in state.index.messages().filter(|message| message.content == Content::Own) {
        let wrong = if there.contains(&message.id) {
            wrong_file(state, dir, disk, message)?
        } else {
            Some(format!("the content file of message {} is missing", message.id))
        };
        verified.damage.extend(wrong);
    }
    Ok(())
}

fn wrong_file(
    state: &State,
    dir: &Path,
    disk: &Arc<dyn Disk>,
    message: &crate::index::Message,
) -> Result<Option<String>, SpoolError> {
    let (id, path) = (message.id, files::large_path(dir, message.id));
    let unreadable = |source| SpoolError::Read { path: path.clone(), source };
    let Some(segment) = state.segments.file(message.envelope.segment) else { return Ok(None) };
    let (offset, len) =
        (message.envelope.offset + HEADER_LEN_U32, message.envelope.len.saturating_sub(HEADER_LEN_U32));
    let file = segment.file().map_err(unreadable)?;
    let payload = read_upto(file.as_ref(), offset.into(), len as usize).map_err(unreadable)?;
    let Some((EnvelopeHead { place: Place::Own(tag), .. }, _)) = decode_envelope(id, &payload) else {
        return Ok(None);
    };
    let scan = ContentScan { tag, id: id.to_bytes(), at: 0, left: message.size, index: 0 };
    let file = disk.open_read(&path).map_err(unreadable)?;
    let whole = scan.read_all(file.as_ref()).map_err(unreadable)?.is_some();
    Ok((!whole).then(|| format!("the content file of message {id} is damaged")))
}
