//! `postrider relay`: who takes mail for other places.

use clap::{Args, Subcommand};

use super::ConfigFile;

#[derive(Debug, Subcommand)]
pub(crate) enum RelayCommand {
    /// List the relays of a configuration file, and the providers that can be named by preset
    ///
    /// Of each provider: where it is, what it wants as login and password, when that was last checked, and where it stands.
    List(RelayList),
    /// Connect to relays, make sure who they are, and log in; no mail is sent
    ///
    /// Works without a running server. Exit code 1 if a relay cannot be reached, is not who it has to be, or does not take the login.
    Check(RelayCheck),
    /// Allow this server to send by an account that takes tokens (OAuth 2)
    ///
    /// Prints a URL for a browser on this machine, or with --device a code to type in on any other, and keeps what the provider gives then in the data
    /// directory. It is renewed by itself from then on. The server may run, and tries at once what waits.
    Login(RelayLogin),
    /// Send one message through a relay, and tell what it says
    ///
    /// Works without a running server, and beside its queue.
    Test(RelayTest),
}

#[derive(Debug, Args)]
pub(crate) struct RelayList {
    /// Only the providers that can be named by preset; needs no configuration file
    #[arg(long)]
    pub presets: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct RelayCheck {
    /// Only this relay
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct RelayLogin {
    /// At this relay [default: the first whose account takes tokens]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// By a code that is typed in on another device
    #[arg(long)]
    pub device: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct RelayTest {
    /// Who gets the message
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Through this relay, not the first that takes mail for the address
    #[arg(long, value_name = "NAME")]
    pub relay: Option<String>,
    /// Who sends it [default: the login, if it is an address; else the postmaster]
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    #[command(flatten)]
    pub file: ConfigFile,
}
