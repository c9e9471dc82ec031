//! What the DNS says of the certificates of a host, where DNSSEC vouches for it (RFC 7672 §2.2; its text was not at hand).

use std::{sync::Arc, time::Duration};

use dns::{DnsError, Resolve, Security, Tlsa};

use crate::tls_policy::{DANE_UNKNOWN, Demand};

/// Longer than that what was found is not kept, where the DNS says nothing of it.
const TTL: Duration = Duration::from_mins(10);

/// The certificates that a host may show, by the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Dane {
    /// Usable TLSA records; never none.
    pub(crate) records: Vec<Tlsa>,
    /// The name under which they were found: what the host is asked for by (SNI, RFC 7672 §8.1).
    pub(crate) base: Box<str>,
    /// The names that a certificate may be for, where an authority vouches for it (DANE-TA; RFC 7672 §3.2.2).
    pub(crate) names: Vec<Box<str>>,
}

/// What is asked of a host by its TLSA records, and how long that holds; none: there are none.
///
/// `next_hop` is the domain whose MX the host is. The list of hosts that it stands in must be secure: who may add a host to it needs no
/// TLSA records (RFC 7672 §2.2.1).
pub(crate) async fn demand(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
    next_hop: Option<&str>,
) -> (Option<Demand>, Duration) {
    let names = match resolver.vouched_names(host).await {
        Ok(names) => names,
        // Nothing vouches for the host: it has no TLSA records that mean anything (RFC 7672 §2.2.2).
        Err(DnsError::NoRecords | DnsError::NoSuchName) => return (None, TTL),
        Err(DnsError::Temporary(why)) => return (Some(unknown(host, &why)), TTL),
    };
    for base in &names.records {
        let found = match resolver.tlsa(&dns::tlsa_name(port, base)).await {
            Ok(found) => found,
            Err(DnsError::NoRecords | DnsError::NoSuchName) => continue,
            // mail-rules 19: without an answer nobody can say that there are none.
            Err(DnsError::Temporary(why)) => return (Some(unknown(host, &why)), TTL),
        };
        if found.security != Security::Secure {
            continue;
        }
        let records = dns::usable_tlsa(&found.records);
        let ttl = found.ttl.min(names.ttl);
        if records.is_empty() {
            // RFC 7672 §2.2: the host has TLS, but nothing to judge it by.
            return (Some(Demand::DaneUnusable), ttl);
        }
        let mut wanted: Vec<Box<str>> = vec![base.clone()];
        for name in [Some(host), next_hop].into_iter().flatten().map(dns::normalise) {
            if !wanted.contains(&name.as_str().into()) {
                wanted.push(name.into());
            }
        }
        let dane = Dane { records, base: base.clone(), names: wanted };
        return (Some(Demand::Dane(Arc::new(dane))), ttl);
    }
    (None, names.ttl)
}

fn unknown(host: &str, why: &str) -> Demand {
    let why = format!("whether {host} has TLSA records cannot be said: {why}");
    Demand::Forbidden { policy: DANE_UNKNOWN, why: why.into() }
}

#[cfg(test)]
mod tests {
    use testkit::dns::FakeDns;

    use super::*;

    fn digest() -> String {
        "07".repeat(32)
    }

    async fn found(zones: &str, host: &str) -> Option<Demand> {
        let dns = FakeDns::new(&zones.replace("DIGEST", &digest()));
        dns.secure(true);
        demand(&dns, host, 25, Some("example.org")).await.0
    }

    #[tokio::test]
    async fn records_are_looked_for_under_the_name_behind_all_aliases_and_then_under_its_own() {
        let both = "mx.example.org CNAME host.example.net\nhost.example.net A 192.0.2.1\n";
        let at = |name: &str| format!("{both}_25._tcp.{name} TLSA 3 1 1 DIGEST\n");
        let base = |demand: Option<Demand>| match demand {
            Some(Demand::Dane(dane)) => {
                (dane.base.to_string(), dane.names.iter().map(ToString::to_string).collect())
            }
            other => panic!("{other:?}"),
        };
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let behind = base(found(&at("host.example.net"), "mx.example.org").await);
        assert_eq!(
            behind,
            ("host.example.net".into(), names(&["host.example.net", "mx.example.org", "example.org"]))
        );
        let own = base(found(&at("mx.example.org"), "mx.example.org").await);
        assert_eq!(own, ("mx.example.org".into(), names(&["mx.example.org", "example.org"])));
        // The second zone is not signed: what it says of certificates means nothing.
        let insecure = format!("{}host.example.net INSECURE\n", at("host.example.net"));
        assert_eq!(found(&insecure, "mx.example.org").await, None);
        let insecure = format!("{}host.example.net INSECURE\n", at("mx.example.org"));
        assert_eq!(base(found(&insecure, "mx.example.org").await).0, "mx.example.org");
        let insecure = format!("{}mx.example.org INSECURE\n", at("mx.example.org"));
        assert_eq!(found(&insecure, "mx.example.org").await, None);
    }

    #[tokio::test]
    async fn what_cannot_be_said_is_not_taken_for_a_no() {
        let host = "mx.example.org A 192.0.2.1\n";
        let tlsa = |says: &str| format!("{host}_25._tcp.mx.example.org {says}\n");
        for (says, demand) in [
            ("TLSA NODATA", "None"),
            ("NXDOMAIN", "None"),
            ("TLSA 0 1 1 DIGEST", "Some(DaneUnusable)"),
            ("TLSA 1 1 1 DIGEST", "Some(DaneUnusable)"),
            ("TLSA 3 1 1 00", "Some(DaneUnusable)"),
        ] {
            assert_eq!(format!("{:?}", found(&tlsa(says), "mx.example.org").await), demand, "{says}");
        }
        for says in ["TLSA SERVFAIL", "TLSA TIMEOUT", "SERVFAIL"] {
            assert!(
                matches!(found(&tlsa(says), "mx.example.org").await, Some(Demand::Forbidden { .. })),
                "{says}"
            );
        }
        assert!(matches!(
            found("mx.example.org SERVFAIL\n", "mx.example.org").await,
            Some(Demand::Forbidden { .. })
        ));
    }
}
