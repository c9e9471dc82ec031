//! Whether our addresses are on lists by which others refuse mail (RFC 5782).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns::{DnsError, Resolve};

use super::{
    finding::{Finding, listed},
    zone::Asking,
};

const CHECK: &str = "blocklists";
/// What a list has always (RFC 5782 §5).
const LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// What no list has (RFC 5782 §5).
const UNLISTED: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What one list says.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Its zone.
    pub zone: String,
    /// What it says of the address that it always has.
    pub listed: Result<Vec<IpAddr>, DnsError>,
    /// What it says of the address that it never has.
    pub unlisted: Result<Vec<IpAddr>, DnsError>,
    /// What it says of ours.
    pub ours: Vec<Entry>,
}

/// What a list says of an address.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The address.
    pub address: IpAddr,
    /// Its answer; none at all if it is not on it.
    pub codes: Result<Vec<IpAddr>, DnsError>,
    /// What it says in words.
    pub why: Option<String>,
}

/// Asks one list.
pub(super) async fn gather(asking: &Asking, zone: &str, own: &[IpAddr]) -> Facts {
    let (listed, unlisted) =
        tokio::join!(look(asking, zone, LISTED.into()), look(asking, zone, UNLISTED.into()));
    let mut ours = Vec::new();
    for address in own {
        let codes = look(asking, zone, *address).await;
        let why = match &codes {
            Ok(_) => asking.resolver.txt(&name(*address, zone)).await.ok().and_then(|answer| {
                let text = answer.records.into_iter().next()?;
                Some(String::from_utf8_lossy(&text).chars().take(300).collect())
            }),
            Err(_) => None,
        };
        ours.push(Entry { address: *address, codes, why });
    }
    Facts { zone: zone.to_owned(), listed, unlisted, ours }
}

async fn look(asking: &Asking, zone: &str, address: IpAddr) -> Result<Vec<IpAddr>, DnsError> {
    let found = asking.resolver.addresses(&name(address, zone)).await;
    found.map(|answer| answer.records)
}

/// RFC 5782 §2.1, §2.4: the address backwards, before the zone.
fn name(address: IpAddr, zone: &str) -> String {
    let reverse = dns::reverse_name(address);
    let digits = reverse.strip_suffix(".in-addr.arpa").or_else(|| reverse.strip_suffix(".ip6.arpa"));
    format!("{}.{zone}", digits.unwrap_or(&reverse))
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { zone, listed, unlisted, ours } = facts;
    let cannot = |why: &str| {
        Finding::advice(
            CHECK,
            format!("whether the list {zone} has an address of ours cannot be told: {why}"),
        )
    };
    let own_resolver = "let a resolver of this machine ask, such as unbound, and name it in the configuration file:\n\
        [dns]\nservers = [\"127.0.0.1:53\"]";
    let out = "take it out of `blocklists` in [doctor] of the configuration file if it is no more";
    let all = [listed, unlisted].into_iter().chain(ours.iter().map(|entry| &entry.codes));
    // 127.255.255.0/24 is how Spamhaus and others say that they do not answer this resolver.
    if all.into_iter().flatten().flatten().any(is_refusal) {
        return vec![
            cannot("it refuses questions of our resolver, as lists do to public ones").todo(own_resolver),
        ];
    }
    match (listed, unlisted) {
        (Err(DnsError::Temporary(why)), _) => return vec![cannot(why).todo(own_resolver)],
        (Err(_), _) => {
            return vec![
                cannot("it does not have 127.0.0.2, which every list has, so it is none or refuses us")
                    .todo(out),
            ];
        }
        (Ok(_), Ok(_)) => {
            return vec![cannot("it has 127.0.0.1, which no list has, so it lists all the world").todo(out)];
        }
        (Ok(codes), Err(_)) if !codes.iter().any(is_code) => {
            return vec![cannot("its answers are no codes of a list").todo(out)];
        }
        _ => {}
    }
    let mut findings = Vec::new();
    let mut clean = Vec::new();
    for Entry { address, codes, why } in ours {
        match codes {
            Ok(codes) if codes.iter().any(is_code) => {
                let said = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!(
                    "{address} is on the list {zone} ({}), by which many refuse mail{said}",
                    listed_codes(codes)
                );
                let action = format!(
                    "find out what was sent from {address} and stop it; then ask {} to take it off",
                    owner(zone)
                );
                findings.push(Finding::error(CHECK, text).todo(action));
            }
            Ok(_) | Err(DnsError::NoSuchName | DnsError::NoRecords) => clean.push(*address),
            Err(DnsError::Temporary(why)) => findings.push(cannot(why)),
        }
    }
    if !clean.is_empty() {
        findings
            .push(Finding::ok(CHECK, format!("{} not on the list {zone}", super::zone::addresses(&clean))));
    }
    findings
}

