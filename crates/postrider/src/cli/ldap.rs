//! `postrider ldap`: try directories.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigFile;

#[derive(Debug, Subcommand)]
pub(crate) enum LdapCommand {
    /// Ask the directories of a configuration file, as the server would
    ///
    /// Works without a running server. With an address: which entry has it, what follows from that, and what a client would be answered; with a
    /// password too: whether it lets in. Without an address: how many people each directory has. Exit code 1 if a directory does not
    /// answer, nobody has the address, or the password is wrong.
    Check(LdapCheck),
}

#[derive(Debug, Args)]
pub(crate) struct LdapCheck {
    /// An address, or a login
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Try to log in with the password in the one line of this file; - is standard input
    #[arg(long, value_name = "FILE", requires = "address")]
    pub password_file: Option<PathBuf>,
    #[command(flatten)]
    pub file: ConfigFile,
}
