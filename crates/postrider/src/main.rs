//! Postrider: the program. Reads the command line, and does what it says or tells why not.

mod app;
mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod place;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// Frees and takes memory across threads cheaply, and gives back what a burst of large messages took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Wrong usage and `--help` end here, with codes 2 and 0.
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::say(&failure.text(terminal::colours_on_stderr()));
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Dev(dev) => app::dev(dev, cli.json),
        Command::Serve(file) => app::serve(&file.config, cli.json),
        Command::Config(command) => commands::config::run(command, cli.json),
        Command::Queue(command) => commands::queue::run(command, cli.json),
        Command::Events(wanted) => commands::events::run(wanted, cli.json),
        Command::Trace(wanted) => commands::trace::run(wanted, cli.json),
        Command::Spool(command) => commands::spool::run(command, cli.json),
    }
}
