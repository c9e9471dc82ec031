//! The roster: which segments there are, so that one that is missing is missed.
//!
//! A small file of text beside the segments. A segment is in it before anything is written to it, and out of it before it goes: what
//! is in it and not in the directory is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
    path::Path,
};

use disk::{Disk, read_whole, replace_whole};

use crate::supply::is_full;

/// The file's name.
pub(crate) const NAME: &str = "segments";
const TITLE: &str = "postrider segments 1";
/// A million segments have less.
const OCTETS_MAX: usize = 32 << 20;

/// The segments in use, each with the one whose log it goes on with, if that was in the same run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    rows: BTreeMap<u32, Option<u32>>,
    last: Option<u32>,
    /// Those that were not found. They stay in the file until a repair, so that every start misses them.
    missing: BTreeSet<u32>,
}

impl Roster {
    /// Reads the file. None if it is damaged; an empty roster if there is none.
    pub(crate) fn read(dir: &Path, disk: &dyn Disk) -> Option<Self> {
        match read_whole(disk, &dir.join(NAME), OCTETS_MAX) {
            Ok(octets) => Self::parse(str::from_utf8(&octets).ok()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Self::default()),
            Err(_) => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (rows, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let is_good = sum == sum_of(rows);
        let mut lines = rows.lines();
        if !is_good || lines.next() != Some(TITLE) {
            return None;
        }
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let row = |line: &str| match line.split_once(" after ") {
            Some((segment, before)) => Some((number(segment)?, Some(number(before)?))),
            None => Some((number(line)?, None)),
        };
        Some(Self { rows: lines.map(row).collect::<Option<_>>()?, ..Self::default() })
    }

    fn text(&self) -> String {
        let mut text = TITLE.to_owned();
        let missing = self.missing.iter().map(|segment| (segment, &None));
        for (segment, before) in self.rows.iter().chain(missing) {
            // Writing to a String does not fail.
            let _ = match before {
                Some(before) => write!(text, "\n{segment:08x} after {before:08x}"),
                None => write!(text, "\n{segment:08x}"),
            };
        }
        let sum = sum_of(&text);
        text + "\n" + &sum + "\n"
    }

    /// The segment whose log a segment goes on with.
    pub(crate) fn before(&self, segment: u32) -> Option<u32> {
        self.rows.get(&segment).copied().flatten()
    }

    /// The highest number in it, 0 if there is none: numbers are not given twice.
    pub(crate) fn highest(&self) -> u32 {
        let last = self.rows.last_key_value().map(|(segment, _)| segment);
        last.max(self.missing.last()).copied().unwrap_or(0)
    }

    /// Sorts out which of the segments are there; returns those that are not.
    pub(crate) fn found(&mut self, there: impl Fn(u32) -> bool) -> Vec<u32> {
        let missing: Vec<u32> = self.rows.keys().copied().filter(|segment| !there(*segment)).collect();
        for segment in &missing {
            self.rows.remove(segment);
        }
        self.missing.extend(&missing);
        missing
    }

    /// Those that are missing are missed no longer.
    pub(crate) fn forget_missing(&mut self) {
        self.missing.clear();
    }

    /// Enters a segment that goes on with the one entered before, unless it is the first of a run.
    pub(crate) fn enter(&mut self, segment: u32, first_of_run: bool) {
        self.rows.insert(segment, self.last.filter(|_| !first_of_run));
        self.last = Some(segment);
    }

    /// Enters a segment that is there, if it is not in it.
    pub(crate) fn admit(&mut self, segment: u32) {
        self.rows.entry(segment).or_default();
    }

    /// Takes a segment out.
    pub(crate) fn strike(&mut self, segment: u32) {
        self.rows.remove(&segment);
    }

    /// Writes the file. Without room for it there is none: a missing roster claims nothing.
    pub(crate) fn write(&self, dir: &Path, disk: &dyn Disk) -> io::Result<()> {
        let path = dir.join(NAME);
        match replace_whole(disk, &path, self.text().as_bytes()) {
            Err(error) if is_full(&error) => match disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => disk.sync_dir(dir),
            },
            result => result,
        }
    }
}

fn sum_of(rows: &str) -> String {
    format!("checksum {:08x}", crc32c::crc32c(rows.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_is_read_as_it_was_written_and_not_if_it_is_damaged() {
        let mut roster = Roster::default();
        roster.admit(2);
        roster.enter(7, true);
        roster.enter(9, false);
        let text = roster.text();
        assert!(
            text.starts_with("postrider segments 1\n00000002\n00000007\n00000009 after 00000007\nchecksum ")
        );
        let read = Roster::parse(&text).unwrap();
        assert_eq!((read.before(9), read.before(7), read.before(2)), (Some(7), None, None));
        assert_eq!(Roster::parse(&text.replace('9', "8")), None);
        assert_eq!(Roster::parse(&text[..text.len() - 2]), None);
        assert_eq!(Roster::parse(""), None);
    }

    #[test]
    fn what_is_missing_is_missed_until_a_repair() {
        let mut roster = Roster::default();
        roster.enter(2, true);
        roster.enter(3, false);
        assert_eq!(roster.found(|segment| segment == 3), [2]);
        let mut again = Roster::parse(&roster.text()).unwrap();
        assert_eq!(again.found(|segment| segment == 3), [2]);
        again.forget_missing();
        assert_eq!(Roster::parse(&again.text()).unwrap().found(|segment| segment == 3), [0; 0]);
    }
}
