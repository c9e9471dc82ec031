//! What senders are told about TLS to this host: where they report (TLS-RPT, RFC 8460), and a policy of MTA-STS (RFC 8461), if there is one.

use dns::RecordType;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use net::{Anchors, Connector, Https, HttpsBounds};
use std::time::Duration;

use super::{
    finding::{Finding, counted, listed},
    zone::{Asking, Authority, Seen, text_line, unanswered},
};

const CHECK: &str = "mta-sts";
const REPORTS: &str = "tls-rpt";
/// RFC 8461 §3.2 lets senders stop at 64 KiB.
const POLICY_OCTETS_MAX: usize = 64 << 10;
const WITHIN: Duration = Duration::from_secs(10);
/// A day: RFC 8461 §3.2 wants weeks.
const AGE_SHORT: u64 = 86_400;

/// What is known of both for a domain.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// The names of its mail hosts.
    pub hosts: Vec<Box<str>>,
    /// What `dns records` wants for reports.
    pub wanted_reports: Option<String>,
    /// What `dns records` wants for MTA-STS; none: there is no policy here.
    pub wanted_record: Option<String>,
    /// The TXT records of `_smtp._tls`.
    pub reports: Seen,
    /// The TXT records of `_mta-sts`.
    pub record: Seen,
    /// The policy, if there is a record; or why it cannot be fetched.
    pub policy: Option<Result<Vec<u8>, String>>,
}

/// Asks; fetches the policy only where a record says that there is one.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &str,
    hosts: Vec<Box<str>>,
    (wanted_reports, wanted_record): (Option<String>, Option<String>),
) -> Facts {
    let (reports_name, record_name) = (format!("_smtp._tls.{domain}"), format!("_mta-sts.{domain}"));
    let (reports, record) = tokio::join!(
        Seen::look(asking, authority, &reports_name, RecordType::Txt),
        Seen::look(asking, authority, &record_name, RecordType::Txt)
    );
    let there = record.texts().is_ok_and(|texts| texts.iter().any(|text| is_sts(text)));
    let policy = if there { Some(fetch(domain).await) } else { None };
    Facts { domain: domain.to_owned(), hosts, wanted_reports, wanted_record, reports, record, policy }
}

/// As a sender fetches it: certified, without following redirects (RFC 8461 §3.3).
async fn fetch(domain: &str) -> Result<Vec<u8>, String> {
    let connector = Connector::verifying(&Anchors::System, "http/1.1").map_err(|error| error.to_string())?;
    let request = Request::get(format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let bounds = HttpsBounds { within: WITHIN, body_octets_max: POLICY_OCTETS_MAX };
    let answer = Https::new(connector).send(request, bounds).await.map_err(|error| error.text())?;
    if answer.status().as_u16() == 200 {
        Ok(answer.body().to_vec())
    } else {
        Err(format!("HTTP status {}", answer.status().as_u16()))
    }
}

fn is_sts(text: &[u8]) -> bool {
    text.starts_with(b"v=STSv1")
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = reports(facts);
    findings.extend(sts(facts));
    findings
}

fn reports(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, reports, wanted_reports, .. } = facts;
    let line = wanted_reports.as_ref().map(|text| format!("publish:\n{}", text_line(&reports.name, text)));
    let texts: Vec<&[u8]> = match reports.texts() {
        Ok(texts) => texts.into_iter().filter(|text| text.starts_with(b"v=TLSRPTv1")).collect(),
        Err(error) => return vec![unanswered(REPORTS, &format!("the TLS-RPT record of {domain}"), error)],
    };
    let mut findings: Vec<Finding> = reports.difference(REPORTS).into_iter().collect();
    findings.extend(match texts.as_slice() {
        [] => line.map(|line| {
            let text = format!("{domain} names nobody for reports on TLS (TLS-RPT): nobody tells you when encryption to this host fails");
            Finding::advice(REPORTS, text).todo(line)
        }),
        [text] if has_address(text) => {
            Some(Finding::ok(REPORTS, format!("senders report to {domain} how TLS fares (TLS-RPT)")))
        }
        [_] => {
            let text = format!("the TLS-RPT record of {domain} names no address for reports (rua=mailto:… or https:…)");
            Some(Finding::warning(REPORTS, text).todo(line.unwrap_or_else(|| "add rua=".to_owned())))
        }
        several => {
            let text = format!("{domain} has {} TLS-RPT records, and senders take none of them", several.len());
            Some(Finding::warning(REPORTS, text).todo("keep one of them"))
        }
    });
    findings
}

/// RFC 8460 §3.
fn has_address(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let rua = text.split(';').find_map(|field| field.trim().strip_prefix("rua="));
    rua.is_some_and(|list| {
        list.split(',').all(|uri| ["mailto:", "https:"].iter().any(|scheme| uri.trim().starts_with(scheme)))
    })
}

