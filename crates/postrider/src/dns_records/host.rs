//! The records of the host itself.

use std::net::IpAddr;

use super::{Data, Facts, Need, Purpose, RecordType, WantedRecord, certified, domains, host_name};
use crate::config::Config;

/// Of the host, whatever domains it has mail for: its addresses, their names, who it is in HELO, its keys, and who may certify it.
pub(crate) fn records(config: &Config, facts: &Facts) -> Vec<WantedRecord> {
    let host = host_name(config);
    let mut records = addresses(&host, facts);
    records.extend(facts.addresses.iter().map(|address| reverse(&host, *address)));
    // A host whose name is a domain of ours has its record there.
    if !domains(config).iter().any(|domain| domain.as_str() == host) {
        records.push(WantedRecord {
            name: host.clone(),
            kind: RecordType::Txt,
            data: vec![Data::Txt("v=spf1 a -all".to_owned())],
            purpose: Purpose::HeloSpf,
            why: "only this host may say that it is this host; proves the sender of reports, which have no domain"
                .to_owned(),
            need: Need::Recommended,
        });
    }
    records.extend(authorities(config, &host));
    if !facts.tls_keys.is_empty() {
        records.push(WantedRecord {
            name: format!("_25._tcp.{host}"),
            kind: RecordType::Tlsa,
            data: facts.tls_keys.iter().copied().map(Data::Tlsa).collect(),
            purpose: Purpose::Tlsa,
            why: "servers that send to us know our key by it (DANE) and need no authority; counts only in a signed zone (DNSSEC)"
                .to_owned(),
            need: Need::Recommended,
        });
    }
    records
}

fn addresses(host: &str, facts: &Facts) -> Vec<WantedRecord> {
    let of = |kind, data: Vec<Data>, version| {
        (!data.is_empty()).then(|| WantedRecord {
            name: host.to_owned(),
            kind,
            data,
            purpose: Purpose::HostAddress,
            why: format!("where this host is, by IP version {version}"),
            need: Need::Needed,
        })
    };
    let v4 = facts.addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(Data::A(*address)),
        IpAddr::V6(_) => None,
    });
    let v6 = facts.addresses.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(Data::Aaaa(*address)),
        IpAddr::V4(_) => None,
    });
    [of(RecordType::A, v4.collect(), 4), of(RecordType::Aaaa, v6.collect(), 6)]
        .into_iter()
        .flatten()
        .collect()
}

fn reverse(host: &str, address: IpAddr) -> WantedRecord {
    WantedRecord {
        name: dns::reverse_name(address),
        kind: RecordType::Ptr,
        data: vec![Data::Ptr(host.to_owned())],
        purpose: Purpose::Reverse,
        why: format!(
            "the name of {address}; many refuse mail from an address without one, or with another's"
        ),
        need: Need::Needed,
    }
}

/// Only for the host, not for its domain: others of the domain may have their certificates from elsewhere. Names that are aliases of the host
/// are held to it too (RFC 8659 §3).
fn authorities(config: &Config, host: &str) -> Option<WantedRecord> {
    let acme = config.acme.as_ref()?;
    let issuer = match acme.settings.directory_word() {
        "letsencrypt" | "letsencrypt-staging" => "letsencrypt.org",
        _ => return None,
    };
    certified(config, host).then(|| WantedRecord {
        name: host.to_owned(),
        kind: RecordType::Caa,
        data: vec![Data::Caa { flags: 0, tag: "issue", value: issuer.to_owned() }],
        purpose: Purpose::Authorities,
        why: "no other authority may give out a certificate for this host".to_owned(),
        need: Need::Recommended,
    })
}
