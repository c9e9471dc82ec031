//! Which records the DNS should have for this server: as data, for whoever prints them, publishes them or compares them with what is live.
//!
//! *Takes* a configuration and what is known beside it ([`Facts`]). *Hands on* [`WantedRecord`]s. *Never* asks the DNS.

mod data;
mod domain;
mod facts;
mod host;
mod zone;

use message_auth::DomainName;

use crate::config::{Config, Listener, Service, Tls};

pub(crate) use data::{Data, RecordType};
pub(crate) use facts::{DkimRecord, Facts, of_this_machine};
pub(crate) use zone::{Names, lines};

/// One set of records: all that a name should have of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedRecord {
    /// Where it stands: absolute, in lower case, A-labels, without the final dot.
    pub name: String,
    /// Its type; that of all `data`.
    pub kind: RecordType,
    /// What it says, each a record of its own. Never empty.
    pub data: Vec<Data>,
    /// What it is there for.
    pub purpose: Purpose,
    /// Why one wants it, in plain words; one line without a full stop.
    pub why: String,
    /// How much is lost without it.
    pub need: Need,
}

/// How much is lost without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Without it mail does not come, or is not believed.
    Needed,
    /// It makes something better.
    Recommended,
}

/// What a record is there for: a comparison with what is live differs by this, not by the type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The addresses of the host.
    HostAddress,
    /// The name of an address. In a zone of whoever gave out the address.
    Reverse,
    /// Which host takes the mail of a domain.
    MailExchange,
    /// Which hosts send mail of a domain.
    Spf,
    /// Which hosts say that they are this host.
    HeloSpf,
    /// A key of signatures.
    Dkim,
    /// What receivers shall do with what is not proved to be ours.
    Dmarc,
    /// Where others report how TLS fares.
    TlsReports,
    /// That TLS to our hosts can be relied on.
    MtaSts,
    /// The host that tells more of that.
    MtaStsHost,
    /// Which key the host shows under TLS.
    Tlsa,
    /// Which authorities may certify the host.
    Authorities,
    /// Where mail clients find a service.
    ClientService,
    /// Where mail clients are told their settings.
    ClientSettings,
}

impl Need {
    /// As a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Recommended => "recommended",
        }
    }
}

impl Purpose {
    /// As a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::HostAddress => "host-address",
            Self::Reverse => "reverse",
            Self::MailExchange => "mail-exchange",
            Self::Spf => "spf",
            Self::HeloSpf => "helo-spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::TlsReports => "tls-reports",
            Self::MtaSts => "mta-sts",
            Self::MtaStsHost => "mta-sts-host",
            Self::Tlsa => "tlsa",
            Self::Authorities => "authorities",
            Self::ClientService => "client-service",
            Self::ClientSettings => "client-settings",
        }
    }
}

/// The records of the host itself, whatever domains it has mail for.
pub(crate) use host::records as of_host;

/// The records of one domain whose mail ends here.
pub(crate) use domain::records as of_domain;

/// The domains that a configuration file names, the host's own name aside if nobody declared it. Those of the store are not among them.
pub(crate) fn domains(config: &Config) -> Vec<DomainName> {
    let directory = &config.directory;
    let implied = directory.implied.as_deref().and_then(|login| login.rsplit_once('@')).map(|(_, name)| name);
    let declared = directory.domains.iter().map(|domain| domain.name.as_str());
    let declared = declared.filter(|name| implied.is_none_or(|implied| !name.eq_ignore_ascii_case(implied)));
    let external = directory.external.iter().flatten().map(String::as_str);
    let mut names: Vec<DomainName> = Vec::new();
    for name in declared.chain(external).filter_map(DomainName::parse) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Our own name. A configuration has none that is no name of the DNS.
pub(crate) fn host_name(config: &Config) -> String {
    config.hostname.to_ascii_lowercase()
}

/// Whether anybody outside is served by HTTP: under TLS, or in clear.
fn serves_http(config: &Config, tls: Tls) -> bool {
    let serves = |listener: &Listener| (listener.service, listener.tls) == (Service::Http, tls);
    config.listeners.iter().any(serves)
}

/// Whether a certificate of ours is for a name, or will be once the authority has given it.
fn certified(config: &Config, name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    let fits = |given: &String| given == name || parent.is_some() && given.strip_prefix("*.") == parent;
    config.acme.as_ref().is_some_and(|acme| acme.settings.names.iter().any(fits))
        || config.identities.iter().any(|identity| identity.is_for(name))
}

#[cfg(test)]
mod tests;
