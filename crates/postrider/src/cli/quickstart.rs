//! `postrider quickstart`: from an address to a server.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use super::ConfigFile;

#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// The first address, such as you@example.org: an account is made for it, and it gets the mail of postmaster and abuse
    #[arg(value_name = "ADDRESS")]
    pub login: String,
    /// The name of this machine in the DNS [default: mail. and the domain of the address]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// An address by which others reach this machine; may be given several times [default: those of its interfaces that are not private]
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    #[command(flatten)]
    pub file: ConfigFile,
    /// Keep all state in this directory
    #[arg(long, value_name = "DIR", default_value = crate::config::DATA_DIR)]
    pub data_dir: PathBuf,
    /// The user without rights as whom the server is to run, if root makes all this [default: postrider]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Read the password of the account from the one line of this file; - is standard input [default: asked for on a terminal, else made]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The zone of the domain is signed (DNSSEC): keep one key for all certificates, and print a TLSA record for it (DANE)
    #[arg(long)]
    pub dnssec: bool,
    /// Obtain certificates from the ACME server with this directory instead of Let's Encrypt
    #[arg(long, value_name = "URL")]
    pub acme_directory: Option<String>,
    /// The file with the authorities by which that ACME server is known; default: those of the system
    #[arg(long, value_name = "FILE", requires = "acme_directory")]
    pub acme_ca: Option<PathBuf>,
    /// Agree to the terms of the authority of certificates, and ask nothing
    #[arg(long, short)]
    pub yes: bool,
}
