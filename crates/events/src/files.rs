//! The files of the event log: their names, their order and the LSN at the head of each line.

use std::{
    io,
    path::{Path, PathBuf},
};

use disk::{Disk, File};

use crate::EventsError;

/// Every line begins so: the number finds the place of a line without parsing JSON.
const LSN_KEY: &[u8] = b"{\"lsn\":";

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
}

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.jsonl"))
}

/// The files of the log, oldest first.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<LogFile>, EventsError> {
    let entries = disk.list(dir).map_err(|source| EventsError::Directory { path: dir.to_owned(), source })?;
    let mut files: Vec<LogFile> = entries
        .into_iter()
        .filter_map(|entry| {
            let number = entry.name.strip_suffix(".jsonl")?.parse().ok()?;
            Some(LogFile { number, path: dir.join(&entry.name), len: entry.len })
        })
        .collect();
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Reads a whole file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, EventsError> {
    let read = || -> io::Result<Vec<u8>> {
        let file = disk.open_read(path)?;
        read_from(file.as_ref(), 0, file.len()?)
    };
    read().map_err(|source| EventsError::Read { path: path.to_owned(), source })
}

/// Reads from `offset` up to `end`, or less if the file ends before.
pub(crate) fn read_from(file: &dyn File, offset: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(rest, offset + filled as u64)?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    octets.truncate(filled);
    Ok(octets)
}

/// Puts the LSN at the head of a line.
pub(crate) fn write_line(out: &mut Vec<u8>, lsn: u64, line: &[u8]) {
    out.extend_from_slice(LSN_KEY);
    // Writing to a Vec cannot fail.
    let _ = io::Write::write_fmt(out, format_args!("{lsn}"));
    match line.strip_prefix(b"{") {
        Some(b"}") | None => out.push(b'}'),
        Some(rest) => {
            out.push(b',');
            out.extend_from_slice(rest);
        }
    }
    out.push(b'\n');
}

/// The LSN at the head of a line.
pub(crate) fn lsn_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(LSN_KEY)?;
    let end = digits.iter().position(|octet| !octet.is_ascii_digit())?;
    str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lsn_leads_the_line() {
        let mut out = Vec::new();
        write_line(&mut out, 42, b"{\"v\":1}");
        write_line(&mut out, 43, b"{}");
        assert_eq!(out, b"{\"lsn\":42,\"v\":1}\n{\"lsn\":43}\n");
        assert_eq!(lsn_of(b"{\"lsn\":42,\"v\":1}"), Some(42));
        assert_eq!(lsn_of(b"{\"lsn\":42"), None);
        assert_eq!(lsn_of(b"{\"v\":1}"), None);
    }
}
