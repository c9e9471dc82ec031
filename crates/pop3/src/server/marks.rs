//! Which messages are marked as deleted: a bit for each up to the last that is.

/// A set of message numbers.
#[derive(Debug, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    count: u32,
    octets: u64,
}

fn place(number: u32) -> (usize, u64) {
    let index = number.saturating_sub(1);
    (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
}

impl Marks {
    pub(super) fn has(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Marks a message of so many octets.
    pub(super) fn add(&mut self, number: u32, octets: u64) {
        if self.has(number) {
            return;
        }
        let (word, bit) = place(number);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
            self.count += 1;
            self.octets = self.octets.saturating_add(octets);
        }
    }

    /// How many are marked.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Octets of all that are.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Their numbers, in order, of so many messages.
    pub(super) fn numbers(&self, messages: u32) -> Vec<u32> {
        (1..=messages).filter(|number| self.has(*number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_once() {
        let mut marks = Marks::default();
        for number in [200, 1, 64, 65, 1] {
            marks.add(number, 10);
        }
        assert_eq!((marks.count(), marks.octets()), (4, 40));
        assert_eq!(marks.numbers(200), [1, 64, 65, 200]);
        assert!(!marks.has(2) && !marks.has(u32::MAX));
    }
}
