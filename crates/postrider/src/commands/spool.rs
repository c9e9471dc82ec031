//! `postrider spool`: the files that hold mail in transit.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Disk, Lock, OsDisk, OsRandom, SystemClock};
use events::{Log, Order, Query, Reader};
use serde_json::{Value, json};
use spool::{Hurt, Repaired, SpoolError, Verified};

use crate::{
    cli::{SpoolCommand, SpoolRepair, SpoolVerify},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count, size_text},
};

/// Segments of a `dev` server have no more octets.
const SMALL_SEGMENT: u64 = 4 << 20;

/// The directories of a server that are meant.
struct Dirs {
    /// All of the server's: what it locks before anything else.
    data: PathBuf,
    spool: PathBuf,
    events: PathBuf,
}

pub(crate) fn run(command: &SpoolCommand, json: bool) -> Result<(), Failure> {
    match command {
        SpoolCommand::Verify(wanted) => verify(&dirs(wanted)?, json),
        SpoolCommand::Repair(SpoolRepair { spool, dry_run: true }) => verify(&dirs(spool)?, json),
        SpoolCommand::Repair(SpoolRepair { spool, .. }) => repair(&dirs(spool)?, json),
    }
}

fn verify(Dirs { spool: dir, events, .. }: &Dirs, json: bool) -> Result<(), Failure> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let mut verified = spool::verify(dir, &disk).map_err(|error| failure(&error))?;
    // A copy of the spool alone has nothing to be compared with.
    let latest = Reader::new(events.clone(), disk).search(&Query::All, Order::NewestFirst, 1).ok();
    verified.compare(latest.and_then(|events| Some(events.first()?.lsn)).unwrap_or(0));
    if json {
        terminal::print_json(&document(&verified))?;
    } else {
        terminal::print(&text(&verified))?;
    }
    if verified.is_good() {
        return Ok(());
    }
    let damage = count(verified.damage.len() as u64, "place");
    Err(Failure::new(format!("{} is damaged in {damage}", dir.display())).hint(
        "look at the disk before anything else; then `postrider spool repair` sets aside what is damaged and keeps the rest",
    ))
}

fn repair(dirs: &Dirs, json: bool) -> Result<(), Failure> {
    check_owner(&dirs.spool)?;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    // To open the event log is to cut a torn line off: one that a running server is writing would look torn.
    let _claim = claim(disk.as_ref(), &dirs.data)?;
    let events =
        Log::open(events::Config::new(dirs.events.clone()), Arc::clone(&disk), Arc::new(SystemClock));
    let events = Arc::new(events.map_err(|error| Failure::new(&error))?);
    let settings = settings(&dirs.spool);
    let repaired = spool::repair(settings, &disk, Arc::new(SystemClock), Arc::new(OsRandom), &events)
        .map_err(|error| failure(&error))?;
    if json {
        let mut document = document(&repaired.found);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("set_aside".into(), json!(repaired.set_aside));
            let given_up = repaired.given_up.iter().map(ToString::to_string);
            fields.insert("given_up".into(), given_up.collect());
        }
        return terminal::print_json(&document);
    }
    terminal::print(&repaired_text(&repaired))
}

/// Keeps servers out, and makes sure that none runs.
fn claim(disk: &dyn Disk, data: &Path) -> Result<Box<dyn Lock>, Failure> {
    let dir = || data.to_owned();
    disk.lock(data).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => failure(&SpoolError::Locked { dir: dir() }),
        _ => failure(&SpoolError::Directory { dir: dir(), source }),
    })
}

/// The settings of the server that filled the spool, as far as they matter: how long its segments are.
fn settings(dir: &Path) -> spool::Config {
    let entries = OsDisk.list(dir).unwrap_or_default();
    if entries.iter().any(|entry| entry.len > SMALL_SEGMENT) {
        spool::Config::new(dir.to_owned())
    } else {
        spool::Config::small(dir.to_owned())
    }
}

/// Files that another user makes are files that the server cannot use.
fn check_owner(dir: &Path) -> Result<(), Failure> {
    let owners = fs::metadata(dir).and_then(|spool| Ok((spool.uid(), fs::metadata("/proc/self")?.uid())));
    match owners {
        Ok((owner, own)) if owner != own => {
            Err(Failure::new(format!("{} belongs to another user (number {owner})", dir.display())).hint(
                "repair it as that user, such as `sudo -u postrider postrider spool repair`: the server must be able to use the files",
            ))
        }
        _ => Ok(()),
    }
}

