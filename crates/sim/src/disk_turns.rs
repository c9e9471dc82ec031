//! Who turns the spool's committer and the event log's flusher, as slowly as the disk is.

use std::{sync::Arc, time::Duration};

use deliver::{Blocking, Job};
use events::{Flusher, Log};
use spool::{Committer, Due, Spool};
use testkit::disk::SeededRandom;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use crate::{plan::spread, slips::Slips, world::World};

/// Longer than any life.
const NEVER: Duration = Duration::from_hours(24 * 365);
/// How long event lines gather, and how long the flusher rests after a failure.
const GATHER: Duration = Duration::from_millis(100);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The two, and who turns them.
pub(crate) struct Turns {
    pub(crate) world: Arc<World>,
    pub(crate) spool: Spool,
    pub(crate) committer: Committer,
    pub(crate) flusher: Flusher,
    pub(crate) log: Arc<Log>,
}

impl Turns {
    /// Turns until it is told to stop; then all that waits is written.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let random = self.world.chance();
        let (mut turn_at, mut flush_at) = (never(), never());
        loop {
            let now = Instant::now();
            turn_at = match self.committer.due() {
                Due::Now => turn_at.min(now + latency(&self.world, &random)),
                Due::Within(pause) => turn_at.min(now + pause),
                Due::Idle => never(),
            };
            tokio::select! {
                biased;
                _ = &mut stop => break,
                () = sleep_until(turn_at) => {
                    self.committer.turn();
                    turn_at = never();
                    note_poison(&self.world, &self.spool);
                }
                () = sleep_until(flush_at) => {
                    flush_at = if self.flusher.turn() { never() } else { Instant::now() + PAUSE_AFTER_FAILURE };
                }
                () = self.committer.changed() => {}
            }
            if self.log.last_lsn() > self.log.durable_lsn() {
                flush_at = flush_at.min(Instant::now() + GATHER);
            }
        }
        self.committer.close();
        note_poison(&self.world, &self.spool);
        self.flusher.turn();
    }
}

/// From then on nothing is written down any more.
fn note_poison(world: &World, spool: &Spool) {
    if !spool.is_poisoned() {
        return;
    }
    let now = world.clock.elapsed();
    let mut books = world.ledger.books();
    let before = books.machine.poisoned_at;
    books.machine.poisoned_at = before.or(Some(now));
    if before.is_none() {
        drop(books);
        world.tell("* the spool is poisoned");
    }
}

fn never() -> Instant {
    Instant::now() + NEVER
}

fn latency(world: &World, random: &SeededRandom) -> Duration {
    let most = if world.weather.is_clear() { Duration::from_millis(1) } else { world.plan.latency_max };
    spread(random, Duration::from_millis(1), most)
}

/// Blocking jobs of delivery, as slow as the disk.
pub(crate) struct SlowDisk {
    pub(crate) world: Arc<World>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) slips: Arc<Slips>,
}

impl Blocking for SlowDisk {
    fn spawn(&self, job: Job) {
        let (pause, slips) = (latency(&self.world, &self.random), Arc::clone(&self.slips));
        tokio::spawn(async move {
            sleep(pause).await;
            slips.pass();
            job();
        });
    }
}
