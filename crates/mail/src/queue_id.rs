//! Our name for one message in the queue.

use std::{fmt, str::FromStr};

use crate::Timestamp;

/// Crockford's base 32 in lower case: no `i`, `l`, `o` or `u` to mistake.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 26;

/// 48 bits of time in milliseconds, 16 bits of node, 64 random bits: unique across nodes, wipes and take-overs,
/// never reused, and sorted by age. Shown as 26 digits of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId {
    /// Time and node.
    high: u64,
    random: u64,
}

/// A text that is not 26 digits of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueIdError;

impl fmt::Display for QueueIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a queue id has {TEXT_LEN} digits and letters")
    }
}

impl std::error::Error for QueueIdError {}

impl QueueId {
    /// A new id. `random` must come from a good source: two messages of one millisecond differ only there.
    pub fn new(now: Timestamp, node: u16, random: u64) -> Self {
        Self { high: (now.as_millis() & 0xffff_ffff_ffff) << 16 | u64::from(node), random }
    }

    /// From its 16 octets, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_number(u128::from_be_bytes(bytes))
    }

    /// Its 16 octets, most significant first, so that they sort as ids do.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.number().to_be_bytes()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    const fn from_number(number: u128) -> Self {
        Self { high: (number >> 64) as u64, random: number as u64 }
    }

    const fn number(self) -> u128 {
        (self.high as u128) << 64 | self.random as u128
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT_LEN];
        let mut rest = self.number();
        for place in text.iter_mut().rev() {
            *place = DIGITS.get((rest & 31) as usize).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl FromStr for QueueId {
    type Err = QueueIdError;

    fn from_str(text: &str) -> Result<Self, QueueIdError> {
        // 26 digits hold 130 bits: the first one may not use its upper two.
        if text.len() != TEXT_LEN
            || text.as_bytes().first().is_none_or(|first| !(b'0'..=b'7').contains(first))
        {
            return Err(QueueIdError);
        }
        let digit = |byte: u8| {
            DIGITS.iter().position(|digit| *digit == byte.to_ascii_lowercase()).ok_or(QueueIdError)
        };
        text.bytes().try_fold(0, |id, byte| Ok(id << 5 | digit(byte)? as u128)).map(Self::from_number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_sort_by_time_in_both_forms() {
        let ids =
            [1, 2, 300, 4_000_000_000].map(|ms| QueueId::new(Timestamp::from_millis(ms), 7, 0xffff_0000));
        assert!(ids.is_sorted());
        assert!(ids.map(|id| id.to_string()).is_sorted());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "0",
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "0000000000000000000000000u",
            "0000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<QueueId>(), Err(QueueIdError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 16]) {
            let id = QueueId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_bytes(), bytes);
        }
    }
}
