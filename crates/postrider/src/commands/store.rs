//! `postrider store`: the database in the data directory.

use std::io;

use disk::{Disk, OsDisk};
use serde_json::json;
use store::{Pending, Store, StoreError};

use crate::{
    cli::{StoreCommand, StoreMigrate},
    config,
    failure::Failure,
    place, schemas, terminal,
};

pub(crate) fn run(command: &StoreCommand, json: bool) -> Result<(), Failure> {
    let StoreCommand::Migrate(StoreMigrate { dry_run, place }) = command;
    let dir = place::data_dir(place)?;
    let file = config::store_file(&dir);
    let steps = if *dry_run {
        Store::pending(&file, &schemas::ALL).map_err(|error| failure(&error))?
    } else {
        // A server that runs has made its own already, and relies on them.
        let _claim = OsDisk.lock(&dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::new(format!("a server runs on {}", dir.display()))
                .hint("it has brought its tables up to date when it started; see what another program would do with --dry-run"),
            _ => Failure::new(format!("cannot use the data directory {}: {}", dir.display(), config::words(&error))),
        })?;
        let (store, steps) = Store::open(&file, &schemas::ALL).map_err(|error| failure(&error))?;
        store.close();
        steps
    };
    if json {
        let steps = steps
            .iter()
            .map(|Pending { owner, number, name }| json!({ "owner": owner, "number": number, "name": name }));
        return terminal::print_json(&json!({ "dry_run": dry_run, "steps": steps.collect::<Vec<_>>() }));
    }
    terminal::print(&text(&steps, *dry_run))
}

fn text(steps: &[Pending], dry_run: bool) -> String {
    if steps.is_empty() {
        return "the tables are up to date".to_owned();
    }
    let (before, after) = if dry_run { ("would make", "; tried, and taken back") } else { ("made", "") };
    let step =
        |Pending { owner, number, name }: &Pending| format!("{before} {owner} {number}: {name}{after}");
    steps.iter().map(step).collect::<Vec<_>>().join("\n")
}

fn failure(error: &StoreError) -> Failure {
    Failure::new(error).hint(error.hint())
}
