//! `faultfs`: mounts a disk that fails as it is told on standard input, for a look by hand.
#![expect(clippy::print_stderr, reason = "a command-line tool speaks to its user")]

mod command;

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use command::Command;
use faultfs::{Disk, Mount, Names};

const USAGE: &str = "usage: faultfs [--journaled] DIRECTORY
Mounts an empty disk in memory there (root only) and obeys standard input; `help` tells the commands. It ends with
standard input, and what was on the disk with it.";

fn main() -> ExitCode {
    let mut names = Names::Strict;
    let mut dirs = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--journaled") => names = Names::Journaled,
            Some(option) if option.starts_with('-') => return usage(),
            _ => dirs.push(argument),
        }
    }
    let [dir] = dirs.as_slice() else { return usage() };
    match serve(&Disk::new(names), Path::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", Path::new(dir).display());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn serve(disk: &Disk, dir: &Path) -> io::Result<()> {
    let mut mount = Some(disk.mount(dir)?);
    for line in io::stdin().lock().lines() {
        let said = match line?.parse::<Command>() {
            Ok(command) => obey(command, disk, dir, &mut mount)?,
            Err(wrong) => format!("error: {wrong}"),
        };
        writeln!(io::stdout(), "{said}")?;
    }
    Ok(())
}

fn obey(command: Command, disk: &Disk, dir: &Path, mount: &mut Option<Mount>) -> io::Result<String> {
    match command {
        Command::Help => return Ok(command::HELP.to_owned()),
        Command::Survey => return Ok(format!("{:?}", disk.survey())),
        Command::Cut => disk.cut_power(),
        Command::CutAt(nth) => disk.cut_power_at(nth),
        Command::Restore(power) => {
            disk.cut_power();
            *mount = None;
            disk.restore(power);
            *mount = Some(disk.mount(dir)?);
        }
        Command::Fail(fault) => disk.fail(fault),
        Command::Heal => disk.heal(),
        Command::Capacity(octets) => disk.set_capacity(octets),
        Command::ReadOnly(on) => disk.set_read_only(on),
    }
    Ok("ok".to_owned())
}