fn sts(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, record, policy, .. } = facts;
    let texts: Vec<&[u8]> = match record.texts() {
        Ok(texts) => texts.into_iter().filter(|text| is_sts(text)).collect(),
        Err(error) => return vec![unanswered(CHECK, &format!("the MTA-STS record of {domain}"), error)],
    };
    let mut findings: Vec<Finding> = record.difference(CHECK).into_iter().collect();
    match texts.as_slice() {
        // It is a wish of the operator to have one.
        [] => {
            let missing = facts.wanted_record.as_ref().map(|wanted| {
                let text = format!("there is a policy of MTA-STS for {domain}, and no record that tells of it: senders do not look");
                Finding::warning(CHECK, text).todo(format!("publish:\n{}", text_line(&record.name, wanted)))
            });
            return missing.into_iter().collect();
        }
        [text] if facts.wanted_record.as_ref().is_some_and(|wanted| id(text) != id(wanted.as_bytes())) => {
            let text = format!(
                "the MTA-STS record of {domain} has the id of another policy than is served: senders go by what they remember"
            );
            let wanted = facts.wanted_record.as_deref().unwrap_or_default();
            findings.push(
                Finding::warning(CHECK, text)
                    .todo(format!("put in its place:\n{}", text_line(&record.name, wanted))),
            );
        }
        [text] if has_id(text) => {}
        [_] => {
            let text = format!("the MTA-STS record of {domain} has no good id=, so senders take no policy");
            let action = format!(
                "publish one with letters and digits, such as:\n{}",
                text_line(&record.name, "v=STSv1; id=1")
            );
            findings.push(Finding::error(CHECK, text).todo(action));
        }
        several => {
            let text =
                format!("{domain} has {} MTA-STS records, and senders take none of them", several.len());
            findings.push(Finding::error(CHECK, text).todo("keep one of them"));
        }
    }
    match policy {
        None => {}
        Some(Err(why)) => {
            let text =
                format!("there is an MTA-STS record, but the policy of {domain} cannot be fetched: {why}");
            let action = format!(
                "let https://mta-sts.{domain}/.well-known/mta-sts.txt answer with the policy, under a certificate for that name, \
                 or take the record out"
            );
            findings.push(Finding::error(CHECK, text).todo(action));
        }
        Some(Ok(text)) => findings.extend(policy_of(facts, text)),
    }
    findings
}

fn id(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.split(';').find_map(|field| field.trim().strip_prefix("id=")).map(str::to_owned)
}

/// RFC 8461 §3.1: up to 32 letters and digits.
fn has_id(text: &[u8]) -> bool {
    id(text).is_some_and(|id| {
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())
    })
}

