//! The addresses that mail leaves from: their names, both ways, and the name in HELO (mail-rules 21).

use std::net::IpAddr;

use dns::{DnsError, Resolve};

use super::{
    finding::{Finding, listed},
    mx::address_line,
    zone::{Asking, addresses, line, unanswered},
};

const CHECK: &str = "addresses";
const REVERSE: &str = "reverse";

/// What is known of them.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Our own name, as in HELO.
    pub hostname: String,
    /// Where the DNS says that this host is.
    pub host: Result<Vec<IpAddr>, DnsError>,
    /// The addresses that mail leaves from.
    pub sources: Vec<Source>,
    /// Whether mail leaves through a relay: then few see them.
    pub relayed: bool,
}

/// One address.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The address.
    pub address: IpAddr,
    /// Its names, and the addresses of each.
    pub names: Result<Vec<Named>, DnsError>,
}

/// A name, and its addresses.
pub(super) type Named = (Box<str>, Result<Vec<IpAddr>, DnsError>);

/// Asks.
pub(super) async fn gather(asking: &Asking, hostname: &str, own: &[IpAddr], relayed: bool) -> Facts {
    let host = asking.resolver.addresses(hostname).await.map(|answer| answer.records);
    let mut sources = Vec::new();
    for address in own {
        let names = match asking.resolver.ptr(*address).await {
            Ok(answer) => {
                let mut names = Vec::new();
                for name in answer.records {
                    let found = asking.resolver.addresses(&name).await.map(|answer| answer.records);
                    names.push((name, found));
                }
                Ok(names)
            }
            Err(error) => Err(error),
        };
        sources.push(Source { address: *address, names });
    }
    Facts { hostname: hostname.to_owned(), host, sources, relayed }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![host(facts)];
    // An address of this machine alone has its name by RFC 6761 §6.3, and nobody sees it.
    let seen = facts.sources.iter().filter(|source| !source.address.is_loopback());
    findings.extend(seen.map(|source| reverse(facts, source)));
    findings
}

/// Whether the DNS leads to this host.
fn host(facts: &Facts) -> Finding {
    let Facts { hostname, host, sources, .. } = facts;
    let own: Vec<IpAddr> = sources.iter().map(|source| source.address).collect();
    let lines = |list: &[IpAddr]| -> String {
        list.iter().map(|address| address_line(hostname, *address)).collect::<Vec<_>>().join("\n")
    };
    let live = match host {
        Ok(live) => live.as_slice(),
        Err(error @ DnsError::Temporary(_)) => {
            return unanswered(CHECK, &format!("the addresses of {hostname}"), error);
        }
        Err(_) => &[],
    };
    if own.is_empty() {
        let text =
            "the addresses by which others reach this machine are not known: it has none that is public";
        let known = if live.is_empty() {
            "192.0.2.1".to_owned()
        } else {
            live.iter().map(ToString::to_string).collect::<Vec<_>>().join("\", \"")
        };
        return Finding::warning(CHECK, text).todo(format!(
            "name them at the top of the configuration file, such as:\npublic_addresses = [\"{known}\"]"
        ));
    }
    if live.is_empty() {
        let text = format!("{hostname}, the name of this host, has no address in the DNS");
        return Finding::error(CHECK, text).todo(format!("publish:\n{}", lines(&own)));
    }
    let missing: Vec<IpAddr> = own.iter().filter(|address| !live.contains(address)).copied().collect();
    let foreign: Vec<IpAddr> = live.iter().filter(|address| !own.contains(address)).copied().collect();
    if missing.len() == own.len() {
        let text = format!(
            "the DNS says that {hostname} is at {}, and this machine is at {}",
            addresses(live),
            addresses(&own)
        );
        return Finding::error(CHECK, text).todo(format!("put in its place:\n{}", lines(&own)));
    }
    if !foreign.is_empty() {
        let text = format!(
            "the DNS says that {hostname} is at {} too, which is not an address of this machine",
            addresses(&foreign)
        );
        return Finding::warning(CHECK, text)
            .todo(format!("take the record out:\n{}\nor, if it is one, name it in public_addresses in the configuration file", lines(&foreign)));
    }
    if !missing.is_empty() {
        let text = format!(
            "mail leaves from {} too, which is not among the addresses of {hostname} in the DNS",
            addresses(&missing)
        );
        return Finding::warning(CHECK, text).todo(format!("add:\n{}", lines(&missing)));
    }
    Finding::ok(CHECK, format!("{hostname} is at {}", addresses(live)))
}

