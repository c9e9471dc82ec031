//! The configuration file: read whole, checked whole, all mistakes told at once.

mod acme;
mod certificates;
mod clients;
mod dkim;
mod dns_update;
mod doctor;
mod ldap;
mod limits;
mod listeners;
mod mta_sts;
mod next_hop;
mod oauth;
mod people;
mod presets;
mod problem;
mod relays;
mod return_path;
mod routes;
mod rules;
mod secret;
mod sections;
mod service;
mod show;
mod signing;
mod tls_policy;
mod value;
mod walk;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ::limits::LoginLimits;
use disk::{Clock, SystemClock};
use net::Identity;
use toml_span::{ErrorKind, Span};

pub(crate) use acme::Acme;
pub(crate) use certificates::Files;
pub(crate) use clients::Clients;
pub(crate) use dkim::{Dkim, selector};
pub(crate) use doctor::Doctor;
pub(crate) use ldap::Ldap;
pub(crate) use listeners::{ClientCertificates, Listener, Tls};
pub(crate) use oauth::OAuth;
pub(crate) use presets::{PRESETS, Preset, Senders};
pub(crate) use problem::{Problem, Report, Severity};
pub(crate) use relays::RelaySettings;
pub(crate) use return_path::ReturnPath;
pub(crate) use secret::words;
pub(crate) use service::{Access, Service};
pub(crate) use show::effective;
pub(crate) use signing::{Signing, dir as keys_dir};
pub(crate) use tls_policy::TlsPolicies;
pub(crate) use value::{duration, hostname, public_address, size};
use walk::{Findings, Section};

/// Where `serve` looks if nobody says otherwise.
pub(crate) const DEFAULT_FILE: &str = "/etc/postrider/postrider.toml";

/// Where state is if nobody says otherwise.
pub(crate) const DATA_DIR: &str = "/var/lib/postrider";

/// A file larger than this is no configuration.
const FILE_OCTETS_MAX: u64 = 16 << 20;

/// Everything that the operator decides. Valid by construction: only [`load`] and `dev` make one. Each part owns its settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Our own name in greetings, EHLO, Received fields and reports.
    pub hostname: String,
    /// By which addresses others reach this machine. Empty: those that it has itself.
    pub public_addresses: Vec<IpAddr>,
    /// The directory that holds all state.
    pub data_dir: PathBuf,
    /// What listens where.
    pub listeners: Vec<Listener>,
    /// What we obtain from an authority ourselves.
    pub acme: Option<Acme>,
    /// Where our certificates are.
    pub certificates: Vec<Files>,
    /// What was read there.
    pub identities: Vec<Identity>,
    /// Whose certificates of clients are believed.
    pub clients: Option<Clients>,
    /// Who is asked for DNS records.
    pub resolver: net::resolver::Config,
    /// Limits of the receiving side.
    pub receive: receive::Config,
    /// What failed logins lead to.
    pub login: LoginLimits,
    /// Whose tokens let somebody in.
    pub oauth: Vec<OAuth>,
    /// By which keys mail is signed that somebody else makes and keeps.
    pub dkim: Vec<Dkim>,
    /// What is asked of the hosts that mail goes to.
    pub tls_policies: TlsPolicies,
    /// How reverse-paths are made.
    pub return_path: ReturnPath,
    /// What senders are told about TLS to our hosts.
    pub mta_sts: Option<web::mta_sts::Policy>,
    /// Keys that we make and keep ourselves, and what was read of the others.
    pub signing: Signing,
    /// How mail leaves, and when it is tried again and given up.
    pub deliver: deliver::Config,
    /// Who takes mail for other places.
    pub relays: Vec<RelaySettings>,
    /// Nobody said who keeps the mailboxes.
    pub local_by_default: bool,
    /// How much mail there may be, waiting and on its way in.
    pub bounds: Bounds,
    /// Who exists.
    pub directory: directory::Config,
    /// Who knows more of that.
    pub ldap: Vec<Ldap>,
    /// What the process is to the system.
    pub process: Process,
    /// The files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// What programs of this machine may send.
    pub sendmail: Sendmail,
    /// What is logged and how.
    pub log: Log,
    /// Whom `doctor` asks.
    pub doctor: Doctor,
    /// What somebody should know of it though it can be used.
    pub warnings: Report,
}

/// What memory may be taken by mail, whoever sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Octets of content that sessions hold until it is committed.
    pub memory_max: u64,
    /// Recipients of messages in the queue.
    pub queued_recipients_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { memory_max: 256 << 20, queued_recipients_max: 5_000_000 }
    }
}

/// `[process]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Whom to become after binding.
    pub user: Option<String>,
    /// Its group, if not the user's own.
    pub group: Option<String>,
    /// Whether the server shuts itself in.
    pub sandbox: bool,
}

impl Default for Process {
    fn default() -> Self {
        Self { user: None, group: None, sandbox: true }
    }
}

