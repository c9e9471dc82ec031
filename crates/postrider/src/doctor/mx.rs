//! Whether mail for a domain comes here: its MX records (RFC 5321 §5.1).

use std::net::IpAddr;

use dns::{DnsError, Lookup, Mx, Record, RecordType, Resolve};

use super::{
    finding::{Finding, listed},
    zone::{self, Asking, Authority, Seen, unanswered},
};

const CHECK: &str = "mx";
/// Hosts that are looked at; more are a mistake, and told as one.
const HOSTS_MAX: usize = 20;

/// What is known of the mail hosts of a domain.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// Our own name.
    pub hostname: String,
    /// The addresses of this machine.
    pub own: Vec<IpAddr>,
    /// Its MX records.
    pub seen: Seen,
    /// What their hosts are.
    pub hosts: Vec<Host>,
}

/// A host that an MX record names.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// Its name.
    pub name: Box<str>,
    /// The name that it is an alias of, if it is one.
    pub alias_of: Option<Box<str>>,
    /// Its addresses.
    pub addresses: Result<Vec<IpAddr>, DnsError>,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &str,
    hostname: &str,
    own: &[IpAddr],
) -> Facts {
    let seen = Seen::look(asking, authority, domain, RecordType::Mx).await;
    let mut hosts = Vec::new();
    for mx in exchanges(&seen).into_iter().flatten().filter(|mx| !mx.is_root()).take(HOSTS_MAX) {
        let name = mx.exchange.clone();
        let (alias, addresses) =
            tokio::join!(asking.resolver.records(&name, RecordType::Cname), asking.resolver.addresses(&name));
        let alias_of = alias.ok().and_then(|answer| match answer.records.into_iter().next() {
            Some(Record::Name(target)) => Some(target),
            _ => None,
        });
        hosts.push(Host { name, alias_of, addresses: addresses.map(|answer| answer.records) });
    }
    Facts { domain: domain.to_owned(), hostname: hostname.to_owned(), own: own.to_vec(), seen, hosts }
}

/// The records, best first.
fn exchanges(seen: &Seen) -> Result<Vec<Mx>, &DnsError> {
    let mx = |record: &Record| match record {
        Record::Mx(mx) => Some(mx.clone()),
        _ => None,
    };
    let mut found: Vec<Mx> = seen.records()?.iter().filter_map(mx).collect();
    found.sort();
    Ok(found)
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, hostname, seen, .. } = facts;
    let wanted = zone::line(domain, "MX", format_args!("10 {hostname}."));
    let found = match exchanges(seen) {
        Ok(found) => found,
        Err(error) => return vec![unanswered(CHECK, &format!("the MX records of {domain}"), error)],
    };
    if found.is_empty() {
        let text = format!("{domain} has no MX record, so mail for it does not come here");
        return vec![Finding::error(CHECK, text).todo(format!("publish:\n{wanted}"))];
    }
    if dns::is_null_mx(&found) {
        let text = format!("the MX record of {domain} says that it takes no mail at all");
        return vec![Finding::error(CHECK, text).todo(format!("put in its place:\n{wanted}"))];
    }
    let mut findings: Vec<Finding> = found.iter().filter_map(|mx| literal(facts, mx)).collect();
    findings.extend(facts.hosts.iter().filter_map(|host| broken(facts, host)));
    findings.push(whose(facts, &found, &wanted));
    if let Some(finding) = seen.difference(CHECK) {
        findings.push(finding);
    }
    findings
}

/// An address in the place of a name.
fn literal(facts: &Facts, mx: &Mx) -> Option<Finding> {
    let Facts { domain, hostname, .. } = facts;
    let bare = mx.exchange.trim_matches(['[', ']']);
    bare.parse::<IpAddr>().ok()?;
    let text = format!("an MX record of {domain} names the address {bare}: it has to be the name of a host");
    let action = format!(
        "put in its place:\n{}",
        zone::line(domain, "MX", format_args!("{} {hostname}.", mx.preference))
    );
    Some(Finding::error(CHECK, text).todo(action))
}

/// A host that senders cannot use.
fn broken(facts: &Facts, host: &Host) -> Option<Finding> {
    let (domain, name) = (&facts.domain, &host.name);
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    if let Some(target) = &host.alias_of {
        // RFC 2181 §10.3.
        let text = format!(
            "the MX record of {domain} names {name}, which is an alias (CNAME) of {target}: some senders give up there"
        );
        let action =
            format!("name the host itself:\n{}", zone::line(domain, "MX", format_args!("10 {target}.")));
        return Some(Finding::error(CHECK, text).todo(action));
    }
    match &host.addresses {
        Ok(_) => None,
        Err(DnsError::Temporary(_)) => {
            let error = host.addresses.as_ref().err()?;
            Some(unanswered(CHECK, &format!("the addresses of {name}, an MX of {domain},"), error))
        }
        Err(_) => {
            let text = format!("{name}, an MX of {domain}, has no address, so no mail can go there");
            let lines: Vec<String> = facts.own.iter().map(|address| address_line(name, *address)).collect();
            let ours = **name == *facts.hostname && !lines.is_empty();
            let action = if ours {
                format!("publish:\n{}", lines.join("\n"))
            } else {
                format!("publish its addresses, or take it out of the MX records of {domain}")
            };
            Some(Finding::error(CHECK, text).todo(action))
        }
    }
}

