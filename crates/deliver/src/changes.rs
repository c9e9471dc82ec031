//! That something is to be written down, told by those who change it to the one who writes.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether what sites have learned differs from what is written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    unwritten: AtomicBool,
    soon: Notify,
}

impl Changes {
    /// Something changed that a restart must not forget.
    pub(crate) fn soon(&self) {
        self.unwritten.store(true, Ordering::Release);
        self.soon.notify_one();
    }

    /// Something changed that is worth little by itself, and changes often.
    pub(crate) fn later(&self) {
        self.unwritten.store(true, Ordering::Release);
    }

    /// Whether there is something to write; it counts as written from now on, so ask before looking at it.
    pub(crate) fn take(&self) -> bool {
        self.unwritten.swap(false, Ordering::AcqRel)
    }

    /// Waits until something is to be written soon.
    pub(crate) async fn wanted(&self) {
        self.soon.notified().await;
    }
}
