//! What was found: SEARCH, SORT, ESEARCH and THREAD (RFC 9051 §7.3.4, RFC 5256).

use crate::{SequenceSet, Tag, command::Page, text::Text};

/// The result of a search with RETURN, or in IMAP4rev2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ESearch {
    /// Of the command that it answers.
    pub tag: Tag,
    /// The numbers are UIDs.
    pub uid: bool,
    /// The smallest number.
    pub min: Option<u32>,
    /// The largest number.
    pub max: Option<u32>,
    /// All. None found: left out.
    pub all: Option<Found>,
    /// How many.
    pub count: Option<u32>,
    /// The highest mod-sequence of what was found (RFC 7162).
    pub mod_seq: Option<u64>,
    /// A page, and what is on it (RFC 9394).
    pub page: Option<(Page, Found)>,
}

/// Numbers that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In the order of the mailbox.
    Set(SequenceSet),
    /// In the order of SORT.
    Ordered(Vec<u32>),
}

/// One message of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadEntry {
    /// How many are above it: 0 for one that begins a thread. At most one more than the entry before.
    pub depth: u32,
    /// Its number or UID; `None`: it is not here, but those below belong together.
    pub number: Option<u32>,
}

impl Found {
    fn is_empty(&self) -> bool {
        match self {
            Self::Set(set) => set.is_empty(),
            Self::Ordered(numbers) => numbers.is_empty(),
        }
    }

    fn write(&self, out: &mut Text) {
        match self {
            Self::Set(set) => out.show(set),
            Self::Ordered(numbers) => write_ordered(out, numbers),
        }
    }
}

/// A `sequence-set` in this order: runs that ascend are ranges.
fn write_ordered(out: &mut Text, numbers: &[u32]) {
    let mut at = 0;
    while let Some(first) = numbers.get(at) {
        let run = numbers.get(at..).unwrap_or_default();
        let length = (1_u32..)
            .zip(run)
            .take_while(|(nth, number)| first.checked_add(nth - 1) == Some(**number))
            .count();
        out.raw(if at == 0 { "" } else { "," });
        out.show(first);
        if let Some(last) = run.get(length.saturating_sub(1)).filter(|last| *last != first) {
            out.show(format_args!(":{last}"));
        }
        at += length.max(1);
    }
}

impl ESearch {
    pub(super) fn write(&self, out: &mut Text) {
        out.raw("ESEARCH (TAG ");
        out.string(self.tag.as_str().as_bytes());
        out.raw(if self.uid { ") UID" } else { ")" });
        let mut number = |word, value: Option<u64>| {
            if let Some(value) = value {
                out.show(format_args!(" {word} {value}"));
            }
        };
        number("MIN", self.min.map(Into::into));
        number("MAX", self.max.map(Into::into));
        number("COUNT", self.count.map(Into::into));
        number("MODSEQ", self.mod_seq);
        if let Some(all) = self.all.as_ref().filter(|all| !all.is_empty()) {
            out.raw(" ALL ");
            all.write(out);
        }
        if let Some((page, found)) = &self.page {
            out.show(format_args!(" PARTIAL ({page} "));
            if found.is_empty() {
                out.raw("NIL");
            } else {
                found.write(out);
            }
            out.raw(")");
        }
    }
}

pub(super) fn write_numbers(out: &mut Text, word: &str, numbers: &[u32], mod_seq: Option<u64>) {
    out.raw(word);
    for number in numbers {
        out.show(format_args!(" {number}"));
    }
    // RFC 7162 §3.1.5: only with numbers.
    if let Some(value) = mod_seq.filter(|_| !numbers.is_empty()) {
        out.show(format_args!(" (MODSEQ {value})"));
    }
}

/// An entry of which something below was not written yet.
struct Open {
    depth: u32,
    /// It has opened a parenthesis.
    opened: bool,
    /// More than one follows it.
    branches: bool,
}

