//! Message numbers as one client knows them: they change with what it is told, not with what happens (RFC 9051 §2.3.1.2).

use std::ops::RangeInclusive;

use mailstore::{Uid, UidSet};

/// The UIDs behind the message numbers from 1 on. A mailbox without gaps costs 8 octets, whatever its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Ascending; each ends where the next begins.
    runs: Vec<Run>,
    count: u32,
}

/// Consecutive UIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    uid: Uid,
    number: u32,
}

/// Some messages, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picked(Vec<Segment>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    uid: Uid,
    number: u32,
    count: u32,
}

impl Numbers {
    /// Of UIDs that ascend.
    pub(super) fn of(uids: impl IntoIterator<Item = Uid>) -> Self {
        let mut numbers = Self::default();
        uids.into_iter().for_each(|uid| numbers.push(uid));
        numbers
    }

    /// Adds a UID that is higher than all others; another is not added.
    pub(super) fn push(&mut self, uid: Uid) {
        let last = self.last_uid();
        if uid <= last {
            return;
        }
        self.count += 1;
        if self.runs.is_empty() || last.checked_add(1) != Some(uid) {
            self.runs.push(Run { uid, number: self.count });
        }
    }

    /// How many messages.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The highest UID; 0 if there is none.
    pub(super) fn last_uid(&self) -> Uid {
        self.runs.last().map_or(0, |run| run.uid + (self.count - run.number))
    }

    fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.segments_from(0)
    }

    /// Those from a place among the runs on.
    fn segments_from(&self, place: usize) -> impl Iterator<Item = Segment> + '_ {
        let runs = self.runs.get(place..).unwrap_or_default();
        let ends = runs.iter().skip(1).map(|next| next.number).chain([self.count + 1]);
        runs.iter().zip(ends).map(|(run, end)| Segment {
            uid: run.uid,
            number: run.number,
            count: end - run.number,
        })
    }

    /// The number of a UID.
    pub(super) fn number(&self, uid: Uid) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.uid <= uid);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let end = self.runs.get(after).map_or(self.count + 1, |next| next.number);
        let number = run.number.checked_add(uid - run.uid)?;
        (number < end).then_some(number)
    }

    /// The UID of a number.
    #[cfg(test)]
    pub(super) fn uid(&self, number: u32) -> Option<Uid> {
        if number == 0 || number > self.count {
            return None;
        }
        let after = self.runs.partition_point(|run| run.number <= number);
        let run = self.runs.get(after.checked_sub(1)?)?;
        Some(run.uid + (number - run.number))
    }

    /// All.
    #[cfg(test)]
    pub(super) fn all(&self) -> Picked {
        Picked(self.segments().collect())
    }

    /// Those of these UIDs that there are. The ranges ascend.
    pub(super) fn by_uids(&self, ranges: impl IntoIterator<Item = RangeInclusive<Uid>>) -> Picked {
        let mut picked = Vec::new();
        for range in ranges {
            let first = self.runs.partition_point(|run| run.uid <= *range.start()).saturating_sub(1);
            let segments = self.segments_from(first).take_while(|segment| segment.uid <= *range.end());
            picked.extend(segments.filter_map(|segment| segment.within_uids(&range)));
        }
        Picked(picked)
    }

    /// Those of these numbers that there are. The ranges ascend.
    pub(super) fn by_numbers(&self, ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Picked {
        let mut picked = Vec::new();
        for range in ranges {
            let first = self.runs.partition_point(|run| run.number <= *range.start()).saturating_sub(1);
            let segments = self.segments_from(first).take_while(|segment| segment.number <= *range.end());
            picked.extend(segments.filter_map(|segment| segment.within_numbers(&range)));
        }
        Picked(picked)
    }

    /// Those of these UIDs that are not here.
    pub(super) fn unknown_among(&self, uids: &UidSet) -> UidSet {
        let mut missing = Vec::new();
        for range in uids.ranges() {
            let (mut from, last) = (u64::from(*range.start()), u64::from(*range.end()));
            for known in self.by_uids([range]).0 {
                missing.push(from..=u64::from(known.uid).saturating_sub(1));
                from = u64::from(*known.uids().end()) + 1;
            }
            missing.push(from..=last);
        }
        let uid = |uid: u64| Uid::try_from(uid).unwrap_or(Uid::MAX);
        let missing = missing.into_iter().filter(|range| range.start() <= range.end());
        missing.map(|range| uid(*range.start())..=uid(*range.end())).collect()
    }

    /// Without these; the others move up.
    pub(super) fn remove(&mut self, gone: &UidSet) {
        let kept = self.segments().flat_map(Segment::uids).filter(|uid| !gone.contains(*uid));
        *self = Self::of(kept.collect::<Vec<_>>());
    }
}

impl Segment {
    fn uids(self) -> RangeInclusive<Uid> {
        self.uid..=self.uid + (self.count - 1)
    }

    fn within_uids(self, range: &RangeInclusive<Uid>) -> Option<Self> {
        let (first, last) = ((*range.start()).max(self.uid), (*range.end()).min(*self.uids().end()));
        (first <= last).then(|| Self {
            uid: first,
            number: self.number + (first - self.uid),
            count: last - first + 1,
        })
    }

    fn within_numbers(self, range: &RangeInclusive<u32>) -> Option<Self> {
        let end = self.number + (self.count - 1);
        let (first, last) = ((*range.start()).max(self.number), (*range.end()).min(end));
        (first <= last).then(|| Self {
            uid: self.uid + (first - self.number),
            number: first,
            count: last - first + 1,
        })
    }
}

