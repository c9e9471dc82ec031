//! Memory of a process, from `/proc`.

use crate::Failure;
use std::fs;

/// Resident memory of one process, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    /// The most it ever was.
    pub(crate) peak: u64,
}

impl Memory {
    /// Of the only child of a process.
    pub(crate) fn of_child(parent: u32) -> Result<Self, Failure> {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let child = children.split_ascii_whitespace().next().ok_or("the server has ended")?;
        let status = fs::read_to_string(format!("/proc/{child}/status"))?;
        Self::parse(&status).ok_or_else(|| "no memory in /proc".into())
    }

    /// From `/proc/PID/status` (proc(5)), which counts in KiB.
    fn parse(status: &str) -> Option<Self> {
        let octets = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { now: octets("VmRSS")?, peak: octets("VmHWM")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_and_its_peak_are_read() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(Memory::parse(status), Some(Memory { now: 1 << 20, peak: 2 << 20 }));
        assert_eq!(Memory::parse("Name:\tkworker\n"), None);
    }
}
