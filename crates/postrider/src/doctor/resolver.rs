//! Whether the DNS can be asked at all, by whom, and how quickly.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use dns::{DnsError, Resolve};
use net::resolver::Config;
use tokio::time::Instant;

use super::{
    finding::{Finding, listed},
    zone::{Asking, addresses},
};

const CHECK: &str = "resolver";
const SLOW: Duration = Duration::from_millis(1500);
/// Resolvers that anybody may use: lists of addresses do not answer them, and what they say of DNSSEC comes over the open network.
const PUBLIC: [&str; 16] = [
    "1.0.0.1",
    "1.1.1.1",
    "8.8.4.4",
    "8.8.8.8",
    "9.9.9.9",
    "149.112.112.112",
    "208.67.220.220",
    "208.67.222.222",
    "2001:4860:4860::8844",
    "2001:4860:4860::8888",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2620:fe::9",
    "2620:fe::fe",
    "2620:119:35::35",
    "2620:119:53::53",
];

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Who is asked.
    pub servers: Vec<IpAddr>,
    /// How long an answer took, or why there was none.
    pub answered: Result<Duration, DnsError>,
    /// Whether we validate its answers (`dns.dnssec`).
    pub validates: bool,
}

/// Asks for something that is asked for anyway.
pub(super) async fn gather(asking: &Asking, config: &Config, hostname: &str) -> Facts {
    let servers = if config.servers.is_empty() {
        of_system(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    } else {
        config.servers.iter().map(SocketAddr::ip).collect()
    };
    let begun = Instant::now();
    let found = asking.resolver.addresses(hostname).await;
    let took = begun.elapsed();
    let answered = match found {
        // That there is nothing is an answer too.
        Ok(_) | Err(DnsError::NoSuchName | DnsError::NoRecords) => Ok(took),
        Err(error) => Err(error),
    };
    Facts { servers, answered, validates: config.dnssec }
}

/// The servers in a text of `resolv.conf(5)`.
fn of_system(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        // An address of the link has the interface behind it.
        address.split('%').next()?.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { servers, answered, validates } = facts;
    let who = if servers.is_empty() { "the resolver".to_owned() } else { addresses(servers) };
    let own = "run one on this machine and name it in the configuration file:\napt install unbound\n[dns]\nservers = [\"127.0.0.1:53\"]";
    let mut findings = Vec::new();
    match answered {
        Err(error) => {
            let text = format!("the DNS does not answer (asked: {who}): {error}; without it no mail leaves");
            findings.push(Finding::error(CHECK, text).todo(own));
        }
        Ok(took) if *took > SLOW => {
            let text = format!("the DNS answers slowly (asked: {who}), after {} ms", took.as_millis());
            findings.push(Finding::warning(CHECK, text).todo(own));
        }
        Ok(took) => {
            findings.push(Finding::ok(
                CHECK,
                format!("the DNS answers (asked: {who}), after {} ms", took.as_millis()),
            ));
        }
    }
    let public: Vec<String> =
        servers.iter().map(ToString::to_string).filter(|server| PUBLIC.contains(&server.as_str())).collect();
    if !public.is_empty() {
        let text = format!(
            "the DNS is asked through {}, a resolver for everybody: blocklists do not answer it",
            listed(&public)
        );
        findings.push(Finding::advice(CHECK, text).todo(own));
    }
    if !validates {
        let text = "what the DNS says is not validated (DNSSEC): keys that other hosts publish (DANE) are not looked at, and forged answers are believed";
        findings.push(
            Finding::advice(CHECK, text)
                .todo("have it validated, in the configuration file:\n[dns]\ndnssec = \"on\""),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[test]
    fn servers_of_the_system_are_read() {
        let text =
            "# x\nnameserver 127.0.0.53\nsearch a.b\nnameserver fe80::1%eth0\nnameserver\noptions edns0\n";
        assert_eq!(of_system(text), ["127.0.0.53".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]);
    }

    #[test]
    fn who_is_asked_and_how_quickly() {
        let with = |server: &str, answered| Facts {
            servers: vec![server.parse().unwrap()],
            answered,
            validates: true,
        };
        for (facts, level, words) in [
            (
                with("127.0.0.1", Ok(Duration::from_millis(12))),
                Level::Ok,
                &["asked: 127.0.0.1", "after 12 ms"][..],
            ),
            (with("127.0.0.1", Ok(Duration::from_secs(3))), Level::Warning, &["slowly", "3000 ms"]),
            (
                with("127.0.0.1", Err(DnsError::temporary("timeout"))),
                Level::Error,
                &["does not answer", "timeout", "unbound"],
            ),
            (
                with("8.8.8.8", Ok(Duration::from_millis(12))),
                Level::Advice,
                &["through 8.8.8.8, a resolver for everybody"],
            ),
            (with("2620:fe::fe", Ok(Duration::from_millis(12))), Level::Advice, &["2620:fe::fe"]),
            (
                Facts { validates: false, ..with("127.0.0.1", Ok(Duration::from_millis(12))) },
                Level::Advice,
                &["not validated (DNSSEC)", "dnssec = \"on\""],
            ),
        ] {
            says(&judge(&facts), level, words);
        }
    }
}
