//! The server for development: all settings fixed, so that one command is enough, and no way out of this machine.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use disk::Disk;
use dns::{Answer, BoxFuture, DnsError, Mx, Resolve};
use receive::Service;

use crate::cli;
use crate::config::{
    Bounds, ClientCertificates, Config, Listener, Log, LogFormat, LogLevel, Process, Report, Sendmail, Tls,
};

/// A name that never leads anywhere else (RFC 6761 §6.3) and is fully qualified.
const HOSTNAME: &str = "postrider.localhost";
/// The account that catches everything.
const LOGIN: &str = "dev@postrider.localhost";
const PORT: u16 = 2525;
/// Where a login is asked for, and any is taken.
const SUBMISSION_PORT: u16 = 2587;
/// The same under TLS from the first octet.
const SUBMISSIONS_PORT: u16 = 2465;

/// The settings of a server for development on `dir`.
pub(super) fn config(dir: &Path, wanted: &cli::Dev) -> Config {
    let domain = directory::DomainConfig { name: HOSTNAME.to_owned(), ..directory::DomainConfig::default() };
    Config {
        hostname: HOSTNAME.to_owned(),
        data_dir: dir.to_owned(),
        listeners: listeners(wanted),
        // Made when the server starts.
        acme: None,
        certificates: Vec::new(),
        identities: Vec::new(),
        clients: None,
        resolver: net::resolver::Config::default(),
        receive: receive_config(),
        login: limits::LoginLimits::default(),
        oauth: Vec::new(),
        deliver: deliver::Config {
            hostname: HOSTNAME.to_owned(),
            maildir_root: dir.join("mail"),
            ..deliver::Config::default()
        },
        ldap: Vec::new(),
        directory: directory::Config {
            domains: vec![domain],
            catch_everything: Some(LOGIN.to_owned()),
            ..directory::Config::default()
        },
        bounds: Bounds::default(),
        process: Process::default(),
        secret_files: Vec::new(),
        sendmail: Sendmail { domain: mail::Domain::parse(HOSTNAME).ok(), ..Sendmail::default() },
        log: Log { format: LogFormat::Text, level: LogLevel::Warn },
        warnings: Report::default(),
    }
}

/// Port 2525 is in clear: much of what sends mail uses STARTTLS wherever it is offered and then wants a certificate that it knows.
/// Who means to try TLS finds it where it is in production.
fn listeners(wanted: &cli::Dev) -> Vec<Listener> {
    let at_home = |port| vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
    let nothing_named =
        wanted.listen.is_empty() && wanted.submission.is_empty() && wanted.submissions.is_empty();
    let listener = |service, tls, named: &[SocketAddr], port| {
        let bind = if nothing_named { at_home(port) } else { named.to_vec() };
        let client_certificates = ClientCertificates::None;
        Listener {
            service: Service::into(service),
            bind,
            tls,
            proxy: false,
            client_certificates,
            v6_optional: nothing_named,
        }
    };
    vec![
        listener(Service::Dev, Tls::None, &wanted.listen, PORT),
        listener(Service::Submission, Tls::OnDemand, &wanted.submission, SUBMISSION_PORT),
        listener(Service::Submission, Tls::Implicit, &wanted.submissions, SUBMISSIONS_PORT),
    ]
}

/// All clients are at one address here, so the limit for one is that for all, and tests send as fast as they can.
fn receive_config() -> receive::Config {
    let default = receive::Config::default();
    receive::Config {
        hostname: HOSTNAME.to_owned(),
        sessions_per_address_max: default.sessions_max,
        rates: limits::Limits::of_sessions(default.sessions_max),
        login_in_clear: true,
        ..default
    }
}

/// Where to find the one mailbox: under a short name, and there before the first message, for who opens it at once.
pub(super) fn mailbox(disk: &dyn Disk, config: &Config) -> io::Result<PathBuf> {
    let maildir = config.deliver.maildir_root.join(LOGIN);
    for part in ["cur", "new", "tmp"] {
        disk.create_dir_all(&maildir.join(part))?;
    }
    let short = config.data_dir.join("Maildir");
    match symlink(Path::new("mail").join(LOGIN), &short) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(short),
    }
}

/// A resolver that knows nothing and asks nobody. Every address is local in `dev`, so nothing should ever ask it; if something does, the
/// answer must not be one that leads out.
#[derive(Debug)]
pub(super) struct NoDns;

impl Resolve for NoDns {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn txt<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn ptr(&self, _: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }
}
