//! The certificates: for which names, until when, and whether those who verify believe them.

use std::{net::SocketAddr, time::Duration};

use admin::api;
use mail::Timestamp;

use super::{
    finding::{Finding, listed},
    ports::{Port, Visit},
    zone::for_people,
};

const CHECK: &str = "certificates";
/// Whatever renews a certificate has done so before.
const SOON: Duration = Duration::from_hours(14 * 24);

/// What is known of them.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Our own name.
    pub hostname: String,
    /// Further names by which mail clients reach us under TLS.
    pub client_names: Vec<String>,
    /// Those of the configuration file.
    pub given: Vec<Given>,
    /// Whether one is to be obtained from an authority.
    pub obtaining: bool,
    /// How that fares.
    pub obtained: Option<api::Certificate>,
    /// What was shown on each port under TLS, and whether it was believed.
    pub shown: Vec<(String, SocketAddr, Result<(), String>)>,
    /// Whether mail of strangers is taken.
    pub takes_mail: bool,
    /// Now.
    pub now: Timestamp,
}

/// A certificate of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// The file.
    pub file: String,
    /// Its names.
    pub names: Vec<String>,
    /// When it ends.
    pub ends: Timestamp,
}

/// Those of the ports that show one.
pub(super) fn shown(visits: &[(Port, Visit)]) -> Vec<(String, SocketAddr, Result<(), String>)> {
    let one = |(port, visit): &(Port, Visit)| match visit {
        Visit::Open { certificate: Some(certificate), .. } if port.listening == Some(true) => {
            Some((port.service.clone(), port.address, certificate.clone()))
        }
        _ => None,
    };
    visits.iter().filter_map(one).collect()
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { hostname, given, obtained, now, .. } = facts;
    if given.is_empty() && !facts.obtaining {
        if !facts.takes_mail {
            return Vec::new();
        }
        let text = "there is no certificate, so mail comes in clear and clients cannot log in";
        let action = "have one obtained: add to the configuration file\n[tls.acme]\nagree_to_terms = true\ncontact = [\"mailto:postmaster@example.org\"]";
        return vec![Finding::warning(CHECK, text).todo(action)];
    }
    let mut findings: Vec<Finding> = given.iter().filter_map(|given| dates(given, *now)).collect();
    findings.extend(names(facts));
    findings.extend(obtained.as_ref().and_then(renewal));
    let expired = findings.iter().any(|finding| finding.text.contains(" expired on "));
    if !expired {
        findings.extend(disbelieved(facts));
    }
    if findings.is_empty() {
        let ends = given.iter().map(|given| given.ends).min();
        let ends = ends.map(|ends| format!(", until {}", day(ends))).unwrap_or_default();
        let text = if facts.shown.is_empty() {
            format!("the certificate is for {hostname}{ends}")
        } else {
            format!("the certificate is for {hostname}, and those who verify believe it{ends}")
        };
        findings.push(Finding::ok(CHECK, text));
    }
    findings
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn dates(Given { file, ends, .. }: &Given, now: Timestamp) -> Option<Finding> {
    let action = "renew it with whatever made it, then have the server take it up:\npostrider config reload";
    if *ends < now {
        let text =
            format!("the certificate in {file} expired on {}: mail clients refuse this server", day(*ends));
        return Some(Finding::error(CHECK, text).todo(action));
    }
    let left = Duration::from_millis(ends.as_millis().saturating_sub(now.as_millis()));
    (left < SOON).then(|| {
        let text = format!(
            "the certificate in {file} ends in {}, on {}, and has not been renewed",
            for_people(left),
            day(*ends)
        );
        Finding::warning(CHECK, text).todo(action)
    })
}

fn names(facts: &Facts) -> Vec<Finding> {
    let Facts { hostname, client_names, given, obtained, .. } = facts;
    let all: Vec<&String> = given
        .iter()
        .flat_map(|given| &given.names)
        .chain(obtained.iter().flat_map(|one| &one.names))
        .collect();
    let covers = |name: &str| {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        all.iter().any(|one| one.as_str() == name || parent.is_some() && one.strip_prefix("*.") == parent)
    };
    let missing = |name: &str, finding: fn(&'static str, String) -> Finding, who: &str| {
        (!covers(name)).then(|| {
            let text = format!("no certificate is for {name}, {who}");
            finding(CHECK, text).todo(format!("have one made for {name} too"))
        })
    };
    let own = missing(hostname, Finding::error, "the name of this host: those who verify refuse it");
    let clients = client_names
        .iter()
        .filter_map(|name| missing(name, Finding::warning, "where mail clients look for their settings"));
    own.into_iter().chain(clients).collect()
}

/// How the one that the server obtains itself fares.
fn renewal(one: &api::Certificate) -> Option<Finding> {
    let why = one.failure.as_deref().unwrap_or("nothing is known of why");
    let action = "mend what is named there, then have it tried again:\npostrider config reload";
    let day = one.expires_at.get(..10).unwrap_or(&one.expires_at);
    match one.alarm.as_deref() {
        Some("warning") => {
            let text = format!(
                "the last attempt to obtain a certificate failed ({why}); what is there holds until {day}"
            );
            Some(Finding::advice(CHECK, text).todo(action))
        }
        Some(_) => {
            let text = format!(
                "no certificate could be obtained, {} times: {why}; what is there holds until {day}",
                one.failures
            );
            Some(Finding::error(CHECK, text).todo(action))
        }
        None if !one.certified => {
            let text =
                "the certificate is being obtained; until then what is shown is of the server's own making";
            Some(Finding::warning(CHECK, text).todo(
                "wait a minute, then look again; the log says how it goes:\njournalctl -u postrider -n 50",
            ))
        }
        None => None,
    }
}

/// One finding for each reason.
fn disbelieved(facts: &Facts) -> Vec<Finding> {
    let mut reasons: Vec<(&str, Vec<String>, bool)> = Vec::new();
    for (service, address, believed) in &facts.shown {
        let Err(why) = believed else { continue };
        let place = format!("{address} ({service})");
        let clients = service != "smtp" && service != "lmtp";
        match reasons.iter_mut().find(|(known, _, _)| known == why) {
            Some((_, places, known)) => {
                places.push(place);
                *known |= clients;
            }
            None => reasons.push((why, vec![place], clients)),
        }
    }
    let finding = |(why, places, clients): (&str, Vec<String>, bool)| {
        let what = format!(
            "the certificate that is shown on {} is not believed by those who verify: {why}",
            listed(places)
        );
        let action = "put the certificates of the authority behind your own in the file, in their order (a \"full chain\"), and have it taken up:\npostrider config reload";
        // Most servers of mail take any certificate; clients of people do not.
        let finding = if clients { Finding::error(CHECK, what) } else { Finding::warning(CHECK, what) };
        finding.todo(action)
    };
    reasons.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    const HOST: &str = "mx.example.org";

    fn time(text: &str) -> Timestamp {
        events::parse_time(&format!("{text}T00:00:00.000Z")).unwrap()
    }

    fn facts(names: &[&str], ends: &str) -> Facts {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Facts {
            hostname: HOST.into(),
            client_names: Vec::new(),
            given: vec![Given { file: "/etc/chain.pem".into(), names, ends: time(ends) }],
            obtaining: false,
            obtained: None,
            shown: vec![("smtp".into(), "192.0.2.1:25".parse().unwrap(), Ok(()))],
            takes_mail: true,
            now: time("2026-11-30"),
        }
    }

    #[test]
    fn names_and_dates_are_judged() {
        let good = || facts(&[HOST], "2027-02-01");
        says(&judge(&good()), Level::Ok, &["those who verify believe it, until 2027-02-01"]);
        says(&judge(&facts(&["*.example.org"], "2027-02-01")), Level::Ok, &["is for mx.example.org"]);
        says(
            &judge(&facts(&[HOST], "2026-11-29")),
            Level::Error,
            &["expired on 2026-11-29", "postrider config reload"],
        );
        says(
            &judge(&facts(&[HOST], "2026-12-05")),
            Level::Warning,
            &["ends in 5 days", "has not been renewed"],
        );
        says(
            &judge(&facts(&["example.org"], "2027-02-01")),
            Level::Error,
            &["no certificate is for mx.example.org"],
        );
        let clients = Facts { client_names: vec!["autoconfig.example.org".into()], ..good() };
        says(&judge(&clients), Level::Warning, &["no certificate is for autoconfig.example.org"]);
        let none = Facts { given: Vec::new(), shown: Vec::new(), ..good() };
        says(&judge(&none), Level::Warning, &["there is no certificate", "[tls.acme]"]);
        assert_eq!(judge(&Facts { takes_mail: false, ..none }), []);
    }

    #[test]
    fn what_is_shown_has_to_be_believed() {
        let mut facts = facts(&[HOST], "2027-02-01");
        facts.shown = vec![("smtp".into(), "192.0.2.1:25".parse().unwrap(), Err("UnknownIssuer".into()))];
        says(
            &judge(&facts),
            Level::Warning,
            &["192.0.2.1:25 (smtp) is not believed", "UnknownIssuer", "full chain"],
        );
        facts.shown.push(("imap".into(), "192.0.2.1:993".parse().unwrap(), Err("UnknownIssuer".into())));
        says(&judge(&facts), Level::Error, &["192.0.2.1:25 (smtp) and 192.0.2.1:993 (imap)"]);
    }

    #[test]
    fn what_is_obtained_may_fail_or_be_under_way() {
        let certificate = api::Certificate {
            names: vec![HOST.into()],
            certified: true,
            expires_at: "2027-02-01T00:00:00.000Z".into(),
            ..api::Certificate::default()
        };
        let with = |certificate: api::Certificate| Facts {
            given: Vec::new(),
            obtaining: true,
            obtained: Some(certificate),
            ..facts(&[], "2027-02-01")
        };
        says(&judge(&with(certificate.clone())), Level::Ok, &["is for mx.example.org"]);
        let failed = |alarm: &str| api::Certificate {
            failures: 3,
            failure: Some("port 80 is closed".into()),
            alarm: Some(alarm.into()),
            ..certificate.clone()
        };
        says(
            &judge(&with(failed("warning"))),
            Level::Advice,
            &["port 80 is closed", "holds until 2027-02-01"],
        );
        says(&judge(&with(failed("urgent"))), Level::Error, &["3 times: port 80 is closed"]);
        let fresh = api::Certificate { certified: false, ..certificate };
        says(&judge(&with(fresh)), Level::Warning, &["is being obtained"]);
    }
}
