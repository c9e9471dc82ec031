//! The names of a file system: as programs see them, and as a power cut leaves them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::random::Random;

/// The number of a file or directory.
pub(crate) type Number = u64;

/// When a name (new, renamed, removed) is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Once its directory was synced, as POSIX has it: fsync(2) of a file says nothing of its name.
    Strict,
    /// Once anything was synced that came later, in the order of the changes: a journal, as in ext4 or XFS.
    Journaled,
}

/// A name in a directory.
type Key = (Number, OsString);
/// The names of all directories.
pub(crate) type Directories = BTreeMap<Number, BTreeMap<OsString, Number>>;

/// A change of names, which a power cut leaves whole or not at all.
#[derive(Debug, Clone)]
enum Change {
    Add(Key, Number),
    Remove(Key),
    Rename(Key, Key, Number),
}

/// Both states, and what lies between them.
#[derive(Debug)]
pub(crate) struct Tree {
    seen: Directories,
    kept: Directories,
    pending: Vec<Change>,
    manner: Names,
}

impl Tree {
    pub(crate) fn new(manner: Names, root: Number) -> Self {
        let only_root = Directories::from([(root, BTreeMap::new())]);
        Self { seen: only_root.clone(), kept: only_root, pending: Vec::new(), manner }
    }

    pub(crate) fn find(&self, dir: Number, name: &OsStr) -> Option<Number> {
        self.seen.get(&dir)?.get(name).copied()
    }

    /// The names in a directory, in their order; nothing if it is none.
    pub(crate) fn list(&self, dir: Number) -> impl Iterator<Item = (&OsString, Number)> {
        self.seen.get(&dir).into_iter().flatten().map(|(name, number)| (name, *number))
    }

    /// A directory exists, without a name yet. If its name is kept, so is the directory.
    pub(crate) fn make_directory(&mut self, number: Number) {
        self.seen.insert(number, BTreeMap::new());
        self.kept.insert(number, BTreeMap::new());
    }

    pub(crate) fn add(&mut self, dir: Number, name: &OsStr, number: Number) {
        self.change(Change::Add((dir, name.to_owned()), number));
    }

    pub(crate) fn remove(&mut self, dir: Number, name: &OsStr) {
        self.change(Change::Remove((dir, name.to_owned())));
    }

    pub(crate) fn rename(&mut self, from: (Number, &OsStr), to: (Number, &OsStr), number: Number) {
        let own = |(dir, name): (Number, &OsStr)| (dir, name.to_owned());
        self.change(Change::Rename(own(from), own(to), number));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// A file was synced.
    pub(crate) fn sync_file(&mut self) {
        if self.manner == Names::Journaled {
            self.keep(|_| true);
        }
    }

    pub(crate) fn sync_all(&mut self) {
        self.keep(|_| true);
    }

    /// A directory was synced.
    pub(crate) fn sync_directory(&mut self, dir: Number) {
        let strict = self.manner == Names::Strict;
        self.keep(|change| !strict || change.keys().any(|(other, _)| *other == dir));
    }

    /// Makes the wanted changes durable, and before each of them those of the same names that came earlier.
    fn keep(&mut self, wanted: impl Fn(&Change) -> bool) {
        let mut names: BTreeSet<Key> = BTreeSet::new();
        let mut marks: Vec<bool> = self
            .pending
            .iter()
            .rev()
            .map(|change| {
                let marked = wanted(change) || change.keys().any(|key| names.contains(key));
                if marked {
                    names.extend(change.keys().cloned());
                }
                marked
            })
            .collect();
        marks.reverse();
        let mut marks = marks.into_iter();
        let kept = &mut self.kept;
        self.pending.retain(|change| {
            let marked = marks.next().unwrap_or_default();
            if marked {
                change.apply(kept);
            }
            !marked
        });
    }

    /// The power was cut. Of the changes that were not synced, `percent` are kept: of a journal the first ones; else
    /// any, but never one without an earlier one of the same name.
    pub(crate) fn cut(&mut self, random: &mut Random, percent: u64) {
        let mut lost: BTreeSet<Key> = BTreeSet::new();
        let mut ended = false;
        for change in std::mem::take(&mut self.pending) {
            let keep = random.chance(percent) && !ended && !change.keys().any(|key| lost.contains(key));
            if keep {
                change.apply(&mut self.kept);
            } else {
                lost.extend(change.keys().cloned());
                ended = self.manner == Names::Journaled;
            }
        }
        self.seen = self.kept.clone();
    }

    /// The numbers that a name leads to, now or, for all that is known, after a power cut.
    pub(crate) fn reachable(&self) -> BTreeSet<Number> {
        let named =
            [&self.seen, &self.kept].into_iter().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        let coming = self.pending.iter().filter_map(|change| match change {
            Change::Add(_, number) | Change::Rename(_, _, number) => Some(number),
            Change::Remove(_) => None,
        });
        named.chain(coming).copied().collect()
    }

    /// Forgets directories that no name leads to.
    pub(crate) fn forget(&mut self, gone: impl Fn(Number) -> bool) {
        self.seen.retain(|number, _| !gone(*number));
        self.kept.retain(|number, _| !gone(*number));
    }
}

impl Change {
    fn keys(&self) -> impl Iterator<Item = &Key> {
        let (one, other) = match self {
            Self::Add(key, _) | Self::Remove(key) => (key, None),
            Self::Rename(from, to, _) => (from, Some(to)),
        };
        std::iter::once(one).chain(other)
    }

