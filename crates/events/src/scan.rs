//! Reading the log from some place on, event by event.

use std::{ops::ControlFlow, time::Duration};

use mail::Timestamp;

use crate::{
    Event, EventsError, Reader,
    files::{self, LogFile},
};

/// As much of a file as is read to see where it begins.
const HEAD_OCTETS: u64 = 64 * 1024;
/// An event is committed some time after it happened: reports wait for each other.
const LATE: Duration = Duration::from_mins(10);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// Behind the event with this LSN.
    pub after: u64,
    /// With what happened at this time or later.
    pub since: Option<Timestamp>,
}

impl Reader {
    /// Gives events in the order of their commit, each with its line, until `visit` breaks. Lines that are no events, or are of a later version,
    /// are left out. Files that go meanwhile are passed over. Returns the LSN of the last event seen, or `from.after`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn scan(
        &self,
        from: Start,
        visit: &mut dyn FnMut(Event, &[u8]) -> ControlFlow<()>,
    ) -> Result<u64, EventsError> {
        let files = files::list(self.disk.as_ref(), &self.dir)?;
        let begin = files.iter().rposition(|file| self.begins_before(file, from)).unwrap_or(0);
        let mut last = from.after;
        for file in files.iter().skip(begin) {
            let octets = match files::read(self.disk.as_ref(), &file.path) {
                // Let go while we were reading.
                Err(EventsError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    continue;
                }
                result => result?,
            };
            for line in octets.split(|octet| *octet == b'\n') {
                let Some(event) = Event::from_line(line) else { continue };
                // A line may stand twice where a failed sync made the log write it again.
                if event.lsn <= last {
                    continue;
                }
                last = event.lsn;
                if from.since.is_none_or(|since| event.at >= since) && visit(event, line).is_break() {
                    return Ok(last);
                }
            }
        }
        Ok(last)
    }

    /// Whether what is sought cannot be in an earlier file. Without a mark to begin with it can.
    fn begins_before(&self, file: &LogFile, from: Start) -> bool {
        if from.after == 0 && from.since.is_none() {
            return false;
        }
        let head = self.disk.open_read(&file.path);
        let head = head.and_then(|open| files::read_from(open.as_ref(), 0, HEAD_OCTETS.min(file.len)));
        let first = head.ok().and_then(|head| head.split(|octet| *octet == b'\n').find_map(Event::from_line));
        first.is_some_and(|event| {
            from.after > 0 && event.lsn <= from.after
                || from.since.is_some_and(|since| event.at.after(LATE) <= since)
        })
    }
}
