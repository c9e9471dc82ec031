//! All that is looked at beside the domains: the server, its ports and certificates, its addresses, and the machine.

use std::{net::SocketAddr, time::Duration};

use mail::Timestamp;
use net::Anchors;

use super::{
    addresses, blocklists, certificates, clock, disk_space,
    domain::{self, Against, within},
    files,
    finding::{Finding, Report},
    outbound, ports, resolver, server,
};
use crate::{
    config::{Config, Service},
    dns_records::{self, Data, Purpose},
};

const SERVER: &str = "server";
const NETWORK: &str = "network";
const MACHINE: &str = "machine";

/// Checks all of it; findings are added to the report. `outbound`: a host elsewhere whose port of mail is tried.
pub(crate) async fn check(against: Against<'_>, now: Timestamp, outbound: Option<&str>, report: &mut Report) {
    let Against { asking, config, facts, .. } = against;
    let server = server::gather(&config.data_dir, now).await;
    let listeners = server.status.as_ref().ok().map(|status| status.listeners.as_slice());
    let mut anchors = vec![Anchors::System];
    anchors.extend(
        config.acme.as_ref().map(|acme| acme.settings.anchors.clone()).filter(|one| *one != Anchors::System),
    );
    let visits = ports::gather(&config.hostname, ports::ports(config, listeners), &anchors, patience(config));
    let newest = server.newest.map(Timestamp::as_secs);
    let clock_found = tokio::task::spawn_blocking(move || clock::look(now.as_secs(), newest));
    let lists = within("blocklists", lists(against));
    let outbound = within("outbound", async {
        match outbound {
            Some(host) => vec![outbound::judge(&outbound::gather(asking, host, config.deliver.port).await)],
            None => Vec::new(),
        }
    });
    let (visits, network, lists, outbound, clock) =
        tokio::join!(visits, network(against), lists, outbound, clock_found);
    report.add(SERVER, server::judge(&server));
    report.add(SERVER, ports::judge(&visits));
    report.add(SERVER, certificates::judge(&certificates_of(config, facts, &server, &visits, now)));
    report.add(NETWORK, network);
    report.add(NETWORK, lists);
    report.add(NETWORK, outbound);
    report.add(MACHINE, clock::judge(&clock.unwrap_or_default()));
    report.add(MACHINE, vec![disk_space::judge(&config.data_dir, &disk_space::look(&config.data_dir))]);
    let secrets: Vec<_> = config
        .secret_files
        .iter()
        .cloned()
        .chain(config.certificates.iter().map(|files| files.key.clone()))
        .chain(config.dkim.iter().map(|dkim| dkim.key.clone()))
        .collect();
    report
        .add(MACHINE, files::judge(&files::look(&config.data_dir, &secrets, config.process.user.as_deref())));
}

/// Checks what the DNS has for the host, and how it is asked; findings are added to the report.
pub(crate) async fn check_network(against: Against<'_>, report: &mut Report) {
    report.add(NETWORK, network(against).await);
}

async fn network(against: Against<'_>) -> Vec<Finding> {
    let Against { asking, config, facts, .. } = against;
    let relayed = config.deliver.is_relayed();
    let resolver = within("resolver", async {
        resolver::judge(&resolver::gather(asking, &config.resolver, &config.hostname).await)
    });
    let addresses = within("addresses", async {
        addresses::judge(&addresses::gather(asking, &config.hostname, &facts.addresses, relayed).await)
    });
    let (resolver, addresses, host) = tokio::join!(resolver, addresses, domain::check_host(against));
    [resolver, addresses, host].concat()
}

/// Whoever is greeted late waits.
fn patience(config: &Config) -> Duration {
    config.receive.greet_delay
}

/// All lists, each by itself.
async fn lists(against: Against<'_>) -> Vec<Finding> {
    let Against { asking, config, facts, .. } = against;
    let private = config.deliver.private_addresses == deliver::PrivateAddresses::Allow;
    let own: Vec<_> =
        facts.addresses.iter().copied().filter(|address| blocklists::is_asked(*address, private)).collect();
    if own.is_empty() {
        return Vec::new();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (number, zone) in config.doctor.blocklists.iter().cloned().enumerate() {
        let (asking, own) = (asking.clone(), own.clone());
        tasks.spawn(async move { (number, blocklists::gather(&asking, &zone, &own).await) });
    }
    let mut found = Vec::new();
    while let Some(done) = tasks.join_next().await {
        found.extend(done.ok());
    }
    found.sort_by_key(|(number, _)| *number);
    found.iter().flat_map(|(_, facts)| blocklists::judge(facts)).collect()
}

fn certificates_of(
    config: &Config,
    facts: &dns_records::Facts,
    server: &server::Facts,
    visits: &ports::Facts,
    now: Timestamp,
) -> certificates::Facts {
    let given =
        config.certificates.iter().zip(&config.identities).map(|(files, identity)| certificates::Given {
            file: files.certificate.display().to_string(),
            names: identity.names().iter().map(ToString::to_string).collect(),
            ends: identity.not_after(),
        });
    let domains = dns_records::domains(config);
    let names = domains.iter().flat_map(|domain| dns_records::of_domain(config, facts, domain));
    let client_names = names
        .filter(|record| record.purpose == Purpose::ClientSettings)
        .filter(|record| matches!(record.data.first(), Some(Data::Cname(_))))
        .map(|record| record.name);
    certificates::Facts {
        hostname: config.hostname.to_ascii_lowercase(),
        client_names: client_names.collect(),
        given: given.collect(),
        obtaining: config.acme.is_some(),
        obtained: server.status.as_ref().ok().and_then(|status| status.certificate.clone()),
        shown: certificates::shown(&visits.visits),
        takes_mail: config.listeners.iter().any(|listener| {
            listener.service == Service::Mail(receive::Service::Smtp)
                && listener.bind.iter().map(SocketAddr::ip).any(|ip| !ip.is_loopback())
        }),
        now,
    }
}
