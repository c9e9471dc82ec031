//! The records of a domain whose mail ends here.

use std::fmt::Write as _;

use autoconfig::{Settings, SrvRecord};
use aws_lc_rs::digest;
use dkim_keys::Role;
use mail::Domain;
use message_auth::DomainName;

use super::{
    Data, DkimRecord, Facts, Need, Purpose, RecordType, WantedRecord, certified, host_name, serves_http,
};
use crate::{
    client_settings,
    config::{Config, Tls},
};

/// Of one domain: who takes its mail, who sends it, by which keys it is signed, and where its people find their services.
pub(crate) fn records(config: &Config, facts: &Facts, domain: &DomainName) -> Vec<WantedRecord> {
    let host = host_name(config);
    let mut records = vec![
        WantedRecord {
            name: domain.to_string(),
            kind: RecordType::Mx,
            data: vec![Data::Mx { preference: 10, exchange: host.clone() }],
            purpose: Purpose::MailExchange,
            why: "mail for the domain goes to this host".to_owned(),
            need: Need::Needed,
        },
        spf(config, domain),
    ];
    let needed = |key: &&DkimRecord| key.domain == *domain && key.kept != Some(Role::Over);
    records.extend(facts.dkim.iter().filter(needed).map(key));
    records.push(WantedRecord {
        data: vec![Data::Txt(format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"))],
        why:
            "receivers put aside what claims to be the domain's and is not, and report to postmaster (DMARC)"
                .to_owned(),
        ..text(format!("_dmarc.{domain}"), Purpose::Dmarc, Need::Needed)
    });
    records.push(WantedRecord {
        data: vec![Data::Txt(format!("v=TLSRPTv1; rua=mailto:postmaster@{domain}"))],
        why: "senders report to postmaster when TLS to this host fails (TLS-RPT)".to_owned(),
        ..text(format!("_smtp._tls.{domain}"), Purpose::TlsReports, Need::Recommended)
    });
    records.extend(mta_sts(config, domain, &host));
    records.extend(client_settings(config, domain, &host));
    records.extend(services(config, domain, &host));
    records
}

fn key(key: &DkimRecord) -> WantedRecord {
    let why = match key.kept {
        None | Some(Role::Current) => "a key by which receivers verify that mail is the domain's (DKIM)",
        Some(Role::Next) => "the key that mail is signed with next, some time after it is seen here (DKIM)",
        Some(Role::Retired | Role::Over) => {
            "a key that signs no more: it stays for the mail that is on its way (DKIM)"
        }
    };
    WantedRecord {
        data: vec![Data::Txt(key.text.clone())],
        why: why.to_owned(),
        ..text(key.name.clone(), Purpose::Dkim, Need::Needed)
    }
}

fn text(name: String, purpose: Purpose, need: Need) -> WantedRecord {
    WantedRecord { name, kind: RecordType::Txt, data: Vec::new(), purpose, why: String::new(), need }
}

/// Where all mail of the domain leaves from here nobody else may send it. Through a relay it is the relay's hosts that send.
fn spf(config: &Config, domain: &DomainName) -> WantedRecord {
    let (said, why) = if config.deliver.is_relayed() {
        (
            "v=spf1 mx ~all",
            "this host sends mail of the domain (SPF); mail leaves through a relay: add the include: that it documents before ~all",
        )
    } else {
        ("v=spf1 mx -all", "only this host sends mail of the domain (SPF)")
    };
    WantedRecord {
        data: vec![Data::Txt(said.to_owned())],
        why: why.to_owned(),
        ..text(domain.to_string(), Purpose::Spf, Need::Needed)
    }
}

/// Where the policy is told, and which it is: senders ask again when the id changes, so it is made from the policy (RFC 8461 §3.1).
fn mta_sts(config: &Config, domain: &DomainName, host: &str) -> Vec<WantedRecord> {
    let name = format!("mta-sts.{domain}");
    let Some(policy) = config.mta_sts.as_ref() else { return Vec::new() };
    if !serves_http(config, Tls::Implicit) || !certified(config, &name) {
        return Vec::new();
    }
    let digest = digest::digest(&digest::SHA256, policy.text().as_bytes());
    let id = digest.as_ref().iter().take(10).fold(String::new(), |mut id, octet| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{octet:02x}");
        id
    });
    vec![
        WantedRecord {
            kind: RecordType::Cname,
            data: vec![Data::Cname(host.to_owned())],
            why: "where senders read whether TLS to this host can be relied on (MTA-STS)".to_owned(),
            ..text(name, Purpose::MtaStsHost, of_certificate(config))
        },
        WantedRecord {
            data: vec![Data::Txt(format!("v=STSv1; id={id}"))],
            why: "tells senders that there is such a policy, and by a new id that it has changed".to_owned(),
            ..text(format!("_mta-sts.{domain}"), Purpose::MtaSts, Need::Recommended)
        },
    ]
}

/// An authority that is asked for a certificate looks at all of its names: it gives none while one leads nowhere.
fn of_certificate(config: &Config) -> Need {
    if config.acme.is_some() { Need::Needed } else { Need::Recommended }
}

/// The hosts that mail clients ask for their settings, where they would be answered: under TLS only by a certificate for that name.
fn client_settings(config: &Config, domain: &DomainName, host: &str) -> Vec<WantedRecord> {
    let (https, http) = (serves_http(config, Tls::Implicit), serves_http(config, Tls::None));
    let alias = |label: &str, who: &str| {
        let name = format!("{label}.{domain}");
        let certified = certified(config, &name);
        let need = if certified { of_certificate(config) } else { Need::Recommended };
        (http || https && certified).then(|| WantedRecord {
            kind: RecordType::Cname,
            data: vec![Data::Cname(host.to_owned())],
            why: format!("where {who} finds the settings"),
            ..text(name, Purpose::ClientSettings, need)
        })
    };
    let mut records: Vec<WantedRecord> =
        [alias("autoconfig", "Thunderbird"), alias("autodiscover", "Outlook")]
            .into_iter()
            .flatten()
            .collect();
    if let Some(port) = client_settings::https_port(config) {
        records.push(WantedRecord {
            name: format!("_autodiscover._tcp.{domain}"),
            kind: RecordType::Srv,
            data: vec![Data::Srv { priority: 0, weight: 0, port, target: Some(host.to_owned()) }],
            purpose: Purpose::ClientSettings,
            why: "where Outlook finds the settings too".to_owned(),
            need: Need::Recommended,
        });
    }
    records
}

fn services(config: &Config, domain: &DomainName, host: &str) -> Vec<WantedRecord> {
    let endpoints = client_settings::endpoints(config);
    let Ok(name) = Domain::parse(domain.as_str()) else { return Vec::new() };
    if endpoints.is_empty() {
        return Vec::new();
    }
    let settings = Settings::new(name, host, domain.as_str(), endpoints);
    let one = |SrvRecord { label, priority, weight, port, offered }: SrvRecord| WantedRecord {
        name: format!("{label}._tcp.{domain}"),
        kind: RecordType::Srv,
        data: vec![Data::Srv { priority, weight, port, target: offered.then(|| host.to_owned()) }],
        purpose: Purpose::ClientService,
        why: if offered {
            "mail clients find the service".to_owned()
        } else {
            "mail clients need not try: there is no such service".to_owned()
        },
        need: Need::Recommended,
    };
    autoconfig::srv(&settings).into_iter().map(one).collect()
}
