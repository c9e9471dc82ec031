//! Sees to it that no server outlives a run that was interrupted.
//!
//! Between the run and a server stands this program again. It ends the server when its standard input ends, which the
//! kernel sees to however the run comes to its end. (`PR_SET_PDEATHSIG` would be less work, but Postfix's master changes
//! its user id back and forth, and that clears it.)

use crate::Failure;
use crate::group::{self, Group};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

/// Starts `program` under guard and in a group; what it says goes to `log`. Closing the child's standard input ends it.
pub(crate) fn spawn(
    program: &Path,
    arguments: &[&OsStr],
    log: &Path,
    group: Option<&Group>,
) -> Result<Child, Failure> {
    use std::os::unix::process::CommandExt as _;
    let out = File::create(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guard");
    for directory in group.into_iter().flat_map(Group::directories) {
        command.arg("--group").arg(directory);
    }
    command.arg(program).args(arguments);
    // A group of its own: an interrupt at the terminal must reach the run alone.
    command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out).process_group(0);
    command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()).into())
}

/// `bench guard`: runs `program` until it ends or standard input does.
pub(crate) fn command(
    groups: &[PathBuf],
    program: &Path,
    arguments: &[OsString],
) -> Result<ExitCode, Failure> {
    for group in groups {
        group::enter(group)?;
    }
    let started = Command::new(program).args(arguments).stdin(Stdio::null()).spawn();
    let mut child = started.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    std::thread::spawn(move || {
        // Nobody writes: this returns when the other end is closed.
        drop(std::io::stdin().read(&mut [0]));
        let _gone = pid.map(|pid| kill_process(pid, Signal::TERM));
    });
    let status = child.wait()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