/// ```text
/// thread-data    = "THREAD" [SP 1*thread-list]
/// thread-list    = "(" (thread-members / thread-nested) ")"
/// thread-members = nz-number *(SP nz-number) [SP thread-nested]
/// thread-nested  = 2*thread-list
/// ```
///
/// Without recursion: a thread may be as deep as a mailbox is large.
pub(super) fn write_threads(out: &mut Text, entries: &[ThreadEntry]) {
    let entries = with_something_below(entries);
    let children = count_children(&entries);
    out.raw("THREAD");
    if !entries.is_empty() {
        out.sp();
    }
    let mut open: Vec<Open> = Vec::new();
    // Whether the last parenthesis has a number in it.
    let mut fresh = false;
    for (entry, children) in entries.iter().zip(children) {
        while let Some(above) = open.pop_if(|above| above.depth >= entry.depth) {
            out.raw(if above.opened { ")" } else { "" });
        }
        let above = open.last();
        let opened = above.is_none_or(|above| above.branches);
        if opened {
            // Before the first branch, not between branches.
            let first = !out.octets.ends_with(b")");
            out.raw(if above.is_some() && first && !fresh { " (" } else { "(" });
            fresh = true;
        }
        if let Some(number) = entry.number {
            out.raw(if fresh { "" } else { " " });
            out.show(number);
            fresh = false;
        }
        open.push(Open { depth: entry.depth, opened, branches: children > 1 });
    }
    for above in open.iter().rev() {
        out.raw(if above.opened { ")" } else { "" });
    }
}

/// Without the entries that have no number and nothing below.
fn with_something_below(entries: &[ThreadEntry]) -> Vec<ThreadEntry> {
    let mut kept: Vec<ThreadEntry> = Vec::with_capacity(entries.len());
    // The depth of the entry behind, from the end.
    let mut behind = 0;
    for entry in entries.iter().rev() {
        if entry.number.is_some() || behind > entry.depth {
            kept.push(*entry);
            behind = entry.depth;
        }
    }
    kept.reverse();
    kept
}

/// How many entries stand one level below each.
fn count_children(entries: &[ThreadEntry]) -> Vec<u32> {
    let mut counts = vec![0_u32; entries.len()];
    let mut above: Vec<(u32, usize)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        while above.pop_if(|(depth, _)| *depth >= entry.depth).is_some() {}
        if let Some(count) = above.last().and_then(|(_, parent)| counts.get_mut(*parent)) {
            *count += 1;
        }
        above.push((entry.depth, at));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Side;

    fn threads(entries: &[(u32, u32)]) -> String {
        let entry = |(depth, number): &(u32, u32)| ThreadEntry {
            depth: *depth,
            number: Some(*number).filter(|n| *n > 0),
        };
        let entries: Vec<ThreadEntry> = entries.iter().map(entry).collect();
        let mut out = Text::new(Side::Server, false);
        write_threads(&mut out, &entries);
        String::from_utf8(out.octets).unwrap()
    }

    /// RFC 5256 §4, its examples.
    #[test]
    fn threads_are_nested_as_the_standard_shows() {
        assert_eq!(threads(&[]), "THREAD");
        assert_eq!(
            threads(&[(0, 2), (0, 3), (1, 6), (2, 4), (3, 23), (2, 44), (3, 7), (4, 96)]),
            "THREAD (2)(3 6 (4 23)(44 7 96))"
        );
        assert_eq!(threads(&[(0, 0), (1, 3), (1, 5)]), "THREAD ((3)(5))");
        assert_eq!(threads(&[(0, 1), (1, 2), (2, 3), (0, 4)]), "THREAD (1 2 3)(4)");
        assert_eq!(threads(&[(0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (1, 6)]), "THREAD (1 (2 (3 4)(5))(6))");
    }

    #[test]
    fn what_is_missing_leaves_a_thread_that_can_be_read() {
        assert_eq!(threads(&[(0, 0)]), "THREAD");
        assert_eq!(threads(&[(0, 0), (1, 3)]), "THREAD (3)");
        assert_eq!(threads(&[(0, 1), (1, 0), (2, 3), (2, 4)]), "THREAD (1 (3)(4))");
        assert_eq!(threads(&[(0, 1), (1, 0), (1, 2)]), "THREAD (1 2)");
        assert_eq!(threads(&[(0, 0), (1, 0), (2, 0), (0, 9)]), "THREAD (9)");
    }

    #[test]
    fn an_order_is_kept() {
        let mut out = Text::new(Side::Server, false);
        write_ordered(&mut out, &[5, 3, 4, 5, 9, 8, u32::MAX, u32::MAX]);
        assert_eq!(String::from_utf8(out.octets).unwrap(), "5,3:5,9,8,4294967295,4294967295");
    }
}
