//! The command line.

mod values;

use crate::Failure;
use crate::fairness::Trouble;
use crate::mailbox;
use crate::scenario::Work;
use crate::secure::{self, TlsLoad};
use crate::servers;
use crate::sink::Manner;
use crate::source::{Entry, Load, Plan, Recipients};
use crate::work_dir::WorkDir;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rustls::ServerConfig;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use values::{at_least_one, rate, seconds, size};

/// Measures Postrider beside its peers, on loopback.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send messages to an SMTP server and measure its replies
    Source(SourceOptions),
    /// Accept and count messages
    Sink(SinkOptions),
    /// Start Postrider and its peer in turn, load both alike, and print and keep the figures
    Run(RunOptions),
    /// Measure all there is, beside Postfix and Exim, within a given time; print and keep tables and plots
    All(AllOptions),
    /// Start two builds of Postrider in turn, load both alike, and print how many times better the second is
    Compare(CompareOptions),
    /// Measure how long mail takes while one destination among all is in trouble
    Fairness(FairnessOptions),
    /// Measure what TLS costs: sessions and handshakes, accepting and relaying
    Tls(TlsOptions),
    /// Measure what it costs to sign mail and to check it, beside Postfix and its milters
    Auth(AuthOptions),
    /// Measure logins, and what a flood of wrong ones does to others
    Logins(LoginsOptions),
    /// Measure mailboxes beside Dovecot: what clients read and append, what is delivered, and sessions that wait
    Mailbox(MailboxOptions),
    /// Measure a queue of a million messages: to open it, to look at it, to change it, and mail beside it
    Queue(QueueOptions),
    /// Cut the power under servers that are flooded, and count what was answered with 250 and is lost
    Order(OrderOptions),
    /// Remove a directory when standard input ends without a word (used by all that start servers)
    #[command(hide = true)]
    GuardDirectory {
        /// The directory
        directory: PathBuf,
    },
    /// Run another program until standard input ends (used by `run` for its servers)
    #[command(hide = true)]
    Guard {
        /// Control groups to enter before
        #[arg(long = "group")]
        groups: Vec<PathBuf>,
        /// What to run
        program: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SourceOptions {
    /// The server's address and port
    server: SocketAddr,
    /// Sessions open at a time
    #[arg(long, default_value = "20", value_parser = at_least_one)]
    sessions: u64,
    /// Messages in all
    #[arg(long, default_value = "1000")]
    messages: u64,
    /// Octets of a message's content: 10KiB, 1MiB, 2000
    #[arg(long, default_value = "10KiB", value_parser = size)]
    size: usize,
    /// Messages a second (open loop); without it each session sends as fast as replies come (closed loop)
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Wait for each reply before the next command
    #[arg(long)]
    no_pipelining: bool,
    /// Messages until a session quits and another is opened; without it sessions are kept
    #[arg(long, value_parser = at_least_one)]
    per_session: Option<u64>,
    /// The recipient; `{}` stands for a number below --spread: `user{}@example.test`, `user@d{}.example.test`
    #[arg(long, default_value = "user@sink.test")]
    to: String,
    /// How many recipients `{}` in --to makes
    #[arg(long, default_value = "1")]
    spread: u64,
    #[command(flatten)]
    tls: TlsLoad,
    /// No message is started after this many seconds
    #[arg(long, default_value = "60", value_parser = seconds)]
    time_limit: Duration,
    /// Print the figures as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl SourceOptions {
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        Ok(Plan {
            server: self.server,
            entry: Entry::by(self.tls.dialer()?),
            sessions: usize::try_from(self.sessions).unwrap_or(usize::MAX),
            messages: self.messages,
            size: self.size,
            load: self.rate.map_or(Load::Closed, |per_second| Load::Open { per_second }),
            pipelining: !self.no_pipelining,
            per_session: self.per_session,
            recipients: Recipients::new(&self.to, self.spread),
            time_limit: self.time_limit,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct SinkOptions {
    /// Where to listen; port 0 lets the kernel choose
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Stop after this many messages
    #[arg(long)]
    pub(crate) count: Option<u64>,
    /// Stop after this many seconds
    #[arg(long, value_parser = seconds)]
    pub(crate) time_limit: Option<Duration>,
    /// Take connections and never say a word
    #[arg(long)]
    silent: bool,
    /// Offer STARTTLS
    #[arg(long)]
    tls: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl SinkOptions {
    pub(crate) fn manner(&self) -> Manner {
        if self.silent { Manner::Silent } else { Manner::Accepting }
    }

    pub(crate) fn acceptor(&self) -> Result<Option<Arc<ServerConfig>>, Failure> {
        self.tls.then(secure::acceptor).transpose()
    }
}

/// The Postrider that is measured.
#[derive(Debug, Args)]
pub(crate) struct Program {
    /// The Postrider program; default: the release build of this checkout, built if it is missing
    #[arg(long)]
    postrider: Option<PathBuf>,
}

impl Program {
    pub(crate) fn find(&self) -> Result<PathBuf, Failure> {
        servers::program(self.postrider.as_deref())
    }
}

/// Where the spools are.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpoolDisk {
    /// Where the servers keep their spools; it should be on the disk you mean to measure
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl SpoolDisk {
    pub(crate) fn work_dir(&self) -> Result<WorkDir, Failure> {
        WorkDir::make(self.dir.as_deref())
    }
}

/// Where figures are kept.
#[derive(Debug, Args)]
pub(crate) struct ResultsDir {
    /// Where the figures are written
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// Write no files
    #[arg(long)]
    no_results: bool,
}

impl ResultsDir {
    /// None: they are not.
    pub(crate) fn get(&self) -> Option<&Path> {
        (!self.no_results).then_some(&self.results)
    }
}

/// Where spools are, what is measured, and where the figures go.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) disk: SpoolDisk,
    #[command(flatten)]
    pub(crate) program: Program,
    #[command(flatten)]
    pub(crate) results: ResultsDir,
}

/// What a server is loaded with, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadOptions {
    /// What to measure; all of it when nothing is named
    pub(crate) works: Vec<Work>,
    /// Sessions of the source, one row of figures for each
    #[arg(long, default_value = "1,20,200", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) sessions: Vec<u64>,
    /// Octets of a message's content
    #[arg(long, default_value = "10KiB", value_parser = size)]
    pub(crate) size: usize,
    /// Messages of a round, warm-up not counted; too few make a round so short that chance decides
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    pub(crate) messages: u64,
    /// Rounds; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Who makes the load, and who takes what is relayed
    #[arg(long, default_value = "own")]
    pub(crate) generator: Generator,
    /// Messages until a session quits and another is opened; without it sessions are kept
    #[arg(long, value_parser = at_least_one)]
    pub(crate) per_session: Option<u64>,
    #[command(flatten)]
    pub(crate) tls: TlsLoad,
    /// Wait for each reply before the next command
    #[arg(long)]
    pub(crate) no_pipelining: bool,
    /// Recipient domains (accept, relay) or mailboxes (local)
    #[arg(long, default_value = "10", value_parser = at_least_one)]
    pub(crate) spread: u64,
    /// No message of a round is started after this many seconds
    #[arg(long, default_value = "15", value_parser = seconds)]
    pub(crate) time_limit: Duration,
    #[command(flatten)]
    pub(crate) disk: SpoolDisk,
    /// Keep the servers' directories (configuration, logs, spools) afterwards
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    /// The server to compare with
    #[arg(long, default_value = "postfix")]
    pub(crate) peer: Peer,
    /// Leave Postrider out (to look at the peer or at the bench itself)
    #[arg(long)]
    pub(crate) peer_only: bool,
    #[command(flatten)]
    pub(crate) program: Program,
    #[command(flatten)]
    pub(crate) results: ResultsDir,
}

#[derive(Debug, Args)]
pub(crate) struct AllOptions {
    /// What to measure; all of it when nothing is named
    pub(crate) parts: Vec<Part>,
    /// Sessions of the source
    #[arg(long, default_value = "1,20,200,2000", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) sessions: Vec<u64>,
    /// Octets of a message's content; the first is measured first, and is the one of the plots over sessions
    #[arg(long, default_value = "10KiB,1KiB,100KiB,10MiB", value_delimiter = ',', value_parser = size)]
    pub(crate) sizes: Vec<usize>,
    /// Who takes part
    #[arg(long, default_value = "postfix,exim,postrider", value_delimiter = ',')]
    pub(crate) servers: Vec<Who>,
    /// How long it may take in all; what is left then is left out
    #[arg(long, default_value = "18", value_parser = rate)]
    pub(crate) minutes: f64,
    /// Rounds of each cell, as far as time allows; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Sessions that stand idle
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    pub(crate) idle: u64,
    /// Messages in the queue that is opened
    #[arg(long, default_value = "1000000", value_parser = at_least_one)]
    pub(crate) open: u64,
    /// A first look within three minutes: not all sizes with all sessions, and one round
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A part of `bench all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Accept into the queue
    Accept,
    /// Accept and send on
    Relay,
    /// Accept and deliver into Maildirs
    Local,
    /// How long from the final dot to 250, at half of the peak
    Latency,
    /// Memory of idle sessions
    Idle,
    /// Time and memory to open a long queue
    Open,
}

impl Part {
    pub(crate) fn work(self) -> Option<Work> {
        match self {
            Self::Accept => Some(Work::Accept),
            Self::Relay => Some(Work::Relay),
            Self::Local => Some(Work::Local),
            Self::Latency => Some(Work::Latency),
            Self::Idle | Self::Open => None,
        }
    }
}

/// Who takes part in `bench all` and `bench order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    Postfix,
    Exim,
    Postrider,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postfix => "Postfix",
            Self::Exim => "Exim",
            Self::Postrider => "Postrider",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// The program to compare with, such as the release build of the commit before
    pub(crate) old: PathBuf,
    /// The program that should be better
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) load: LoadOptions,
}

#[derive(Debug, Args)]
pub(crate) struct OrderOptions {
    /// Which servers
    #[arg(long, default_value = "postfix,exim,postrider", value_delimiter = ',')]
    pub(crate) server: Vec<Who>,
    /// Power cuts of each; every other one leaves some of what was not synced
    #[arg(long, default_value = "10", value_parser = at_least_one)]
    pub(crate) seeds: u64,
    #[command(flatten)]
    pub(crate) program: Program,
}

#[derive(Debug, Args)]
pub(crate) struct FairnessOptions {
    /// What is the matter with the one destination; all of it when nothing is named
    pub(crate) troubles: Vec<Trouble>,
    /// Messages that wait for it: as many for a backlog, a tenth of them otherwise
    #[arg(long, default_value = "100000", value_parser = at_least_one)]
    pub(crate) messages: u64,
    /// Messages in the queue of `million`
    #[arg(long, default_value = "1000000", value_parser = at_least_one)]
    pub(crate) backlog: u64,
    /// Messages to find the peak with, before
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    pub(crate) warm_up: u64,
    /// Octets of a message for others
    #[arg(long, default_value = "10KiB", value_parser = size)]
    pub(crate) size: usize,
    /// Messages a second for others; without it half of each server's own peak
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How often all of it is measured; the middle counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Leave Postfix out
    #[arg(long)]
    pub(crate) no_peer: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AuthOptions {
    /// Sessions of the source
    #[arg(long, default_value = "20", value_parser = at_least_one)]
    pub(crate) sessions: u64,
    /// Messages of a round
    #[arg(long, default_value = "4000", value_parser = at_least_one)]
    pub(crate) messages: u64,
    /// Rounds; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Leave Postfix out
    #[arg(long)]
    pub(crate) no_peer: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct TlsOptions {
    /// Sessions of the source
    #[arg(long, default_value = "20", value_parser = at_least_one)]
    pub(crate) sessions: u64,
    /// Messages of a round
    #[arg(long, default_value = "4000", value_parser = at_least_one)]
    pub(crate) messages: u64,
    /// Rounds; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Sessions that stand idle
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    pub(crate) idle: u64,
    /// Leave Postfix out
    #[arg(long)]
    pub(crate) no_peer: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct LoginsOptions {
    /// Sessions that log in at a time
    #[arg(long, default_value = "1,20,200", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) sessions: Vec<u64>,
    /// How long logins of one kind are measured
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) time: Duration,
    /// How long the flood lasts
    #[arg(long, default_value = "15", value_parser = seconds)]
    pub(crate) flood: Duration,
    /// Sessions of the flood at a time
    #[arg(long, default_value = "400", value_parser = at_least_one)]
    pub(crate) flood_sessions: u64,
    /// Messages a second that somebody sends meanwhile who has logged in
    #[arg(long, default_value = "200", value_parser = rate)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct MailboxOptions {
    /// What to measure; all of it when nothing is named
    parts: Vec<mailbox::Part>,
    /// Messages in the mailbox that is read
    #[arg(long, default_value = "10000", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) messages: Vec<u64>,
    /// About how many octets a message has
    #[arg(long, default_value = "10KiB", value_parser = size)]
    pub(crate) size: usize,
    /// Rounds; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    /// Messages appended and delivered in a round
    #[arg(long, default_value = "1000", value_parser = at_least_one)]
    pub(crate) writes: u64,
    /// Sessions that stand in IDLE
    #[arg(long, default_value = "2000", value_parser = at_least_one)]
    pub(crate) sessions: u64,
    /// Messages that somebody in IDLE is told of
    #[arg(long, default_value = "200", value_parser = at_least_one)]
    pub(crate) news: u64,
    /// How Dovecot keeps its mailboxes, one server for each
    #[arg(long, default_value = "maildir", value_delimiter = ',')]
    pub(crate) formats: Vec<mailbox::Format>,
    /// Leave Dovecot out
    #[arg(long)]
    pub(crate) no_peer: bool,
    /// Do not empty the page cache of the machine for reads from the disk
    #[arg(long)]
    pub(crate) warm: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl MailboxOptions {
    pub(crate) fn wants(&self, part: mailbox::Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// What the messages of a long queue look like.
#[derive(Debug, Args)]
pub(crate) struct QueueShape {
    /// Recipients of each
    #[arg(long, default_value = "1", value_parser = at_least_one)]
    pub(crate) recipients_per_message: u64,
    /// Their domains
    #[arg(long, default_value = "1000", value_parser = at_least_one)]
    pub(crate) domains: u64,
    /// Octets of a message's content in the queue
    #[arg(long, default_value = "1KiB", value_parser = size)]
    pub(crate) size: usize,
}

impl Default for QueueShape {
    fn default() -> Self {
        Self { recipients_per_message: 1, domains: 1000, size: 1024 }
    }
}

#[derive(Debug, Args)]
pub(crate) struct QueueOptions {
    /// Messages in the queue that is opened and changed
    #[arg(long, default_value = "1000000", value_parser = at_least_one)]
    pub(crate) messages: u64,
    #[command(flatten)]
    pub(crate) shape: QueueShape,
    /// Messages that wait while others are accepted and delivered
    #[arg(long, default_value = "10,1000,100000,1000000", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) depths: Vec<u64>,
    /// Messages accepted and delivered beside them, in each round
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    pub(crate) load: u64,
    /// Rounds; the median of them counts
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: u64,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Whom Postrider is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Postfix in the same circumstances as Postrider
    Postfix,
    /// Postfix that puts accepted mail on hold, so that its queue manager has no work (accept, latency)
    PostfixHold,
    /// Exim; it needs control groups, as process trees do not tell what it uses
    Exim,
    /// Nobody
    None,
}

/// Who makes the load, and who takes what is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generator {
    /// The source and the sink of this program
    Own,
    /// Postfix's smtp-source and smtp-sink: one message a session, no pipelining, no latencies
    Postfix,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn a_comparison_takes_two_programs_and_then_works() {
        let options =
            Options::try_parse_from(["bench", "compare", "a", "b", "relay", "--rounds", "7"]).unwrap();
        let Command::Compare(compare) = options.command else { panic!("not a comparison") };
        assert_eq!((compare.old, compare.new), ("a".into(), "b".into()));
        assert_eq!((compare.load.works, compare.load.rounds), (vec![Work::Relay], 7));
    }

    #[test]
    fn a_run_takes_works_and_a_list_of_sessions() {
        let options =
            Options::try_parse_from(["bench", "run", "accept", "relay", "--sessions", "1,20"]).unwrap();
        let Command::Run(run) = options.command else { panic!("not a run") };
        assert_eq!(run.load.works, [Work::Accept, Work::Relay]);
        assert_eq!(run.load.sessions, [1, 20]);
        assert_eq!((run.load.size, run.load.rounds, run.peer), (10240, 3, Peer::Postfix));
        for wrong in [&["--sessions", "0"], &["--rounds", "0"], &["--peer", "me"]] {
            assert!(Options::try_parse_from(["bench", "run"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
