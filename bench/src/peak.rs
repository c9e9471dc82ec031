//! The most memory that a server had, seen by looking often.

use crate::group::Group;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(50);

/// Looks at the memory of a group until it is ended. (The kernel's own high-water mark would count the page cache.)
#[derive(Debug)]
pub(crate) struct Peak {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<u64>>>,
}

impl Peak {
    pub(crate) fn watch(group: Option<&Group>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = group.and_then(Group::memory).map(|memory| {
            std::thread::spawn(move || {
                let mut peak = memory.octets();
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::park_timeout(INTERVAL);
                    peak = peak.max(memory.octets());
                }
                peak
            })
        });
        Self { stop, thread }
    }

    /// The most it saw, in octets; `None` where nothing tells of memory.
    pub(crate) fn end(mut self) -> Option<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        thread.join().ok()?
    }
}