fn failure(error: &SpoolError) -> Failure {
    let failure = Failure::new(error);
    match error {
        SpoolError::Locked { .. } => failure.hint("stop the server first, or take a copy of the directory"),
        SpoolError::Full { .. } => failure.hint(
            "a repair keeps a copy of each damaged segment: make room, or repair a copy of the data directory on another disk",
        ),
        SpoolError::Write { .. } | SpoolError::InUse { .. } | SpoolError::Poisoned => {
            failure.hint("the disk fails: copy the data directory to another one, and repair the copy")
        }
        _ => failure,
    }
}

fn dirs(wanted: &SpoolVerify) -> Result<Dirs, Failure> {
    let data_dir = match &wanted.data_dir {
        Some(dir) => dir.clone(),
        None => place::data_dir(&wanted.place)?,
    };
    let inside = config::spool_dir(&data_dir);
    if inside.is_dir() {
        return Ok(Dirs { spool: inside, events: config::events_dir(&data_dir), data: data_dir });
    }
    if wanted.data_dir.is_some() && data_dir.is_dir() {
        let spool = std::path::absolute(&data_dir).unwrap_or(data_dir);
        let data = spool.parent().unwrap_or(&spool).to_owned();
        return Ok(Dirs { events: config::events_dir(&data), spool, data });
    }
    Err(Failure::new(format!("there is no spool in {}", data_dir.display()))
        .hint("give the data directory of a server"))
}

fn text(verified: &Verified) -> String {
    let mut table = terminal::table(&["SEGMENT", "BATCHES", "RECORDS", "IN USE", "TORN", ""]);
    for segment in &verified.segments {
        let torn = if segment.torn_octets == 0 { String::new() } else { size_text(segment.torn_octets) };
        let (batches, records) = (segment.batches.to_string(), segment.records.to_string());
        let state = if segment.damaged { "damaged" } else { "whole" };
        let (name, octets) = (segment.name.clone(), size_text(segment.octets));
        table.add_row([name, batches, records, octets, torn, state.to_owned()]);
    }
    let mut lines = vec![terminal::table_text(&table)];
    let owed = (count(verified.messages, "message"), count(verified.recipients, "recipient"));
    lines.push(format!("{}, {} owed, synced up to LSN {}", owed.0, owed.1, verified.synced_lsn));
    lines.extend(
        verified.orphans.iter().map(|file| format!("left over from a crash, no loss: {}", clean(file))),
    );
    lines.extend(verified.damage.iter().map(|damage| format!("damaged: {}", clean(&damage.to_string()))));
    lines.extend(verified.hurt.iter().map(|hurt| format!("lost: {}", clean(&hurt.to_string()))));
    lines.extend(verified.is_good().then(|| "no damage".to_owned()));
    lines.join("\n")
}

fn repaired_text(Repaired { found, set_aside, given_up }: &Repaired) -> String {
    let mut lines = vec![text(found)];
    lines.extend(set_aside.iter().map(|name| format!("set aside: {}", clean(name))));
    lines.extend(given_up.iter().map(|id| {
        format!("message {id} will be given up at the next start, with a report where one is due")
    }));
    if !found.is_good() {
        lines.push("repaired: what is whole stays in the queue".to_owned());
    }
    lines.join("\n")
}

fn document(verified: &Verified) -> Value {
    let segments = verified.segments.iter().map(|segment| {
        json!({
            "name": segment.name, "batches": segment.batches, "records": segment.records,
            "octets": segment.octets, "torn_octets": segment.torn_octets, "damaged": segment.damaged,
        })
    });
    let damage = verified.damage.iter().map(|damage| {
        json!({
            "file": damage.file, "offset": damage.at.map(|(offset, _)| offset),
            "octets": damage.at.map(|(_, octets)| octets), "what": damage.what.word(),
            "queue_id": damage.what.message().map(|id| id.to_string()), "text": damage.to_string(),
        })
    });
    json!({
        "good": verified.is_good(), "messages": verified.messages, "recipients": verified.recipients,
        "synced_lsn": verified.synced_lsn, "segments": segments.collect::<Vec<_>>(),
        "orphans": verified.orphans, "damage": damage.collect::<Vec<_>>(),
        "hurt": verified.hurt.iter().map(hurt_document).collect::<Vec<_>>(),
    })
}

fn hurt_document(hurt: &Hurt) -> Value {
    json!({
        "queue_id": hurt.id.to_string(), "part": hurt.part.word(), "reverse_path": hurt.reverse_path,
        "recipients": hurt.recipients, "settled": hurt.settled, "content_octets": hurt.content_octets,
        "text": hurt.to_string(),
    })
}
