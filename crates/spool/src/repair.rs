//! Mending a damaged spool: what is damaged is set aside, what lives goes on, and nothing goes unsaid.
//!
//! Each step leaves a spool that can be opened or repaired again: copies are synced before anything is changed, a live message
//! stands in a new place before its old one goes.

use std::{path::Path, sync::Arc};

use disk::{Clock, Disk, Random};
use events::{Event, Kind as Happened};
use mail::{QueueId, Timestamp};

use crate::{
    Config, Hurt, Loss, Spool, SpoolError, Verified,
    aside::{Aside, pieces_of},
    clean::read_current,
    commit::Committer,
    files,
    format::{Kind, PIECE_MAX},
    frame::{Class, Effect, Frame, Pieces},
    index::Content,
    io::Io,
    payload::{Place, encode_envelope},
    shared::Shared,
    supply::Supplier,
    verify::Inspection,
};

/// What a sender is told of a message whose content is damaged. RFC 3463 §3.4: other or undefined mail system status.
const WORDS: &str =
    "5.3.0 the content of this message was damaged in the storage of this server, please send it again";
/// What stands in the place of the damaged content, in the report and nowhere else.
const LOST_CONTENT: &str = "[the content of this message was damaged in storage]\r\n";
/// The station in events.
const STATION: &str = "spool";

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// What was found before.
    pub found: Verified,
    /// What was set aside, by names in the spool's directory.
    pub set_aside: Vec<String>,
    /// Messages that will be given up, with a report to their senders where one is due.
    pub given_up: Vec<QueueId>,
}

/// Mends the spool of `config` if it is damaged, and leaves one that [`crate::verify`] finds good. The server is stopped.
///
/// Damaged segments are copied to the directory `damaged` in the spool, live messages are written anew, and the segments go. A
/// message with damaged content is ordered to be given up; what there is of it is set aside.
///
/// # Errors
/// [`SpoolError::Locked`] while a server runs on it; a fault of the disk. Then it may be called again.
pub fn repair(
    config: Config,
    disk: &Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    events: &Arc<events::Log>,
) -> Result<Repaired, SpoolError> {
    let dir = config.dir.clone();
    let lock = files::lock(&dir, disk.as_ref())?;
    let mut inspection = Inspection::of(&dir, disk)?;
    inspection.verified.compare(events.last_lsn());
    let found = inspection.verified.clone();
    if found.is_good() {
        return Ok(Repaired { found, ..Repaired::default() });
    }
    let mut aside = Aside::new(&dir, disk)?;
    set_aside(&inspection, &dir, disk, &mut aside)?;
    let damaged = inspection.damaged.clone();
    drop(inspection);
    let now = clock.now();
    let (mut committer, lock, _) = Spool::prepare(
        config,
        Arc::clone(disk),
        clock,
        random,
        Arc::clone(events),
        Io::inline(),
        Some(lock),
    )?;
    let given_up = give_up(&mut committer, &found.hurt, now)?;
    for id in &given_up {
        aside.take(&format!("large/{id}"), &format!("{id}.content"))?;
    }
    for number in damaged {
        empty(&mut committer, number)?;
    }
    if let Supplier::Inline(supply) = &mut committer.supplier {
        supply.forget_missing()?;
    }
    committer.close();
    drop(lock);
    Ok(Repaired { found, set_aside: aside.names, given_up })
}

/// Keeps what is about to go.
fn set_aside(
    inspection: &Inspection,
    dir: &Path,
    disk: &Arc<dyn Disk>,
    aside: &mut Aside<'_>,
) -> Result<(), SpoolError> {
    for number in &inspection.damaged {
        aside.segment(*number)?;
    }
    for hurt in &inspection.verified.hurt {
        let pieces = match hurt.part {
            Loss::Content => inspection.content_left(hurt.id, dir, disk),
            Loss::Envelope => inspection.stray_content(hurt.id),
            Loss::Outcome => continue,
        };
        aside.content(hurt.id, &pieces)?;
    }
    for number in &inspection.unusable {
        let name = files::segment_name(*number);
        aside.take(&name, &name)?;
    }
    Ok(())
}