fn policy_of(facts: &Facts, text: &[u8]) -> Vec<Finding> {
    let Facts { domain, hosts, .. } = facts;
    let text = String::from_utf8_lossy(text);
    let fields: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let all = |wanted: &str| -> Vec<String> {
        let of = fields.iter().filter(|(name, _)| *name == wanted);
        of.map(|(_, value)| value.to_ascii_lowercase()).collect()
    };
    let wrong = |what: &str| {
        let text = format!("the MTA-STS policy of {domain} {what}, so senders take none of it");
        vec![Finding::error(CHECK, text).todo("write it as RFC 8461 §3.2 has it: version, mode, mx, max_age")]
    };
    let (mode, patterns) = (all("mode").first().cloned().unwrap_or_default(), all("mx"));
    if all("version").first().map(String::as_str) != Some("stsv1") {
        return wrong("does not begin with version: STSv1");
    }
    if !["enforce", "testing", "none"].contains(&mode.as_str()) {
        return wrong("has no mode of enforce, testing or none");
    }
    let Some(age) = all("max_age").first().and_then(|age| age.parse::<u64>().ok()) else {
        return wrong("has no max_age");
    };
    if mode == "none" {
        return vec![Finding::ok(
            CHECK,
            format!("the MTA-STS policy of {domain} asks for nothing (mode: none)"),
        )];
    }
    let fits = |host: &str| {
        patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => pattern == host,
        })
    };
    let others: Vec<&str> = hosts.iter().map(|host| &**host).filter(|host| !fits(host)).collect();
    if !others.is_empty() {
        let what = format!(
            "the MTA-STS policy of {domain} does not name {}, where its mail goes by MX",
            listed(&others)
        );
        let action = format!(
            "add to the policy, and change id= in the record:\n{}",
            others.iter().map(|host| format!("mx: {host}")).collect::<Vec<_>>().join("\n")
        );
        let finding =
            if mode == "enforce" { Finding::error(CHECK, what) } else { Finding::warning(CHECK, what) };
        return vec![finding.todo(action)];
    }
    let mut findings = Vec::new();
    if mode == "testing" {
        let text = format!("the MTA-STS policy of {domain} is being tried out (mode: testing)");
        findings.push(
            Finding::advice(CHECK, text)
                .todo("set mode: enforce once reports show no failures, and change id= in the record"),
        );
    } else {
        findings.push(Finding::ok(
            CHECK,
            format!(
                "the MTA-STS policy of {domain} is enforced and names its {}",
                counted(hosts.len(), "mail host")
            ),
        ));
    }
    if age < AGE_SHORT {
        let text =
            format!("the MTA-STS policy of {domain} is forgotten after {age} seconds, which protects little");
        findings.push(Finding::advice(CHECK, text).todo("set max_age: 604800 or more, a week"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{silent, texts},
    };

    fn facts(reports: &[&str], record: &[&str], policy: Option<Result<&str, &str>>) -> Facts {
        Facts {
            domain: "example.org".into(),
            hosts: vec!["mx.example.org".into()],
            wanted_reports: Some("v=TLSRPTv1; rua=mailto:postmaster@example.org".into()),
            wanted_record: None,
            reports: texts("_smtp._tls.example.org", reports),
            record: texts("_mta-sts.example.org", record),
            policy: policy.map(|policy| policy.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned)),
        }
    }

    #[test]
    fn reports_on_tls_are_asked_for_or_not() {
        const GOOD: &str = "v=TLSRPTv1; rua=mailto:a@example.org,https://x.example/r";
        for (reports, level, words) in [
            (&[GOOD][..], Level::Ok, &["how TLS fares"][..]),
            (&[], Level::Advice, &["names nobody for reports on TLS", "_smtp._tls.example.org. 3600 IN TXT"]),
            (&["v=TLSRPTv1; rua=a@example.org"], Level::Warning, &["names no address"]),
            (&[GOOD, GOOD], Level::Warning, &["2 TLS-RPT records"]),
        ] {
            says(&judge(&facts(reports, &[], None)), level, words);
        }
        let mut nobody = facts(&[], &[], None);
        nobody.reports = silent("_smtp._tls.example.org", RecordType::Txt);
        says(&judge(&nobody), Level::Unknown, &["could not be asked for"]);
    }

    #[test]
    fn a_policy_is_fetched_and_read_as_senders_do() {
        const RECORD: &[&str] = &["v=STSv1; id=20261130"];
        let policy = |mode: &str, mx: &str, age: &str| {
            format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n")
        };
        let good = policy("enforce", "mx.example.org", "604800");
        for (record, policy, level, words) in [
            (RECORD, Some(Ok(good.as_str())), Level::Ok, &["is enforced and names its 1 mail host"][..]),
            (RECORD, Some(Ok(&policy("enforce", "*.example.org", "604800"))), Level::Ok, &["enforced"]),
            (RECORD, Some(Ok(&policy("none", "x", "604800"))), Level::Ok, &["mode: none"]),
            (
                RECORD,
                Some(Ok(&policy("testing", "mx.example.org", "604800"))),
                Level::Advice,
                &["being tried out"],
            ),
            (
                RECORD,
                Some(Ok(&policy("enforce", "mx.example.org", "60"))),
                Level::Advice,
                &["forgotten after 60 seconds"],
            ),
            (
                RECORD,
                Some(Ok(&policy("enforce", "old.example.org", "604800"))),
                Level::Error,
                &["does not name mx.example.org", "mx: mx.example.org"],
            ),
            (
                RECORD,
                Some(Ok(&policy("testing", "old.example.org", "604800"))),
                Level::Warning,
                &["does not name mx.example.org"],
            ),
            (RECORD, Some(Ok(&policy("strict", "mx.example.org", "604800"))), Level::Error, &["no mode"]),
            (RECORD, Some(Ok(&policy("enforce", "mx.example.org", "long"))), Level::Error, &["no max_age"]),
            (RECORD, Some(Ok("<html>")), Level::Error, &["does not begin with version"]),
            (RECORD, Some(Err("HTTP status 404")), Level::Error, &["cannot be fetched: HTTP status 404"]),
            (&["v=STSv1; id=a_b"], Some(Ok(&good)), Level::Error, &["no good id=", "v=STSv1; id=1"]),
            (&["v=STSv1; id=1", "v=STSv1; id=2"], Some(Ok(&good)), Level::Error, &["2 MTA-STS records"]),
        ] {
            let facts = facts(&["v=TLSRPTv1; rua=mailto:a@example.org"], record, policy);
            says(&judge(&facts), level, words);
        }
        assert_eq!(sts(&facts(&[], &[], None)), []);
        let served = |record: &[&str]| Facts {
            wanted_record: Some("v=STSv1; id=7".into()),
            ..facts(&[], record, Some(Ok(&good)))
        };
        says(&sts(&served(&["v=STSv1; id=7"])), Level::Ok, &["enforced"]);
        says(
            &sts(&served(&["v=STSv1; id=6"])),
            Level::Warning,
            &["the id of another policy", "v=STSv1; id=7"],
        );
        says(
            &sts(&served(&[])),
            Level::Warning,
            &["no record that tells of it", "_mta-sts.example.org. 3600 IN TXT"],
        );
    }
}
