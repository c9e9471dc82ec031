//! `postrider dns`: what the DNS should have.

use std::fmt::Write as _;

use message_auth::DomainName;
use serde_json::{Value, json};

use crate::{
    cli::{DnsCommand, DnsRecords},
    config::Config,
    dns_records::{self, Data, Facts, Names, Purpose, WantedRecord},
    failure::Failure,
    place,
    terminal::{self, clean},
};

pub(crate) fn run(command: &DnsCommand, json: bool) -> Result<(), Failure> {
    match command {
        DnsCommand::Records(wanted) => records(wanted, json),
        DnsCommand::Check(wanted) => super::doctor::check_dns(wanted, json),
        DnsCommand::Publish(wanted) => super::dns_publish::run(wanted, json),
    }
}

fn records(wanted: &DnsRecords, json: bool) -> Result<(), Failure> {
    let config = place::load(&wanted.file.config)?;
    let domains = domains(wanted, &config)?;
    let facts = Facts::of(&config, &domains).map_err(Failure::new)?;
    let zones = zones(&config, &facts, &domains);
    if json {
        let all: Vec<Value> = zones.iter().flat_map(|zone| &zone.records).map(as_json).collect();
        return terminal::print_json(&all);
    }
    terminal::print(text(&config, &facts, &zones, wanted.relative).trim_end())
}

/// Those that are meant.
fn domains(wanted: &DnsRecords, config: &Config) -> Result<Vec<DomainName>, Failure> {
    let Some(text) = &wanted.domain else {
        let all = dns_records::domains(config);
        if all.is_empty() {
            let failure = Failure::usage("the configuration file has no [[domain]]");
            return Err(failure.hint("name the domain: postrider dns records example.org"));
        }
        return Ok(all);
    };
    let domain = DomainName::parse(text).filter(|domain| domain.labels().count() > 1);
    let wrong = || Failure::usage(format!("`{}` is not a domain", clean(text)));
    domain.map(|domain| vec![domain]).ok_or_else(wrong)
}

/// What belongs together in one place.
pub(crate) struct Zone {
    /// None: the host is in no domain of ours.
    pub(crate) domain: Option<DomainName>,
    pub(crate) records: Vec<WantedRecord>,
}

/// The records of each domain; those of the host with the first domain that it is in, else by themselves if no domain was asked for by name.
pub(crate) fn zones(config: &Config, facts: &Facts, domains: &[DomainName]) -> Vec<Zone> {
    let host = DomainName::parse(&config.hostname);
    let home = domains.iter().find(|domain| host.as_ref().is_some_and(|host| host.is_within(domain)));
    let of_host = || dns_records::of_host(config, facts);
    let mut zones: Vec<Zone> = Vec::new();
    if home.is_none() {
        zones.push(Zone { domain: None, records: of_host() });
    }
    for domain in domains {
        let mut records = if home == Some(domain) { of_host() } else { Vec::new() };
        records.extend(dns_records::of_domain(config, facts, domain));
        zones.push(Zone { domain: Some(domain.clone()), records });
    }
    zones
}

/// All of it as a zone file has it.
pub(crate) fn text(config: &Config, facts: &Facts, zones: &[Zone], relative: bool) -> String {
    let mut text = String::new();
    if facts.addresses.is_empty() {
        text.push_str(
            "; The public addresses of this host are not known: say public_addresses = [\"...\"] in the configuration file.\n\n",
        );
    }
    for Zone { domain, records } in zones {
        // Writing to a String cannot fail.
        let _ = match domain {
            Some(domain) => writeln!(text, "; Records for the zone of {domain}"),
            None => writeln!(text, "; Records for the zone that {} is in", config.hostname),
        };
        match domain {
            Some(domain) if relative => {
                let _ = writeln!(text, "$ORIGIN {domain}.");
                text.push_str(&dns_records::lines(records, Names::Relative(domain)));
            }
            _ => text.push_str(&dns_records::lines(records, Names::Absolute)),
        }
        text.push('\n');
    }
    text
}

/// For programs.
pub(crate) fn as_json(record: &WantedRecord) -> Value {
    let WantedRecord { name, kind, data, purpose, why, need } = record;
    // A program wants the text, not the strings that it takes.
    let value = |data: &Data| match data {
        Data::Txt(text) => text.clone(),
        other => other.to_string(),
    };
    json!({
        "name": name,
        "type": kind.word(),
        "values": data.iter().map(value).collect::<Vec<_>>(),
        "purpose": purpose.word(),
        "need": need.word(),
        "why": why,
        "elsewhere": *purpose == Purpose::Reverse,
    })
}
