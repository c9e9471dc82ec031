//! `postrider store`: the database in the data directory.

use std::{io, path::Path};

use disk::{Disk, OsDisk};
use serde_json::json;
use store::{Pending, Schema, Store, StoreError};

use crate::{
    cli::{StoreCommand, StoreMigrate},
    config,
    failure::Failure,
    place, schemas, terminal,
};

pub(crate) fn run(command: &StoreCommand, json: bool) -> Result<(), Failure> {
    let StoreCommand::Migrate(StoreMigrate { dry_run, place }) = command;
    let dir = place::data_dir(place)?;
    let steps = if *dry_run {
        steps(&dir, Store::pending)?
    } else {
        // A server that runs has made its own already, and relies on them.
        let _claim = OsDisk.lock(&dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::new(format!("a server runs on {}", dir.display()))
                .hint("it has brought its tables up to date when it started; see what another program would do with --dry-run"),
            _ => Failure::new(format!("cannot use the data directory {}: {}", dir.display(), config::words(&error))),
        })?;
        steps(&dir, |file, schemas| {
            let (store, steps) = Store::open(file, schemas)?;
            store.close();
            Ok(steps)
        })?
    };
    if json {
        let steps = steps
            .iter()
            .map(|Pending { owner, number, name }| json!({ "owner": owner, "number": number, "name": name }));
        return terminal::print_json(&json!({ "dry_run": dry_run, "steps": steps.collect::<Vec<_>>() }));
    }
    terminal::print(&text(&steps, *dry_run))
}

/// What is due or was made: in the database, and in that with the mailboxes if it is there.
fn steps(
    dir: &Path,
    of: impl Fn(&Path, &[Schema]) -> Result<Vec<Pending>, StoreError>,
) -> Result<Vec<Pending>, Failure> {
    let mut steps = of(&config::store_file(dir), &schemas::ALL).map_err(|error| failure(&error))?;
    let mailboxes = config::mailboxes_file(dir);
    if mailboxes.exists() {
        steps.extend(of(&mailboxes, &schemas::MAILBOXES).map_err(|error| failure(&error))?);
    }
    Ok(steps)
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
