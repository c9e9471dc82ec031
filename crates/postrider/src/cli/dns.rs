//! `postrider dns`: what the DNS should have for this server.

use clap::{Args, Subcommand};

use super::ConfigFile;

#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Print the records that the DNS should have, as a zone file has them
    ///
    /// Works without a running server, and asks nobody. Every record stands under a line that says what it is for. Put those of a domain into its
    /// zone: by hand, or on the web pages of whoever runs the DNS of the domain (then --relative is what those pages want).
    Records(DnsRecords),
}

#[derive(Debug, Args)]
pub(crate) struct DnsRecords {
    /// Only what belongs into the zone of this domain [default: all domains of the configuration file]
    #[arg(value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Write names relative to the domain, such as @ and _dmarc
    #[arg(long)]
    pub relative: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}
