//! A table of fixed size: what is worth least is forgotten first, so that strangers in large numbers cannot flush out the one that matters.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries of one set. A key has its place in one set only, by a hash with a secret of this process: nobody outside can aim at a set.
const WAYS: usize = 8;

/// A few entries.
type Set<K, V> = Mutex<Vec<(K, V)>>;

/// What is lost when an entry is forgotten.
pub trait Weigh {
    /// 0: nothing, for a new entry would be as good. More: the larger, the later it goes. `now` as whoever uses the table counts time.
    fn weight(&self, now: u64) -> u64;
}

/// Entries by key, at most a fixed number of them. Memory is taken as entries come, never more than for all.
///
/// A new key takes the place of the lightest entry of its set. Whoever comes from a million addresses makes a million light entries, which
/// push out each other; an entry goes only when all others of its set are heavier.
#[derive(Debug)]
pub struct Table<K, V> {
    sets: Box<[Set<K, V>]>,
    hasher: RandomState,
}

impl<K: Hash + Eq + Clone, V: Default + Weigh> Table<K, V> {
    /// For about so many entries.
    pub fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// The most entries that there can be.
    pub fn entries_max(&self) -> usize {
        self.sets.len() * WAYS
    }

    /// Works on the entry of a key; a new one if there is none. `None` only if the table has no room at all, which cannot be.
    pub fn enter<T>(&self, key: &K, now: u64, work: impl FnOnce(&mut V) -> T) -> Option<T> {
        let mut set = self.set(key)?;
        if let Some((_, value)) = set.iter_mut().find(|(known, _)| known == key) {
            return Some(work(value));
        }
        if set.len() < WAYS {
            set.push((key.clone(), V::default()));
            return set.last_mut().map(|(_, value)| work(value));
        }
        let lightest = set.iter_mut().min_by_key(|(_, value)| value.weight(now))?;
        *lightest = (key.clone(), V::default());
        Some(work(&mut lightest.1))
    }

    /// Looks at the entry of a key, if there is one.
    pub fn look<T>(&self, key: &K, look: impl FnOnce(&mut V) -> T) -> Option<T> {
        let mut set = self.set(key)?;
        set.iter_mut().find(|(known, _)| known == key).map(|(_, value)| look(value))
    }

    /// Forgets the entry of a key. Whether there was one.
    pub fn forget(&self, key: &K) -> bool {
        let Some(mut set) = self.set(key) else { return false };
        let before = set.len();
        set.retain(|(known, _)| known != key);
        set.len() < before
    }

    /// What `pick` makes of the entries, in no order. Entries that come and go meanwhile may be in it or not.
    pub fn collect<T>(&self, mut pick: impl FnMut(&K, &V) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for set in &self.sets {
            found.extend(lock(set).iter().filter_map(|(key, value)| pick(key, value)));
        }
        found
    }

    fn set(&self, key: &K) -> Option<MutexGuard<'_, Vec<(K, V)>>> {
        let sets = u64::try_from(self.sets.len()).ok()?;
        let place = self.hasher.hash_one(key).checked_rem(sets)?;
        self.sets.get(usize::try_from(place).ok()?).map(lock)
    }
}

fn lock<T>(set: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under this lock.
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Worth(u64);

    impl Weigh for Worth {
        fn weight(&self, _: u64) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_million_strangers_do_not_flush_out_the_one_that_matters() {
        let table: Table<u32, Worth> = Table::new(1024);
        table.enter(&u32::MAX, 0, |worth| worth.0 = 10);
        for stranger in 0..1_000_000 {
            table.enter(&stranger, 0, |worth| worth.0 = 1);
        }
        assert_eq!(table.look(&u32::MAX, |worth| worth.0), Some(10));
        let all = table.collect(|_, worth| Some(worth.0));
        assert!(all.len() <= table.entries_max(), "{}", all.len());
    }

    #[test]
    fn what_is_worth_nothing_goes_first() {
        let table: Table<usize, Worth> = Table::new(WAYS);
        for key in 0..WAYS {
            table.enter(&key, 0, |worth| worth.0 = u64::from(key != 3));
        }
        table.enter(&99, 0, |worth| worth.0 = 5);
        assert_eq!(table.look(&3, |_| ()), None);
        assert!(table.forget(&99) && !table.forget(&99));
        assert_eq!(table.collect(|key, _| Some(*key)).len(), WAYS - 1);
    }
}
