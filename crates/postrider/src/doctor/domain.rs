//! All that the DNS should have for one domain, side by side.

use std::time::Duration;

use dns::RecordType;
use message_auth::DomainName;
use tokio::time::timeout;

use super::{
    authority, caa, clients, dkim, dmarc,
    finding::Finding,
    mx, spf, sts, tlsa,
    zone::{Asking, Authority, Seen},
};
use crate::{
    config::Config,
    dns_records::{self, Data, DkimRecord, Facts, Purpose, WantedRecord},
};

/// What one check may take. A dozen lookups of a slow resolver are within it.
const WITHIN: Duration = Duration::from_secs(30);

/// What it is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Against<'a> {
    /// How the DNS is asked.
    pub asking: &'a Asking,
    /// The configuration.
    pub config: &'a Config,
    /// What is known beside it.
    pub facts: &'a Facts,
    /// Seconds since 1970.
    pub now: u64,
}

/// Checks one domain.
pub(crate) async fn check(against: Against<'_>, domain: &DomainName) -> Vec<Finding> {
    let Against { asking, config, facts, .. } = against;
    let wanted = dns_records::of_domain(config, facts, domain);
    let found = timeout(WITHIN, Authority::find(asking, domain.as_str())).await;
    let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    let found = found.and_then(|authority| {
        // A zone above has no servers that know the records of a domain that is registered there.
        if authority.zone.contains('.') { Ok(authority) } else { Err(format!("{domain} is no zone")) }
    });
    let authority = found.as_ref().ok();
    let own = &facts.addresses;
    let mail = within("mx", mx_checks(against, authority, domain, &wanted));
    let spf_found = within("spf", async {
        let sender = spf::Sender {
            domain: domain.as_str(),
            hostname: &config.hostname,
            addresses: own,
            now: against.now,
        };
        let text = text_of(&wanted, Purpose::Spf).unwrap_or_else(|| "v=spf1 mx -all".to_owned());
        let relayed = config.deliver.is_relayed();
        spf::judge(&spf::gather(asking, authority, &sender, text, relayed).await)
    });
    let keys = facts.dkim.iter().filter(|key| key.domain == *domain);
    let keys: Vec<DkimRecord> = keys.cloned().collect();
    let dkim_found =
        within("dkim", async { dkim::judge(&dkim::gather(asking, authority, domain.as_str(), keys).await) });
    let dmarc_found = within("dmarc", async {
        let text = text_of(&wanted, Purpose::Dmarc).unwrap_or_else(|| "v=DMARC1; p=quarantine".to_owned());
        dmarc::judge(&dmarc::gather(asking, authority, domain, text).await)
    });
    let clients_found = within("clients", async {
        clients::judge(&clients::gather(asking, authority, domain.as_str(), own, wanted.clone()).await)
    });
    let zone_found = within("zone", async {
        let soa = Seen::look(asking, None, domain.as_str(), RecordType::Soa).await;
        authority::judge(&authority::Facts {
            domain: domain.as_str(),
            authority: found.as_ref().map_err(String::as_str),
            security: soa.resolved.as_ref().ok().map(|answer| answer.security),
            validates: Some(config.resolver.dnssec),
        })
    });
    let (zone, mail, spf, dkim, dmarc, clients) =
        tokio::join!(zone_found, mail, spf_found, dkim_found, dmarc_found, clients_found);
    [zone, mail, spf, dkim, dmarc, clients].concat()
}

/// MX, and what is told to those who send by it.
async fn mx_checks(
    against: Against<'_>,
    authority: Option<&Authority>,
    domain: &DomainName,
    wanted: &[WantedRecord],
) -> Vec<Finding> {
    let Against { asking, config, facts, .. } = against;
    let mail = mx::gather(asking, authority, domain.as_str(), &config.hostname, &facts.addresses).await;
    let hosts = mail.hosts.iter().map(|host| host.name.clone()).collect();
    let texts = (text_of(wanted, Purpose::TlsReports), text_of(wanted, Purpose::MtaSts));
    let tls = sts::gather(asking, authority, domain.as_str(), hosts, texts).await;
    let mut findings = mx::judge(&mail);
    findings.extend(sts::judge(&tls));
    findings
}

/// Checks what the DNS has for the host itself: its keys, and who may certify it.
pub(super) async fn check_host(against: Against<'_>) -> Vec<Finding> {
    let Against { asking, config, facts, .. } = against;
    let keys =
        dns_records::of_host(config, facts).into_iter().filter(|record| record.purpose == Purpose::Tlsa);
    let keys: Vec<(Vec<u8>, String)> = keys
        .flat_map(|record| record.data)
        .filter_map(|data| match &data {
            Data::Tlsa(digest) => Some((digest.to_vec(), data.to_string())),
            _ => None,
        })
        .collect();
    let tlsa_found = within("tlsa", async {
        let authority = Authority::find(asking, &config.hostname).await.ok();
        tlsa::judge(&tlsa::gather(asking, authority.as_ref(), &config.hostname, keys).await)
    });
    let caa_found = within("caa", async {
        let Some(acme) = &config.acme else { return Vec::new() };
        let issuer = match acme.settings.directory_word() {
            "letsencrypt" | "letsencrypt-staging" => Some("letsencrypt.org"),
            _ => None,
        };
        let mut findings = Vec::new();
        for name in &acme.settings.names {
            findings.extend(caa::judge(&caa::gather(asking, name, issuer).await));
        }
        findings
    });
    let (tlsa, caa) = tokio::join!(tlsa_found, caa_found);
    [tlsa, caa].concat()
}

fn text_of(wanted: &[WantedRecord], purpose: Purpose) -> Option<String> {
    let record = wanted.iter().find(|record| record.purpose == purpose)?;
    record.data.iter().find_map(|data| match data {
        Data::Txt(text) => Some(text.clone()),
        _ => None,
    })
}

/// Findings, or that there was no time for them.
pub(super) async fn within(
    check: &'static str,
    findings: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    let done = timeout(WITHIN, findings).await;
    done.unwrap_or_else(|_| {
        let text = format!(
            "`{check}` was not looked at to its end: the DNS took longer than {} s",
            WITHIN.as_secs()
        );
        vec![Finding::unknown(check, text).todo("try again; if it stays so, look at the resolver")]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_told_as_not_looked_at() {
        let endless = within("mx", std::future::pending());
        says(&endless.await, Level::Unknown, &["`mx` was not looked at to its end", "30 s"]);
        assert_eq!(within("mx", async { Vec::new() }).await, []);
    }
}
