//! `bench order`: is mail on the disk before its `250`? Clients flood a server whose queue is on a disk that forgets what
//! was not synced, the power is cut at a random moment, the server starts again on what is left, and every message
//! that a client read `250` for must come out of it.

mod client;
mod processes;
mod servers;
mod sink;

use crate::Failure;
use crate::args::{OrderOptions, Who};
use client::Flood;
use faultfs::{Disk, Mount, Names, Power};
use servers::Place;
use sink::Sink;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const START_MAX: Duration = Duration::from_secs(30);
/// How long the disk may take to get to its cut.
const CUT_MAX: Duration = Duration::from_mins(1);
/// Nothing has come out for so long: what is missing is lost. Retries come each second.
const SILENCE: Duration = Duration::from_secs(15);

/// What became of the messages of all cuts.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    cuts: u64,
    taken: usize,
    found: usize,
    /// Did not come out, but lie in files of the queue.
    left: usize,
    damaged: usize,
    twice: usize,
}

pub(crate) fn command(options: &OrderOptions) -> Result<ExitCode, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err("a file system is mounted by root only".into());
    }
    let postrider =
        if options.server.contains(&Who::Postrider) { options.program.find()? } else { PathBuf::new() };
    processes::adopt_orphans()?;
    say!(
        "| server | a name is durable | cuts | `250` read | came out | left in its files | lost | damaged | twice |"
    );
    say!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut lost = false;
    for names in [Names::Journaled, Names::Strict] {
        for who in &options.server {
            let mut tally = Tally::default();
            for seed in 0..options.seeds {
                cut(*who, &postrider, names, seed, &mut tally)
                    .map_err(|failure| format!("{}, seed {seed}: {failure}", who.name()))?;
            }
            let Tally { cuts, taken, found, left, damaged, twice } = tally;
            let when = if names == Names::Strict { "with its directory" } else { "with its file" };
            say!(
                "| {} | {when} | {cuts} | {taken} | {found} | {left} | {} | {damaged} | {twice} |",
                who.name(),
                taken - found - left
            );
            lost |= *who == Who::Postrider && (found < taken || damaged > 0);
        }
    }
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One cut: a fresh disk, a flood, the cut, and what comes out after it.
fn cut(who: Who, postrider: &Path, names: Names, seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("postrider-order-").tempdir()?;
    let disk = Disk::new(names);
    let place = Place::prepare(who, folder.path(), postrider)?;
    let mut running = Running { mount: Some(disk.mount(&place.queue)?), server: None };
    place.furnish()?;
    // Everyone's directories are there, for good, before the first message.
    running.server = Some(start(&place)?);
    client::warm_up(place.address)?;
    disk.sync_all();

    disk.cut_power_at(200 + seed * 7919 % 3000);
    let flood = Flood::start(place.address, &format!("s{seed}"), CLIENTS);
    if !disk.wait_for_cut(CUT_MAX) {
        return Err(format!("the disk was not used enough: {:?}", disk.survey()).into());
    }
    running.stop();
    let taken = flood.end();
    disk.restore(if seed.is_multiple_of(2) { Power::Lost } else { Power::Torn { seed } });

    running.mount = Some(disk.mount(&place.queue)?);
    let sink = Sink::start(place.next_hop)?;
    running.server = Some(start(&place)?);
    sink.wait_for(&taken, SILENCE);
    tally.add(&taken, &sink, &place.queue);
    Ok(())
}

/// What must not outlive a cut: first the server goes, then the mount.
struct Running {
    mount: Option<Mount>,
    server: Option<Child>,
}

impl Running {
    /// SIGKILL for all processes of the server, and no disk any more.
    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            processes::kill_all();
            drop(server.wait());
        }
        self.mount = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the server and waits for its greeting.
fn start(place: &Place) -> Result<Child, Failure> {
    let mut child = place.start()?;
    let started = Instant::now();
    while started.elapsed() < START_MAX {
        if client::greets(place.address) {
            return Ok(child);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    processes::kill_all();
    Err(format!("the server did not come up; its log ends with:\n{}", place.log_end()).into())
}

impl Tally {
    fn add(&mut self, taken: &BTreeSet<String>, sink: &Sink, queue: &Path) {
        let arrived = sink.arrived();
        self.cuts += 1;
        self.taken += taken.len();
        let mut missing = Vec::new();
        for token in taken {
            let Some(copies) = arrived.get(token) else {
                missing.push(client::ending(token));
                continue;
            };
            self.found += 1;
            self.twice += usize::from(copies.len() > 1);
            self.damaged += usize::from(!copies.iter().all(|copy| client::is_whole(token, copy)));
        }
        if !missing.is_empty() {
            self.left += remove_found(&mut missing, queue);
        }
    }
}

/// Removes what some file below `dir` holds; gives how many that were.
fn remove_found(missing: &mut Vec<String>, dir: &Path) -> usize {
    let before = missing.len();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                remove_found(missing, &entry.path());
            }
            Ok(kind) if kind.is_file() => {
                let octets = std::fs::read(entry.path()).unwrap_or_default();
                missing.retain(|words| memchr::memmem::find(&octets, words.as_bytes()).is_none());
            }
            _ => {}
        }
    }
    before - missing.len()
}
