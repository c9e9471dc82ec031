//! `postrider backup` and `postrider restore`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Copy the databases, the configuration and its files into a new directory, while the server runs or not
    ///
    /// Mail goes on meanwhile. All that was accepted and filed before it began is in it; mail that waits in the queue is not. Run it as the server's
    /// user or as root. Only a backup that is whole has its name.
    Create(BackupCreate),
    /// Check a backup against its checksums, by reading all of it; changes nothing
    ///
    /// Exit code 1 if anything is wrong.
    Verify(BackupVerify),
}

#[derive(Debug, Args)]
pub(crate) struct BackupCreate {
    /// The directory to make
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct BackupVerify {
    /// The backup
    #[arg(value_name = "DIR")]
    pub backup: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "DIR")]
    pub backup: PathBuf,
    /// Put what is missing in the mailboxes of this account back, into the running server
    #[arg(long, value_name = "LOGIN")]
    pub account: Option<String>,
    /// Only this mailbox of the account
    #[arg(long, value_name = "NAME", requires = "account")]
    pub mailbox: Option<String>,
    #[command(flatten)]
    pub place: Place,
}
