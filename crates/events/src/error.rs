//! What can go wrong with the event log.

use std::{io, path::PathBuf};

/// Why the event log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The directory cannot be made or listed.
    #[error("cannot use directory {path} for the event log: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read event file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be made, cut or written.
    #[error("cannot write event file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the thread of the event log: {0}")]
    Thread(io::Error),
}
