//! Events that an opening finds and the event log has not seen.

use events::Log;

use crate::{format::Kind, scan::Scanned};

/// Those behind an LSN, or if they are too many for memory how far they go: then the log asks for them (see `retell`).
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    after: u64,
    last: u64,
    lines: Vec<(u64, Vec<u8>)>,
    octets: usize,
    octets_max: usize,
}

impl Unseen {
    /// None so far behind the last event of the log.
    pub(crate) fn by(log: &Log) -> Self {
        let after = log.last_lsn();
        Self { after, last: after, lines: Vec::new(), octets: 0, octets_max: log.waiting_octets_max() }
    }

    /// The last LSN that the log has seen.
    pub(crate) fn after(&self) -> u64 {
        self.after
    }

    /// Takes those among records that come in the order of their LSNs.
    pub(crate) fn gather(&mut self, records: &[Scanned]) {
        for record in records {
            let lsn = record.header.lsn;
            if record.header.kind == Kind::Event && lsn > self.after {
                self.last = self.last.max(lsn);
                self.octets = self.octets.saturating_add(record.payload.len());
                if self.octets <= self.octets_max {
                    self.lines.push((lsn, record.payload.clone()));
                } else {
                    self.lines = Vec::new();
                }
            }
        }
    }

    /// Hands them to the log, which has its source by now.
    pub(crate) fn tell(self, log: &Log) {
        if self.octets <= self.octets_max {
            log.append(self.lines);
        } else {
            log.left_to_source(self.last);
        }
    }
}
