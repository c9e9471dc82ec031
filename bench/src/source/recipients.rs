//! Who a message goes to: one recipient, or a round of many.

/// A recipient pattern: `user{}@example.test` over 3 is user0, user1, user2, user0, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipients {
    before: String,
    /// Numbers below this, and what comes behind each.
    rounds: Vec<(u64, String)>,
}

impl Recipients {
    /// `{}` in `pattern` stands for the number of the recipient, below `spread`.
    pub(crate) fn new(pattern: &str, spread: u64) -> Self {
        Self::of(pattern, &[spread])
    }

    /// The same with a `{}` for each of `spreads`.
    pub(crate) fn of(pattern: &str, spreads: &[u64]) -> Self {
        let mut parts = pattern.splitn(spreads.len() + 1, "{}").map(str::to_owned);
        let before = parts.next().unwrap_or_default();
        let rounds = spreads.iter().zip(parts).map(|(spread, after)| ((*spread).max(1), after));
        Self { before, rounds: rounds.collect() }
    }

    /// Appends the recipient of message number `message`.
    pub(crate) fn write(&self, message: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        for (spread, after) in &self.rounds {
            out.extend_from_slice((message % spread).to_string().as_bytes());
            out.extend_from_slice(after.as_bytes());
        }
    }

    /// The recipient of message number `message`.
    pub(crate) fn get(&self, message: u64) -> String {
        let mut out = Vec::new();
        self.write(message, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_goes_round_and_a_plain_address_stays() {
        let round = Recipients::new("a@d{}.example.test", 3);
        let made: Vec<String> = (0..4).map(|message| round.get(message)).collect();
        assert_eq!(
            made,
            ["a@d0.example.test", "a@d1.example.test", "a@d2.example.test", "a@d0.example.test"]
        );
        assert_eq!(Recipients::new("a@example.test", 9).get(5), "a@example.test");
        assert_eq!(Recipients::of("m{}@d{}.test", &[9, 3]).get(7), "m7@d1.test");
    }
}
