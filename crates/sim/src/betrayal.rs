//! A disk that lied about syncs, and what it has cost: the books allow the loss of what the lie covered, and of nothing else.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use disk::Disk;
use mail::QueueId;
use testkit::disk::{Betrayal, SimDisk};

use crate::{
    ledger::{Books, token_of},
    server::{EVENTS, SPOOL, spool_config},
    world::World,
};

const BLOCK: usize = 4096;

/// Takes down what is lost, and sees that it is found where it can be.
pub(crate) fn suffer(world: &World, betrayals: &[Betrayal]) -> Result<(), String> {
    if betrayals.is_empty() {
        return Ok(());
    }
    let mut books = world.ledger.books();
    for betrayal in betrayals {
        let tokens = covered(&books, &betrayal.covered);
        books.lost.tokens.extend(tokens);
    }
    books.lost.unrepaired = true;
    let files: BTreeSet<_> = betrayals.iter().map(|betrayal| betrayal.path.display().to_string()).collect();
    let told = format!("* the lie has cost something of {files:?}, and covered {:?}", books.lost.tokens);
    drop(books);
    world.tell(told);
    let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let verified = spool::verify(Path::new(SPOOL), &disk).map_err(|error| format!("verify: {error}"))?;
    world.tell(format!("* verify finds {:?}", verified.damage));
    match betrayals.iter().find(|betrayal| is_provable(&world.disk, betrayal)) {
        Some(betrayal) if verified.is_good() => Err(format!(
            "{}: what is lost was said to be synced, and nobody misses it",
            betrayal.path.display()
        )),
        _ => Ok(()),
    }
}

/// Repairs the spool as an operator does, while the server is stopped.
pub(crate) fn repair(world: &World) -> Result<(), String> {
    if !world.ledger.books().lost.unrepaired {
        return Ok(());
    }
    let (disk, clock) = (Arc::new(world.disk.clone()), Arc::clone(&world.clock));
    let config = events::Config { keep_for: crate::server::FOR_EVER, ..events::Config::new(EVENTS.into()) };
    let log = events::Log::open(config, disk.clone(), clock.clone()).map_err(|error| error.to_string())?;
    let disk: Arc<dyn Disk> = disk;
    let repaired = spool::repair(spool_config(world), &disk, clock, Arc::new(world.chance()), &Arc::new(log))
        .map_err(|error| format!("the spool cannot be repaired: {error}"))?;
    world.tell(format!("* repaired: set aside {:?}, given up {:?}", repaired.set_aside, repaired.given_up));
    world.ledger.books().lost.unrepaired = false;
    Ok(())
}

/// The messages of which something stands in these octets.
fn covered(books: &Books, octets: &[u8]) -> BTreeSet<String> {
    let has = |what: &[u8]| octets.windows(what.len()).any(|window| window == what);
    let by_id = |id: &QueueId| has(&id.to_bytes()) || has(id.to_string().as_bytes());
    let mut tokens: BTreeSet<String> =
        books.tokens.iter().filter(|(id, _)| by_id(id)).map(|(_, token)| token.clone()).collect();
    let text = String::from_utf8_lossy(octets);
    tokens.extend(text.split(|letter: char| !letter.is_ascii_graphic()).flat_map(tokens_of));
    tokens
}

/// All tokens in a text.
fn tokens_of(text: &str) -> Vec<String> {
    text.match_indices('m')
        .filter_map(|(at, _)| text.get(at..))
        .filter_map(|rest| {
            let token = token_of(rest)?;
            rest.starts_with(&token).then_some(token)
        })
        .collect()
}

/// Whether a batch is lost and the disk still has the proof: a later one, whose header tells how far the log was synced before it.
fn is_provable(disk: &SimDisk, Betrayal { path, lost, .. }: &Betrayal) -> bool {
    let is_segment = path.starts_with(SPOOL) && path.extension().is_some_and(|name| name == "seg");
    let (Some((at, lost)), true) = (lost, is_segment) else { return false };
    let octets = disk.read(path).unwrap_or_default();
    let Some(tag) = octets.get(16..32) else { return false };
    let next = usize::try_from(*at).unwrap() / BLOCK + 1;
    let has_records = lost.get(24..28).is_some_and(|len| len != [0; 4]);
    is_batch(lost, tag)
        && has_records
        && octets.chunks_exact(BLOCK).skip(next).any(|block| is_batch(block, tag))
}

/// The header of a batch: its tag, its kind and its checksum (docs/design/spool-format.md).
fn is_batch(octets: &[u8], tag: &[u8]) -> bool {
    let sum = octets.get(60..64).and_then(|sum| sum.try_into().ok()).map(u32::from_le_bytes);
    octets.starts_with(tag) && octets[16] == 1 && sum == Some(crc32c::crc32c(&octets[..60]))
}