fn reverse(facts: &Facts, Source { address, names }: &Source) -> Finding {
    let Facts { hostname, relayed, .. } = facts;
    let wanted = format!(
        "ask whoever gave you the address for this record:\n{}",
        line(&dns::reverse_name(*address), "PTR", format_args!("{hostname}."))
    );
    // Behind a relay the world does not see it.
    let bad =
        |text: String| if *relayed { Finding::advice(REVERSE, text) } else { Finding::error(REVERSE, text) };
    let names = match names {
        Ok(names) => names.as_slice(),
        Err(error @ DnsError::Temporary(_)) => {
            return unanswered(REVERSE, &format!("the name of {address}"), error);
        }
        Err(_) => &[],
    };
    let Some((first, _)) = names.first() else {
        let text = if address.is_ipv6() {
            format!("{address} has no name (PTR), so no mail should leave from it: large receivers refuse it")
        } else {
            format!("{address} has no name (PTR): many receivers refuse mail from it")
        };
        let or = if address.is_ipv6() {
            "\nor leave it out of public_addresses and send by IPv4 alone"
        } else {
            ""
        };
        return bad(text).todo(format!("{wanted}{or}"));
    };
    let confirmed: Vec<&str> = names
        .iter()
        .filter(|(_, found)| found.as_ref().is_ok_and(|found| found.contains(address)))
        .map(|(name, _)| &**name)
        .collect();
    if let (true, Some((name, error))) = (
        confirmed.is_empty(),
        names.iter().find_map(|(name, found)| match found {
            Err(error @ DnsError::Temporary(_)) => Some((name, error)),
            _ => None,
        }),
    ) {
        return unanswered(REVERSE, &format!("the addresses of {name}, the name of {address},"), error);
    }
    if confirmed.is_empty() {
        let text = format!(
            "the name of {address} is {first}, which does not lead back to {address}: many receivers refuse mail from it"
        );
        return bad(text).todo(format!("publish:\n{}\nor {wanted}", address_line(first, *address)));
    }
    if !confirmed.contains(&hostname.as_str()) {
        let text = format!(
            "the name of {address} is {}, and in HELO this host says {hostname}: some receivers mind",
            listed(&confirmed)
        );
        let finding = if *relayed { Finding::advice(REVERSE, text) } else { Finding::warning(REVERSE, text) };
        return finding.todo(wanted);
    }
    if names.len() > 1 {
        let all = listed(names.iter().map(|(name, _)| name));
        return Finding::advice(
            REVERSE,
            format!("{address} has several names, {all}: receivers take any of them"),
        )
        .todo(format!("have all but {hostname} taken out"));
    }
    Finding::ok(REVERSE, format!("the name of {address} is {hostname}, both ways and in HELO"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    const HOST: &str = "mx.example.org";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Of one source with names, each with its addresses.
    fn facts(source: &str, names: &[(&str, &[&str])]) -> Facts {
        let names: Vec<_> = names
            .iter()
            .map(|(name, found)| ((*name).into(), Ok(found.iter().map(|text| ip(text)).collect())))
            .collect();
        let names = if names.is_empty() { Err(DnsError::NoSuchName) } else { Ok(names) };
        Facts {
            hostname: HOST.into(),
            host: Ok(vec![ip(source)]),
            sources: vec![Source { address: ip(source), names }],
            relayed: false,
        }
    }

    #[test]
    fn names_are_looked_at_both_ways() {
        const V4: &str = "192.0.2.1";
        const PTR: &str = "1.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.org.";
        for (source, names, level, words) in [
            (V4, &[(HOST, &[V4][..])][..], Level::Ok, &["both ways and in HELO"][..]),
            (V4, &[], Level::Error, &["192.0.2.1 has no name (PTR)", PTR]),
            ("2001:db8::1", &[], Level::Error, &["so no mail should leave from it", "send by IPv4 alone"]),
            (
                V4,
                &[(HOST, &["192.0.2.9"])],
                Level::Error,
                &["does not lead back to 192.0.2.1", "mx.example.org. 3600 IN A 192.0.2.1", PTR],
            ),
            (
                V4,
                &[("other.example.net", &[V4])],
                Level::Warning,
                &["in HELO this host says mx.example.org", PTR],
            ),
            (V4, &[(HOST, &[V4]), ("www.example.org", &[V4])], Level::Advice, &["several names"]),
        ] {
            says(&judge(&facts(source, names)), level, words);
        }
        let mut nobody = facts(V4, &[]);
        nobody.sources[0].names = Err(DnsError::temporary("timeout"));
        says(&judge(&nobody), Level::Unknown, &["the name of 192.0.2.1 could not"]);
        nobody.sources[0].names = Ok(vec![(HOST.into(), Err(DnsError::temporary("timeout")))]);
        says(&judge(&nobody), Level::Unknown, &["the addresses of mx.example.org, the name of 192.0.2.1"]);
        says(&judge(&facts("127.1.2.3", &[])), Level::Ok, &["is at 127.1.2.3"]);
        let relayed = Facts { relayed: true, ..facts(V4, &[]) };
        says(&judge(&relayed), Level::Advice, &["has no name"]);
    }

    #[test]
    fn the_dns_knows_where_the_host_is() {
        const V4: &str = "192.0.2.1";
        let with = |host: Result<Vec<IpAddr>, DnsError>| Facts { host, ..facts(V4, &[(HOST, &[V4])]) };
        for (host, level, words) in [
            (
                Ok(vec![]),
                Level::Error,
                &["has no address in the DNS", "mx.example.org. 3600 IN A 192.0.2.1"][..],
            ),
            (Err(DnsError::NoSuchName), Level::Error, &["has no address in the DNS"]),
            (Ok(vec![ip("192.0.2.9")]), Level::Error, &["is at 192.0.2.9, and this machine is at 192.0.2.1"]),
            (Ok(vec![ip(V4), ip("192.0.2.9")]), Level::Warning, &["is at 192.0.2.9 too"]),
            (Err(DnsError::temporary("timeout")), Level::Unknown, &["the addresses of mx.example.org"]),
        ] {
            says(&judge(&with(host)), level, words);
        }
        let mut two = facts(V4, &[(HOST, &[V4])]);
        two.sources.push(Source {
            address: ip("192.0.2.2"),
            names: Ok(vec![(HOST.into(), Ok(vec![ip("192.0.2.2")]))]),
        });
        says(&judge(&two), Level::Warning, &["mail leaves from 192.0.2.2 too"]);
        let none = Facts { sources: Vec::new(), ..facts(V4, &[]) };
        says(&judge(&none), Level::Warning, &["not known", "public_addresses = [\"192.0.2.1\"]"]);
    }
}