/// `[sendmail]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sendmail {
    /// The domain of addresses that have none. Never none once `hostname` is one.
    pub domain: Option<mail::Domain>,
    /// Who may send as anybody, beside root and the server's own user.
    pub trusted_users: Vec<String>,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is worth a line.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// What is worth a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

/// The socket by which the server on a data directory is controlled.
pub(crate) fn control_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// The spool of a data directory.
pub(crate) fn spool_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("spool")
}

/// The database of a data directory.
pub(crate) fn store_file(data_dir: &Path) -> PathBuf {
    data_dir.join("store.db")
}

/// The database with the mailboxes.
pub(crate) fn mailboxes_file(data_dir: &Path) -> PathBuf {
    data_dir.join("mailboxes.db")
}

/// The index of what the messages in them say.
pub(crate) fn text_index_file(data_dir: &Path) -> PathBuf {
    data_dir.join("text.db")
}

/// The event log of a data directory.
pub(crate) fn events_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("events")
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The file cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// The file says something wrong.
    Wrong(Report),
}

/// Reads and checks a file, and the certificates that it names. A key for signatures that is of no use is a warning: mail of its domain waits
/// for it, and all else goes its way.
pub(crate) fn load(path: &Path) -> Result<Config, LoadError> {
    load_as(path, Severity::Warning)
}

/// As [`load`], for who asks whether there are mistakes: every one is an error.
pub(crate) fn check(path: &Path) -> Result<Config, LoadError> {
    load_as(path, Severity::Error)
}

fn load_as(path: &Path, of_keys: Severity) -> Result<Config, LoadError> {
    let source =
        read(path, FILE_OCTETS_MAX).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    // A secret may stand in a file of its own beside this one.
    let dir =
        std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
    let public = is_public(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let (mut config, mut problems, _) = parse_as(&source, &dir, public);
    if let Some(config) = &mut config {
        let (identities, found) =
            certificates::open(&config.certificates, &config.hostname, SystemClock.now());
        config.identities = identities;
        problems.extend(found);
        let (signers, found) = dkim::open(&config.dkim);
        config.signing.by_hand = signers;
        problems.extend(found.into_iter().map(|problem| Problem { severity: of_keys, ..problem }));
        problems.extend(config.tls_policies.open(&mut config.deliver));
        let data_dir = config.data_dir.clone();
        problems.extend(config.relays.iter_mut().filter_map(|relay| relay.open(&data_dir)));
        config.deliver.relays = relays::opened(&config.relays);
        problems.extend(config.acme.as_mut().and_then(Acme::open));
        problems.extend(config.clients.iter_mut().filter_map(Clients::open));
        problems.extend(config.oauth.iter_mut().filter_map(OAuth::open));
        problems.extend(config.ldap.iter_mut().filter_map(Ldap::open));
        problems.sort_by_key(|problem| problem.span.start);
    }
    let report = Report { path: path.to_owned(), source, problems };
    match config {
        Some(config) if !report.has_errors() => Ok(Config { warnings: report, ..config }),
        _ => Err(LoadError::Wrong(report)),
    }
}

/// Reads a text of at most `max` octets.
fn read(path: &Path, max: u64) -> io::Result<String> {
    String::from_utf8(contents(path, max)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads at most `max` octets. The length of a file says little: a device has none, and no end.
fn contents(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "file too large"));
    }
    Ok(octets)
}

/// Whether all users of this machine can read a file.
pub(super) fn is_public(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o004 != 0)
}

/// The configuration that a text says (if it says one), all that is wrong with it, and the names of all keys there are.
pub(crate) fn parse(source: &str, dir: &Path) -> (Option<Config>, Vec<Problem>, BTreeSet<String>) {
    parse_as(source, dir, false)
}

/// As [`parse`]; `public`: all users of this machine can read the text.
fn parse_as(source: &str, dir: &Path, public: bool) -> (Option<Config>, Vec<Problem>, BTreeSet<String>) {
    let value = match toml_span::parse(source) {
        Ok(value) => value,
        Err(error) => return (None, vec![syntax(&error)], BTreeSet::new()),
    };
    let findings = Findings::of(public);
    let config = sections::read(Section::root(&value, &findings), dir);
    let (problems, keys) = findings.finish();
    (config, problems, keys)
}

/// A text that is no TOML. Its parser stops at the first mistake, so there is only one of these.
fn syntax(error: &toml_span::Error) -> Problem {
    let problem = Problem::new(error.span.into(), error.to_string());
    let earlier = |problem: Problem, span: &Span| problem.other((*span).into(), "first here");
    match &error.kind {
        ErrorKind::DuplicateTable { name, first } => {
            earlier(problem, first).hint(format!("merge the two, or write [[{name}]] if there are several"))
        }
        ErrorKind::DuplicateKey { first, .. } => earlier(problem, first).hint("keep one of them"),
        ErrorKind::DottedKeyInvalidType { first } => earlier(problem, first),
        ErrorKind::UnquotedString => problem.hint("put the text in quotes"),
        ErrorKind::UnterminatedString => problem.hint("a text ends in the quote that it begins with"),
        _ => problem,
    }
}