    fn apply(&self, directories: &mut Directories) {
        let mut set = |(dir, name): &Key, number: Option<Number>| {
            let Some(names) = directories.get_mut(dir) else { return };
            match number {
                Some(number) => drop(names.insert(name.clone(), number)),
                None => drop(names.remove(name)),
            }
        };
        match self {
            Self::Add(key, number) => set(key, Some(*number)),
            Self::Remove(key) => set(key, None),
            Self::Rename(from, to, number) => {
                set(from, None);
                set(to, Some(*number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Number = 1;

    fn names(tree: &Tree, dir: Number) -> Vec<(String, Number)> {
        tree.list(dir).map(|(name, number)| (name.to_str().unwrap().to_owned(), number)).collect()
    }

    fn cut(tree: &mut Tree, percent: u64) {
        tree.cut(&mut Random::new(5), percent);
    }

    #[test]
    fn strictly_a_name_needs_its_directory_synced() {
        let mut tree = Tree::new(Names::Strict, ROOT);
        tree.add(ROOT, "a".as_ref(), 2);
        tree.sync_file();
        cut(&mut tree, 0);
        assert_eq!(names(&tree, ROOT), []);
        tree.add(ROOT, "a".as_ref(), 2);
        tree.sync_directory(ROOT);
        tree.remove(ROOT, "a".as_ref());
        cut(&mut tree, 0);
        assert_eq!(names(&tree, ROOT), [("a".to_owned(), 2)]);
    }

    #[test]
    fn a_journal_keeps_names_with_any_sync_and_loses_them_from_the_end() {
        let mut tree = Tree::new(Names::Journaled, ROOT);
        tree.add(ROOT, "a".as_ref(), 2);
        tree.sync_file();
        tree.add(ROOT, "b".as_ref(), 3);
        cut(&mut tree, 0);
        assert_eq!(names(&tree, ROOT), [("a".to_owned(), 2)]);
        for seed in 0..20 {
            let mut tree = Tree::new(Names::Journaled, ROOT);
            for (name, number) in [("a", 2), ("b", 3), ("c", 4), ("d", 5)] {
                tree.add(ROOT, name.as_ref(), number);
            }
            tree.cut(&mut Random::new(seed), 70);
            let numbers: Vec<Number> = names(&tree, ROOT).into_iter().map(|(_, number)| number).collect();
            assert_eq!(numbers, (2..2 + numbers.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn a_rename_is_whole_and_needs_what_came_before_it() {
        let mut tree = Tree::new(Names::Strict, ROOT);
        tree.make_directory(9);
        tree.add(ROOT, "new".as_ref(), 2);
        tree.add(ROOT, "other".as_ref(), 3);
        tree.rename((ROOT, "new".as_ref()), (9, "cur".as_ref()), 2);
        tree.sync_directory(9);
        cut(&mut tree, 0);
        assert_eq!(names(&tree, ROOT), [], "neither the old name nor what nobody synced");
        assert_eq!(names(&tree, 9), [("cur".to_owned(), 2)]);
        for seed in 0..20 {
            let mut tree = Tree::new(Names::Strict, ROOT);
            tree.add(ROOT, "old".as_ref(), 2);
            tree.sync_directory(ROOT);
            tree.rename((ROOT, "old".as_ref()), (ROOT, "new".as_ref()), 2);
            tree.cut(&mut Random::new(seed), 50);
            assert_eq!(names(&tree, ROOT).len(), 1, "seed {seed}: by one name or the other");
        }
    }
}
