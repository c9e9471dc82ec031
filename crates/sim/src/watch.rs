//! Looks that nothing waits in vain while the server runs: a restart would hide it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use disk::Clock;
use mail::{QueueId, Timestamp};
use spool::{ListFilter, Spool, State};
use tokio::time::sleep;

use crate::{ledger::token_of, world::World};

const LOOK_EVERY: Duration = Duration::from_mins(10);
/// What is due is begun long before, whatever others do.
const OVERDUE_MAX: u64 = 60 * 60 * 1000;

/// Recipients that are due and wait, with their due time, and since when.
type Overdue = BTreeMap<(QueueId, u32), (Timestamp, u64)>;

/// Watches until the server ends.
pub(crate) async fn watch(world: Arc<World>, spool: Spool) {
    let mut overdue = Overdue::new();
    loop {
        sleep(LOOK_EVERY).await;
        let machine = world.ledger.books().machine;
        // Nothing is delivered while what became of it cannot be written down.
        if machine.poisoned_at.is_some() || machine.full_since.is_some() {
            overdue.clear();
            continue;
        }
        overdue = look(&world, &spool, &overdue);
    }
}

fn look(world: &World, spool: &Spool, before: &Overdue) -> Overdue {
    let (now, elapsed) = (world.clock.now(), world.clock.elapsed());
    let mut overdue = Overdue::new();
    for message in spool.list(&ListFilter { after: None, limit: usize::MAX }) {
        for one in message.recipients {
            if one.due > now || !matches!(one.state, State::Queued | State::Deferred) {
                continue;
            }
            let key = (message.id, one.recipient);
            let (due, since) =
                before.get(&key).copied().filter(|(due, _)| *due == one.due).unwrap_or((one.due, elapsed));
            if elapsed - since > OVERDUE_MAX {
                let token = token_of(&one.forward_path).unwrap_or_default();
                let wrong = format!("{} was due at {due}, and nobody has begun with it", one.forward_path);
                let mut books = world.ledger.books();
                if !books.wrongs.contains(&(token.clone(), wrong.clone())) {
                    books.wrongs.push((token, wrong));
                }
            }
            overdue.insert(key, (due, since));
        }
    }
    overdue
}
