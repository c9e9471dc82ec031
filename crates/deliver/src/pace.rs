//! How many connections a site bears: found out as TCP finds out what a path bears (RFC 5681 §3.1).

/// The attempts that were begun between two cuts of the number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Round(u64);

/// A number of connections that grows with success and halves when the site has enough of us.
///
/// Connections that were opened together are refused together: what they say is one refusal. So an attempt carries the
/// round in which it was begun, and only the first refusal of a round cuts. No attempt of the next round begins before the
/// connections in surplus are gone, so that each cut is heard out before there is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    allowed: usize,
    max: usize,
    /// Until there, each success adds a connection. Beyond, a whole round of successes does: the site has refused
    /// more than that once.
    careful_from: usize,
    /// Successes towards the next connection.
    credit: usize,
    round: u64,
}

impl Pace {
    /// Begins with `start` connections and never has more than `max`; each is at least one.
    pub(crate) fn new(start: usize, max: usize) -> Self {
        let max = max.max(1);
        Self { allowed: start.clamp(1, max), max, careful_from: max, credit: 0, round: 0 }
    }

    /// Begins with what an earlier run found out.
    pub(crate) fn learned(allowed: usize, max: usize) -> Self {
        let new = Self::new(allowed, max);
        Self { careful_from: new.allowed, ..new }
    }

    /// How many connections there may be.
    pub(crate) fn allowed(&self) -> usize {
        self.allowed
    }

    /// The round of an attempt that begins now.
    pub(crate) fn round(&self) -> Round {
        Round(self.round)
    }

    /// A transaction went well while more work was waiting.
    pub(crate) fn succeeded(&mut self) {
        self.credit += 1;
        let price = if self.allowed < self.careful_from { 1 } else { self.allowed };
        if self.credit >= price {
            self.credit = 0;
            self.allowed = (self.allowed + 1).min(self.max);
        }
    }

    /// The site had enough of an attempt that was begun in `round`, with `open` connections there.
    pub(crate) fn refused(&mut self, round: Round, open: usize) {
        if round.0 != self.round {
            return;
        }
        self.round += 1;
        self.credit = 0;
        self.allowed = (self.allowed.min(open) / 2).max(1);
        self.careful_from = self.allowed;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_site_doubles_with_each_round_of_successes() {
        let mut pace = Pace::new(5, 20);
        for _ in 0..5 {
            pace.succeeded();
        }
        assert_eq!(pace.allowed(), 10);
    }

    #[test]
    fn a_site_that_refused_us_gets_one_connection_more_for_each_round() {
        let mut pace = Pace::new(8, 20);
        pace.refused(pace.round(), 8);
        let grown = (0..9).map(|_| {
            pace.succeeded();
            pace.allowed()
        });
        assert_eq!(grown.collect::<Vec<_>>(), [4, 4, 4, 5, 5, 5, 5, 5, 6]);
    }

    #[test]
    fn connections_that_are_refused_together_are_one_refusal() {
        let mut pace = Pace::new(16, 20);
        let begun = pace.round();
        for _ in 0..16 {
            pace.refused(begun, 16);
        }
        assert_eq!(pace.allowed(), 8);
        pace.refused(pace.round(), 8);
        assert_eq!(pace.allowed(), 4);
    }

    #[test]
    fn what_was_open_is_halved_and_not_what_might_have_been() {
        let mut pace = Pace::new(20, 20);
        pace.refused(pace.round(), 2);
        assert_eq!(pace.allowed(), 1);
    }

    #[derive(Debug, Clone, Copy)]
    enum Happens {
        Success,
        /// Of an attempt begun so many rounds ago, with so many connections open.
        Refusal(u64, usize),
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            3 => Just(Happens::Success),
            1 => (0..3_u64, 0..100_usize).prop_map(|(age, open)| Happens::Refusal(age, open)),
        ]
    }

    proptest! {
        #[test]
        fn the_number_keeps_its_bounds_and_comes_back(
            start in 0..60_usize,
            max in 0..60_usize,
            story in prop::collection::vec(happens(), 0..200),
        ) {
            let mut pace = Pace::new(start, max);
            let max = max.max(1);
            for what in story {
                let before = pace.clone();
                match what {
                    Happens::Success => {
                        pace.succeeded();
                        prop_assert!((before.allowed..=before.allowed + 1).contains(&pace.allowed));
                    }
                    Happens::Refusal(0, open) => {
                        pace.refused(pace.round(), open);
                        prop_assert!(pace.allowed <= (before.allowed / 2).max(1));
                        let cut = pace.clone();
                        pace.refused(before.round(), open);
                        prop_assert_eq!(&pace, &cut, "a round is cut once");
                    }
                    Happens::Refusal(age, open) => {
                        pace.refused(Round(before.round.wrapping_sub(age)), open);
                        prop_assert_eq!(&pace, &before, "rounds that are over count no more");
                    }
                }
                prop_assert!((1..=max).contains(&pace.allowed));
            }
            // 1 + 2 + ... + max successes bring any site back.
            for _ in 0..max * (max + 1) / 2 {
                pace.succeeded();
            }
            prop_assert_eq!(pace.allowed, max);
        }
    }
}
