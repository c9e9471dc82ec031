//! `postrider spool`: the files that hold mail in transit.

use std::{path::PathBuf, sync::Arc};

use disk::{Disk, OsDisk};
use serde_json::{Value, json};
use spool::{SpoolError, Verified};

use crate::{
    cli::{SpoolCommand, SpoolVerify},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count, size_text},
};

pub(crate) fn run(command: &SpoolCommand, json: bool) -> Result<(), Failure> {
    match command {
        SpoolCommand::Verify(wanted) => verify(wanted, json),
    }
}

fn verify(wanted: &SpoolVerify, json: bool) -> Result<(), Failure> {
    let dir = spool_dir(wanted)?;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let verified = spool::verify(&dir, &disk).map_err(|error| unverified(&error))?;
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
        "the server starts all the same, and keeps what is readable; look at the disk before anything else",
    ))
}

fn unverified(error: &SpoolError) -> Failure {
    let failure = Failure::new(error);
    match error {
        SpoolError::Locked { .. } => failure.hint("stop the server first, or verify a copy of the directory"),
        _ => failure,
    }
}

fn spool_dir(wanted: &SpoolVerify) -> Result<PathBuf, Failure> {
    let data_dir = match &wanted.data_dir {
        Some(dir) => dir.clone(),
        None => place::data_dir(&wanted.place)?,
    };
    let inside = config::spool_dir(&data_dir);
    let dir = if inside.is_dir() || wanted.data_dir.is_none() { inside } else { data_dir };
    if dir.is_dir() {
        return Ok(dir);
    }
    Err(Failure::new(format!("there is no spool in {}", dir.display()))
        .hint("give the data directory of a server"))
}

fn text(verified: &Verified) -> String {
    let mut table = terminal::table(&["SEGMENT", "BATCHES", "RECORDS", "IN USE", "TORN"]);
    for segment in &verified.segments {
        let torn = if segment.torn_octets == 0 { String::new() } else { size_text(segment.torn_octets) };
        let (batches, records) = (segment.batches.to_string(), segment.records.to_string());
        table.add_row([segment.name.clone(), batches, records, size_text(segment.octets), torn]);
    }
    let mut lines = vec![terminal::table_text(&table)];
    let owed = (count(verified.messages, "message"), count(verified.recipients, "recipient"));
    lines.push(format!("{}, {} owed, synced up to LSN {}", owed.0, owed.1, verified.synced_lsn));
    lines.extend(
        verified.orphans.iter().map(|file| format!("left over from a crash, no loss: {}", clean(file))),
    );
    lines.extend(verified.damage.iter().map(|what| format!("damaged: {}", clean(what))));
    lines.extend(verified.is_good().then(|| "no damage".to_owned()));
    lines.join("\n")
}

fn document(verified: &Verified) -> Value {
    let segments = verified.segments.iter().map(|segment| {
        json!({
            "name": segment.name, "batches": segment.batches, "records": segment.records,
            "octets": segment.octets, "torn_octets": segment.torn_octets,
        })
    });
    json!({
        "good": verified.is_good(), "messages": verified.messages, "recipients": verified.recipients,
        "synced_lsn": verified.synced_lsn, "segments": segments.collect::<Vec<_>>(),
        "orphans": verified.orphans, "damage": verified.damage,
    })
}