/// A record of an address.
pub(super) fn address_line(name: &str, address: IpAddr) -> String {
    zone::line(name, if address.is_ipv4() { "A" } else { "AAAA" }, address)
}

/// Whether they lead here.
fn whose(facts: &Facts, found: &[Mx], wanted: &str) -> Finding {
    let Facts { domain, hostname, own, hosts, .. } = facts;
    let leads_here = |name: &str| {
        name == hostname
            || hosts
                .iter()
                .filter(|host| *host.name == *name)
                .any(|host| host.addresses.iter().flatten().any(|address| own.contains(address)))
    };
    let (ours, others): (Vec<&Mx>, Vec<&Mx>) = found.iter().partition(|mx| leads_here(&mx.exchange));
    let names = |list: &[&Mx]| listed(list.iter().map(|mx| mx.exchange.to_string()));
    let Some(best) = ours.first() else {
        let text = format!("mail for {domain} goes to {}, not to this host, {hostname}", names(&others));
        return Finding::error(CHECK, text).todo(format!("put in its place:\n{wanted}"));
    };
    let before: Vec<&Mx> = others.into_iter().filter(|mx| mx.preference <= best.preference).collect();
    if !before.is_empty() {
        let text = format!(
            "mail for {domain} goes to {} too, before it comes here: what that host takes has to be passed on to {hostname}",
            names(&before)
        );
        return Finding::advice(CHECK, text);
    }
    Finding::ok(CHECK, format!("mail for {domain} comes here: MX {} {}", best.preference, best.exchange))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{seen, silent},
    };

    const OWN: &str = "192.0.2.1";

    fn facts(records: &[(u16, &str)]) -> Facts {
        let own: IpAddr = OWN.parse().unwrap();
        let hosts = records.iter().map(|(_, name)| Host {
            name: (*name).into(),
            alias_of: (*name == "alias.example.org").then(|| "mx.example.org".into()),
            addresses: match *name {
                "mx.example.org" | "also.example.org" => Ok(vec![own]),
                "none.example.org" => Err(DnsError::NoSuchName),
                "silent.example.org" => Err(DnsError::temporary("timeout")),
                _ => Ok(vec!["198.51.100.9".parse().unwrap()]),
            },
        });
        let mx = records.iter().map(|(preference, name)| Record::Mx(Mx::new(*preference, name)));
        Facts {
            domain: "example.org".into(),
            hostname: "mx.example.org".into(),
            own: vec![own],
            seen: seen("example.org", RecordType::Mx, mx.collect()),
            hosts: hosts.collect(),
        }
    }

    #[test]
    fn each_way_in_which_mail_comes_or_goes_elsewhere() {
        const OURS: &str = "example.org. 3600 IN MX 10 mx.example.org.";
        for (records, level, words) in [
            (&[(10, "mx.example.org")][..], Level::Ok, &["comes here: MX 10 mx.example.org"][..]),
            (&[(10, "also.example.org")], Level::Ok, &["comes here"]),
            (&[(10, "mx.example.org"), (20, "backup.example.net")], Level::Ok, &["comes here"]),
            (
                &[(10, "filter.example.net"), (20, "mx.example.org")],
                Level::Advice,
                &["filter.example.net too"],
            ),
            (&[], Level::Error, &["no MX record", "publish:", OURS]),
            (&[(0, ".")], Level::Error, &["takes no mail at all", OURS]),
            (
                &[(10, "mail.example.net")],
                Level::Error,
                &["goes to mail.example.net, not to this host", OURS],
            ),
            (
                &[(10, "192.0.2.1"), (20, "mx.example.org")],
                Level::Error,
                &["names the address 192.0.2.1", OURS],
            ),
            (
                &[(10, "alias.example.org"), (20, "mx.example.org")],
                Level::Error,
                &["alias (CNAME) of mx.example.org", OURS],
            ),
            (
                &[(10, "mx.example.org"), (20, "none.example.org")],
                Level::Error,
                &["none.example.org, an MX of example.org, has no address"],
            ),
            (
                &[(10, "mx.example.org"), (20, "silent.example.org")],
                Level::Unknown,
                &["could not be asked for", "timeout"],
            ),
        ] {
            says(&judge(&facts(records)), level, words);
        }
        let mut own = facts(&[(10, "mx.example.org")]);
        own.hosts[0].addresses = Err(DnsError::NoRecords);
        says(&judge(&own), Level::Error, &["has no address", "mx.example.org. 3600 IN A 192.0.2.1"]);
        let mut nobody = facts(&[]);
        nobody.seen = silent("example.org", RecordType::Mx);
        says(
            &judge(&nobody),
            Level::Unknown,
            &["MX records of example.org could not be asked for", "SERVFAIL"],
        );
    }
}
