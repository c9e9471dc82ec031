//! `postrider dkim`: keys for signatures, and what publishes them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigFile, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum DkimCommand {
    /// Make a key for a domain, and print the record that publishes it
    ///
    /// Works without a running server. The key goes into a new file that only its owner can read; name it by [[dkim]] in the configuration file once
    /// the record is in the DNS.
    Generate(DkimGenerate),
    /// Print the records of all keys of a configuration file, as a zone file has them
    ///
    /// Those of [[dkim]], and of the keys that the server has made for the domains of `signing.keep`. Works without a running server.
    Records(ConfigFile),
    /// Show how the keys fare: which sign, what the DNS has of them, and what you have to do now
    Status(DkimStatus),
    /// Have new keys made for a domain whose keys the server keeps, before it is time
    ///
    /// They sign once their records are in the DNS and known; until then those that sign now go on.
    Rotate(DkimRotate),
}

#[derive(Debug, Args)]
pub(crate) struct DkimStatus {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct DkimRotate {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    pub domain: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct DkimGenerate {
    /// The domain whose mail is to be signed
    #[arg(value_name = "DOMAIN")]
    pub domain: String,
    /// Publish it under this name [default: the kind of key and the month, such as r202611]
    #[arg(long, value_name = "NAME")]
    pub selector: Option<String>,
    /// What kind of key: every receiver knows rsa; ed25519 is worth having beside it
    #[arg(long, value_name = "KIND", default_value = "rsa")]
    pub kind: KeyKind,
    /// Write the private key here [default: SELECTOR.DOMAIN.pem in this directory]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    Rsa,
    Ed25519,
}
