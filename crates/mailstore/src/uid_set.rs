//! Sets of UIDs.

use std::{fmt, ops::RangeInclusive};

use crate::Uid;

/// UIDs as ranges, ascending, none touching the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UidSet(Vec<(Uid, Uid)>);

impl UidSet {
    /// Just this one.
    pub fn single(uid: Uid) -> Self {
        Self(vec![(uid, uid)])
    }

    /// All there can be.
    pub fn all() -> Self {
        Self(vec![(1, Uid::MAX)])
    }

    /// Whether it is among them.
    pub fn contains(&self, uid: Uid) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= uid);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| uid <= *last)
    }

    /// Each, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges().flatten()
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<Uid>> + '_ {
        self.0.iter().map(|(first, last)| *first..=*last)
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of them in a range.
    pub(crate) fn within(&self, range: &RangeInclusive<Uid>) -> Self {
        let (least, most) = (*range.start(), *range.end());
        self.0.iter().map(|(first, last)| (*first).max(least)..=(*last).min(most)).collect()
    }

    /// Adds one that is behind all others, at little cost; another at more.
    pub fn insert(&mut self, uid: Uid) {
        match self.0.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            Some((_, last)) if *last < uid => self.0.push((uid, uid)),
            None => self.0.push((uid, uid)),
            Some(_) => *self = self.ranges().chain([uid..=uid]).collect(),
        }
    }
}

impl Extend<Uid> for UidSet {
    fn extend<I: IntoIterator<Item = Uid>>(&mut self, uids: I) {
        uids.into_iter().for_each(|uid| self.insert(uid));
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        uids.into_iter().map(|uid| uid..=uid).collect()
    }
}

impl FromIterator<RangeInclusive<Uid>> for UidSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<Uid>>>(ranges: I) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().map(RangeInclusive::into_inner).collect();
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut set: Vec<(Uid, Uid)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match set.last_mut() {
                Some((_, end)) if u64::from(first) <= u64::from(*end) + 1 => *end = last.max(*end),
                _ => set.push((first, last)),
            }
        }
        Self(set)
    }
}

impl fmt::Display for UidSet {
    /// As a `sequence-set` (RFC 9051 §9); an empty one has no spelling there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_what_went_into_it(uids in prop::collection::vec(1_u32..60, 0..40)) {
            let model: BTreeSet<_> = uids.iter().copied().collect();
            let set: UidSet = uids.iter().copied().collect();
            let mut one_by_one = UidSet::default();
            for uid in &uids {
                one_by_one.insert(*uid);
            }
            prop_assert_eq!(&one_by_one, &set);
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert!((0..70).all(|uid| set.contains(uid) == model.contains(&uid)));
            let ranges: Vec<_> = set.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));
        }
    }

    #[test]
    fn the_greatest_uid_is_one() {
        let set: UidSet = [4..=Uid::MAX, 1..=2, 2..=3].into_iter().collect();
        assert_eq!(set, UidSet::all());
        assert_eq!(set.len(), u64::from(Uid::MAX));
        assert_eq!([5, 1, 2].into_iter().collect::<UidSet>().to_string(), "1:2,5");
    }
}
