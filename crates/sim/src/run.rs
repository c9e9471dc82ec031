//! One seed, from the first start of the server to the judgement.

use std::{fmt, sync::Arc};

use crate::{
    betrayal, judge,
    ledger::token_of,
    life::{self, End},
    world::World,
};

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The same for the same seed: of all that happened, and of the disk in the end.
    pub digest: u32,
    /// What was simulated.
    pub summary: Summary,
    /// What was wrong; nothing, if all is well.
    pub failures: Vec<Failure>,
}

/// How much was simulated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs of the server.
    pub lives: usize,
    /// Messages that clients sent.
    pub messages: usize,
    /// Of these, messages with a receipt.
    pub receipts: usize,
    /// Simulated time in milliseconds.
    pub millis: u64,
}

impl Summary {
    /// Adds what another seed has simulated.
    pub fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.messages += other.messages;
        self.receipts += other.receipts;
        self.millis += other.millis;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lives, messages, receipts, millis } = self;
        let days = millis / 86_400_000;
        write!(f, "{lives} runs of the server, {messages} messages, {receipts} receipts, {days} days")
    }
}

/// An invariant that did not hold.
#[derive(Debug)]
pub struct Failure {
    /// The step: so many lines the story had by then.
    pub step: usize,
    /// What did not hold.
    pub violated: String,
    /// What happened to the message and to the machine.
    pub story: Vec<String>,
}

/// Runs a seed.
pub fn simulate(seed: u64) -> Outcome {
    let world = Arc::new(World::new(seed));
    world.tell(format!("* seed {seed}: {:?}", world.plan));
    let wrongs = match run(&world) {
        Ok(()) => judge::judge(&world),
        Err(wrong) => vec![(token_of(&wrong).unwrap_or_default(), wrong)],
    };
    let step = world.story.len();
    let failures = wrongs.into_iter().map(|(token, violated)| Failure {
        step,
        violated,
        story: if token.is_empty() { world.story.all() } else { world.story.of(&token) },
    });
    let failures = failures.collect();
    Outcome { seed, digest: digest(&world), summary: judge::summary(&world), failures }
}

fn run(world: &Arc<World>) -> Result<(), String> {
    for _ in 0..world.plan.lives {
        let end = in_runtime(world, life::live(world))?;
        life::revive(world, end)?;
    }
    life::clear(world);
    betrayal::repair(world)?;
    let drain = async { life::drain(world).await.map(|()| End::Clean) };
    let end = in_runtime(world, drain)?;
    life::revive(world, end)
}

/// Runs a life. Everything of it ends with its runtime, as everything of a process does.
fn in_runtime(world: &Arc<World>, life: impl Future<Output = Result<End, String>>) -> Result<End, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().map_err(|error| error.to_string())?;
    let ended = runtime.block_on(async {
        world.clock.start();
        let ended = life.await;
        if let Ok(end) = ended {
            life::end(world, end);
        }
        ended
    });
    {
        // Its clock is that of the runtime.
        let _entered = runtime.enter();
        world.clock.stop();
    }
    drop(runtime);
    ended
}

fn digest(world: &World) -> u32 {
    world.disk.files().iter().fold(world.story.digest(), |digest, (path, octets)| {
        let digest = crc32c::crc32c_append(digest, path.as_os_str().as_encoded_bytes());
        crc32c::crc32c_append(digest, octets)
    })
}
