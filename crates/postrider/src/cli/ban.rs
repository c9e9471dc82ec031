//! `postrider ban`: who cannot log in for having failed.

use clap::{Args, Subcommand};

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum BanCommand {
    /// List who cannot log in now, those that last longest first
    List(BanList),
    /// Forget the failures of a client or a login, so that it may try again at once
    Lift(BanLift),
}

#[derive(Debug, Args)]
pub(crate) struct BanList {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct BanLift {
    /// An address (of IPv6, any of its /64), or a login
    #[arg(value_name = "ADDRESS|LOGIN")]
    pub who: String,
    #[command(flatten)]
    pub place: Place,
}
