//! Faults of the machine under a running server: a disk that fails, fills, writes short or lies, and a clock that jumps.

use std::{sync::Arc, time::Duration};

use testkit::disk::SeededRandom;
use tokio::time::sleep;

use crate::{
    plan::{fraction, spread},
    world::World,
};

/// How far a clock jumps: forwards past every lifetime, backwards less than the queue may take to drain.
const FORWARDS_MAX: Duration = Duration::from_hours(24 * 8);
const BACKWARDS_MAX: Duration = Duration::from_hours(3);
/// The spool looks for room so often; until then it may not know that there is some.
const ROOM_NOTICED: Duration = Duration::from_secs(3);

/// One fault, some time in a life that lasts so long.
pub(crate) async fn strike(world: Arc<World>, random: SeededRandom, lasts: Duration) {
    sleep(fraction(&random, lasts)).await;
    match random.below(6) {
        0 => fail_a_sync(&world, &random),
        1 => fail_writes(&world, &random),
        2 => fill(&world, &random).await,
        3 => write_short(&world, &random).await,
        _ => jump(&world, &random),
    }
}

/// Whatever is synced then: the spool, the event log, a mailbox.
fn fail_a_sync(world: &World, random: &SeededRandom) {
    let nth = 1 + random.below(30);
    world.tell(format!("* the disk will fail to sync: the {nth}th from here on"));
    world.ledger.books().machine.failed = true;
    world.disk.fail_sync(nth);
}

/// Whatever is written or named then, and perhaps what comes after it.
fn fail_writes(world: &World, random: &SeededRandom) {
    let (nth, count) = (1 + random.below(60), [1, 1, 10, 1_000][usize::try_from(random.below(4)).unwrap()]);
    world.tell(format!("* the disk will fail to write: {count} times, from the {nth}th from here on"));
    world.ledger.books().machine.failed = true;
    world.disk.fail_writes(nth, count);
}

/// For a while syncs are said to be done and are not. Often the power goes before anybody has made up for it.
pub(crate) async fn lie(world: Arc<World>, random: SeededRandom, lasts: Duration) {
    sleep(fraction(&random, lasts)).await;
    let long = spread(&random, Duration::from_millis(100), Duration::from_hours(2));
    world.tell(format!("* the disk lies about syncs for {long:?}"));
    world.disk.set_lying(true);
    sleep(long).await;
    world.tell("* the disk is honest again");
    world.disk.set_lying(false);
    if random.one_in(2) {
        let power = world.power.clone();
        world.disk.cut_power_at(1 + random.below(20), move || power.cut());
    }
}

async fn fill(world: &World, random: &SeededRandom) {
    let room = random.below(600_000);
    let long = spread(random, Duration::from_millis(500), Duration::from_hours(1));
    world.tell(format!("* the disk is full but for {room} octets, for {long:?}"));
    world.disk.set_capacity(Some(world.disk.used() + room));
    world.ledger.books().machine.full_since.get_or_insert(world.clock.elapsed());
    sleep(long).await;
    world.tell("* the disk has room again");
    world.disk.set_capacity(None);
    sleep(ROOM_NOTICED).await;
    world.ledger.books().machine.full_since = None;
}

async fn write_short(world: &World, random: &SeededRandom) {
    let most = [512, 4_000, 50_000][usize::try_from(random.below(3)).unwrap()];
    let long = spread(random, Duration::from_secs(1), Duration::from_hours(1));
    world.tell(format!("* no write takes more than {most} octets, for {long:?}"));
    world.disk.set_short_writes(Some(most));
    sleep(long).await;
    world.disk.set_short_writes(None);
}

fn jump(world: &World, random: &SeededRandom) {
    let forwards = random.one_in(2);
    let most = if forwards { FORWARDS_MAX } else { BACKWARDS_MAX };
    let far = i64::try_from(spread(random, Duration::from_secs(1), most).as_millis()).unwrap();
    let far = if forwards { far } else { -far.min(i64::try_from(BACKWARDS_MAX.as_millis()).unwrap()) };
    world.tell(format!("* the clock jumps by {far} ms"));
    world.clock.jump(far);
}
