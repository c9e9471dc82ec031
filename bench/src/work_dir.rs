//! The directory of a run, with the spools of its servers. It goes when the run ends, however that comes about: between the run and
//! the directory stands this program again, as it does for the servers (`guard.rs`).

use crate::Failure;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long removing it may take: servers that are ending may still make files.
const REMOVE_MAX: Duration = Duration::from_secs(30);

/// A directory of one run, open to the servers' own users. Removed when dropped, or when this process ends without that.
#[derive(Debug)]
pub(crate) struct WorkDir {
    dir: TempDir,
    guard: Child,
}

impl WorkDir {
    /// Makes one below `parent`; else where this machine has temporary files.
    pub(crate) fn make(parent: Option<&Path>) -> Result<Self, Failure> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let dir = tempfile::Builder::new().prefix("postrider-bench-").tempdir_in(parent)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("guard-directory").arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::null());
        // A group of its own: an interrupt at the terminal must reach the run alone.
        let guard = command.process_group(0).spawn()?;
        Ok(Self { dir, guard })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// It stays when the run ends.
    pub(crate) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
        self.dismiss();
    }

    /// The guard has nothing to do any more.
    fn dismiss(&mut self) {
        if let Some(mut input) = self.guard.stdin.take() {
            // If it is gone, it cannot do any harm either.
            drop(input.write_all(b"."));
            drop(self.guard.wait());
        }
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        self.dismiss();
    }
}

/// `bench guard-directory`.
pub(crate) fn command(directory: &Path) -> Result<ExitCode, Failure> {
    guard(std::io::stdin(), directory)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the directory if the input ends without a word: then the run has ended, and could not do it itself.
fn guard(mut run: impl Read, directory: &Path) -> std::io::Result<()> {
    if run.read(&mut [0])? > 0 {
        return Ok(());
    }
    let until = Instant::now() + REMOVE_MAX;
    while directory.exists() {
        match fs::remove_dir_all(directory) {
            Err(error) if Instant::now() > until => return Err(error),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_with_a_run_that_ends_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("work");
        fs::create_dir_all(place.join("spool")).unwrap();
        guard(&b"."[..], &place).unwrap();
        assert!(place.join("spool").exists(), "the run looks after it itself");
        guard(&b""[..], &place).unwrap();
        assert!(!place.exists());
    }
}
