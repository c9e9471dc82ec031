//! Events told again to an event log that had to let them go: their records stay until it has them.

use std::{
    io,
    sync::{Weak, atomic::Ordering},
};

use crate::{format::Kind, scan::Scan, shared::Shared};

/// What the event log asks for lines that it could not keep.
pub(crate) fn source(shared: Weak<Shared>) -> events::Source {
    Box::new(move |after, octets_max| {
        // Without the spool nobody knows: what it has is told at its next opening.
        let shared = shared.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        events_after(&shared, after, octets_max)
    })
}

/// Synced events behind an LSN, in order, until there are so many octets.
fn events_after(shared: &Shared, after: u64, octets_max: usize) -> io::Result<Vec<(u64, Vec<u8>)>> {
    // Whatever was let go was synced before.
    let synced = shared.synced_lsn.load(Ordering::SeqCst);
    let segments = shared.state().segments.with_events_after(after);
    let (mut lines, mut octets) = (Vec::new(), 0);
    for (segment, end) in segments {
        let file = segment.file()?;
        Scan::new(file.as_ref(), segment.tag(), end).run(&mut |frame| {
            for record in frame.records.drain(..) {
                let lsn = record.header.lsn;
                if record.header.kind == Kind::Event && lsn > after && lsn <= synced && octets < octets_max {
                    octets += record.payload.len();
                    lines.push((lsn, record.payload));
                }
            }
        })?;
        if octets >= octets_max {
            break;
        }
    }
    Ok(lines)
}
