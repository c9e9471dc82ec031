//! `sendmail`, `mailq` and `newaliases`: what programs of this machine send mail by (mail-rules 8).
//!
//! *Takes* a message from standard input. *Leaves* it in the maildrop, where the server takes it up. *Never* opens the spool, and
//! needs no running server.

mod letter;
mod options;
mod serve;

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use mail::{Address, Domain, ReversePath};

use crate::{
    cli, commands, config,
    failure::Failure,
    maildrop::{self, Facts, User},
    place, terminal,
};
use letter::{Letter, Wanted};
use options::{Mode, Options};

/// Codes of sysexits(3).
mod exit {
    pub(super) const USAGE: u8 = 64;
    pub(super) const DATA: u8 = 65;
    pub(super) const UNAVAILABLE: u8 = 69;
    pub(super) const IO: u8 = 74;
    pub(super) const TRY_AGAIN: u8 = 75;
    pub(super) const NO_PERMISSION: u8 = 77;
    pub(super) const CONFIG: u8 = 78;
}

/// Why it was not done: the exit code, and what is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(u8, String);

/// Names under which this program is `sendmail`, and the mode that each stands for.
const NAMES: [(&str, Mode); 3] =
    [("sendmail", Mode::Deliver), ("mailq", Mode::ShowQueue), ("newaliases", Mode::Aliases)];

/// Acts as `sendmail` if it is called so, as its first word or by its name.
pub(crate) fn run(args: &[OsString]) -> Option<ExitCode> {
    let name = args.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let called = NAMES.iter().find(|(known, _)| name == OsStr::new(known)).map(|(_, mode)| (*mode, 1));
    let word = args.get(1).is_some_and(|word| word == "sendmail");
    let is_help = args.get(2).is_some_and(|word| word == "--help");
    let (mode, skip) = called.or((word && !is_help).then_some((Mode::Deliver, 2)))?;
    let words: Vec<String> = args.iter().skip(skip).map(|word| word.to_string_lossy().into_owned()).collect();
    Some(match Options::parse(mode, &words).and_then(|options| obey(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused(code, text)) => {
            terminal::say(&format!("sendmail: {text}"));
            ExitCode::from(code)
        }
    })
}

fn obey(options: &Options) -> Result<(), Refused> {
    match options.mode {
        Mode::Deliver => deliver(options, &Surroundings::find(options)?),
        Mode::Verify => verify(options, &Surroundings::find(options)?),
        Mode::Smtp => serve::serve(&Surroundings::find(options)?),
        // Aliases are in the configuration, and need no index.
        Mode::Aliases => Ok(()),
        Mode::ShowQueue => queue(options, &["queue", "list"]),
        Mode::RunQueue => queue(options, &["queue", "retry", "--all"]),
    }
}

/// What is around: the server, and who asks.
struct Surroundings {
    maildrop: PathBuf,
    domain: Domain,
    facts: Facts,
    user: User,
}

impl Surroundings {
    fn find(options: &Options) -> Result<Self, Refused> {
        let data_dir = data_dir(options)?;
        let path = maildrop::facts_path(&data_dir);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let why =
                format!("no server has ever run on {}: {}: {error}", data_dir.display(), path.display());
            Refused(exit::TRY_AGAIN, why)
        })?;
        let unusable = |why: String| Refused(exit::CONFIG, format!("{}: {why}", path.display()));
        let facts: Facts = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        let domain = Domain::parse(&facts.domain).map_err(|error| unusable(error.to_string()))?;
        let user = maildrop::user(rustix::process::getuid().as_raw());
        Ok(Self { maildrop: maildrop::dir(&data_dir), domain, facts, user })
    }

    /// The address of who asks.
    fn own(&self) -> Result<Address, Refused> {
        Address::new(&self.user.name, self.domain.clone())
            .map_err(|error| Refused(exit::DATA, format!("user {}: {error}", self.user.name)))
    }

    /// Whether who asks may send as this.
    fn may_send_as(&self, path: &ReversePath) -> Result<bool, Refused> {
        let own = self.own()?;
        Ok(path.address().is_none_or(|address| *address == own)
            || self.facts.trusted.contains(&self.user.uid))
    }

    fn check_sender(&self, path: &ReversePath) -> Result<(), Refused> {
        if self.may_send_as(path)? {
            return Ok(());
        }
        let text = format!("user {} may not send as {path}: see sendmail.trusted_users", self.user.name);
        Err(Refused(exit::NO_PERMISSION, text))
    }

    /// Leaves a message for the server.
    fn leave(&self, letter: &Letter) -> Result<(), Refused> {
        self.check_sender(&letter.mail.reverse_path)?;
        maildrop::leave(&self.maildrop, &[&letter.head(), &letter.content]).map_err(|error| {
            Refused(exit::TRY_AGAIN, format!("cannot leave mail in {}: {error}", self.maildrop.display()))
        })
    }
}

/// As named, else that of the installed server, else that of `dev`.
fn data_dir(options: &Options) -> Result<PathBuf, Refused> {
    if let Some(dir) = &options.dir {
        return Ok(dir.clone());
    }
    let failed = |failure: &Failure| Refused(exit::CONFIG, failure.text(false));
    if let Some(file) = &options.config {
        return Ok(place::load(file).map_err(|failure| failed(&failure))?.data_dir);
    }
    // Users may not read the configuration of a server, and need not.
    let usual = PathBuf::from(config::DATA_DIR);
    if maildrop::facts_path(&usual).exists() {
        return Ok(usual);
    }
    let place = cli::Place { config: None, dir: None };
    place::data_dir(&place).map_err(|failure| Refused(exit::UNAVAILABLE, failure.text(false)))
}

fn deliver(options: &Options, around: &Surroundings) -> Result<(), Refused> {
    let mut input = Vec::new();
    // What is said in characters is longer in lines that end in CRLF: the server counts those.
    let most = around.facts.message_size_max.saturating_add(1);
    let mut stdin = io::stdin().lock().take(most);
    stdin.read_to_end(&mut input).map_err(|error| Refused(exit::IO, format!("standard input: {error}")))?;
    let wanted =
        Wanted { options, domain: &around.domain, own: around.own()?, full_name: &around.user.full_name };
    let letter = letter::compose(&input, &wanted, disk::Clock::now(&disk::SystemClock))?;
    if letter.content.len() as u64 > around.facts.message_size_max {
        return Err(Refused(exit::DATA, "the message exceeds the maximum size".to_owned()));
    }
    around.leave(&letter)
}

/// `-bv`: whether the addresses are any.
fn verify(options: &Options, around: &Surroundings) -> Result<(), Refused> {
    for address in letter::arguments(&options.recipients, &around.domain)? {
        terminal::print(&format!("{address}... deliverable as far as can be told from here"))
            .map_err(|failure| Refused(exit::IO, failure.text(false)))?;
    }
    Ok(())
}

/// Asks the running server about its queue.
fn queue(options: &Options, words: &[&str]) -> Result<(), Refused> {
    let dir = data_dir(options)?.display().to_string();
    let words = ["postrider"].iter().chain(words).copied().chain(["--dir", &dir]);
    let parsed = <cli::Cli as clap::Parser>::try_parse_from(words)
        .map_err(|error| Refused(exit::USAGE, error.to_string()))?;
    let cli::Command::Queue(command) = &parsed.command else { return Ok(()) };
    commands::queue::run(command, false).map_err(|failure| Refused(exit::UNAVAILABLE, failure.text(false)))
}
