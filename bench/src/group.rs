//! Control groups: what all processes of a server use together, those that ended included, whoever their parent was.
//!
//! Process trees do not tell that: Exim ignores SIGCHLD, and the kernel then forgets what its deliveries used.

use crate::{Failure, clock};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes may take to end once they are killed.
const END_MAX: Duration = Duration::from_secs(5);

/// A control group of one server; what is left in it is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    /// In the unified hierarchy (cgroup v2): CPU.
    unified: PathBuf,
    /// Where memory is counted: the same, or one of the old hierarchy (v1). `None`: nowhere.
    memory: Option<PathBuf>,
}

impl Group {
    /// A new group, where this machine and these rights allow one.
    pub(crate) fn create() -> Option<Self> {
        // No two are made in the same nanosecond by one process.
        let name = format!("postrider-bench-{}-{}", std::process::id(), clock::monotonic_ns());
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let unified = mount_point(&mounts, "cgroup2", "")?.join(&name);
        fs::create_dir(&unified).ok()?;
        let mut group = Self { unified, memory: None };
        cpu_ns(&group.unified)?;
        if group.unified.join("memory.stat").exists() {
            group.memory = Some(group.unified.clone());
        } else if let Some(old) = mount_point(&mounts, "cgroup", "memory") {
            let old = old.join(&name);
            group.memory = fs::create_dir(&old).is_ok().then_some(old);
        }
        Some(group)
    }

    /// What [`enter`] needs.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        let old = self.memory.as_deref().filter(|memory| *memory != self.unified);
        std::iter::once(self.unified.as_path()).chain(old)
    }

    /// CPU nanoseconds that its processes have used so far.
    pub(crate) fn cpu_ns(&self) -> u64 {
        cpu_ns(&self.unified).unwrap_or(0)
    }

    /// What tells of its memory, where anything does.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.memory.as_ref().map(|directory| Memory(directory.join("memory.stat")))
    }

    fn end(&self) {
        // Both may fail where nothing is left, which is how it should be.
        drop(fs::write(self.unified.join("cgroup.kill"), "1"));
        let started = Instant::now();
        for directory in self.directories() {
            while fs::remove_dir(directory).is_err() && started.elapsed() < END_MAX {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tells of the memory of a group.
#[derive(Debug)]
pub(crate) struct Memory(PathBuf);

impl Memory {
    /// Octets of anonymous memory now: heaps and stacks, pages shared after a fork counted once. Neither page cache
    /// nor the kernel's own.
    pub(crate) fn octets(&self) -> Option<u64> {
        anonymous(&fs::read_to_string(&self.0).ok()?)
    }
}

/// Puts this process, and so all it starts from now on, into a group.
pub(crate) fn enter(directory: &Path) -> Result<(), Failure> {
    let entered: io::Result<()> = fs::write(directory.join("cgroup.procs"), "0");
    entered.map_err(|error| format!("cannot enter the control group {}: {error}", directory.display()).into())
}

/// Where a hierarchy is mounted (proc(5)): of this type, with this controller among its options.
fn mount_point(mountinfo: &str, kind: &str, controller: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        let mut rest = rest.split(' ');
        let found = rest.next()? == kind
            && (controller.is_empty() || rest.nth(1)?.split(',').any(|option| option == controller));
        found.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn cpu_ns(directory: &Path) -> Option<u64> {
    let text = fs::read_to_string(directory.join("cpu.stat")).ok()?;
    Some(field(&text, "usage_usec")?.saturating_mul(1000))
}

/// Of `memory.stat`: version 2 calls it `anon`, version 1 `total_rss` for the group with those below it.
fn anonymous(text: &str) -> Option<u64> {
    field(text, "anon").or_else(|| field(text, "total_rss"))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_where_they_are_mounted() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n\
            31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
            32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(mount_point(mounts, "cgroup2", ""), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point(mounts, "cgroup", "memory"), Some("/sys/fs/cgroup/memory".into()));
        assert_eq!(mount_point(mounts, "cgroup", "pids"), None);
    }

    #[test]
    fn both_versions_tell_of_anonymous_memory() {
        assert_eq!(anonymous("anon 4096\nfile 8192\nkernel 1\n"), Some(4096));
        assert_eq!(anonymous("cache 1\nrss 2\ntotal_cache 3\ntotal_rss 8192\n"), Some(8192));
        assert_eq!(anonymous("cache 1\n"), None);
    }
}
