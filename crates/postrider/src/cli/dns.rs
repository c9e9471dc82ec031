//! `postrider dns`: what the DNS should have for this server.

use clap::{Args, Subcommand};

use super::{ConfigFile, DnsCheck, DnsPublish};

#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Print the records that the DNS should have, as a zone file has them
    ///
    /// Works without a running server, and asks nobody. Every record stands under a line that says what it is for. Put those of a domain into its
    /// zone: by hand, or on the web pages of whoever runs the DNS of the domain (then --relative is what those pages want).
    Records(DnsRecords),
    /// Compare the records that the DNS should have with those that it has, and say what to change
    ///
    /// Asks by the resolver of the server, and the zone's own servers: what others still remember is told from what is wrong. Exit code 0 if there is
    /// nothing worse than advice, else 1.
    Check(DnsCheck),
    /// Put the records that are missing into the DNS, where a server takes our updates (RFC 2136)
    ///
    /// By the server and the key of [dns.update], else of [tls.acme] with challenge = "dns-01". What is there and says something else is told and
    /// stays, unless --replace is given; records of other purposes are never touched.
    Publish(DnsPublish),
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
