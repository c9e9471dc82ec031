//! How many workers there are for sites that have not taken mail: each is a task in memory, connected or not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::shared::Shared;

/// Counts them.
///
/// A worker that waits for a connection takes some KiB. A million domains that are due at once must not have one each:
/// beyond the bound only sites that take mail get more, and the domains of others wait in the queue. Workers of sites that take mail do
/// not count: a large mailing keeps no stranger waiting.
#[derive(Debug)]
pub(crate) struct Strangers {
    count: AtomicUsize,
    max: usize,
}

impl Strangers {
    pub(crate) fn new(max: usize) -> Self {
        Self { count: AtomicUsize::new(0), max: max.max(1) }
    }

    /// Whether only sites that take mail may have more.
    pub(crate) fn is_crowded(&self) -> bool {
        self.count.load(Ordering::SeqCst) >= self.max
    }
}

/// A worker of one, from when it was started on, and not only from when it first runs, until the site takes a message.
pub(crate) struct Stranger(Arc<Shared>);

impl Stranger {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.strangers.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let Strangers { count, max } = &self.0.strangers;
        if count.fetch_sub(1, Ordering::SeqCst) == *max {
            // There is room again: the dispatcher goes on with who waits.
            self.0.poke.notify_one();
        }
    }
}
