//! What is left of a server in memory and on disk once there is nothing to do: as little as at its first start.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};

use crate::{
    client::Client,
    ledger::Answer,
    server::{SPOOL, Server},
    world::World,
};

/// Longer than a connection without work is kept, and than any peer stalls.
const REST: Duration = Duration::from_hours(1);
/// The host of each domain, and the one at which nobody is.
const SITES_MAX: usize = 9;
/// The segment that is written to, and those that the last few messages have passed through.
const SEGMENTS_MAX: u64 = 4;

/// After all that has happened mail is taken as ever: a few messages, which also give the committer an occasion to tidy up.
pub(crate) async fn visit(world: &Arc<World>, server: &mut Server) -> Result<(), String> {
    for _ in 0..3 {
        let before: BTreeSet<String> = world.ledger.books().sent.keys().cloned().collect();
        Client::new(Arc::clone(world), server.connect()).run().await;
        sleep(REST).await;
        let books = world.ledger.books();
        let news = books.sent.iter().filter(|(token, _)| !before.contains(*token));
        let meant = news.filter(|(_, sent)| sent.recipients.iter().any(|one| one.accepted));
        let refused = meant.filter(|(_, sent)| sent.answer != Answer::Receipt).count();
        if refused > 0 {
            return Err(format!("{refused} messages are refused though nothing is wrong any more"));
        }
    }
    Ok(())
}

/// Stops a server that has nothing to do, and looks at what it held.
pub(crate) async fn reached(world: &Arc<World>, server: Server) -> Result<(), String> {
    sleep(REST).await;
    let (spool, log, sites) = (server.spool.clone(), Arc::clone(&server.log), server.sites.clone());
    let stats = spool.stats();
    let (held, domains) = (stats.messages, spool.domains(usize::MAX));
    let all_held = domains.iter().all(|domain| domain.in_flight == 0);
    world.tell(format!("* at rest: {stats:?}, {} octets on the disk", world.disk.used()));
    server.stop().await?;
    drop(spool);
    sleep(REST).await;
    let files = world.disk.files();
    let large = files.iter().filter(|(path, _)| path.starts_with(format!("{SPOOL}/large"))).count();
    let tasks = Handle::current().metrics().num_alive_tasks();
    for (is_well, what) in [
        (
            held > 0 || stats.recipients == 0 && domains.is_empty(),
            format!("the queue is empty, and has {domains:?}"),
        ),
        (all_held, format!("nothing is under way, and there is {domains:?}")),
        (
            held > 0 || stats.segments <= SEGMENTS_MAX,
            format!("the queue is empty, and takes {} segments", stats.segments),
        ),
        (held > 0 || large == 0, format!("the queue is empty, and {large} files of content are left")),
        (sites.status().len() <= SITES_MAX, format!("{} sites are remembered", sites.status().len())),
        (log.waiting_octets() == 0, format!("{} octets of events wait", log.waiting_octets())),
        (tasks == 0, format!("{tasks} tasks are left")),
    ] {
        if !is_well {
            return Err(format!("nothing is to be done, but {what}"));
        }
    }
    Ok(())
}