fn listed_codes(codes: &[IpAddr]) -> String {
    listed(codes.iter().filter(|code| is_code(code)))
}

/// The web site of a list is mostly at the domain of its zone.
fn owner(zone: &str) -> String {
    match zone {
        "zen.spamhaus.org" => "https://check.spamhaus.org/".to_owned(),
        "bl.spamcop.net" => "https://www.spamcop.net/bl.shtml".to_owned(),
        "psbl.surriel.com" => "https://psbl.org/".to_owned(),
        other => format!("whoever runs {other}"),
    }
}

fn is_refusal(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets().starts_with(&[127, 255, 255]))
}

/// RFC 5782 §2.1: what is said stands in 127.0.0.0/8; all else is somebody's page for names that are not there.
fn is_code(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_loopback()) && !is_refusal(address)
}

/// Whether lists are for an address: those of this machine or its network are on none.
pub(super) fn is_asked(address: IpAddr, private: bool) -> bool {
    let local = match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST,
    };
    private && (address.is_ipv4() || !local) || deliver::is_public(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A list that works; what it says of our address.
    fn facts(codes: Result<&[&str], DnsError>) -> Facts {
        let codes = codes.map(|codes| codes.iter().map(|code| ip(code)).collect());
        Facts {
            zone: "list.example".into(),
            listed: Ok(vec![ip("127.0.0.2")]),
            unlisted: Err(DnsError::NoSuchName),
            ours: vec![Entry { address: ip("192.0.2.1"), codes, why: Some("spam seen".into()) }],
        }
    }

    #[test]
    fn names_are_asked_for_backwards() {
        assert_eq!(name(ip("192.0.2.99"), "list.example"), "99.2.0.192.list.example");
        assert!(name(ip("2001:db8::1"), "list.example").ends_with(".8.b.d.0.1.0.0.2.list.example"));
    }

    #[test]
    fn a_listing_is_told_from_a_list_that_refuses() {
        fn none<T>() -> Result<T, DnsError> {
            Err(DnsError::NoSuchName)
        }
        says(&judge(&facts(none())), Level::Ok, &["192.0.2.1 not on the list list.example"]);
        says(
            &judge(&facts(Ok(&["127.0.0.4", "127.0.0.11"]))),
            Level::Error,
            &[
                "192.0.2.1 is on the list list.example (127.0.0.4 and 127.0.0.11)",
                "spam seen",
                "whoever runs list.example",
            ],
        );
        // A page of an Internet provider for names that do not exist.
        says(&judge(&facts(Ok(&["198.51.100.80"]))), Level::Ok, &["not on the list"]);
        says(
            &judge(&facts(Ok(&["127.255.255.254"]))),
            Level::Advice,
            &["refuses questions of our resolver", "unbound"],
        );
        says(
            &judge(&facts(Err(DnsError::temporary("timeout")))),
            Level::Advice,
            &["cannot be told: timeout"],
        );
        for (listed, unlisted, words) in [
            (none(), none(), "does not have 127.0.0.2"),
            (Ok(vec![ip("127.255.255.254")]), none(), "refuses questions"),
            (Ok(vec![ip("127.0.0.2")]), Ok(vec![ip("127.0.0.2")]), "lists all the world"),
            (Ok(vec![ip("198.51.100.80")]), none(), "no codes of a list"),
            (Err(DnsError::temporary("SERVFAIL")), none(), "SERVFAIL"),
        ] {
            let facts = Facts { listed, unlisted, ..facts(Ok(&["127.0.0.4"])) };
            says(&judge(&facts), Level::Advice, &["cannot be told", words]);
        }
    }

    #[test]
    fn addresses_that_are_nobodys_are_asked_for_in_test_networks_alone() {
        for (address, asked) in
            [("192.0.2.1", [true, true]), ("10.0.0.1", [false, true]), ("127.1.2.3", [false, true])]
        {
            assert_eq!([false, true].map(|private| is_asked(ip(address), private)), asked, "{address}");
        }
    }
}
