//! Faults of our own making: a task of the server that panics in the midst of its work.

use std::{panic, sync::Arc};

use testkit::disk::SeededRandom;

use crate::world::World;

/// Where the server's work passes by, and sometimes breaks off.
pub(crate) struct Slips {
    world: Arc<World>,
    random: SeededRandom,
}

impl Slips {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), random: world.chance() }
    }

    /// Perhaps panics, without the message on the terminal that a panic of ours would have.
    pub(crate) fn pass(&self) {
        let chance = self.world.plan.slips;
        if chance == 0 || self.world.weather.is_clear() || self.random.below(1000) >= chance {
            return;
        }
        self.world.tell("* a task of the server panics");
        let slip = (self.world.life(), self.world.clock.elapsed());
        self.world.ledger.books().slips.push(slip);
        panic::resume_unwind(Box::new("a simulated fault of ours"));
    }
}
