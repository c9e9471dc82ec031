//! `postrider backup` and `postrider restore`.

mod put_back;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::json;

use crate::{
    backup::{self, Checked, Entry, Manifest, Sources},
    cli::{BackupCommand, BackupCreate, BackupVerify, Place, Restore},
    commands::progress::{self, Progress},
    config,
    failure::Failure,
    place, process,
    terminal::{self, clean, count, size_text},
};

/// One line for programs.
#[derive(Debug, Serialize)]
struct Line {
    octets: u64,
    all: u64,
}

pub(crate) fn run(command: &BackupCommand, json: bool) -> Result<(), Failure> {
    match command {
        BackupCommand::Create(wanted) => create(wanted, json),
        BackupCommand::Verify(wanted) => verify(wanted, json),
    }
}

pub(crate) fn restore(wanted: &Restore, json: bool) -> Result<(), Failure> {
    if let Some(account) = &wanted.account {
        return put_back::put_back(wanted, account, json);
    }
    let dir = place::data_dir(&wanted.place)?;
    let mut told = Told::new("restore", json);
    let restored = backup::restore(&wanted.backup, &dir, |done, all| told.tell(done, all));
    told.progress.end();
    let manifest = restored?;
    if json {
        return terminal::print_json(&manifest);
    }
    let configuration = manifest.files.iter().filter(|entry| entry.from.is_some()).count();
    let mut lines = vec![format!("restored into {}: {}", shown(&dir), contents(&manifest))];
    if configuration > 0 {
        lines.push(format!(
            "the configuration is left in {}: put back what is missing",
            shown(&wanted.backup.join("configuration"))
        ));
    }
    terminal::print(&lines.join("\n"))
}

fn create(wanted: &BackupCreate, json: bool) -> Result<(), Failure> {
    let sources = sources(&wanted.place)?;
    let mut told = Told::new("backup", json);
    let created = backup::create(&sources, &wanted.to, |done, all| told.tell(done, all));
    told.progress.end();
    let manifest = created?;
    if json {
        return terminal::print_json(&manifest);
    }
    terminal::print(&format!("backed up into {}: {}", shown(&wanted.to), contents(&manifest)))
}

fn verify(wanted: &BackupVerify, json: bool) -> Result<(), Failure> {
    let mut told = Told::new("verify", json);
    let checked = backup::check(&wanted.backup, |done, all| told.tell(done, all));
    told.progress.end();
    let Checked { manifest, wrong, holds } = checked?;
    if json {
        let holds = holds.map(|(accounts, messages)| json!({ "accounts": accounts, "messages": messages }));
        terminal::print_json(&json!({ "manifest": manifest, "wrong": wrong, "holds": holds }))?;
    } else if wrong.is_empty() {
        let holds = holds.map(|(accounts, messages)| {
            format!("; {} of {}", count(messages, "message"), count(accounts, "account"))
        });
        let (at, by) = (terminal::time(&manifest.made_at), clean(&manifest.made_by));
        terminal::print(&format!(
            "whole: made {at} by Postrider {by}, {}{}",
            contents(&manifest),
            holds.unwrap_or_default()
        ))?;
    } else {
        terminal::print(&wrong.iter().map(|why| clean(why)).collect::<Vec<_>>().join("\n"))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the backup {} is damaged", shown(&wanted.backup))).hint("use another one"))
}

/// What is to be copied of the server that is meant.
fn sources(place: &Place) -> Result<Sources, Failure> {
    let file = match (&place.dir, &place.config) {
        (Some(_), _) => None,
        (None, Some(file)) => Some(file.clone()),
        (None, None) => Some(PathBuf::from(config::DEFAULT_FILE)).filter(|file| file.exists()),
    };
    let Some(file) = file else {
        return Ok(Sources { data_dir: place::data_dir(place)?, configuration: Vec::new() });
    };
    let config = place::load(&file)?;
    let configuration = process::written_by_operator(&config, &file);
    Ok(Sources { data_dir: config.data_dir, configuration })
}

/// A bar, or lines.
struct Told {
    verb: &'static str,
    progress: Progress,
}

impl Told {
    fn new(verb: &'static str, json: bool) -> Self {
        Self { verb, progress: Progress::new(json) }
    }

    fn tell(&mut self, octets: u64, all: u64) {
        let bar =
            progress::bar(self.verb, (octets, all), &format!("{} of {}", size_text(octets), size_text(all)));
        self.progress.tell(&bar, &Line { octets, all });
    }
}

fn contents(Manifest { files, .. }: &Manifest) -> String {
    let octets = files.iter().map(|Entry { octets, .. }| octets).sum();
    format!("{}, {}", count(files.len() as u64, "file"), size_text(octets))
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// A directory of its own for as long as it lives.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("postrider-restore-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::new(format!("cannot make {}: {error}", shown(&path))))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}
