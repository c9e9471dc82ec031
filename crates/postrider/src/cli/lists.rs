//! `postrider list`: mailing lists.

use clap::{Args, Subcommand};

use super::{Listing, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Add a mailing list
    ///
    /// What is written to it goes to its members. NAME-request, NAME-owner and NAME-bounces at the same domain are addresses of its owners then.
    Add(ListAdd),
    /// List mailing lists, and where each is kept
    List(Listing),
    /// Show a mailing list with its members
    Show(ListNamed),
    /// Change the title and the owners of a mailing list, and who may write to it
    Change(ListChange),
    /// Put people on a mailing list, or take them off it
    #[command(subcommand)]
    Member(MemberCommand),
    /// Remove a mailing list
    Remove(ListNamed),
}

#[derive(Debug, Args)]
pub(crate) struct ListAdd {
    /// The address to which one writes, in a domain of ours
    #[arg(value_name = "LIST")]
    pub address: String,
    /// What it is called
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Who may write to it [default: members]
    #[arg(long, value_name = "WHO", value_parser = directory::Posters::ALL.map(directory::Posters::name))]
    pub post: Option<String>,
    /// Who looks after it and gets its bounces, an address of ours; may be given several times [default: the postmaster]
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Vec<String>,
    /// Who is on it, here or elsewhere; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub member: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ListNamed {
    /// Its address
    #[arg(value_name = "LIST")]
    pub address: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ListChange {
    /// Its address
    #[arg(value_name = "LIST")]
    pub address: String,
    /// What it is called; '' for nothing
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Who may write to it
    #[arg(long, value_name = "WHO", value_parser = directory::Posters::ALL.map(directory::Posters::name))]
    pub post: Option<String>,
    /// An owner that it gets; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub add_owner: Vec<String>,
    /// An owner that it loses; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub remove_owner: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Put people on a mailing list
    Add(Members),
    /// Take people off a mailing list
    Remove(Members),
}

#[derive(Debug, Args)]
pub(crate) struct Members {
    /// Its address
    #[arg(value_name = "LIST")]
    pub list: String,
    /// Who
    #[arg(value_name = "ADDRESS", required = true)]
    pub member: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}
