//! How many files are there, for who asks how the server is.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last that was seen.
#[derive(Debug, Default)]
pub(in crate::app) struct Counts {
    waiting: AtomicU64,
    aside: AtomicU64,
}

impl Counts {
    pub(super) fn set(&self, waiting: usize, aside: usize) {
        self.waiting.store(waiting as u64, Ordering::Relaxed);
        self.aside.store(aside as u64, Ordering::Relaxed);
    }

    /// Files that wait, and files that were put aside.
    pub(in crate::app) fn get(&self) -> (u64, u64) {
        (self.waiting.load(Ordering::Relaxed), self.aside.load(Ordering::Relaxed))
    }
}
