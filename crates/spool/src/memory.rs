//! Memory for mail that is on its way in: what sessions hold of it until it is synced, within a bound.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::SpoolError;

/// Octets that all sessions together may hold.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    taken: AtomicUsize,
}

/// Octets that somebody holds. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    memory: Arc<Memory>,
    octets: usize,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: AtomicUsize::new(0) })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether anything more may be claimed.
    pub(crate) fn check(&self) -> Result<(), SpoolError> {
        if self.taken() < self.max { Ok(()) } else { Err(SpoolError::OutOfMemory { octets: self.max }) }
    }

    /// A claim to nothing yet.
    pub(crate) fn claim(self: &Arc<Self>) -> Claim {
        Claim { memory: Arc::clone(self), octets: 0 }
    }
}

impl Claim {
    /// Claims so many octets more, or none of them.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), SpoolError> {
        let max = self.memory.max;
        let fits = |taken: usize| taken.checked_add(octets).filter(|taken| *taken <= max);
        let grown = self.memory.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        grown.map_err(|_| SpoolError::OutOfMemory { octets: max })?;
        self.octets += octets;
        Ok(())
    }

    /// Hands on what is claimed so far, to be given back by somebody else.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, self.memory.claim())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_keep_the_bound_and_are_given_back() {
        let memory = Memory::new(100);
        let (mut one, mut other) = (memory.claim(), memory.claim());
        one.grow(60).unwrap();
        assert!(other.grow(41).unwrap_err().is_full());
        other.grow(40).unwrap();
        assert!(memory.check().is_err());
        let handed_on = one.take();
        drop(one);
        assert_eq!(memory.taken(), 100, "whoever has it gives it back");
        drop(handed_on);
        assert_eq!((memory.taken(), memory.check().is_ok()), (40, true));
        assert!(other.grow(usize::MAX).is_err());
        drop(other);
        assert_eq!(memory.taken(), 0);
    }
}