/// Orders messages with damaged content to be given up, and tells of all that are hurt.
fn give_up(committer: &mut Committer, hurt: &[Hurt], now: Timestamp) -> Result<Vec<QueueId>, SpoolError> {
    let mut given_up = Vec::new();
    for one in hurt {
        let mut frame = Frame::new(Class::Completion);
        if one.part == Loss::Content && without_content(committer, one.id, &mut frame)? {
            given_up.push(one.id);
        }
        frame.events(&[Event {
            reverse_path: one.reverse_path.clone(),
            recipients: one.recipients.clone(),
            reason: Some(format!("{} lost", one.part.word())),
            ..Event::new(now, one.id, Happened::Damaged, STATION)
        }]);
        committer.commit_one(frame)?;
    }
    Ok(given_up)
}

/// Writes a message anew that has nothing to deliver any more, only somebody to be told. False if it is not there.
fn without_content(committer: &mut Committer, id: QueueId, frame: &mut Frame) -> Result<bool, SpoolError> {
    let shared = Arc::clone(&committer.shared);
    let (locs, content) = {
        let state = shared.state();
        let Some(message) = state.index.get(id) else { return Ok(false) };
        (message.locs().collect::<Vec<_>>(), message.content())
    };
    let unreadable = |source| SpoolError::Read { path: shared.dir(), source };
    let current = read_current(&shared, id, &locs, content).map_err(unreadable)?;
    let Some(mut current) = current else { return Err(SpoolError::Damaged { id, what: "envelope" }) };
    let owed = current.stored.envelope.recipients.iter_mut().zip(&current.stored.done);
    for (recipient, _) in owed.filter(|(_, done)| !**done) {
        recipient.bounce.get_or_insert_with(|| WORDS.into());
    }
    let mut octets =
        header_section(&first_piece(&shared, id, content, current.head.place).unwrap_or_default());
    octets.extend_from_slice(LOST_CONTENT.as_bytes());
    let pieces = Pieces::new(id, vec![octets]);
    current.head.content_len = pieces.octets.iter().map(|piece| piece.len() as u64).sum();
    current.head.stored_len = u32::try_from(pieces.stored_len()).unwrap_or(u32::MAX);
    current.head.place = Place::Here;
    frame.contents.push(pieces);
    let record = frame.record(Kind::Envelope, id, encode_envelope(&current.head, &current.stored), Some(0));
    frame.effects.push(Effect::Move { record, id, content: Content::Own });
    Ok(true)
}

/// The header section, up to where it is damaged beyond doubt, with an empty line behind it: it tells the sender which message it was.
fn header_section(first: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    for line in first.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or_default();
        let is_text = |octet: &u8| !octet.is_ascii_control() || *octet == b'\t';
        if text.is_empty() || !text.iter().all(is_text) {
            break;
        }
        section.extend_from_slice(line);
    }
    section.extend_from_slice(b"\r\n");
    section
}

/// The first piece of a message's content, damaged or not.
fn first_piece(shared: &Shared, id: QueueId, content: Content, place: Place) -> Option<Vec<u8>> {
    let (file, tag, from, to) = match (content, place) {
        (Content::In(loc), _) => {
            let segment = shared.state().segments.file(loc.segment)?;
            let (from, len) = (u64::from(loc.offset), u64::from(loc.len));
            (segment.file().ok()?, segment.tag(), from, from + len)
        }
        (Content::Own, Place::Own(tag)) => {
            let file = shared.disk.open_read(&files::large_path(&shared.config.dir, id)).ok()?;
            let end = file.len().ok()?;
            (file, tag, 0, end)
        }
        (Content::Own, _) => return None,
    };
    pieces_of(file.as_ref(), &tag, id, from, to.min(from + 2 * PIECE_MAX as u64)).into_iter().next()
}

/// Moves what lives out of a segment, so that it goes.
pub(crate) fn empty(committer: &mut Committer, number: u32) -> Result<(), SpoolError> {
    let shared = Arc::clone(&committer.shared);
    end_cleaning(committer)?;
    if !shared.state().segments.contains(number) {
        return Ok(());
    }
    committer.cleaner.begin(&shared, number);
    end_cleaning(committer)?;
    shared.events.flush();
    committer.turn();
    if shared.is_poisoned() {
        return Err(SpoolError::Poisoned);
    }
    let stays = shared.state().segments.contains(number);
    if stays { Err(SpoolError::InUse { path: files::segment_path(&shared.dir(), number) }) } else { Ok(()) }
}

/// Lets the cleaner end what it is at; with a disk that has failed it never would.
fn end_cleaning(committer: &mut Committer) -> Result<(), SpoolError> {
    while committer.cleaner.is_busy() {
        if committer.shared.is_poisoned() {
            return Err(SpoolError::Poisoned);
        }
        committer.turn();
    }
    Ok(())
}
