//! What outlives every run of the server.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use disk::Random;
use testkit::disk::{SeededRandom, SimDisk};
use tokio::sync::Notify;

use crate::{
    clock::SimClock, ledger::Ledger, plan::Plan, settings::Settings, story::Story, weather::Weather,
};

/// The world around the server.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) ledger: Ledger,
    pub(crate) story: Story,
    pub(crate) weather: Weather,
    pub(crate) power: Power,
    pub(crate) random: SeededRandom,
    life: AtomicUsize,
    settings: Mutex<Settings>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        Self {
            plan: Plan::new(&random),
            disk: SimDisk::default(),
            clock: Arc::new(SimClock::new()),
            ledger: Ledger::default(),
            story: Story::default(),
            weather: Weather::default(),
            power: Power::default(),
            random: SeededRandom::new(random.next_u64()),
            life: AtomicUsize::new(0),
            settings: Mutex::default(),
        }
    }

    pub(crate) fn tell(&self, line: impl AsRef<str>) {
        self.story.tell(self.clock.elapsed(), line);
    }

    /// Chance of its own for a part, so that one part that draws once more does not change all others.
    pub(crate) fn chance(&self) -> SeededRandom {
        SeededRandom::new(self.random.next_u64())
    }

    /// What the server's configuration says now.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn configure(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Whether the disk may refuse what the server needs to start.
    pub(crate) fn has_disk_faults(&self) -> bool {
        self.plan.faults > 0
    }

    /// The number of this run of the server, from 0.
    pub(crate) fn life(&self) -> usize {
        self.life.load(Ordering::SeqCst)
    }

    pub(crate) fn next_life(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
        self.power.on();
    }
}

/// Whether the machine has power. When it has not, no octet leaves it any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Power(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_off: AtomicBool,
    went: Notify,
}

impl Power {
    pub(crate) fn is_off(&self) -> bool {
        self.0.is_off.load(Ordering::SeqCst)
    }

    pub(crate) fn cut(&self) {
        self.0.is_off.store(true, Ordering::SeqCst);
        self.0.went.notify_one();
    }

    fn on(&self) {
        self.0.is_off.store(false, Ordering::SeqCst);
    }

    /// Returns once the power goes.
    pub(crate) async fn goes(&self) {
        while !self.is_off() {
            self.0.went.notified().await;
        }
    }
}
