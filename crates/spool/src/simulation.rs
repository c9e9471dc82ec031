//! The spool without threads, on a simulated disk.

mod crashes;
mod damage;
mod faults;
mod opening;
mod queue;
mod selection;

use std::{collections::BTreeSet, future::ready, path::PathBuf, sync::Arc};

use disk::Clock;
use events::Event;
use mail::{Address, Envelope, QueueId, Recipient};
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
};

use crate::{commit::Committer, *};

pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) config: Config,
    /// The event log's: it has a thread, which must not disturb the order of faults.
    pub(crate) events_disk: SimDisk,
}

/// A spool without threads on the simulated disk.
pub(crate) struct Machine {
    pub(crate) spool: Spool,
    pub(crate) committer: Committer,
    pub(crate) opened: Opened,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut config = Config::small(PathBuf::from("/spool"));
        config.segment_octets = SEGMENT_OCTETS_MIN;
        config.reserve = Reserve { percent: 0, min: 1 << 20, max: 1 << 20 };
        let (clock, random) = (Arc::new(FakeClock::default()), Arc::new(SeededRandom::new(seed)));
        Self { disk: SimDisk::default(), clock, random, config, events_disk: SimDisk::default() }
    }

    pub(crate) fn open(&self) -> Machine {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Machine, SpoolError> {
        let disk: Arc<dyn disk::Disk> = Arc::new(self.disk.clone());
        let events = events::Log::open(
            events::Config::new(PathBuf::from("/events")),
            Arc::new(self.events_disk.clone()),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
        );
        let (clock, random) = (Arc::clone(&self.clock) as Arc<dyn Clock>, Arc::clone(&self.random));
        let (spool, committer, opened) =
            Spool::open_inline(self.config.clone(), disk, clock, random, Arc::new(events.unwrap()))?;
        Ok(Machine { spool, committer, opened })
    }

    pub(crate) fn envelope(&self, id: QueueId, recipients: &[&str]) -> Envelope {
        let now = self.clock.now();
        let recipient = |text: &&str| Recipient::new(text.parse::<Address>().unwrap(), now);
        Envelope::new(id, now, "smtp", recipients.iter().map(recipient).collect())
    }
}

/// Content that tells whose it is.
pub(crate) fn content_of(id: QueueId, len: usize) -> Vec<u8> {
    let mut octets = format!("{id}\r\n").into_bytes().repeat(len / 28 + 1);
    octets.truncate(len);
    octets
}

/// A future that never waits for anything but a turn of the committer.
pub(crate) fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

impl Machine {
    /// Lets a future that hands work to the committer have its turn.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..10 {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            self.committer.turn();
        }
        panic!("the committer does not answer");
    }

    pub(crate) fn commit(
        &mut self,
        world: &World,
        recipients: &[&str],
        len: usize,
    ) -> Result<QueueId, SpoolError> {
        self.commit_as(world, recipients, len, |_| ())
    }

    /// As [`Machine::commit`], with a change to the envelope.
    pub(crate) fn commit_as(
        &mut self,
        world: &World,
        recipients: &[&str],
        len: usize,
        change: impl FnOnce(&mut Envelope),
    ) -> Result<QueueId, SpoolError> {
        let spool = self.spool.clone();
        let id = spool.new_id(world.clock.now());
        let mut envelope = world.envelope(id, recipients);
        change(&mut envelope);
        let event = Event::new(envelope.received, id, events::Kind::Accepted, "receive");
        self.run(async move {
            let mut content = spool.content(id);
            for piece in content_of(id, len).chunks(50_000) {
                content.write(piece.to_vec(), || ready(())).await?;
            }
            let content = content.finish().await?;
            Ok(spool.commit(Submission { envelope, content, events: vec![event] }).await?.id())
        })
    }

    pub(crate) fn read(&self, id: QueueId) -> Result<Vec<u8>, SpoolError> {
        now_or_never(async {
            let mut loaded = self.spool.load(id).await?;
            let mut octets = Vec::new();
            while let Some(piece) = loaded.content.next().await? {
                octets.extend_from_slice(&piece);
            }
            Ok(octets)
        })
        .unwrap()
    }

    pub(crate) fn ids(&self) -> BTreeSet<QueueId> {
        let filter = ListFilter { limit: usize::MAX, after: None };
        self.spool.list(&filter).into_iter().map(|summary| summary.id).collect()
    }

    pub(crate) fn finish(&self, id: QueueId, outcomes: &[(u32, Disposition)], reports: Vec<Submission>) {
        let outcomes = outcomes
            .iter()
            .map(|(recipient, disposition)| RecipientOutcome::new(*recipient, *disposition))
            .collect();
        self.spool.finish(Finished { id, outcomes, events: Vec::new(), reports });
    }
}
