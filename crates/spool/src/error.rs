//! What can go wrong with the spool.

use std::{io, path::PathBuf};

use mail::QueueId;

/// Why the spool did not do it. The variant is for the program, the text for the operator's log.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Less room than the reserve is left, or the file system is full. Room may come back: 4yz.
    #[error("no space left for mail in {dir}")]
    Full {
        /// The spool's directory.
        dir: PathBuf,
    },
    /// A write or sync has failed in this run: nothing can be promised any more until a restart with a good probe.
    #[error(
        "a write or sync failed; no mail is accepted or delivered until the server is restarted and its probe succeeds"
    )]
    Poisoned,
    /// The spool was closed.
    #[error("the spool is closed")]
    Closed,
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the directory.
    #[error("{dir} is in use by another postrider")]
    Locked {
        /// The spool's directory.
        dir: PathBuf,
    },
    /// The directory cannot be made or used.
    #[error("cannot use spool directory {dir}: {source}")]
    Directory {
        /// The spool's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is on another machine: a lock that is lost there, or a write that fails after it was promised, would lose mail.
    #[error(
        "{dir} is on a network file system ({file_system}), which cannot keep the promises of a mail queue"
    )]
    Network {
        /// The spool's directory.
        dir: PathBuf,
        /// The file system.
        file_system: &'static str,
    },
    /// A later Postrider wrote it.
    #[error(
        "{path} has format version {found}, but this postrider knows only up to {known}: use the version that wrote it"
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// No such message is in the queue.
    #[error("no message {0} in the queue")]
    Unknown(QueueId),
    /// What is stored of a message does not match its checksum.
    #[error("message {id} is damaged: {what}")]
    Damaged {
        /// The message.
        id: QueueId,
        /// Which part of it.
        what: &'static str,
    },
    /// A segment that is to go and cannot: something in it is still needed.
    #[error("{path} is damaged and cannot be replaced: something in it is still needed and cannot be moved")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A single commit that no segment can hold.
    #[error("{octets} octets in one commit are more than a segment holds")]
    TooLarge {
        /// Its size.
        octets: u64,
    },
    /// Mail on its way in takes all the memory that it may. What is there will be committed soon: 4yz.
    #[error("mail on its way in takes all of the {octets} octets that it may (receive.memory_max)")]
    OutOfMemory {
        /// The bound.
        octets: usize,
    },
    /// The queue has as many recipients as it may. It gets shorter by delivery: 4yz.
    #[error("the queue has all of the {recipients} recipients that it may (queue.recipients_max)")]
    QueueFull {
        /// The bound.
        recipients: usize,
    },
    /// The system gives no thread.
    #[error("cannot start a thread of the spool: {0}")]
    Thread(io::Error),
}

impl SpoolError {
    /// Whether more room would help (452 4.3.1 rather than 451 4.3.0).
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::OutOfMemory { .. } | Self::QueueFull { .. })
    }
}
