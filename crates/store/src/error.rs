//! What can go wrong with the database, for the program and for the operator.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// Why something cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made or read.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is a database, but not one of ours, or no database at all.
    #[error("{} is not a database of Postrider", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the program has been here.
    #[error(
        "a newer Postrider has used {file}: its tables for `{owner}` are of version {found}, this program knows {known}"
    )]
    Newer {
        /// The file.
        file: String,
        /// Whose tables.
        owner: String,
        /// What the database has.
        found: u32,
        /// What this program has.
        known: u32,
    },
    /// A migration failed; nothing was changed.
    #[error("cannot bring the tables of `{owner}` to version {number}: {reason}")]
    Migration {
        /// Whose tables.
        owner: &'static str,
        /// Which of its migrations.
        number: u32,
        /// What the engine said.
        reason: String,
    },
    /// There is one of these already, or it would point to nothing.
    #[error("it is there already, or what it belongs to is not")]
    Conflict,
    /// The disk is full.
    #[error("no space left for the database")]
    Full,
    /// Somebody else keeps it locked.
    #[error("the database is locked by another program")]
    Busy,
    /// The server stops.
    #[error("the database is closed")]
    Closed,
    /// A row has another shape than the statement that reads it expects.
    #[error("column {0} is not what it has to be")]
    Column(usize),
    /// Whatever else the engine says.
    #[error("the database failed: {0}")]
    Engine(String),
}

impl StoreError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "the server's user must be able to write to the data directory",
            Self::NotOurs { .. } => "move the file away, or choose another data directory",
            Self::Newer { .. } => {
                "run the newer program again, or put the copy of the file back that was made before it ran; nothing was changed"
            }
            Self::Migration { .. } => "the database is as it was; report this with what the engine said",
            Self::Conflict => "look at what is there",
            Self::Full => "make room on the disk",
            Self::Busy => "close the program that has it open",
            Self::Closed => "try again once the server runs",
            Self::Column(_) | Self::Engine(_) => "restore the database from a backup if it stays so",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Conflict,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Engine(error.to_string()),
        }
    }
}
