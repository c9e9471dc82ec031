//! How many workers of remote sites there are: each is a task in memory, connected or not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::shared::Shared;

/// Counts them.
///
/// A worker that waits for a connection takes some KiB. A million domains that are due at once must not have one each:
/// beyond the bound only sites that take mail get more, and the domains of others wait in the queue.
#[derive(Debug)]
pub(crate) struct Workers {
    count: AtomicUsize,
    max: usize,
}

impl Workers {
    pub(crate) fn new(max: usize) -> Self {
        Self { count: AtomicUsize::new(0), max: max.max(1) }
    }

    /// Whether only sites that take mail may have more.
    pub(crate) fn is_crowded(&self) -> bool {
        self.count.load(Ordering::SeqCst) >= self.max
    }
}

/// A worker, from when it was started on: not only from when it first runs.
pub(crate) struct Counted(Arc<Shared>);

impl Counted {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.workers.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Workers { count, max } = &self.0.workers;
        if count.fetch_sub(1, Ordering::SeqCst) == *max {
            // There is room again: the dispatcher goes on with who waits.
            self.0.poke.notify_one();
        }
    }
}
