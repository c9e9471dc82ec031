//! `postrider doctor`, and what it has in common with `postrider dns check`.

use clap::Args;

use super::ConfigFile;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Look at this domain alone instead of all whose mail ends here; may be given several times
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Vec<String>,
    /// Try whether mail can leave: connect to port 25 of this mail host, say nothing, and go
    ///
    /// Some providers close that port for their customers. No stranger is spoken to unless you name one here.
    #[arg(long, value_name = "HOST")]
    pub outbound: Option<String>,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct DnsCheck {
    /// The domain [default: all whose mail ends here, and the records of this host]
    #[arg(value_name = "DOMAIN")]
    pub domain: Vec<String>,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct DnsPublish {
    /// The domain [default: all of the configuration file, and the records of this host]
    #[arg(value_name = "DOMAIN")]
    pub domain: Vec<String>,
    /// Only say what would be changed
    #[arg(long)]
    pub dry_run: bool,
    /// Put what is wanted in the place of what is there and differs, too
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}
