//! What mail clients find: SRV records of the services (RFC 6186), and the hosts that tell them their settings.

use std::net::IpAddr;

use dns::{DnsError, Record, RecordType, Resolve};

use crate::dns_records::{Data, Purpose, WantedRecord};

use super::{
    finding::{Finding, counted, listed},
    zone::{Asking, Authority, Seen, line, unanswered},
};

const CHECK: &str = "clients";

/// What is known of what clients of a domain find.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// Addresses of this machine.
    pub own: Vec<IpAddr>,
    /// SRV records: what they should say, and what is there.
    pub services: Vec<(WantedRecord, Seen)>,
    /// Hosts, and where they are.
    pub hosts: Vec<(WantedRecord, Result<Vec<IpAddr>, DnsError>)>,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &str,
    own: &[IpAddr],
    wanted: Vec<WantedRecord>,
) -> Facts {
    let (mut services, mut hosts) = (Vec::new(), Vec::new());
    for record in wanted {
        let is_service = matches!(record.purpose, Purpose::ClientService | Purpose::ClientSettings);
        match record.data.first() {
            Some(Data::Srv { .. }) if is_service => {
                let seen = Seen::look(asking, authority, &record.name, RecordType::Srv).await;
                services.push((record, seen));
            }
            Some(Data::Cname(_)) if is_service => {
                let addresses = asking.resolver.addresses(&record.name).await;
                hosts.push((record, addresses.map(|answer| answer.records)));
            }
            _ => {}
        }
    }
    Facts { domain: domain.to_owned(), own: own.to_vec(), services, hosts }
}

/// Judges: what clients do without is advice, what leads them astray a warning.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let domain = &facts.domain;
    let (mut missing, mut wrong, mut right) = (Vec::new(), Vec::new(), 0);
    let mut findings = Vec::new();
    for (record, seen) in &facts.services {
        let live = match seen.records() {
            Ok(live) => live,
            Err(error) => {
                findings.push(unanswered(CHECK, &format!("the SRV record {}", seen.name), error));
                continue;
            }
        };
        findings.extend(seen.difference(CHECK));
        if live.is_empty() {
            missing.push(record);
        } else if live.iter().any(|live| record.data.iter().any(|data| is_same(data, live))) {
            right += 1;
        } else {
            wrong.push((record, shown(live)));
        }
    }
    for (record, addresses) in &facts.hosts {
        match addresses {
            Ok(found) if facts.own.is_empty() || found.iter().any(|one| facts.own.contains(one)) => {
                right += 1;
            }
            Ok(found) => wrong.push((record, listed(found))),
            Err(error @ DnsError::Temporary(_)) => {
                findings.push(unanswered(CHECK, &format!("the addresses of {}", record.name), error));
            }
            Err(_) => missing.push(record),
        }
    }
    findings.extend(wrong.into_iter().map(|(record, live)| {
        let text = format!(
            "mail clients of {domain} are led astray: {} {} says {live}, and here it is otherwise",
            record.name,
            record.kind.word()
        );
        Finding::warning(CHECK, text).todo(format!("put in its place:\n{}", lines(&[record])))
    }));
    if !missing.is_empty() {
        let text = format!(
            "mail clients of {domain} do not find all by themselves: {} not published",
            counted(missing.len(), "record")
        );
        findings.push(Finding::advice(CHECK, text).todo(format!("publish:\n{}", lines(&missing))));
    } else if right > 0 && findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            format!("mail clients of {domain} find their services, by {}", counted(right, "record")),
        ));
    }
    findings
}

/// Priority and weight are the operator's to choose.
fn is_same(wanted: &Data, live: &Record) -> bool {
    match (wanted, live) {
        (Data::Srv { port, target, .. }, Record::Srv { port: live_port, target: live_target, .. }) => {
            match target {
                Some(target) => port == live_port && **target == **live_target,
                None => live_target.is_empty(),
            }
        }
        _ => false,
    }
}

fn shown(live: &[Record]) -> String {
    listed(live.iter().filter_map(|record| match record {
        Record::Srv { port, target, .. } if target.is_empty() && *port == 0 => {
            Some("that there is none".to_owned())
        }
        Record::Srv { port, target, .. } => Some(format!("{target} port {port}")),
        _ => None,
    }))
}

fn lines(records: &[&WantedRecord]) -> String {
    let lines = records
        .iter()
        .flat_map(|record| record.data.iter().map(|data| line(&record.name, record.kind.word(), data)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns_records::{Need, RecordType as Kind};
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{seen, silent},
    };

    const SRV: &str = "_imaps._tcp.example.org";

    fn wanted(name: &str, data: Data) -> WantedRecord {
        WantedRecord {
            name: name.into(),
            kind: match data {
                Data::Srv { .. } => Kind::Srv,
                _ => Kind::Cname,
            },
            data: vec![data],
            purpose: Purpose::ClientService,
            why: String::new(),
            need: Need::Recommended,
        }
    }

    fn service(live: &[(u16, &str)]) -> Facts {
        let record = |(port, target): &(u16, &str)| Record::Srv {
            priority: 5,
            weight: 5,
            port: *port,
            target: (*target).into(),
        };
        let data = Data::Srv { priority: 0, weight: 1, port: 993, target: Some("mx.example.org".into()) };
        let live = seen(SRV, RecordType::Srv, live.iter().map(record).collect());
        Facts {
            domain: "example.org".into(),
            own: vec!["192.0.2.1".parse().unwrap()],
            services: vec![(wanted(SRV, data), live)],
            hosts: Vec::new(),
        }
    }

    #[test]
    fn services_are_found_or_not() {
        const LINE: &str = "_imaps._tcp.example.org. 3600 IN SRV 0 1 993 mx.example.org.";
        for (live, level, words) in [
            (&[(993, "mx.example.org")][..], Level::Ok, &["find their services, by 1 record"][..]),
            (&[], Level::Advice, &["1 record not published", LINE]),
            (&[(993, "old.example.org")], Level::Warning, &["led astray", "old.example.org port 993", LINE]),
            (&[(0, "")], Level::Warning, &["says that there is none"]),
        ] {
            says(&judge(&service(live)), level, words);
        }
        let mut nobody = service(&[]);
        nobody.services[0].1 = silent(SRV, RecordType::Srv);
        says(&judge(&nobody), Level::Unknown, &["could not be asked for"]);
    }

    #[test]
    fn hosts_with_settings_are_this_one() {
        for (found, level, words) in [
            (Ok(vec!["192.0.2.1".parse().unwrap()]), Level::Ok, &["find their services"][..]),
            (
                Ok(vec!["192.0.2.9".parse().unwrap()]),
                Level::Warning,
                &["says 192.0.2.9", "IN CNAME mx.example.org."],
            ),
            (Err(DnsError::NoSuchName), Level::Advice, &["autoconfig.example.org. 3600 IN CNAME"]),
            (Err(DnsError::temporary("timeout")), Level::Unknown, &["addresses of autoconfig.example.org"]),
        ] {
            let record = wanted("autoconfig.example.org", Data::Cname("mx.example.org".into()));
            let facts = Facts { services: Vec::new(), hosts: vec![(record, found)], ..service(&[]) };
            says(&judge(&facts), level, words);
        }
    }
}
