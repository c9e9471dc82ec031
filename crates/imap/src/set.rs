//! Sets of message numbers or UIDs (RFC 9051 §9, `sequence-set`), kept as few ranges however they were written.

use std::{fmt, ops::RangeInclusive};

use crate::{
    command::CommandError,
    scan::{Scan, Scanned},
};

/// A set of numbers of messages or of UIDs. Equal sets that name no `*` are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SequenceSet {
    /// Ascending, apart from each other by at least one number.
    ranges: Vec<(u32, u32)>,
    /// `n:*`; 0 for `*` alone.
    to_last: Option<u32>,
}

/// What a command works on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// These.
    Set(SequenceSet),
    /// `$`: what the last search found (RFC 5182).
    Saved,
}

impl SequenceSet {
    /// The set of some numbers, in any order, doubled or not. 0 is none.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::from_ranges(numbers.into_iter().map(|number| number..=number))
    }

    /// The set of some ranges, in any order. What is empty or holds 0 counts without that.
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let kept = ranges.into_iter().map(|range| ((*range.start()).max(1), *range.end()));
        let mut set = Self { ranges: kept.filter(|(from, to)| from <= to).collect(), to_last: None };
        set.normalise();
        set
    }

    /// With all numbers from this one to the last in use, also if that is smaller.
    #[must_use]
    pub fn and_to_last(mut self, from: u32) -> Self {
        self.star(from);
        self
    }

    /// Whether it holds a number, if `last` is the last in use.
    pub fn contains(&self, number: u32, last: u32) -> bool {
        let listed = self.ranges.binary_search_by(|(from, to)| {
            if *to < number {
                std::cmp::Ordering::Less
            } else if *from > number {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        });
        listed.is_ok() || self.last_range(last).is_some_and(|range| range.contains(&number))
    }

    /// The ranges, ascending and without overlap, if `last` is the last number in use. 0: there is none, and `*` means nothing.
    pub fn ranges(&self, last: u32) -> Vec<RangeInclusive<u32>> {
        let mut all = Self { ranges: self.ranges.clone(), to_last: None };
        if let Some(range) = self.last_range(last) {
            all.ranges.push((*range.start(), *range.end()));
            all.normalise();
        }
        all.ranges.into_iter().map(|(from, to)| from..=to).collect()
    }

    /// How many numbers it holds, beside those up to `*`.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|(from, to)| u64::from(to - from) + 1).sum()
    }

    /// Whether `*` is in it.
    pub fn names_last(&self) -> bool {
        self.to_last.is_some()
    }

    /// Whether nothing is in it, whatever `*` is.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.to_last.is_none()
    }

    /// RFC 9051 §9: `n:*` holds the last number even if that is smaller than n.
    fn last_range(&self, last: u32) -> Option<RangeInclusive<u32>> {
        let from = self.to_last.filter(|_| last > 0)?;
        Some(if from == 0 { last..=last } else { from.min(last)..=from.max(last) })
    }

    fn star(&mut self, from: u32) {
        self.to_last = match self.to_last {
            None | Some(0) => Some(from),
            Some(known) if from == 0 => Some(known),
            Some(known) => Some(known.min(from)),
        };
    }

    fn normalise(&mut self) {
        self.ranges.sort_unstable();
        let mut kept: Vec<(u32, u32)> = Vec::with_capacity(self.ranges.len().min(16));
        for (from, to) in self.ranges.drain(..) {
            match kept.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => kept.push((from, to)),
            }
        }
        self.ranges = kept;
    }

    /// `sequence-set`, without `$`.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let (mut set, mut count) = (Self::default(), 0);
        loop {
            count += 1;
            if count > scan.limits.set_ranges_max {
                return Err(CommandError::TooComplex);
            }
            let from = number_or_star(scan)?;
            let to = if scan.eat(b':') { number_or_star(scan)? } else { from };
            match (from.min(to), from.max(to)) {
                (0, other) => set.star(other),
                range => set.ranges.push(range),
            }
            if !scan.eat(b',') {
                set.normalise();
                return Ok(set);
            }
        }
    }

    /// A set in which `*` is not allowed.
    pub(crate) fn scan_known(scan: &mut Scan<'_>) -> Scanned<Self> {
        let set = Self::scan(scan)?;
        if set.names_last() { Err(CommandError::Syntax) } else { Ok(set) }
    }
}

impl Sequence {
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        if scan.eat(b'$') { Ok(Self::Saved) } else { SequenceSet::scan(scan).map(Self::Set) }
    }
}

/// 0 for `*`.
fn number_or_star(scan: &mut Scan<'_>) -> Scanned<u32> {
    if scan.eat(b'*') { Ok(0) } else { scan.nz_number() }
}

/// As in a command. Nothing if it is empty.
impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (from, to)) in self.ranges.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}:{to}")? }
        }
        let comma = if self.ranges.is_empty() { "" } else { "," };
        match self.to_last {
            None => Ok(()),
            Some(0) => write!(f, "{comma}*"),
            Some(from) => write!(f, "{comma}{from}:*"),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(set) => set.fmt(f),
            Self::Saved => f.write_str("$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::GrammarLimits;

    fn set(text: &str) -> Scanned<SequenceSet> {
        let mut scan = Scan::new(text.as_bytes(), false, GrammarLimits::default());
        let set = SequenceSet::scan(&mut scan)?;
        scan.end().map(|()| set)
    }

    #[test]
    fn a_set_is_kept_as_few_ranges() {
        for (text, kept) in [
            ("1", "1"),
            ("4:2", "2:4"),
            ("3,1,2", "1:3"),
            ("1:5,4:9,11", "1:9,11"),
            ("*", "*"),
            ("*:4,5:7", "5:7,4:*"),
            ("*,9:*,7:*,*", "7:*"),
            ("4294967295,4294967294", "4294967294:4294967295"),
        ] {
            assert_eq!(set(text).unwrap().to_string(), kept, "{text}");
        }
        for wrong in ["", "0", "01", "1,", "1:", ":1", "1:2:3", "4294967296", "a", "1, 2", "$", "-1"] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    /// RFC 9051 §9, the examples at `sequence-set`.
    #[test]
    fn the_last_number_counts_whatever_it_is() {
        let numbers =
            |text: &str, last| set(text).unwrap().ranges(last).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(numbers("2,4:7,9,12:*", 15), [2, 4, 5, 6, 7, 9, 12, 13, 14, 15]);
        assert_eq!(numbers("*:4,5:7", 10), [4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(numbers("3291:*", 3290), [3290, 3291]);
        assert_eq!(numbers("*", 0), [0_u32; 0]);
        assert!(set("3291:*").unwrap().contains(3290, 3290));
        assert!(!set("3291:*").unwrap().contains(3289, 3290));
        assert!(set("2,4:7").unwrap().contains(5, 1) && !set("2,4:7").unwrap().contains(3, 9));
    }

    #[test]
    fn a_set_has_a_bound() {
        let text = (0..20_000).map(|n| (2 * n + 1).to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(set(&text), Err(CommandError::TooComplex));
    }
}
