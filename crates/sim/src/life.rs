//! One run of the server, from its start to its end, and who comes by meanwhile.

use std::{sync::Arc, time::Duration};

use spool::{ListFilter, State, Summary};
use testkit::disk::SeededRandom;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    betrayal,
    client::Client,
    faults, floor,
    operator::{configure, operate},
    plan::{fraction, spread},
    server::Server,
    watch::watch,
    weather::{DOMAINS, SENDERS},
    world::World,
};

/// All hosts, for spells of trouble.
const HOSTS: [&str; 9] = [
    "192.0.2.10",
    "192.0.2.20",
    "192.0.2.11",
    "192.0.2.21",
    "192.0.2.12",
    "192.0.2.14",
    "192.0.2.30",
    "192.0.2.40",
    "192.0.2.99",
];
/// Once there are no faults, everything is gone after this time, or it is stuck.
const DRAINED_AFTER: Duration = Duration::from_hours(24);
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All was written down.
    Clean,
    /// The process was killed; the machine goes on.
    Killed,
    /// The machine lost its power.
    PowerCut,
}

/// Runs the server for a while, among clients and faults.
pub(crate) async fn live(world: &Arc<World>) -> Result<End, String> {
    let random = world.chance();
    let lasts = spread(&random, Duration::from_secs(1), Duration::from_hours(6));
    if let Some(most) = world.plan.power.filter(|_| !random.one_in(3)) {
        let power = world.power.clone();
        world.disk.cut_power_at(1 + random.below(most), move || power.cut());
    }
    let mut server = match Server::start(world) {
        Ok(server) => server,
        Err(_) if world.power.is_off() => return Ok(End::PowerCut),
        Err(error) if world.has_disk_faults() => {
            world.tell(format!("* does not start: {error}"));
            return Ok(End::Killed);
        }
        Err(error) => return Err(format!("the server does not start: {error}")),
    };
    check_opened(world, &server)?;
    let mut visitors = JoinSet::new();
    for _ in 0..world.plan.spells {
        visitors.spawn(trouble(Arc::clone(world), world.chance(), lasts));
    }
    for _ in 0..world.plan.faults {
        visitors.spawn(faults::strike(Arc::clone(world), world.chance(), lasts));
    }
    if world.plan.lies {
        visitors.spawn(faults::lie(Arc::clone(world), world.chance(), lasts));
    }
    if world.plan.operator {
        visitors.spawn(operate(Arc::clone(world), server.spool.clone(), world.chance()));
    }
    if world.plan.changes {
        visitors.spawn(configure(Arc::clone(world), server.controls.clone(), world.chance()));
    }
    visitors.spawn(watch(Arc::clone(world), server.spool.clone()));
    let mut arrivals: Vec<Duration> =
        (0..random.below(world.plan.sessions + 1)).map(|_| fraction(&random, lasts)).collect();
    arrivals.sort();
    let begun = tokio::time::Instant::now();
    let visits = async {
        for arrival in arrivals {
            tokio::time::sleep_until(begun + arrival).await;
            let client = Client::new(Arc::clone(world), server.connect());
            visitors.spawn(client.run());
        }
        tokio::time::sleep_until(begun + lasts).await;
    };
    tokio::select! {
        biased;
        () = world.power.goes() => return Ok(End::PowerCut),
        () = visits => {}
    }
    if random.one_in(2) {
        return Ok(End::Killed);
    }
    tokio::select! {
        biased;
        () = world.power.goes() => Ok(End::PowerCut),
        stopped = server.stop() => stopped.map(|()| End::Clean),
    }
}

fn check_opened(world: &World, server: &Server) -> Result<(), String> {
    world.tell(format!("* starts: {:?}", server.opened));
    let may_be_damaged = world.ledger.books().lost.unrepaired;
    let damage = &server.opened.damage;
    if damage.is_empty() || may_be_damaged { Ok(()) } else { Err(format!("damage: {damage:?}")) }
}

/// A host that is down for a while, or a name that does not resolve.
async fn trouble(world: Arc<World>, random: SeededRandom, lasts: Duration) {
    sleep(fraction(&random, lasts)).await;
    let pick = |names: &[&'static str]| names[usize::try_from(random.below(names.len() as u64)).unwrap()];
    let whose = match random.below(6) {
        0 => SENDERS,
        1 => pick(&DOMAINS),
        _ => pick(&HOSTS),
    };
    let long = spread(&random, Duration::from_secs(1), Duration::from_hours(12));
    world.tell(format!("* {whose} is in trouble for {long:?}"));
    world.weather.trouble(whose, world.clock.elapsed() + u64::try_from(long.as_millis()).unwrap());
}

/// From here on there are no faults any more.
pub(crate) fn clear(world: &World) {
    world.weather.clear();
    world.disk.set_capacity(None);
    world.disk.set_short_writes(None);
    world.disk.set_lying(false);
    world.disk.fail_sync(u64::MAX / 2);
    world.disk.fail_writes(u64::MAX / 2, 0);
}

/// The last run: until nothing is left but what is on hold.
pub(crate) async fn drain(world: &Arc<World>) -> Result<(), String> {
    let mut server = Server::start(world).map_err(|error| format!("the server does not start: {error}"))?;
    check_opened(world, &server)?;
    drained(&server).await?;
    floor::visit(world, &mut server).await?;
    drained(&server).await?;
    floor::reached(world, server).await
}

async fn drained(server: &Server) -> Result<(), String> {
    let begun = tokio::time::Instant::now();
    loop {
        let left = owed(&server.spool.list(&ListFilter { after: None, limit: usize::MAX }));
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > DRAINED_AFTER {
            return Err(format!("stuck: {}", left.join(", ")));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn owed(queue: &[Summary]) -> Vec<String> {
    let recipients = queue.iter().flat_map(|message| &message.recipients);
    recipients
        .filter(|recipient| recipient.state != State::Held)
        .map(|recipient| format!("{} {:?} due {}", recipient.forward_path, recipient.state, recipient.due))
        .collect()
}

/// What the end of a run means for the machine.
pub(crate) fn end(world: &World, end: End) {
    world.tell(format!("* ends: {end:?}"));
    world.ledger.books().ended(world.clock.elapsed(), end == End::Clean);
    world.disk.power_off();
}

/// And its next start.
pub(crate) fn revive(world: &World, end: End) -> Result<(), String> {
    let betrayals = match end {
        End::PowerCut => world.disk.crash(&world.chance()),
        End::Clean | End::Killed => {
            world.disk.restart();
            Vec::new()
        }
    };
    world.next_life();
    betrayal::suffer(world, &betrayals)
}
