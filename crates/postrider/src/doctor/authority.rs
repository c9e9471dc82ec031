//! The servers of a zone: whether they answer and agree, and whether the zone is signed.

use dns::Security;

use super::{
    finding::{Finding, counted, listed},
    zone::Authority,
};

const CHECK: &str = "zone";

/// What is known of a zone.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Whose zone.
    pub domain: &'a str,
    /// Its servers, or why they are not known.
    pub authority: Result<&'a Authority, &'a str>,
    /// What DNSSEC says of an answer from it; none: there was no answer.
    pub security: Option<Security>,
    /// Whether our resolver validates at all; none: not known.
    pub validates: Option<bool>,
}

/// Judges.
pub(super) fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = match facts.authority {
        Ok(authority) => servers(authority),
        Err(why) => {
            let text =
                format!("the zone's own servers could not be asked, so what is told below may be old: {why}");
            vec![Finding::advice(CHECK, text)]
        }
    };
    findings.extend(dnssec(facts));
    findings
}

fn servers(authority: &Authority) -> Vec<Finding> {
    let zone = &authority.zone;
    let good: Vec<u32> =
        authority.servers.iter().filter_map(|server| server.serial.as_ref().ok().copied()).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for server in &authority.servers {
        let Err(why) = &server.serial else { continue };
        let text =
            format!("{} is a server of the zone {zone} and does not answer for it: {why}", server.name);
        findings.push(if good.is_empty() {
            // Perhaps nothing leads out of this network but our resolver.
            Finding::advice(CHECK, format!("{text}; what is told below may be old"))
        } else {
            let action = format!("have it mended, or take its NS record out of {zone} and of the zone above");
            Finding::warning(CHECK, text).todo(action)
        });
    }
    let (Some(newest), Some(oldest)) = (good.iter().max(), good.iter().min()) else { return findings };
    if newest == oldest {
        let count = counted(good.len(), "server");
        if findings.is_empty() {
            findings.push(Finding::ok(CHECK, format!("the zone {zone} is the same at {count}")));
        }
        return findings;
    }
    let old = authority.servers.iter().filter(|server| server.serial.as_ref().is_ok_and(|one| one != newest));
    let text = format!(
        "the servers of {zone} show different versions: {} not the newest, {newest}",
        listed(old.map(|server| server.name.as_ref()))
    );
    let action = "wait some minutes and check again; if it stays so, look why the zone is not transferred";
    findings.push(Finding::warning(CHECK, text).todo(action));
    findings
}

fn dnssec(facts: &Facts<'_>) -> Option<Finding> {
    let domain = facts.domain;
    match (facts.security?, facts.validates) {
        (Security::Secure, _) => {
            Some(Finding::ok("dnssec", format!("the zone of {domain} is signed, and its signatures hold")))
        }
        (Security::Bogus, _) => Some(
            Finding::error("dnssec", format!("the signatures of the zone of {domain} are wrong"))
                .todo("have whoever runs the zone sign it anew, or take the DS record out of the zone above"),
        ),
        (Security::Insecure, Some(true)) => Some(
            Finding::advice("dnssec", format!("the zone of {domain} is not signed, as far as our resolver shows"))
                .todo("have whoever runs the zone sign it (DNSSEC): then nobody can forge its records, and DANE works"),
        ),
        // Nobody can tell; the resolver has a finding of its own.
        (Security::Insecure, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says, zone::ZoneServer};

    fn authority(serials: &[Result<u32, &str>]) -> Authority {
        let server = |(number, serial): (usize, &Result<u32, &str>)| {
            ZoneServer::of(&format!("ns{number}.example.org"), serial.map_err(str::to_owned))
        };
        Authority {
            zone: "example.org".to_owned(),
            servers: serials.iter().enumerate().map(server).collect(),
        }
    }

    #[test]
    fn servers_are_compared() {
        for (serials, level, words) in [
            (&[Ok(7), Ok(7)][..], Level::Ok, &["the same at 2 servers"][..]),
            (&[Ok(7), Err("timeout")], Level::Warning, &["ns1.example.org", "timeout"]),
            (&[Err("timeout")], Level::Advice, &["ns0.example.org", "may be old"]),
            (&[Ok(7), Ok(6), Ok(7)], Level::Warning, &["ns1.example.org not the newest, 7"]),
        ] {
            let authority = authority(serials);
            let facts =
                Facts { domain: "example.org", authority: Ok(&authority), security: None, validates: None };
            says(&judge(&facts), level, words);
        }
        let facts =
            Facts { domain: "example.org", authority: Err("no answer"), security: None, validates: None };
        says(&judge(&facts), Level::Advice, &["may be old: no answer"]);
    }

    #[test]
    fn signatures_are_told_of_as_far_as_anybody_knows() {
        let authority = authority(&[Ok(7)]);
        for (security, validates, level, words) in [
            (Security::Secure, Some(true), Level::Ok, "signatures hold"),
            (Security::Insecure, Some(true), Level::Advice, "not signed"),
            (Security::Insecure, None, Level::Ok, "the same"),
            (Security::Bogus, Some(true), Level::Error, "are wrong"),
        ] {
            let facts = Facts {
                domain: "example.org",
                authority: Ok(&authority),
                security: Some(security),
                validates,
            };
            says(&judge(&facts), level, &[words]);
        }
    }
}
