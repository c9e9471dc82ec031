//! Lanes in the order in which they began to wait for a worker.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

/// A queue in which each lane stands once. One that no longer waits is passed over when its turn comes.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Turns {
    /// Behind all others, unless it stands here already.
    pub(super) fn push(&mut self, lane: &Arc<str>) {
        if self.known.insert(Arc::clone(lane)) {
            self.order.push_back(Arc::clone(lane));
        }
    }

    /// The first lane that still waits.
    pub(super) fn first(&mut self, waits: impl Fn(&Arc<str>) -> bool) -> Option<&Arc<str>> {
        while let Some(gone) = self.order.pop_front_if(|lane| !waits(lane)) {
            self.known.remove(&gone);
        }
        self.order.front()
    }

    /// Takes the first lane that still waits.
    pub(super) fn pop(&mut self, waits: impl Fn(&Arc<str>) -> bool) -> Option<Arc<str>> {
        self.first(waits)?;
        let lane = self.order.pop_front()?;
        self.known.remove(&lane);
        Some(lane)
    }
}
