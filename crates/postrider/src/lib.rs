//! Postrider: reads the command line, and does what it says or tells why not.
//!
//! *Takes* arguments and a configuration file. *Hands on* a running server, or what its commands show.
//! *Never* handles mail: it builds the parts that do, and stops them in reverse.

mod app;
mod backup;
mod cli;
mod client;
mod client_settings;
mod commands;
mod config;
mod dns_records;
mod doctor;
mod failure;
mod maildrop;
mod mailfiles;
#[doc(hidden)]
pub mod parts;
mod place;
mod process;
mod quickstart;
mod relay_tokens;
mod remote;
mod schemas;
mod sendmail;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// What the program does: all of it.
pub fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(ended) = sendmail::run(&args) {
        return ended;
    }
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
        Command::Quickstart(wanted) => quickstart::run(wanted, cli.json),
        Command::Serve(file) => app::serve(&file.config, cli.json),
        Command::Config(command) => commands::config::run(command, cli.json),
        Command::Dns(command) => commands::dns::run(command, cli.json),
        Command::Doctor(wanted) => commands::doctor::run(wanted, cli.json),
        Command::Dkim(command) => commands::dkim::run(command, cli.json),
        Command::Ban(command) => commands::ban::run(command, cli.json),
        Command::Domain(command) => commands::people::domain(command, cli.json),
        Command::Account(command) => commands::people::account(command, cli.json),
        Command::Alias(command) => commands::people::alias(command, cli.json),
        Command::List(command) => commands::lists::run(command, cli.json),
        Command::Mailbox(command) => commands::mailbox::run(command, cli.json),
        Command::Relay(command) => commands::relay::run(command, cli.json),
        Command::Ldap(command) => commands::ldap::run(command, cli.json),
        Command::Store(command) => commands::store::run(command, cli.json),
        Command::Backup(command) => commands::backup::run(command, cli.json),
        Command::Restore(wanted) => commands::backup::restore(wanted, cli.json),
        Command::Queue(command) => commands::queue::run(command, cli.json),
        Command::Events(wanted) => commands::events::run(wanted, cli.json),
        Command::Trace(wanted) => commands::trace::run(wanted, cli.json),
        // Only `--help` comes here.
        Command::Sendmail(_) => Ok(()),
        Command::Status(wanted) => commands::status::run(wanted, cli.json),
        Command::Spool(command) => commands::spool::run(command, cli.json),
    }
}
