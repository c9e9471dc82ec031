//! An operator who looks at the queue now and then and gives orders, and who changes the settings.

use std::sync::Arc;

use disk::Clock;
use mail::QueueId;
use spool::{ListFilter, Selection, Spool, SpoolError};
use testkit::disk::SeededRandom;
use tokio::time::sleep;

use crate::{ledger::token_of, plan::spread, server::Controls, settings::Settings, world::World};

/// What an operator can order.
#[derive(Debug, Clone, Copy)]
enum Order {
    Hold,
    Release,
    Bounce,
    Retry,
    Remove,
}

/// Gives orders until the server ends.
pub(crate) async fn operate(world: Arc<World>, spool: Spool, random: SeededRandom) {
    loop {
        sleep(spread(&random, std::time::Duration::from_millis(100), std::time::Duration::from_hours(2)))
            .await;
        let Some((id, name)) = pick(&spool, &random) else { continue };
        let order = match random.below(8) {
            0 | 1 => Order::Hold,
            2 | 3 => Order::Release,
            4 => Order::Bounce,
            5 => Order::Remove,
            _ => Order::Retry,
        };
        world.tell(format!("operator: {order:?} {name}"));
        if matches!(order, Order::Bounce) {
            world.ledger.books().given_up.insert(name.clone());
        }
        let given = give(&world, &spool, order, id).await;
        world.tell(format!("operator: {order:?} {name} came to {given:?}"));
    }
}

/// Changes the settings now and then. They hold over restarts.
pub(crate) async fn configure(world: Arc<World>, controls: Controls, random: SeededRandom) {
    loop {
        sleep(spread(&random, std::time::Duration::from_secs(1), std::time::Duration::from_hours(2))).await;
        let settings = Settings::ALL[usize::try_from(random.below(Settings::ALL.len() as u64)).unwrap()];
        world.tell(format!("* the settings are {settings:?}"));
        world.configure(settings);
        if let Err(error) = controls.change(settings) {
            world
                .ledger
                .books()
                .wrongs
                .push((String::new(), format!("the settings cannot be changed: {error}")));
        }
    }
}

/// A message of the queue, and whose it is.
fn pick(spool: &Spool, random: &SeededRandom) -> Option<(QueueId, String)> {
    let queue = spool.list(&ListFilter { after: None, limit: usize::MAX });
    let message = queue.get(usize::try_from(random.below(queue.len() as u64)).ok()?)?;
    let first = message.recipients.first()?;
    Some((message.id, token_of(&first.forward_path).unwrap_or_default()))
}

async fn give(world: &World, spool: &Spool, order: Order, id: QueueId) -> Result<spool::Changed, SpoolError> {
    let (selection, now) = (Selection::message(id), world.clock.now());
    match order {
        Order::Hold => spool.hold(selection, now).await,
        Order::Release => spool.unhold(selection, now).await,
        Order::Bounce => spool.bounce(selection, "given up by hand", now).await,
        Order::Retry => spool.retry(selection, now).await,
        Order::Remove => spool.remove(selection, now).await,
    }
}
