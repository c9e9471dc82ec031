//! What happened, line by line: for whoever reads of a failure, and for the proof that a seed replays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The lines so far. Clones are the same story.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    digest: u32,
}

impl Story {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; `at` is in true milliseconds.
    pub(crate) fn tell(&self, at: u64, line: impl AsRef<str>) {
        let line = format!("{:>10}.{:03} {}", at / 1000, at % 1000, line.as_ref());
        let mut lines = self.lines();
        lines.digest = crc32c::crc32c_append(lines.digest, line.as_bytes());
        lines.lines.push(line);
    }

    /// How many lines there are: the step at which something was found.
    pub(crate) fn len(&self) -> usize {
        self.lines().lines.len()
    }

    /// A checksum of all lines.
    pub(crate) fn digest(&self) -> u32 {
        self.lines().digest
    }

    /// The lines that tell of one message, and those that tell of the world (`*`).
    pub(crate) fn of(&self, token: &str) -> Vec<String> {
        let lines = self.lines();
        let told = lines.lines.iter().filter(|line| line.contains(token) || line.contains(" * "));
        told.cloned().collect()
    }

    /// All lines.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lines().lines.clone()
    }
}
