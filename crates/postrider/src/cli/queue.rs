//! `postrider queue`: its commands and how a part of the queue is selected.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List messages, oldest first
    List(QueueList),
    /// Show one message and how each of its recipients fares
    Show(QueueShow),
    /// Count what waits: by domain, site, state, age, last reply or sender
    Stats(QueueStats),
    /// Try to deliver now what waits for another attempt
    Retry(QueueChange),
    /// Put on hold: nothing is tried until a release, and the lifetime stands still
    Hold(QueueChange),
    /// Take off hold
    Release(QueueChange),
    /// Give up and report to the senders
    Bounce(QueueBounce),
    /// Remove for good; nobody is told
    Remove(QueueDestroy),
}

/// Marks of recipients.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which recipients")]
pub(crate) struct Selecting {
    /// Of these messages
    #[arg(value_name = "QUEUE-ID")]
    pub ids: Vec<String>,
    /// With this address: anna@example.org, @example.org, or a pattern with *
    #[arg(long, value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// Of messages from this address; '<>' means reports
    #[arg(long, value_name = "ADDRESS")]
    pub from: Vec<String>,
    /// In this domain: example.org, .example.org for all below it, or a pattern with *
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Vec<String>,
    /// Last tried at this site: the registrable domain of the MX, or the host that a route names
    #[arg(long, value_name = "SITE")]
    pub site: Vec<String>,
    /// Of messages accepted this long ago or earlier, such as 2h or 3d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<Duration>,
    /// Of messages accepted this long ago or later
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub younger_than: Option<Duration>,
    /// Whose last reply has this text in it
    #[arg(long, value_name = "TEXT")]
    pub reason: Vec<String>,
    /// In this state
    #[arg(long, value_name = "STATE")]
    pub state: Vec<StateWord>,
}

fn age(text: &str) -> Result<Duration, String> {
    crate::config::duration(text).map_err(|wrong| wrong.hint.unwrap_or(wrong.message))
}

#[derive(Debug, Args)]
pub(crate) struct QueueList {
    #[command(flatten)]
    pub selecting: Selecting,
    /// At most this many messages
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Options")]
    pub limit: u32,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct QueueStats {
    #[command(flatten)]
    pub selecting: Selecting,
    /// What to count by
    #[arg(long, value_name = "WHAT", default_value = "domain", help_heading = "Options")]
    pub by: By,
    /// At most this many lines, the largest counts first
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Options")]
    pub limit: u32,
    #[command(flatten)]
    pub place: Place,
}

/// What to count by. The words are the API's.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum By {
    /// Recipient domain
    Domain,
    /// Site of the last attempt, with how it fares
    Site,
    /// What the recipients wait for
    State,
    /// How long ago the messages were accepted
    Age,
    /// The last reply, without what differs from one recipient to the next
    Reason,
    /// Reverse-path
    Sender,
}

impl By {
    /// As the API wants it.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A change that can be taken back, or does no harm.
#[derive(Debug, Args)]
pub(crate) struct QueueChange {
    #[command(flatten)]
    pub selecting: Selecting,
    /// The whole queue
    #[arg(long, conflicts_with_all = ["ids", "to", "from", "domain", "site", "older_than", "younger_than", "reason", "state"])]
    pub all: bool,
    /// Change nothing; say how many are meant
    #[arg(long, help_heading = "Options")]
    pub dry_run: bool,
    #[command(flatten)]
    pub place: Place,
}

/// A change that cannot be taken back.
#[derive(Debug, Args)]
pub(crate) struct QueueDestroy {
    #[command(flatten)]
    pub change: QueueChange,
    /// Do not ask; needed where nobody can be asked, unless queue ids alone say what is meant
    #[arg(long, short, help_heading = "Options")]
    pub yes: bool,
}

/// Reports to senders cannot be taken back either.
#[derive(Debug, Args)]
pub(crate) struct QueueBounce {
    #[command(flatten)]
    pub destroy: QueueDestroy,
    /// What senders read as the reason [default: Given up by the administrator of this server]
    #[arg(long, value_name = "TEXT", help_heading = "Options")]
    pub text: Option<String>,
}

/// What a recipient waits for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StateWord {
    /// Waits for its first attempt
    Queued,
    /// Is being delivered now
    Active,
    /// Waits for another attempt
    Deferred,
    /// Is on hold
    Held,
}

impl From<StateWord> for admin::api::State {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Queued => Self::Queued,
            StateWord::Active => Self::Active,
            StateWord::Deferred => Self::Deferred,
            StateWord::Held => Self::Held,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct QueueShow {
    /// The queue id, as the 250 reply, the logs and `queue list` tell it
    #[arg(value_name = "QUEUE-ID")]
    pub id: String,
    #[command(flatten)]
    pub place: Place,
}
