//! CPU time of process trees and of the whole machine, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Linux tells CPU times in hundredths of a second (`USER_HZ`), whatever the kernel's own tick is.
const TICK_NS: u64 = 10_000_000;

/// CPU times of one process, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    own_ns: u64,
    /// Of children that ended and were waited for, theirs included.
    ended_children_ns: u64,
}

/// CPU nanoseconds of the process `root`, its descendants, and those of them that have ended.
pub(crate) fn tree_ns(root: u32) -> u64 {
    tree_sum(root, &processes(Path::new("/proc")))
}

/// CPU nanoseconds that anything on this machine has used, kernel threads included.
pub(crate) fn machine_ns() -> u64 {
    fs::read_to_string("/proc/stat").ok().and_then(|text| busy_ns(&text)).unwrap_or(0)
}

fn tree_sum(root: u32, processes: &HashMap<u32, Process>) -> u64 {
    processes
        .iter()
        .filter(|(pid, _)| descends(**pid, root, processes))
        .map(|(_, process)| process.own_ns + process.ended_children_ns)
        .sum()
}

fn descends(mut pid: u32, root: u32, processes: &HashMap<u32, Process>) -> bool {
    // Bounded: the table is read while processes come and go, so it may even show a ring.
    for _ in 0..64 {
        if pid == root {
            return true;
        }
        let Some(process) = processes.get(&pid) else { return false };
        pid = process.parent;
    }
    false
}

fn processes(proc: &Path) -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir(proc) else { return HashMap::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let mut process = parse_stat(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            process.own_ns = process.own_ns.max(threads_ns(&entry.path()));
            Some((pid, process))
        })
        .collect()
}

/// The scheduler's own nanoseconds of the living threads: ticks cut off up to 20 ms of each process, which
/// would flatter a server of many processes. Threads that ended are missing here; so the larger figure is taken.
fn threads_ns(process: &Path) -> u64 {
    let Ok(tasks) = fs::read_dir(process.join("task")) else { return 0 };
    tasks
        .filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_ascii_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Parses `/proc/PID/stat` (proc(5)): the name in parentheses may hold anything, so fields count from the last one.
fn parse_stat(text: &str) -> Option<Process> {
    let (_, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own_ns: (ticks(11)? + ticks(12)?) * TICK_NS,
        ended_children_ns: (ticks(13)? + ticks(14)?) * TICK_NS,
    })
}

/// The `cpu` line of `/proc/stat`, all but idle and waiting for input and output.
fn busy_ns(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system IDLE IOWAIT irq softirq; steal and guest are not work of this machine or counted in user.
    let busy: u64 = [0, 1, 2, 5, 6].into_iter().filter_map(|at| ticks.get(at)).sum();
    Some(busy * TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::process_cpu_ns;

    #[test]
    fn a_stat_line_is_read_whatever_the_process_is_called() {
        let line = "12 (a) b (c) S 7 12 12 0 -1 4194560 1 2 3 4 50 25 300 100 20 0 1 0 5 6 7";
        let process = parse_stat(line).unwrap();
        assert_eq!(process, Process { parent: 7, own_ns: 75 * TICK_NS, ended_children_ns: 400 * TICK_NS });
        assert_eq!(parse_stat("12 (a) S x"), None);
    }

    #[test]
    fn a_tree_is_the_root_its_descendants_and_their_ended_children() {
        let process = |parent, own_ns, ended_children_ns| Process { parent, own_ns, ended_children_ns };
        let table = HashMap::from([
            (1, process(0, 1000, 1000)),
            (5, process(1, 1, 10)),
            (6, process(5, 2, 0)),
            (7, process(6, 4, 0)),
            (8, process(1, 500, 0)),
        ]);
        assert_eq!(tree_sum(5, &table), 17);
        assert_eq!(tree_sum(99, &table), 0);
    }

    #[test]
    fn busy_time_leaves_out_idle_and_waiting() {
        assert_eq!(busy_ns("cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 1 1 1 1\n"), Some(15 * TICK_NS));
    }

    #[test]
    fn the_tree_of_this_process_costs_what_it_used() {
        let start = process_cpu_ns();
        while process_cpu_ns() < start + 50_000_000 {
            std::hint::black_box(0);
        }
        let tree = tree_ns(std::process::id());
        assert!(tree >= 40_000_000, "{tree}");
        assert!(machine_ns() >= 40_000_000);
    }
}
