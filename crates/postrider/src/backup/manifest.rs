//! What is in a backup, and the hash of each file: whoever reads it knows whether it is what was written.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::shown;
use crate::{config, failure::Failure};

/// The form of backups that this program makes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// Its name. It is written last.
pub(super) const FILE: &str = "manifest.json";
/// Octets that are read at a time.
const PIECE_OCTETS: usize = 1 << 20;

/// All that is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Its form; another one is not read.
    pub(crate) format: u32,
    /// The version of the program that made it.
    pub(crate) made_by: String,
    /// When, in UTC.
    pub(crate) made_at: String,
    /// Each file.
    pub(crate) files: Vec<Entry>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Below the backup's directory.
    pub(crate) path: String,
    pub(crate) octets: u64,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
    /// Where a file of the configuration comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

/// What tells the form alone, whatever else a newer one has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

impl Manifest {
    /// Reads that of a backup.
    pub(crate) fn read(backup: &Path) -> Result<Self, Failure> {
        let text = fs::read(backup.join(FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::usage(format!("{} is no backup", shown(backup)))
                .hint("a backup has a file manifest.json; one that was cut off has the name of its directory end in .partial"),
            _ => Failure::new(format!("cannot read {}: {}", shown(&backup.join(FILE)), config::words(&error))),
        })?;
        let damaged = |error: serde_json::Error| damaged(backup, &format!("{FILE} cannot be read: {error}"));
        let Form { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format > FORMAT {
            let failure = format!(
                "{} was made by a newer Postrider: its form is {format}, this program reads up to {FORMAT}",
                shown(backup)
            );
            return Err(Failure::new(failure).hint("use the newer program; nothing was changed"));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(damaged)?;
        // What is written below a directory comes from nowhere else.
        let is_below = |entry: &Entry| {
            Path::new(&entry.path).components().all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        if manifest.files.iter().all(is_below) {
            Ok(manifest)
        } else {
            Err(self::damaged(backup, "a name in manifest.json leads out of it"))
        }
    }

    /// The file of a name.
    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.path == path)
    }
}

/// A backup is not what it was.
pub(super) fn damaged(backup: &Path, why: &str) -> Failure {
    Failure::new(format!("the backup {} is damaged: {why}", shown(backup)))
        .hint("use another one; `postrider backup verify` tells all that is wrong with this one")
}

/// The length and the hash of a file; `each` gets every piece of it.
pub(super) fn hashed(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut octets) = (File::open(path)?, Context::new(&SHA256), 0);
    let mut buffer = vec![0; PIECE_OCTETS];
    loop {
        let read = file.read(&mut buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hash.update(piece);
        octets += piece.len() as u64;
        each(piece)?;
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let digits =
        hash.finish().as_ref().iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect();
    Ok((octets, digits))
}
