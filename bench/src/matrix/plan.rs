//! Which cells there are, in which order, and how many messages make a round of each.

use crate::args::{AllOptions, Part};
use crate::scenario::Work;
use std::fmt;
use std::time::Duration;

/// Octets of one round at most: more would measure the disk, and fill it.
const ROUND_OCTETS_MAX: u64 = 1024 * 1024 * 1024;
/// The same for the warm-up.
const WARM_UP_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Messages of a round at least, so that its figures are not those of single messages.
const ROUND_MIN: u64 = 20;
/// Messages of the first warm-up, which tells how fast the server is.
const WARM_UP: u64 = 200;

/// One load, under which all servers are measured in turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) sessions: u64,
    /// Octets of a message.
    pub(crate) size: usize,
}

/// Cells that the same servers meet in the same sessions, one size after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) work: Work,
    pub(crate) sessions: u64,
    pub(crate) sizes: Vec<usize>,
}

impl Group {
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.sizes.iter().map(|size| Cell { work: self.work, sessions: self.sessions, size: *size })
    }
}

/// All groups, those of the most sessions last: when time is up, the rest is left out.
pub(crate) fn groups(options: &AllOptions) -> Vec<Group> {
    let parts: &[Part] = if options.parts.is_empty() {
        &[Part::Accept, Part::Relay, Part::Local, Part::Latency]
    } else {
        &options.parts
    };
    let mut groups = Vec::new();
    for sessions in options.sessions.iter().copied().filter(|sessions| !options.quick || *sessions < 1000) {
        for work in parts.iter().filter_map(|part| part.work()) {
            groups.push(Group { work, sessions, sizes: sizes(options, work, sessions) });
        }
    }
    groups
}

/// A latency is a matter of one size. In a hurry, all sizes meet one number of sessions only.
fn sizes(options: &AllOptions, work: Work, sessions: u64) -> Vec<usize> {
    let one = work == Work::Latency || (options.quick && options.sessions.get(1) != Some(&sessions));
    options.sizes.iter().copied().take(if one { 1 } else { usize::MAX }).collect()
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} sessions, {}", self.work.name(), self.sessions, octets(self.size))
    }
}

impl Cell {
    /// Messages of the first warm-up.
    pub(crate) fn warm_up(&self) -> u64 {
        WARM_UP.min(self.fit(WARM_UP_OCTETS_MAX))
    }

    /// Messages that make a round of about this length, by a server of this rate (a second): one for each session
    /// at least, unless that would be too much for the disk.
    pub(crate) fn messages(&self, rate: f64, length: Duration) -> u64 {
        whole(rate * length.as_secs_f64()).max(self.sessions).max(ROUND_MIN).min(self.fit(ROUND_OCTETS_MAX))
    }

    /// Messages of the second warm-up: a part of a round.
    pub(crate) fn second_warm_up(&self, rate: f64, length: Duration) -> u64 {
        whole(rate * length.as_secs_f64() / 3.0).max(1).min(self.fit(WARM_UP_OCTETS_MAX))
    }

    fn fit(&self, octets: u64) -> u64 {
        (octets / u64::try_from(self.size).unwrap_or(u64::MAX).max(1)).max(1)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// `10 KiB`, in the largest unit that is whole.
pub(super) fn octets(size: usize) -> String {
    const KIB: usize = 1024;
    match size {
        size if size >= KIB * KIB && size.is_multiple_of(KIB * KIB) => format!("{} MiB", size / KIB / KIB),
        size if size >= KIB && size.is_multiple_of(KIB) => format!("{} KiB", size / KIB),
        size => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, Options};
    use clap::Parser as _;

    fn cells_of(arguments: &[&str]) -> Vec<Cell> {
        let all = ["bench", "all"].iter().chain(arguments);
        let Command::All(options) = Options::try_parse_from(all).unwrap().command else { panic!("not all") };
        groups(&options).iter().flat_map(Group::cells).collect()
    }

    #[test]
    fn every_work_meets_every_size_and_every_number_of_sessions() {
        let cells = cells_of(&[]);
        // Three works by four sizes by four numbers, and the latency of one size.
        assert_eq!(cells.len(), 3 * 4 * 4 + 4);
        assert_eq!(cells[0], Cell { work: Work::Accept, sessions: 1, size: 10 * 1024 });
        assert_eq!(cells.last(), Some(&Cell { work: Work::Latency, sessions: 2000, size: 10 * 1024 }));
        assert!(cells.contains(&Cell { work: Work::Local, sessions: 2000, size: 10 * 1024 * 1024 }));
        assert!(cells.iter().enumerate().all(|(at, cell)| !cells[..at].contains(cell)));
    }

    #[test]
    fn in_a_hurry_it_is_a_cross_of_sizes_and_sessions() {
        let cells = cells_of(&["--quick", "accept"]);
        let loads: Vec<_> = cells.iter().map(|cell| (cell.size / 1024, cell.sessions)).collect();
        assert_eq!(loads, [(10, 1), (10, 20), (1, 20), (100, 20), (10 * 1024, 20), (10, 200)]);
    }

    #[test]
    fn a_part_that_is_no_work_has_no_cells() {
        assert_eq!(cells_of(&["idle"]), []);
        assert!(cells_of(&["latency"]).iter().all(|cell| cell.work == Work::Latency));
    }

    #[test]
    fn a_round_is_as_long_as_asked_for_within_what_makes_sense() {
        let cell = |sessions, size| Cell { work: Work::Relay, sessions, size };
        let second = Duration::from_secs(1);
        assert_eq!(cell(20, 1024).messages(5000.0, second), 5000);
        assert_eq!(cell(20, 1024).messages(5000.0, second / 2), 2500);
        // One for each session; enough of them; not too many octets.
        assert_eq!(cell(2000, 1024).messages(290.0, second), 2000);
        assert_eq!(cell(1, 1024).messages(3.0, second), 20);
        assert_eq!(cell(2000, 10 * 1024 * 1024).messages(5000.0, second), 102);
        assert_eq!(cell(20, 10 * 1024 * 1024).warm_up(), 6);
        assert_eq!(cell(20, 1024).second_warm_up(3000.0, second), 1000);
    }
}
