//! What a disk has said to be durable and has lost.

use std::{collections::BTreeSet, path::PathBuf};

use super::SECTOR;

/// A file of which a crash has taken what a sync had been acknowledged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Betrayal {
    /// The name that it had.
    pub path: PathBuf,
    /// All that lying syncs had covered in it, in order, lost or not. All that was in it, if its name is lost or came back.
    pub covered: Vec<u8>,
    /// The first sector that is lost: where it is, and what was in it. None if it is the name.
    pub lost: Option<(u64, Vec<u8>)>,
}

/// Compares what the file of a name held with what a crash has left of it, in the sectors that were said to be durable.
pub(super) fn lost(path: PathBuf, lied: &BTreeSet<usize>, before: &[u8], after: &[u8]) -> Option<Betrayal> {
    let first = lied.iter().find(|at| sector(before, **at) != sector(after, **at))?;
    let covered = lied.iter().flat_map(|at| sector(before, *at)).copied().collect();
    let lost = Some(((first * SECTOR) as u64, sector(before, *first).to_vec()));
    Some(Betrayal { path, covered, lost })
}

fn sector(octets: &[u8], at: usize) -> &[u8] {
    let start = (at * SECTOR).min(octets.len());
    octets.get(start..(start + SECTOR).min(octets.len())).unwrap_or_default()
}
