//! What damage costs, message by message, as far as what is left can tell.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

use events::{Event, Kind as Happened};
use mail::{Envelope, QueueId};

use crate::{
    Lost, SpoolError,
    format::{HEADER_LEN, Kind, RecordHeader},
    found::Found,
    index::Message,
    payload::{Outcome, decode_done},
    scan::{Gap, Scanned, Window},
};

/// The part of a message that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// Who gets it, and from whom: nobody is served any more.
    Envelope,
    /// What it says: nothing of it is sent.
    Content,
    /// What became of recipients: who had it may get it once more.
    Outcome,
}

impl Loss {
    pub(crate) fn of(lost: &Lost) -> Option<(QueueId, Self)> {
        match lost {
            Lost::Envelope(id) => Some((*id, Self::Envelope)),
            Lost::Content(id) | Lost::MissingContent(id) => Some((*id, Self::Content)),
            Lost::Outcome(id) => Some((*id, Self::Outcome)),
            _ => None,
        }
    }

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Content => "content",
            Self::Outcome => "outcome",
        }
    }
}

/// A message that damage has cost a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hurt {
    /// The message.
    pub id: QueueId,
    /// What it lost.
    pub part: Loss,
    /// Its reverse-path, empty for the null one; none if nothing tells it any more.
    pub reverse_path: Option<String>,
    /// The recipients still owed; of a lost envelope all that are known, settled ones too.
    pub recipients: Vec<String>,
    /// Of a lost envelope: how many recipients were settled.
    pub settled: u64,
    /// Of a lost envelope: octets of its content that were found.
    pub content_octets: u64,
}

impl Hurt {
    pub(crate) fn of_live(part: Loss, message: &Message, envelope: &Envelope) -> Self {
        let owed = message.recipients.iter().zip(&envelope.recipients).filter(|(entry, _)| entry.is_owed());
        Self {
            id: message.id,
            part,
            reverse_path: Some(path_text(envelope)),
            recipients: owed.map(|(_, recipient)| recipient.forward_path.to_string()).collect(),
            settled: 0,
            content_octets: 0,
        }
    }
}

fn path_text(envelope: &Envelope) -> String {
    envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default()
}

impl fmt::Display for Hurt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}", self.id)?;
        if let Some(path) = &self.reverse_path {
            write!(f, " from <{path}>")?;
        }
        if !self.recipients.is_empty() {
            write!(f, " to {}", self.recipients.join(", "))?;
        }
        match self.part {
            Loss::Content => f.write_str(": its content is damaged, so that it cannot be delivered"),
            Loss::Outcome => {
                f.write_str(": an outcome is lost, so that who had the message may get it once more")
            }
            Loss::Envelope => {
                f.write_str(": its envelope is lost, so that it is not delivered and nobody is told")?;
                if self.settled > 0 {
                    write!(f, "; {} of its recipients were settled before", self.settled)?;
                }
                match self.content_octets {
                    0 => f.write_str("; nothing of its content was found"),
                    octets => write!(f, "; {octets} octets of its content were found"),
                }
            }
        }
    }
}

/// A piece of content in a damaged place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stray {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) octets: u32,
}

/// What records tell of messages whose envelope may be lost.
#[derive(Default)]
pub(crate) struct Witnesses {
    /// Messages with an envelope record.
    envelopes: HashSet<QueueId>,
    /// Reverse-path and recipients, by the events of frames that are not whole.
    accepted: HashMap<QueueId, (String, Vec<String>)>,
    /// Recipients that are done by an outcome.
    settled: HashMap<QueueId, BTreeSet<u32>>,
    /// Messages that are done as a whole.
    done: HashSet<QueueId>,
    /// Pieces of content in damaged places, by their numbers.
    strays: BTreeMap<QueueId, BTreeMap<u16, Stray>>,
}

impl Witnesses {
    pub(crate) fn saw(&mut self, records: &[Scanned], is_whole: bool) {
        for record in records {
            let id = record.header.queue_id();
            match record.header.kind {
                Kind::Envelope => drop(self.envelopes.insert(id)),
                Kind::Outcome => self.saw_outcome(id, &record.payload),
                Kind::Done => self.done.extend(decode_done(&record.payload)),
                Kind::Event if !is_whole => self.saw_event(id, &record.payload),
                Kind::Event | Kind::Batch | Kind::Content => {}
            }
        }
    }

    fn saw_outcome(&mut self, id: QueueId, payload: &[u8]) {
        let Some(outcome) = Outcome::decode(payload) else { return };
        if outcome.removed {
            self.done.insert(id);
        }
        let done = outcome.recipients.iter().filter(|state| state.done).map(|state| state.recipient);
        self.settled.entry(id).or_default().extend(done);
    }

    fn saw_event(&mut self, id: QueueId, line: &[u8]) {
        let accepted = Event::from_line(line).filter(|event| event.kind == Happened::Accepted);
        if let Some(Event { reverse_path, recipients, .. }) = accepted {
            self.accepted.insert(id, (reverse_path.unwrap_or_default(), recipients));
        }
    }

    /// Looks for content in a damaged place: it tells of messages whose envelope was there.
    pub(crate) fn seek(&mut self, found: &Found, gap: &Gap) -> Result<(), SpoolError> {
        let unreadable = |source| SpoolError::Read { path: found.file.path().to_owned(), source };
        let file = found.file.file().map_err(unreadable)?;
        let (mut window, tag) = (Window::new(file.as_ref()), found.header.tag);
        let mut at = gap.offset;
        while let Some(place) = window.find_tag(at, gap.batch_end, &tag).map_err(unreadable)? {
            at = place + 8;
            let octets = window.get(place, HEADER_LEN).map_err(unreadable)?;
            let header = RecordHeader::decode(octets, &tag).filter(|header| header.kind == Kind::Content);
            if let Some(header) = header {
                let stray = Stray { segment: found.file.number(), offset: place, octets: header.len };
                self.strays.entry(header.queue_id()).or_default().insert(header.index, stray);
            }
        }
        Ok(())
    }

    /// Messages of which only content is left.
    pub(crate) fn envelopes_lost(&self) -> impl Iterator<Item = QueueId> {
        self.strays.keys().copied().filter(|id| !self.envelopes.contains(id))
    }

    /// The content that is left of a message.
    pub(crate) fn content(&self, id: QueueId) -> Vec<Stray> {
        self.strays.get(&id).into_iter().flat_map(|pieces| pieces.values().copied()).collect()
    }

    /// What the loss of an envelope costs; none if the message was done.
    pub(crate) fn hurt(&self, id: QueueId) -> Option<Hurt> {
        let settled = self.settled.get(&id).map_or(0, |settled| settled.len() as u64);
        let accepted = self.accepted.get(&id).cloned();
        let is_done = accepted.as_ref().is_some_and(|(_, recipients)| recipients.len() as u64 <= settled);
        if is_done || self.done.contains(&id) {
            return None;
        }
        let (reverse_path, recipients) = accepted.unzip();
        let content_octets = self.content(id).iter().map(|stray| u64::from(stray.octets)).sum();
        let recipients = recipients.unwrap_or_default();
        Some(Hurt { id, part: Loss::Envelope, reverse_path, recipients, settled, content_octets })
    }
}
