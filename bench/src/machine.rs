//! What the figures were measured on: without it they mean nothing.

use crate::stats;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime};

/// Writes of the sync probe.
const PROBE_WRITES: usize = 50;

/// The machine and the state of the source tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Type and mount options of the file system the spools are on.
    pub(crate) file_system: String,
    /// Median time of a 4 KiB overwrite and fdatasync there, in microseconds.
    pub(crate) fdatasync_us: f64,
    pub(crate) commit: String,
    /// Year, month and day in UTC.
    pub(crate) date: String,
}

impl Machine {
    /// Looks at this machine; `dir` is where the spools will be.
    pub(crate) fn look(dir: &Path) -> io::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Ok(Self {
            cpu: cpu_model(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo"), &dir.canonicalize()?, journalled),
            fdatasync_us: fdatasync_us(dir)?,
            commit: commit(),
            date: date(SystemTime::now()),
        })
    }

    /// One for tests of what is told of it.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            cpu: "Abacus".to_owned(),
            cores: 2,
            kernel: "6.1".to_owned(),
            file_system: "ext4 (rw)".to_owned(),
            fdatasync_us: 300.0,
            commit: "abc123".to_owned(),
            date: "2026-11-23".to_owned(),
        }
    }

    /// Does a sync mean nothing here?
    pub(crate) fn forgets(&self) -> bool {
        self.file_system.starts_with("tmpfs") || self.file_system.starts_with("ramfs")
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu, "cores": self.cores, "kernel": self.kernel, "file_system": self.file_system,
            "fdatasync_us": self.fdatasync_us, "commit": self.commit, "date": self.date,
        })
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} x {}, Linux {}, {}, fdatasync of 4 KiB {:.0} us; {} at {}",
            self.cores, self.cpu, self.kernel, self.file_system, self.fdatasync_us, self.commit, self.date
        )
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The type and options of the mount that holds `path`: the one with the longest mount point (proc(5)).
fn file_system(mountinfo: &str, path: &Path, journalled: impl Fn(&str) -> bool) -> String {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(4);
        let (point, options) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let (name, device) = (kind.next()?, kind.next()?);
        let note = if name == "ext4" && !journalled(device) { ", no journal" } else { "" };
        path.starts_with(point).then(|| (point.len(), format!("{name} ({options}{note})")))
    });
    mounts.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, text)| text)
}

/// Does the ext4 file system on this device have a journal? Without one a sync is cheaper than most people's.
fn journalled(device: &str) -> bool {
    let name = device.rsplit('/').next().unwrap_or(device);
    let Ok(mut journals) = fs::read_dir("/proc/fs/jbd2") else { return false };
    journals.any(|entry| {
        entry.is_ok_and(|entry| {
            entry.file_name().to_string_lossy().rsplit_once('-').is_some_and(|(device, _)| device == name)
        })
    })
}

/// What a sync costs here: some disks, and all RAM disks, answer at once.
fn fdatasync_us(dir: &Path) -> io::Result<f64> {
    let path = dir.join("sync-probe");
    let mut file = File::create(&path)?;
    file.write_all(&[1; 4096])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(PROBE_WRITES);
    for _ in 0..PROBE_WRITES {
        let started = Instant::now();
        rustix::io::pwrite(&file, &[2; 4096], 0)?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    Ok(stats::median(&times).unwrap_or(0.0))
}

/// The commit of the checkout, `-dirty` when files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let Some(hash) = git(&["rev-parse", "--short", "HEAD"]) else { return "no-commit".to_owned() };
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.is_empty());
    format!("{}{}", hash.trim(), if clean { "" } else { "-dirty" })
}

/// `2026-11-23`, by the proleptic Gregorian calendar in UTC.
fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut day, mut year) = (seconds / 86_400, 1970);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_right_around_leap_days_and_year_ends() {
        let day = |days: u64| date(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(364), "1970-12-31");
        assert_eq!(day(365), "1971-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_780), "2026-11-23");
    }

    #[test]
    fn the_file_system_is_that_of_the_innermost_mount() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            30 22 0:30 / /tmp rw,nosuid - tmpfs tmpfs rw\n\
            31 22 0:31 / /tmpfiles rw - xfs /dev/b rw\n";
        assert_eq!(
            file_system(mounts, Path::new("/var/spool"), |device| device == "/dev/vda"),
            "ext4 (rw,relatime)"
        );
        assert_eq!(file_system(mounts, Path::new("/var"), |_| false), "ext4 (rw,relatime, no journal)");
        assert_eq!(file_system(mounts, Path::new("/tmp/x"), |_| false), "tmpfs (rw,nosuid)");
        assert_eq!(file_system(mounts, Path::new("/tmpfiles"), |_| false), "xfs (rw)");
    }

    #[test]
    fn this_machine_can_be_described() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::look(dir.path()).unwrap();
        assert!(machine.cores >= 1 && machine.fdatasync_us > 0.0 && !machine.kernel.is_empty());
        assert!(machine.line().contains(&machine.kernel));
    }
}
