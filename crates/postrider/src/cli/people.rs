//! `postrider domain`, `account` and `alias`: who exists.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigFile, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum DomainCommand {
    /// Add a domain whose mail ends here
    Add(DomainAdd),
    /// List domains, and where each is kept
    List(Listing),
    /// Remove a domain, once no account and no alias needs it
    Remove(DomainRemove),
}

#[derive(Debug, Args)]
pub(crate) struct DomainAdd {
    /// Its name, such as example.org
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Who gets mail for addresses of it that do not exist [default: it is refused]
    #[arg(long, value_name = "ADDRESS")]
    pub catch_all: Option<String>,
    /// What separates a user from a detail; '' for no details [default: +]
    #[arg(long, value_name = "TEXT")]
    pub subaddress: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct DomainRemove {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add an account
    ///
    /// The password is asked for on a terminal; elsewhere it is the one line of standard input. It is never an argument, for those can be seen by
    /// all users of the machine. Only a hash of it is kept, and keys for SCRAM.
    Add(AccountAdd),
    /// List accounts, and where each is kept
    List(Listing),
    /// Show an account with its app passwords
    Show(AccountNamed),
    /// Set the password of an account
    ///
    /// Where it comes from is as with `account add`. Sessions that have logged in go on.
    Password(AccountPassword),
    /// Give or take further addresses and roles
    Change(AccountChange),
    /// Let nobody log in to an account any more
    ///
    /// Sessions under way send nothing more either. Mail for it still comes.
    Disable(AccountNamed),
    /// Let somebody log in again
    Enable(AccountNamed),
    /// Remove an account; its mail stays on the disk
    ///
    /// Whoever gets an account of the same login later finds that mail, and what others had shared with it. `postrider mailbox remove` removes both.
    Remove(AccountNamed),
    /// Passwords for one program each
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
    /// Print what a mail client has to be told, as text or as a file that it reads by itself
    ///
    /// From the listeners of the configuration file; those without TLS are left out. No server is asked.
    Settings(AccountSettings),
}

#[derive(Debug, Args)]
pub(crate) struct AccountAdd {
    /// The address by which it logs in and gets mail
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// A further address of it; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// What it may do beside what every account may; may be given several times
    #[arg(long, value_name = "ROLE", value_parser = directory::Role::ALL.map(directory::Role::name))]
    pub role: Vec<String>,
    /// No password: nobody logs in but by app passwords
    #[arg(long, conflicts_with_all = ["password_file", "hash"])]
    pub no_password: bool,
    #[command(flatten)]
    pub source: PasswordSource,
    #[command(flatten)]
    pub place: Place,
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the one line of this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// What is read is no password but what another server kept of one: a PHC string, a crypt string, or either behind a {SCHEME}
    ///
    /// The first login puts a hash of today in its place.
    #[arg(long)]
    pub hash: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AccountNamed {
    /// Its login
    #[arg(value_name = "LOGIN")]
    pub login: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AccountPassword {
    /// Its login
    #[arg(value_name = "LOGIN")]
    pub login: String,
    #[command(flatten)]
    pub source: PasswordSource,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AccountChange {
    /// Its login
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// An address that it gets; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub add_address: Vec<String>,
    /// An address that it loses; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub remove_address: Vec<String>,
    /// A role that it gets
    #[arg(long, value_name = "ROLE", value_parser = directory::Role::ALL.map(directory::Role::name))]
    pub add_role: Vec<String>,
    /// A role that it loses
    #[arg(long, value_name = "ROLE", value_parser = directory::Role::ALL.map(directory::Role::name))]
    pub remove_role: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make an app password; its words are shown this once
    ///
    /// They go to standard output, all else to standard error.
    Add(AppPasswordAdd),
    /// List the app passwords of an account
    List(AccountNamed),
    /// Take an app password back
    ///
    /// Sessions that came by it send nothing more.
    Revoke(AppPasswordRevoke),
}

#[derive(Debug, Args)]
pub(crate) struct AccountSettings {
    /// An address; with --format dns and --format thunderbird its domain is what counts
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// For whom
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = SettingsFormat::Text)]
    pub format: SettingsFormat,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SettingsFormat {
    /// For people
    Text,
    /// config-v1.1.xml, which clients look for at autoconfig.DOMAIN
    Thunderbird,
    /// The answer of Autodiscover for Outlook
    Outlook,
    /// A profile (.mobileconfig) for iPhone, iPad and Mac
    Apple,
    /// SRV records in the form of a zone file (RFC 6186, RFC 8314)
    Dns,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordAdd {
    /// The login of its account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// What to call it, such as the program that it is for
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// What it is good for; may be given several times
    #[arg(long, required = true, value_name = "SCOPE", value_parser = directory::Scope::ALL.map(directory::Scope::name))]
    pub scope: Vec<String>,
    /// Change nothing: print a section for the configuration file, for an account that is declared there
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordRevoke {
    /// The login of its account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// Its id, as the list tells it: the part behind pr-
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Add an address that stands for others
    Add(AliasAdd),
    /// List aliases, and where each is kept
    List(Listing),
    /// Remove an alias
    Remove(AliasRemove),
}

#[derive(Debug, Args)]
pub(crate) struct AliasAdd {
    /// The address
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Who gets its mail: addresses of accounts or other aliases of ours, or elsewhere
    #[arg(value_name = "TO", required = true)]
    pub to: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AliasRemove {
    /// The address
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    #[command(flatten)]
    pub place: Place,
}
