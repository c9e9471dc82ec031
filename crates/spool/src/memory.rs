//! Memory for mail that is on its way in: what sessions hold of it until it is synced, within a bound.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::SpoolError;

/// One of so many parts is for envelopes, and as much has to be free before mail is asked for again after a shortage.
const PART: usize = 16;

/// Octets that all sessions together may hold.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    content: Arc<Semaphore>,
    /// Apart, so that content which is complete never waits for content which is not. Whoever holds some of it is
    /// in the committer's hands, so waiting for it has an end.
    envelopes: Arc<Semaphore>,
    /// Somebody has waited in vain, and not much is free yet.
    short: AtomicBool,
}

/// Octets that somebody holds. Given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Claim(Option<OwnedSemaphorePermit>);

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        let envelopes = max / PART;
        Self {
            max,
            content: Arc::new(Semaphore::new(max - envelopes)),
            envelopes: Arc::new(Semaphore::new(envelopes)),
            short: AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.max - self.content.available_permits() - self.envelopes.available_permits()
    }

    /// Whether a message is worth asking for: not once somebody waited in vain, until a good part is free again.
    pub(crate) fn check(&self) -> Result<(), SpoolError> {
        if self.short.load(Ordering::Relaxed) {
            if self.content.available_permits() < self.max / PART {
                return Err(self.exhausted());
            }
            self.short.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Claims so many octets for content, if they are free.
    pub(crate) fn try_claim(&self, octets: usize) -> Option<Claim> {
        let octets = u32::try_from(octets).ok()?;
        Arc::clone(&self.content).try_acquire_many_owned(octets).ok().map(|permit| Claim(Some(permit)))
    }

    /// Claims so many octets for content, in the order of asking, within the time that `patience` takes.
    pub(crate) async fn claim(
        &self,
        octets: usize,
        patience: impl Future<Output = ()>,
    ) -> Result<Claim, SpoolError> {
        let octets = u32::try_from(octets).map_err(|_| self.exhausted())?;
        let mut claimed = pin!(Arc::clone(&self.content).acquire_many_owned(octets));
        let mut patience = pin!(patience);
        let claimed = poll_fn(|context| match claimed.as_mut().poll(context) {
            Poll::Ready(claimed) => Poll::Ready(claimed.ok()),
            Poll::Pending => patience.as_mut().poll(context).map(|()| None),
        });
        let permit = claimed.await.ok_or_else(|| {
            self.short.store(true, Ordering::Relaxed);
            self.exhausted()
        })?;
        Ok(Claim(Some(permit)))
    }

    /// Claims memory for an envelope whose content is complete; waits for those before it to be committed.
    pub(crate) async fn claim_for_envelope(&self, octets: usize) -> Result<Claim, SpoolError> {
        // One that is larger than all there is takes all there is: recipients are bounded by a bound of their own.
        let octets = u32::try_from(octets.min(self.max / PART)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.envelopes).acquire_many_owned(octets).await;
        permit.map(|permit| Claim(Some(permit))).map_err(|_| self.exhausted())
    }

    fn exhausted(&self) -> SpoolError {
        SpoolError::OutOfMemory { octets: self.max }
    }
}

impl Claim {
    /// Claims what another has claimed as well.
    pub(crate) fn add(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::simulation::now_or_never;

    #[test]
    fn claims_keep_the_bound_and_are_given_back() {
        let memory = Memory::new(160);
        let mut one = memory.try_claim(60).unwrap();
        assert!(memory.try_claim(91).is_none(), "a part is for envelopes");
        one.add(memory.try_claim(90).unwrap());
        assert_eq!(memory.taken(), 150);
        let handed_on = std::mem::take(&mut one);
        drop(one);
        assert_eq!(memory.taken(), 150, "whoever has it gives it back");
        drop(handed_on);
        assert_eq!(memory.taken(), 0);
        assert!(memory.try_claim(usize::MAX).is_none());
    }

    #[test]
    fn who_waits_in_vain_is_told_and_nobody_is_asked_for_mail_until_a_part_is_free() {
        let memory = Memory::new(160);
        let held = memory.try_claim(150).unwrap();
        memory.check().unwrap();
        let refused = now_or_never(memory.claim(1, ready(()))).unwrap().unwrap_err();
        assert!(refused.is_full(), "{refused}");
        assert!(memory.check().unwrap_err().is_full());
        assert!(now_or_never(memory.claim(1, pending())).is_none(), "the patient wait");
        drop(held);
        let others = memory.try_claim(141).unwrap();
        assert!(memory.check().is_err(), "a little is not enough");
        let _envelope = now_or_never(memory.claim_for_envelope(1000)).unwrap().unwrap();
        drop(others);
        memory.check().unwrap();
    }

    #[test]
    fn an_envelope_waits_for_envelopes_only() {
        let memory = Memory::new(160);
        let _content = memory.try_claim(150).unwrap();
        let envelope = now_or_never(memory.claim_for_envelope(10)).unwrap().unwrap();
        assert!(now_or_never(memory.claim_for_envelope(1)).is_none());
        drop(envelope);
        assert!(now_or_never(memory.claim_for_envelope(1)).unwrap().is_ok());
    }
}
