//! The disk alone: what a sync costs that has as much to write as a server has at the same rate.

use crate::clock::monotonic_ns;
use crate::stats::Latency;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Octets beside the content of a message that a server has to write: envelope, outcome, event.
const BESIDE_OCTETS: usize = 1024;
/// Octets of the file that is written over and over, as a server's own segments are.
const FILE_OCTETS: u64 = 64 << 20;
const BLOCK: usize = 4096;

/// Writes what is due and syncs it, all that is due at once, and counts from when each message was due to the end of its sync.
pub(super) fn alone(dir: &Path, per_second: f64, size: usize, time: Duration) -> io::Result<Option<Latency>> {
    let path = dir.join("disk-alone");
    let mut file = File::create(&path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..FILE_OCTETS >> 20 {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    let (messages, started) = (super::whole(per_second * time.as_secs_f64()), monotonic_ns());
    let mut writer = Writer { file, at: 0, octets: vec![b'x'; size + BESIDE_OCTETS] };
    let mut delays = Vec::new();
    let due_at = |message: u64| started.saturating_add(super::nanoseconds(message, per_second));
    let mut next = 0;
    while next < messages {
        let now = monotonic_ns();
        let due = (next..messages).take_while(|message| due_at(*message) <= now).count() as u64;
        if due == 0 {
            thread::sleep(Duration::from_nanos(due_at(next) - now));
            continue;
        }
        writer.sync(due)?;
        let end = monotonic_ns();
        delays.extend((next..next + due).map(|message| end - due_at(message)));
        next += due;
    }
    std::fs::remove_file(path)?;
    Ok(Latency::of(&mut delays))
}

struct Writer {
    file: File,
    at: u64,
    octets: Vec<u8>,
}

impl Writer {
    /// Writes so many messages, to the end of a block, and syncs them.
    fn sync(&mut self, messages: u64) -> io::Result<()> {
        let batch = self.octets.repeat(usize::try_from(messages).unwrap_or(1));
        let len = batch.len().next_multiple_of(BLOCK) as u64;
        if self.at + len > FILE_OCTETS {
            self.at = 0;
        }
        std::os::unix::fs::FileExt::write_all_at(&self.file, &batch, self.at)?;
        self.at += len;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_that_was_due_has_its_delay() {
        let dir = tempfile::tempdir().unwrap();
        let latency = alone(dir.path(), 1000.0, 100, Duration::from_millis(20)).unwrap().unwrap();
        assert!(latency.p50 > 0 && latency.max >= latency.p99);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it leaves nothing");
        assert_eq!(alone(dir.path(), 1000.0, 100, Duration::ZERO).unwrap(), None);
    }
}
