//! What is to be made: everything that can be wrong is found before anything is written.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use mail::{Address, AddressError, Domain};
use message_auth::DomainName;
use nix::unistd::{User, geteuid};

use crate::{
    cli::Quickstart,
    config::{self, DATA_DIR},
    dns_records,
    failure::Failure,
    terminal::clean,
};

/// Where a service manager finds how the server is started.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/postrider.service",
    "/usr/local/lib/systemd/system/postrider.service",
    "/usr/lib/systemd/system/postrider.service",
];
const USER: &str = "postrider";

/// What is to be made.
pub(super) struct Plan {
    /// The first account; its domain in A-labels.
    pub(super) login: Address,
    pub(super) domain: DomainName,
    pub(super) host: String,
    /// Addresses that the operator named.
    pub(super) addresses: Vec<IpAddr>,
    /// Where the configuration goes: absolute.
    pub(super) config: PathBuf,
    /// Where state goes: absolute.
    pub(super) data_dir: PathBuf,
    /// As whom the server is to run, if somebody else makes its files.
    pub(super) owner: Option<User>,
    pub(super) dnssec: bool,
    pub(super) acme_directory: Option<String>,
    pub(super) acme_ca: Option<PathBuf>,
    /// Whether a service manager knows how to start it.
    pub(super) has_unit: bool,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

impl Plan {
    /// The names that a certificate is to be for, our own first.
    pub(super) fn names(&self) -> Vec<String> {
        let labels = ["mta-sts", "autoconfig", "autodiscover"];
        let others = labels.map(|label| format!("{label}.{}", self.domain));
        [self.host.clone()].into_iter().chain(others).collect()
    }

    /// How a command is told where the configuration is; nothing where it looks by itself.
    pub(super) fn option(&self) -> String {
        if self.config == Path::new(config::DEFAULT_FILE) {
            return String::new();
        }
        format!(" --config {}", self.config.display())
    }
}

/// Everything, or what is wrong with what was asked for.
pub(super) fn plan(wanted: &Quickstart) -> Result<Plan, Failure> {
    let (login, domain) = login(&wanted.login)?;
    let host = host(wanted.hostname.as_deref(), &domain)?;
    let (addresses, notes) = addresses(wanted)?;
    let owner = owner(wanted.user.as_deref())?;
    let acme_directory = wanted.acme_directory.as_deref().map(directory).transpose()?;
    let systemd = Path::new("/run/systemd/system").is_dir();
    Ok(Plan {
        login,
        domain,
        host,
        addresses,
        config: absolute(&wanted.file.config)?,
        data_dir: absolute(&wanted.data_dir)?,
        owner,
        dnssec: wanted.dnssec,
        acme_directory,
        acme_ca: wanted.acme_ca.as_deref().map(absolute).transpose()?,
        has_unit: systemd && UNITS.iter().any(|unit| Path::new(unit).exists()),
        notes,
    })
}

/// The address in the form that is kept, and its domain.
fn login(text: &str) -> Result<(Address, DomainName), Failure> {
    const HINT: &str = "write it as in `postrider quickstart you@example.org`";
    let shown = clean(text);
    let address = Address::parse(text).map_err(|error| {
        let failure = Failure::usage(format!("`{shown}` is no address: {error}"));
        match error {
            AddressError::NoAt => {
                failure.hint(format!("{HINT}: with the domain whose mail this server is for"))
            }
            _ => failure.hint(HINT),
        }
    })?;
    let domain = match address.domain() {
        Domain::Literal(_) => None,
        Domain::Name(name) => DomainName::parse(name),
    };
    let domain = domain
        .ok_or_else(|| Failure::usage(format!("`{shown}` is not in a domain of the DNS")).hint(HINT))?;
    if domain.labels().count() < 2 {
        let failure = Failure::usage(format!(
            "`{domain}` is a name of one label, and no domain that others could send mail to"
        ));
        return Err(failure.hint("use a domain that is registered, such as example.org; to try things out, `postrider dev` needs none"));
    }
    let ascii = Domain::parse(domain.as_str())
        .ok()
        .and_then(|domain| Address::new(address.local_part(), domain).ok());
    let address =
        ascii.ok_or_else(|| Failure::usage(format!("`{shown}` cannot be an account")).hint(HINT))?;
    Ok((address, domain))
}

fn host(wanted: Option<&str>, domain: &DomainName) -> Result<String, Failure> {
    let Some(text) = wanted else { return Ok(format!("mail.{domain}")) };
    let name = DomainName::parse(text).map_or_else(|| text.to_owned(), |name| name.to_string());
    let host = config::hostname(&name).map_err(|wrong| {
        let failure = Failure::usage(format!("--hostname: {}", wrong.message));
        match wrong.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    if host == domain.as_str() {
        let failure = Failure::usage(format!(
            "the host cannot have the name of the domain, {domain}: its web pages and its mail would be one machine, and its records in each other's way"
        ));
        return Err(failure.hint(format!(
            "give the machine a name in it, as in --hostname mail.{domain}, or leave --hostname out for that"
        )));
    }
    Ok(host)
}

/// Those that were named. If none was, there must be some.
fn addresses(wanted: &Quickstart) -> Result<(Vec<IpAddr>, Vec<String>), Failure> {
    let mut notes = Vec::new();
    for address in &wanted.addresses {
        config::public_address(&address.to_string())
            .map_err(|wrong| Failure::usage(format!("--address: {}", wrong.message)))?;
        if !deliver::is_public(*address) {
            notes.push(format!(
                "{address} is a private address: only hosts of that network can send mail here"
            ));
        }
    }
    if wanted.addresses.is_empty() && dns_records::of_this_machine().is_empty() {
        return Err(Failure::new("this machine has no public address: it stands behind a NAT, or in a network of its own")
            .hint("name the address by which others reach it: --address 192.0.2.1 (as whoever runs the network tells it)"));
    }
    Ok((wanted.addresses.clone(), notes))
}

/// Only root makes files for somebody else.
fn owner(wanted: Option<&str>) -> Result<Option<User>, Failure> {
    if !geteuid().is_root() {
        return match wanted {
            None => Ok(None),
            Some(name) => {
                Err(Failure::usage(format!("only root can make files for the user {}", clean(name)))
                    .hint("run it by sudo, or leave --user out: then the server runs as you"))
            }
        };
    }
    let name = wanted.unwrap_or(USER);
    let found = User::from_name(name).ok().flatten();
    found.map(Some).ok_or_else(|| {
        Failure::new(format!("there is no user {}, as whom the server is to run", clean(name))).hint(format!(
            "make it: useradd --system --home-dir {DATA_DIR} --shell /usr/sbin/nologin {USER}; or name another by --user"
        ))
    })
}

fn directory(text: &str) -> Result<String, Failure> {
    acme::Config::directory_url(text).map(|_| text.to_owned()).ok_or_else(|| {
        Failure::usage(format!("`{}` is no directory of an ACME server", clean(text)))
            .hint("there is letsencrypt, letsencrypt-staging, or a URL that begins with https://")
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::usage(format!("cannot use {}: {error}", path.display())))
}
