//! The server for development: all settings fixed, so that one command is enough, and no way out of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use dns::{Answer, BoxFuture, DnsError, Mx, Resolve};
use receive::Service as Mail;

use crate::cli;
use crate::config::{
    Access, Bounds, ClientCertificates, Config, Doctor, Listener, Log, LogFormat, LogLevel, Process, Report,
    ReturnPath, Sendmail, Service, Signing, Tls, TlsPolicies,
};

/// A name that never leads anywhere else (RFC 6761 §6.3) and is fully qualified.
const HOSTNAME: &str = "postrider.localhost";
/// The account that catches everything, and whose mailboxes everybody sees who logs in.
pub(super) const LOGIN: &str = "dev@postrider.localhost";
const PORT: u16 = 2525;
/// Where a login is asked for, and any is taken.
const SUBMISSION_PORT: u16 = 2587;
/// The same under TLS from the first octet.
const SUBMISSIONS_PORT: u16 = 2465;
const IMAP_PORT: u16 = 2143;
const IMAPS_PORT: u16 = 2993;
const POP3_PORT: u16 = 2110;
const POP3S_PORT: u16 = 2995;

/// The settings of a server for development on `dir`.
pub(super) fn config(dir: &Path, wanted: &cli::Dev) -> Config {
    let domain = directory::DomainConfig { name: HOSTNAME.to_owned(), ..directory::DomainConfig::default() };
    Config {
        hostname: HOSTNAME.to_owned(),
        public_addresses: Vec::new(),
        data_dir: dir.to_owned(),
        listeners: listeners(wanted),
        // Made when the server starts.
        acme: None,
        certificates: Vec::new(),
        dkim: Vec::new(),
        tls_policies: TlsPolicies::default(),
        mta_sts: None,
        signing: Signing::default(),
        identities: Vec::new(),
        clients: None,
        resolver: net::resolver::Config::default(),
        receive: receive_config(),
        login: limits::LoginLimits::default(),
        oauth: Vec::new(),
        return_path: ReturnPath::default(),
        deliver: deliver::Config {
            hostname: HOSTNAME.to_owned(),
            local: deliver::LocalDelivery::Mailstore,
            // Nothing is filed there any more; former versions did.
            maildir_root: dir.join("mail"),
            ..deliver::Config::default()
        },
        relays: Vec::new(),
        local_by_default: true,
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
        doctor: Doctor::default(),
        warnings: Report::default(),
    }
}

/// Port 2525 is in clear: much of what sends mail uses STARTTLS wherever it is offered and then wants a certificate that it knows.
/// Who means to try TLS finds it where it is in production. What reads mail asks for STARTTLS only if it is told to, so that is offered, and
/// nobody has to use it.
fn listeners(wanted: &cli::Dev) -> Vec<Listener> {
    let at_home = |port| vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
    let cli::Dev { dir: _, listen, submission, submissions, imap, imaps, pop3, pop3s } = wanted;
    let (imap_service, pop3_service) = (Service::Mailboxes(Access::Imap), Service::Mailboxes(Access::Pop3));
    let submission_service = Service::Mail(Mail::Submission);
    let all: [(Service, Tls, &[SocketAddr], u16); 7] = [
        (Service::Mail(Mail::Dev), Tls::None, listen, PORT),
        (submission_service, Tls::OnDemand, submission, SUBMISSION_PORT),
        (submission_service, Tls::Implicit, submissions, SUBMISSIONS_PORT),
        (imap_service, Tls::OnDemand, imap, IMAP_PORT),
        (imap_service, Tls::Implicit, imaps, IMAPS_PORT),
        (pop3_service, Tls::OnDemand, pop3, POP3_PORT),
        (pop3_service, Tls::Implicit, pop3s, POP3S_PORT),
    ];
    let nothing_named = all.iter().all(|(_, _, named, _)| named.is_empty());
    let listener = |(service, tls, named, port): (Service, Tls, &[SocketAddr], u16)| Listener {
        service,
        bind: if nothing_named { at_home(port) } else { named.to_vec() },
        tls,
        proxy: false,
        client_certificates: ClientCertificates::None,
        v6_optional: nothing_named,
    };
    all.into_iter().map(listener).collect()
}

/// All clients are at one address here, so the limit for one is that for all, and tests send as fast as they can.
fn receive_config() -> receive::Config {
    let default = receive::Config::default();
    receive::Config {
        hostname: HOSTNAME.to_owned(),
        sessions_per_address_max: default.sessions_max,
        rates: limits::Limits::of_sessions(default.sessions_max),
        login_in_clear: true,
        verify: receive::Verify { checks: false, ..receive::Verify::default() },
        ..default
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
