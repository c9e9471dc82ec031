//! A process that cannot outlive its test, in a process group of its own, with its output in a file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait::eventually;

/// A running child. Dropping it kills its whole group; a failing test shows the end of its output.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs in the file `log`.
    pub fn start(name: &str, command: Command, log: &Path) -> Self {
        Self::start_with(name, command, Stdio::null(), log)
    }

    /// As [`start`](Self::start), with this as its standard input.
    pub fn start_with(name: &str, mut command: Command, input: Stdio, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log file");
        command.stdin(input).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log: log.to_path_buf() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// SIGKILL to all of its group, as `kill -9` gives no notice.
    pub fn kill(&mut self) {
        // Once waited for, the number may belong to another process.
        if self.ended().is_some() {
            return;
        }
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// SIGTERM to the process itself.
    pub fn ask_to_stop(&self) {
        if let Some(pid) = self.pid() {
            kill_process(pid, Signal::TERM).expect("a signal reaches the child");
        }
    }

    /// SIGHUP to the process itself.
    pub fn ask_to_reload(&self) {
        if let Some(pid) = self.pid() {
            kill_process(pid, Signal::HUP).expect("a signal reaches the child");
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} to end", self.name);
        eventually(&what, within, || self.ended())
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let printed = self.printed();
            let from = printed.len().saturating_sub(6000);
            let tail = printed.get(from..).unwrap_or(&printed);
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("--- {}:\n{tail}\n", self.name),
            );
        }
    }
}
