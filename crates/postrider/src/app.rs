//! The composition root: builds all parts in order, and stops them in reverse. It decides nothing about mail.

mod acceptors;
mod announce;
mod build;
mod descriptors;
mod dev;
mod dev_tls;
mod door;
mod explain;
mod former;
mod indexing;
mod listening;
mod logging;
mod mailboxes;
mod maildrop;
mod own;
mod pages;
mod part;
mod reload;
mod run;
mod signing;
mod tokens;
mod upkeep;
mod usage;

use std::path::Path;

use crate::{cli, failure::Failure, place, process, terminal};
use announce::Audience;
pub(crate) use explain::{
    data_dir as data_dir_failure, listen as listen_failure, maildir as maildir_failure,
};
pub(crate) use own::lasting_addresses;

/// `postrider serve`.
pub(crate) fn serve(file: &Path, json: bool) -> Result<(), Failure> {
    let config = place::load(file)?;
    logging::start(config.log)?;
    descriptors::raise(&config);
    for warning in config.warnings.lines() {
        tracing::warn!("{warning}");
    }
    let audience = if json { Audience::Program } else { Audience::Log };
    // Whatever the directory is by then, the same file is read again.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    // Before the first thread is made.
    let sockets = process::confine(&config, &file)?;
    run::run(build::build(config, build::Flavour::Server, sockets)?, Some(file), audience)
}

/// `postrider dev`.
pub(crate) fn dev(wanted: &cli::Dev, json: bool) -> Result<(), Failure> {
    let dir = wanted.dir.clone().unwrap_or_else(place::dev_dir);
    // Relative paths would mean something else to who reads them from another directory.
    let dir = std::path::absolute(&dir)
        .map_err(|error| Failure::new(format!("cannot use {}: {error}", dir.display())))?;
    let config = dev::config(&dir, wanted);
    logging::start(config.log)?;
    let audience =
        if json { Audience::Program } else { Audience::Developer { colours: terminal::colours_on_stdout() } };
    run::run(build::build(config, build::Flavour::Dev, None)?, None, audience)
}
