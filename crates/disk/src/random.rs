//! Randomness that nobody can guess.

use rustix::rand::{GetRandomFlags, getrandom};

/// A source of random octets. Tests use a seeded one.
pub trait Random: Send + Sync {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);

    /// Eight random octets as a number.
    fn next_u64(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }
}

/// The system's source (getrandom(2)).
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, mut buffer: &mut [u8]) {
        while !buffer.is_empty() {
            // With no flags getrandom(2) fails only on a signal: anything else would be a kernel without it.
            if let Ok(filled) = getrandom(&mut *buffer, GetRandomFlags::empty()) {
                buffer = buffer.get_mut(filled..).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_differ() {
        assert_ne!(OsRandom.next_u64(), OsRandom.next_u64());
    }
}