impl Picked {
    /// How many.
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|segment| segment.count).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their UIDs.
    pub(super) fn uids(&self) -> UidSet {
        self.0.iter().map(|segment| segment.uids()).collect()
    }

    /// Number and UID of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Uid)> + '_ {
        self.0.iter().flat_map(|segment| (segment.number..).zip(segment.uids()))
    }

    /// Takes the first of them out, so many at the most.
    pub(super) fn take_first(&mut self, most: u32) -> Self {
        let (mut taken, mut rest, mut left) = (Vec::new(), Vec::new(), most);
        for segment in self.0.drain(..) {
            let count = segment.count.min(left);
            left -= count;
            if count > 0 {
                taken.push(Segment { count, ..segment });
            }
            if count < segment.count {
                let (uid, number) = (segment.uid + count, segment.number + count);
                rest.push(Segment { uid, number, count: segment.count - count });
            }
        }
        self.0 = rest;
        Self(taken)
    }

    /// Puts back what stands before all that is here.
    pub(super) fn put_back(&mut self, first: Self) {
        self.0.splice(0..0, first.0);
    }

    /// Those on a page of them, counted from 1 (RFC 9394).
    pub(super) fn page(mut self, from: u32, to: u32, backwards: bool) -> Self {
        let (from, to) = (from.min(to), from.max(to));
        let count = self.count();
        let (from, to) = if backwards {
            ((count + 1).saturating_sub(to).max(1), (count + 1).saturating_sub(from))
        } else {
            (from, to)
        };
        self.take_first(from.saturating_sub(1));
        self.take_first(to.saturating_add(1).saturating_sub(from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(picked: &Picked) -> Vec<(u32, Uid)> {
        picked.iter().collect()
    }

    proptest! {
        #[test]
        fn numbers_are_places_in_a_list(
            uids in prop::collection::btree_set(1_u32..60, 0..40),
            gone in prop::collection::btree_set(1_u32..60, 0..20),
            range in (1_u32..70, 0_u32..20),
        ) {
            let model: Vec<Uid> = uids.iter().copied().collect();
            let mut numbers = Numbers::of(model.iter().copied());
            let range = range.0..=range.0 + range.1;
            let listed: Vec<(u32, Uid)> = (1..).zip(model.iter().copied()).collect();
            prop_assert_eq!(numbers.count() as usize, model.len());
            prop_assert_eq!(numbers.last_uid(), model.last().copied().unwrap_or(0));
            prop_assert_eq!(pairs(&numbers.all()), listed.clone());
            for uid in 0..70 {
                let number = listed.iter().find(|(_, known)| *known == uid).map(|(number, _)| *number);
                prop_assert_eq!(numbers.number(uid), number);
            }
            for number in 0..70 {
                let uid = listed.iter().find(|(known, _)| *known == number).map(|(_, uid)| *uid);
                prop_assert_eq!(numbers.uid(number), uid);
            }
            let by_uids = listed.iter().copied().filter(|(_, uid)| range.contains(uid)).collect::<Vec<_>>();
            prop_assert_eq!(pairs(&numbers.by_uids([range.clone()])), by_uids);
            let by_numbers = listed.iter().copied().filter(|(number, _)| range.contains(number)).collect::<Vec<_>>();
            prop_assert_eq!(pairs(&numbers.by_numbers([range])), by_numbers);
            let others: UidSet = gone.iter().copied().filter(|uid| !uids.contains(uid)).collect();
            prop_assert_eq!(numbers.unknown_among(&gone.iter().copied().collect()), others);
            prop_assert_eq!(numbers.unknown_among(&UidSet::all()).len(), u64::from(Uid::MAX - numbers.count()));
            numbers.remove(&gone.iter().copied().collect());
            let kept = model.iter().copied().filter(|uid| !gone.contains(uid));
            prop_assert_eq!(numbers, Numbers::of(kept));
        }

        #[test]
        fn what_is_taken_and_what_is_left_are_all(
            uids in prop::collection::btree_set(1_u32..60, 0..40),
            most in 0_u32..50,
        ) {
            let all = Numbers::of(uids).all();
            let mut rest = all.clone();
            let taken = rest.take_first(most);
            prop_assert_eq!(taken.count(), most.min(all.count()));
            prop_assert_eq!(pairs(&taken).into_iter().chain(pairs(&rest)).collect::<Vec<_>>(), pairs(&all));
            rest.put_back(taken);
            prop_assert_eq!(pairs(&rest), pairs(&all));
        }
    }

    #[test]
    fn a_page_is_counted_from_either_end() {
        let all = Numbers::of([2, 3, 7, 8, 9]).all();
        let uids = |from, to, backwards| all.clone().page(from, to, backwards).uids().to_string();
        assert_eq!(uids(1, 2, false), "2:3");
        assert_eq!(uids(3, 2, false), "3,7");
        assert_eq!(uids(4, u32::MAX, false), "8:9");
        assert_eq!(uids(1, u32::MAX, true), "2:3,7:9");
        assert_eq!(uids(1, 2, true), "8:9");
        assert_eq!(uids(5, 4, true), "2:3");
        assert_eq!(uids(6, 9, true), "");
        assert_eq!(uids(6, 9, false), "");
    }

    #[test]
    fn a_mailbox_without_gaps_costs_next_to_nothing() {
        assert_eq!(Numbers::of(1..=100_000).runs.len(), 1);
    }
}
