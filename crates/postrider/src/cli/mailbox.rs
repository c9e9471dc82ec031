//! `postrider mailbox`: the mailboxes of accounts.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{AccountNamed, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum MailboxCommand {
    /// List the mailboxes of an account, and how much it may hold
    List(AccountNamed),
    /// Set how much an account may hold
    ///
    /// What it holds beyond stays, and can be read; mail for it waits in the queue. What is not given stays as it is.
    Quota(MailboxQuota),
    /// Bring in the mail of a Maildir, an mbox file, a directory of mbox files, or of another server by IMAP
    ///
    /// Flags, keywords and dates come along; mailboxes that are not there are made. What was brought in before is not brought in again: after an
    /// interrupt, or once there is more, run it again. From a server come all mailboxes of the user who logs in there, and nothing is changed there;
    /// its password is asked for on the terminal, or is the line of standard input, unless an option says where it is.
    Import(MailboxImport),
    /// Write all mailboxes of an account into files, with flags, keywords and dates
    Export(MailboxExport),
    /// Remove all mailboxes of an account that is no more, with all mail in them
    ///
    /// The rights to mailboxes of others that were granted to it go too. The account itself is removed first, by `postrider account remove`, or in the configuration file.
    Remove(MailboxRemove),
    /// Check what is stored, by reading all of it; changes nothing
    ///
    /// Works without a running server too. Exit code 1 with findings.
    Verify(MailboxUpkeep),
    /// Make anew what is derived from the messages: counts, usage, structures, the index of texts
    ///
    /// Works without a running server too. With one, new mail waits meanwhile. The index is filled again while the server runs.
    Rebuild(MailboxUpkeep),
}

#[derive(Debug, Args)]
pub(crate) struct MailboxQuota {
    /// The login of the account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// The most octets of all its messages, such as 2GiB, or none for no limit
    #[arg(long, value_name = "SIZE|none", value_parser = octets, required_unless_present = "messages")]
    pub octets: Option<Most>,
    /// The most messages, or none for no limit
    #[arg(long, value_name = "NUMBER|none", value_parser = messages)]
    pub messages: Option<Most>,
    #[command(flatten)]
    pub place: Place,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most(pub Option<u64>);

fn octets(text: &str) -> Result<Most, String> {
    if text == "none" {
        return Ok(Most(None));
    }
    let size = crate::config::size(text).map_err(|wrong| wrong.hint.unwrap_or(wrong.message))?;
    Ok(Most(Some(size)))
}

fn messages(text: &str) -> Result<Most, String> {
    if text == "none" {
        return Ok(Most(None));
    }
    text.parse()
        .map(|number| Most(Some(number)))
        .map_err(|_| "write a number, or none for no limit".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct MailboxImport {
    /// The login of the account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// Where the mail is: a Maildir, an mbox file, a directory of mbox files, or a server as `imaps://USER@HOST/` (`imap`: STARTTLS)
    #[arg(long, value_name = "PATH|URL")]
    pub from: PathBuf,
    /// Into this mailbox, and those below it, instead of INBOX and as many as there are
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// From a server only this mailbox, by its name there; may be given several times
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Read the password at the server from the one line of this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The environment variable with the password at the server
    #[arg(long, value_name = "NAME", conflicts_with = "password_file")]
    pub password_env: Option<String>,
    /// Log in at the server with the access token in this file (OAUTHBEARER, XOAUTH2) instead of a password
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_file", "password_env"])]
    pub token_file: Option<PathBuf>,
    /// Believe the server if one of the authorities in this PEM file has certified it, instead of those that this machine trusts
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

impl MailboxImport {
    /// An option that was given, and is only for a server.
    pub(crate) fn only_remote(&self) -> Option<&'static str> {
        [
            ("--only", !self.only.is_empty()),
            ("--password-file", self.password_file.is_some()),
            ("--password-env", self.password_env.is_some()),
            ("--token-file", self.token_file.is_some()),
            ("--ca", self.ca.is_some()),
        ]
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
    }
}

#[derive(Debug, Args)]
pub(crate) struct MailboxExport {
    /// The login of the account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// Into this directory, which is not there yet or is empty
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// In which form
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: ExportFormat,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One Maildir with subfolders (Maildir++), as Dovecot and Courier have it
    Maildir,
    /// An mbox file for each mailbox (mboxrd)
    Mbox,
}

/// A change that cannot be taken back.
#[derive(Debug, Args)]
pub(crate) struct MailboxRemove {
    /// The login that the account had
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// Do not ask; needed where nobody can be asked
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct MailboxUpkeep {
    #[command(flatten)]
    pub place: Place,
}
