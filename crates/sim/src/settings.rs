//! The settings of the server, which its operator changes while it runs.

use std::time::Duration;

use deliver::{Destination, Hosts, LocalDelivery, NamedHost, Pattern, StaticRoute};
use directory::{AccountConfig, Directory, DomainConfig};
use net::Networks;
use receive::{Action, AddressPattern, Conditions, Rule};

use crate::{
    server::MAIL,
    weather::{DOMAINS, STORE},
};

/// One of several sets of settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Settings {
    /// Nothing but defaults.
    #[default]
    Plain,
    /// Rules drop and hold, a domain has a route, attempts come soon.
    Strict,
    /// One of the two mailboxes is gone, mail lives for a day.
    Short,
}

/// What a rule of the operator does with a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ruled {
    Drop,
    Hold,
}

/// Parts of addresses by which rules know them.
pub(crate) const DROPPED: &str = ".dropped";
pub(crate) const HELD: &str = ".held";

const MINUTE: Duration = Duration::from_mins(1);

impl Settings {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Strict, Self::Short];

    /// What its rules do with an address.
    pub(crate) fn rule(self, address: &str) -> Option<Ruled> {
        match self {
            Self::Strict if address.contains(DROPPED) => Some(Ruled::Drop),
            Self::Strict if address.contains(HELD) => Some(Ruled::Hold),
            _ => None,
        }
    }

    pub(crate) fn receiving(self) -> Result<receive::Config, String> {
        let trusted = Networks::parse(["198.51.100.0/24"]).map_err(|error| error.to_string())?;
        let rules = match self {
            Self::Strict => vec![rule(DROPPED, Action::Drop)?, rule(HELD, Action::Hold)?],
            Self::Plain | Self::Short => Vec::new(),
        };
        Ok(receive::Config {
            hostname: "postrider.example".into(),
            trusted_networks: trusted,
            rules,
            ..receive::Config::default()
        })
    }

    /// `in_store`: another program keeps the mailboxes.
    pub(crate) fn delivery(self, in_store: bool) -> Result<deliver::Config, String> {
        let config = deliver::Config {
            hostname: "postrider.example".into(),
            maildir_root: MAIL.into(),
            sites_file: Some("/data/sites.jsonl".into()),
            local: if in_store { LocalDelivery::Store(store()) } else { LocalDelivery::Maildir },
            ..deliver::Config::default()
        };
        let pattern = Pattern::parse(DOMAINS[4]).map_err(|error| error.to_string())?;
        let route = StaticRoute { domains: vec![pattern], to: Destination::MxOf(DOMAINS[2].into()) };
        Ok(match self {
            Self::Plain => config,
            Self::Strict => {
                deliver::Config { routes: vec![route], retry: vec![MINUTE, 10 * MINUTE], ..config }
            }
            Self::Short => deliver::Config { expire: 24 * 60 * MINUTE, ..config },
        })
    }

    /// `here.test` with Anna and, mostly, Otto.
    pub(crate) fn directory(self) -> Result<Directory, String> {
        let account = |login: &str| AccountConfig { login: login.into(), ..AccountConfig::default() };
        let mut accounts = vec![account("anna@here.test")];
        accounts.extend((self != Self::Short).then(|| account("otto@here.test")));
        let config = directory::Config {
            domains: vec![DomainConfig { name: "here.test".into(), catch_all: None, subaddress: None }],
            accounts,
            ..directory::Config::default()
        };
        Directory::new(config).map_err(|errors| format!("{errors:?}"))
    }
}

fn rule(part: &str, action: Action) -> Result<Rule, String> {
    let pattern = AddressPattern::parse(&format!("*{part}@*")).map_err(|error| error.to_string())?;
    let when = Conditions { recipients: vec![pattern], ..Conditions::default() };
    Ok(Rule { name: part.into(), when, action })
}

fn store() -> Hosts {
    let address = std::net::Ipv4Addr::from(STORE).into();
    Hosts { protocol: deliver::Protocol::Lmtp, hosts: vec![NamedHost::Address(address, Some(24))] }
}
