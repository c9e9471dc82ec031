//! Recipients of a domain that wait: of those that are due the most urgent go first, and among equals who is due for longest.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use mail::Timestamp;

use crate::queue::At;

/// Due time, message and recipient.
type Key = (Timestamp, u32, u32);

/// Who waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Of the usual priority, 0: nearly all there is.
    usual: BTreeSet<Key>,
    /// Of other priorities (RFC 6710), the highest first.
    others: BTreeMap<Reverse<i8>, BTreeSet<Key>>,
}

impl Waiting {
    /// All of the usual priority.
    pub(crate) fn usual(keys: Vec<Key>) -> Self {
        Self { usual: keys.into_iter().collect(), others: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, due: Timestamp, at: At) {
        let key = (due, at.slot, at.place);
        if at.priority == 0 {
            self.usual.insert(key);
        } else {
            self.others.entry(Reverse(at.priority)).or_default().insert(key);
        }
    }

    pub(crate) fn remove(&mut self, due: Timestamp, at: At) {
        let key = (due, at.slot, at.place);
        if at.priority == 0 {
            self.usual.remove(&key);
        } else if let Some(level) = self.others.get_mut(&Reverse(at.priority)) {
            level.remove(&key);
            self.forget_empty();
        }
    }

    /// Takes out who goes next.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(u32, u32)> {
        if self.others.is_empty() {
            return pop_due(&mut self.usual, now);
        }
        let urgent = self.others.iter_mut().filter(|(priority, _)| priority.0 > 0);
        let mut found = urgent.map(|(_, level)| level).find_map(|level| pop_due(level, now));
        found = found.or_else(|| pop_due(&mut self.usual, now));
        let patient = self.others.iter_mut().filter(|(priority, _)| priority.0 < 0);
        found = found.or_else(|| patient.map(|(_, level)| level).find_map(|level| pop_due(level, now)));
        self.forget_empty();
        found
    }

    fn forget_empty(&mut self) {
        self.others.retain(|_, level| !level.is_empty());
    }

    fn levels(&self) -> impl Iterator<Item = &BTreeSet<Key>> {
        std::iter::once(&self.usual).chain(self.others.values())
    }

    /// When the first is due.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.levels().filter_map(|level| level.first()).map(|(due, ..)| *due).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.levels().map(BTreeSet::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.others.is_empty()
    }

    /// Those that are due then or later.
    pub(crate) fn due_from(&self, from: Timestamp) -> impl Iterator<Item = (u32, u32)> {
        self.levels()
            .flat_map(move |level| level.range((from, 0, 0)..))
            .map(|(_, slot, place)| (*slot, *place))
    }
}

fn pop_due(level: &mut BTreeSet<Key>, now: Timestamp) -> Option<(u32, u32)> {
    let (due, slot, place) = *level.first()?;
    if due > now {
        return None;
    }
    level.pop_first();
    Some((slot, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(priority: i8, slot: u32) -> At {
        At { priority, slot, place: 0 }
    }

    #[test]
    fn the_most_urgent_that_is_due_goes_first() {
        let time = Timestamp::from_millis;
        let mut waiting = Waiting::default();
        for (due, priority, slot) in [(1, 0, 1), (2, -3, 2), (3, 5, 3), (2, 9, 4), (9, 9, 5), (1, 5, 6)] {
            waiting.insert(time(due), at(priority, slot));
        }
        assert_eq!((waiting.first(), waiting.len()), (Some(time(1)), 6));
        waiting.remove(time(1), at(5, 6));
        let order: Vec<u32> = std::iter::from_fn(|| waiting.pop_due(time(5))).map(|(slot, _)| slot).collect();
        assert_eq!(order, [4, 3, 1, 2]);
        assert_eq!(waiting.first(), Some(time(9)));
        assert_eq!(waiting.due_from(time(6)).collect::<Vec<_>>(), [(5, 0)]);
        assert_eq!(waiting.pop_due(time(9)), Some((5, 0)));
        assert!(waiting.is_empty());
    }
}
