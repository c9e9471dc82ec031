//! Searching the log, with the server running or not.

use std::{path::PathBuf, sync::Arc};

use disk::Disk;
use mail::QueueId;
use memchr::memmem::Finder;

use crate::{
    Event, EventsError,
    files::{self},
};

/// In which order events are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they happened.
    #[default]
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Everything.
    All,
    /// The events of one message, and those that name it as their report.
    Id(QueueId),
    /// The messages from or to an address; case of ASCII letters does not count.
    Address(String),
    /// The messages with this Message-ID, with or without angle brackets.
    MessageId(String),
}

impl Query {
    /// What a person means: a queue id, a Message-ID in angle brackets, an address, or else a Message-ID.
    pub fn guess(text: &str) -> Self {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            Self::Id(id)
        } else if text.starts_with('<') {
            Self::MessageId(text.to_owned())
        } else if text.parse::<mail::Address>().is_ok() {
            Self::Address(text.to_owned())
        } else {
            Self::MessageId(text.to_owned())
        }
    }

    fn matches(&self, event: &Event) -> bool {
        let is = |field: Option<&String>, wanted: &str| field.is_some_and(|f| f.eq_ignore_ascii_case(wanted));
        match self {
            Self::All => true,
            Self::Id(id) => event.id == *id || event.report == Some(*id),
            Self::Address(address) => {
                let single = [event.recipient.as_ref(), event.reverse_path.as_ref()];
                let mut all = single
                    .into_iter()
                    .chain(event.recipients.iter().chain(&event.original_recipients).map(Some));
                all.any(|field| is(field, address))
            }
            Self::MessageId(wanted) => event.message_id.as_deref().is_some_and(|found| {
                let bare = |id: &str| id.trim_start_matches('<').trim_end_matches('>').to_owned();
                bare(found) == bare(wanted)
            }),
        }
    }

    /// A part of each matching line that JSON writes as it is and in one case only; empty if there is none.
    fn needle(&self) -> Vec<u8> {
        let text = match self {
            Self::All => String::new(),
            Self::Id(id) => id.to_string(),
            // The case of letters may differ: the longest run without letters would be short, so the domain's
            // lower case form (mail::Domain lowers it) is sought.
            Self::Address(address) => {
                address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase()).unwrap_or_default()
            }
            Self::MessageId(id) => id.trim_start_matches('<').trim_end_matches('>').to_owned(),
        };
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        if text.chars().all(plain) { text.into_bytes() } else { Vec::new() }
    }
}

/// Reads the files of an event log; needs no right to write and no running server.
pub struct Reader {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
}

impl Reader {
    /// A reader of the log in `dir`.
    pub fn new(dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { disk, dir }
    }

    /// The first `limit` events that match, in the order asked for. Lines that are no events are left out.
    pub fn search(&self, query: &Query, order: Order, limit: usize) -> Result<Vec<Event>, EventsError> {
        let mut found: Vec<Event> = Vec::new();
        let mut files = files::list(self.disk.as_ref(), &self.dir)?;
        if order == Order::NewestFirst {
            files.reverse();
        }
        for file in files {
            if found.len() >= limit {
                break;
            }
            let octets = match files::read(self.disk.as_ref(), &file.path) {
                // Let go while we were reading.
                Err(EventsError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    continue;
                }
                result => result?,
            };
            search_file(&octets, query, order, limit, &mut found);
        }
        Ok(found)
    }
}

fn search_file(octets: &[u8], query: &Query, order: Order, limit: usize, found: &mut Vec<Event>) {
    let needle = query.needle();
    let mut events: Vec<Event> = if needle.is_empty() {
        octets
            .split(|octet| *octet == b'\n')
            .filter_map(Event::from_line)
            .filter(|e| query.matches(e))
            .collect()
    } else {
        lines_with(octets, &needle).filter_map(Event::from_line).filter(|e| query.matches(e)).collect()
    };
    if order == Order::NewestFirst {
        events.reverse();
    }
    // A line may stand twice where a failed sync made the log write it again.
    for event in events {
        if found.len() < limit && found.last().is_none_or(|last| last.lsn != event.lsn || event.lsn == 0) {
            found.push(event);
        }
    }
}

/// The lines that hold `needle`, each once.
fn lines_with<'a>(octets: &'a [u8], needle: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let finder = Finder::new(needle).into_owned();
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = octets.get(from..)?;
        let hit = from + finder.find(rest)?;
        let start = memchr::memrchr(b'\n', octets.get(..hit)?).map_or(0, |end| end + 1);
        let end = memchr::memchr(b'\n', octets.get(hit..)?).map_or(octets.len(), |end| hit + end);
        from = end + 1;
        octets.get(start..end)
    })
}
