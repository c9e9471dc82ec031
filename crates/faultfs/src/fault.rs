//! Errors that the disk gives on demand.

use std::path::Path;

use fuser::Errno;

/// What a program does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening what exists.
    Open,
    /// Opening it past the page cache (`O_DIRECT`), which many file systems do not know.
    OpenDirect,
    /// Reading; what the kernel has in its cache is not read from here.
    Read,
    /// Writing.
    Write,
    /// fsync(2) and fdatasync(2) of a file.
    Sync,
    /// fsync(2) of a directory.
    SyncDirectory,
    /// fallocate(2).
    Allocate,
    /// A new file, directory, link, socket or pipe.
    Create,
    /// rename(2).
    Rename,
    /// unlink(2) and rmdir(2).
    Remove,
    /// A change of length, owner, mode or time.
    Change,
}

impl Operation {
    /// Whether it changes what is on the disk.
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::OpenDirect | Self::Read)
    }
}

/// What goes wrong, with which files, and how often.
///
/// A failed sync loses what it should have made durable, though a later one succeeds: as in Linux, which takes the
/// pages for clean.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Operation,
    pattern: String,
    effect: Effect,
    spared: u64,
    left: Option<u64>,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    Fails(Errno),
    /// A write takes no more octets at once.
    Short(usize),
    /// A sync says that it is done and does nothing.
    Lies,
}

impl Fault {
    /// The operation fails with an error of the system.
    pub fn fails(operation: Operation, error: Errno) -> Self {
        Self::new(operation, Effect::Fails(error))
    }

    /// A write takes at most so many octets.
    pub fn short_writes(octets: usize) -> Self {
        Self::new(Operation::Write, Effect::Short(octets.max(1)))
    }

    /// Syncs of files succeed and make nothing durable, as on a disk whose cache is on and has no battery.
    pub fn lying_syncs() -> Self {
        Self::new(Operation::Sync, Effect::Lies)
    }

    fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation, pattern: "*".to_owned(), effect, spared: 0, left: None }
    }

    /// Only for paths of that pattern, from the mount point on; `*` stands for any octets: `spool/*.seg`.
    #[must_use]
    pub fn at(self, pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), ..self }
    }

    /// Not for the first so many.
    #[must_use]
    pub fn after(self, spared: u64) -> Self {
        Self { spared, ..self }
    }

    /// So many times, then never again.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { left: Some(times), ..self }
    }

    /// What becomes of an operation, if this fault has to do with it.
    pub(crate) fn strike(&mut self, operation: Operation, path: &Path) -> Option<Effect> {
        let meant = operation == self.operation
            && matches(self.pattern.as_bytes(), path.as_os_str().as_encoded_bytes());
        if !meant || self.left == Some(0) {
            return None;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(self.effect)
    }
}

/// Whether a path has a pattern.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((b'*', rest)) => {
            (0..=path.len()).any(|at| path.get(at..).is_some_and(|path| matches(rest, path)))
        }
        Some((octet, rest)) => {
            path.split_first().is_some_and(|(first, path)| first == octet && matches(rest, path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars() {
        for (pattern, path, meant) in [
            ("*", "spool/1.seg", true),
            ("spool/*.seg", "spool/1.seg", true),
            ("spool/*.seg", "spool/1.free", false),
            ("events/*", "spool/1.seg", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), meant, "{pattern} {path}");
        }
    }

    #[test]
    fn a_fault_spares_the_first_and_ends() {
        let mut fault = Fault::fails(Operation::Sync, Errno::EIO).at("a*").after(1).times(1);
        let mut strikes = |operation, path: &str| fault.strike(operation, path.as_ref()).is_some();
        assert!(!strikes(Operation::Sync, "b"), "another file");
        assert!(!strikes(Operation::Write, "a"), "another operation");
        assert_eq!([1, 2, 3].map(|_| strikes(Operation::Sync, "a")), [false, true, false]);
    }
}
