//! DMARC of a domain (RFC 9989): what receivers are asked to do with mail that is not proved to be its, and where they report.

use std::collections::BTreeSet;

use dns::{DnsError, RecordType, Resolve};
use message_auth::{
    DomainName,
    dmarc::{self, Evidence, Policy, Record},
};

use super::{
    finding::{Finding, listed},
    zone::{Asking, Authority, Seen, text_line, unanswered},
};

const CHECK: &str = "dmarc";
/// Domains that reports go to and that are asked whether they want them.
const ELSEWHERE_MAX: usize = 10;

/// What is known of DMARC of a domain.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// What `dns records` wants.
    pub wanted: String,
    /// The TXT records of `_dmarc`.
    pub seen: Seen,
    /// The domain above whose record holds, if this one has none.
    pub inherited: Option<String>,
    /// Domains elsewhere that reports go to, and whether they say that they want them.
    pub elsewhere: Vec<(String, Result<bool, DnsError>)>,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &DomainName,
    wanted: String,
) -> Facts {
    let seen = Seen::look(asking, authority, &format!("_dmarc.{domain}"), RecordType::Txt).await;
    let own: Vec<Record> = seen.texts().into_iter().flatten().filter_map(Record::parse).collect();
    let inherited = if own.is_empty() {
        let verdict = dmarc::check(Evidence { author: domain, spf: None, dkim: &[] }, &asking.resolver).await;
        verdict.record.map(|(above, _)| above.to_string())
    } else {
        None
    };
    let mut elsewhere = Vec::new();
    for other in reported_to(domain.as_str(), &own).into_iter().take(ELSEWHERE_MAX) {
        let wants = wants_reports(&asking.resolver, domain.as_str(), &other).await;
        elsewhere.push((other, wants));
    }
    Facts { domain: domain.to_string(), wanted, seen, inherited, elsewhere }
}

/// The domains that reports go to, but those that are the domain's own, above or below it.
fn reported_to(domain: &str, records: &[Record]) -> BTreeSet<String> {
    let addresses = records.iter().flat_map(|record| record.reports.iter().chain(&record.failures));
    let hosts =
        addresses.filter_map(|address| address.rsplit_once('@')).map(|(_, host)| dns::normalise(host));
    let is_below = |name: &str, above: &str| name == above || name.ends_with(&format!(".{above}"));
    hosts.filter(|host| !is_below(host, domain) && !is_below(domain, host)).collect()
}

/// RFC 9990 §4: who gets reports on other domains has to say so.
async fn wants_reports(resolver: &dyn Resolve, domain: &str, other: &str) -> Result<bool, DnsError> {
    match resolver.txt(&permission(domain, other)).await {
        Ok(answer) => Ok(answer.records.iter().any(|text| text.starts_with(b"v=DMARC1"))),
        Err(DnsError::NoSuchName | DnsError::NoRecords) => Ok(false),
        Err(error) => Err(error),
    }
}

fn permission(domain: &str, other: &str) -> String {
    format!("{domain}._report._dmarc.{other}")
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, wanted, seen, inherited, .. } = facts;
    let line = text_line(&seen.name, wanted);
    let texts: Vec<&[u8]> = match seen.texts() {
        Ok(texts) => texts.into_iter().filter(|text| is_meant_for_dmarc(text)).collect(),
        Err(error) => return vec![unanswered(CHECK, &format!("the DMARC record of {domain}"), error)],
    };
    let text = match (texts.as_slice(), inherited) {
        ([], Some(above)) => {
            let text = format!("{domain} has no DMARC record of its own; that of {above} holds for it");
            return vec![Finding::ok(CHECK, text)];
        }
        ([], None) => {
            let text =
                format!("{domain} has no DMARC record: large receivers take mail without one for suspicious");
            return vec![Finding::error(CHECK, text).todo(format!("publish:\n{line}"))];
        }
        ([text], _) => *text,
        (several, _) => {
            let text =
                format!("{domain} has {} DMARC records, and receivers take neither of them", several.len());
            return vec![Finding::error(CHECK, text).todo(format!("keep one, such as:\n{line}"))];
        }
    };
    let mut findings: Vec<Finding> = seen.difference(CHECK).into_iter().collect();
    for flaw in dmarc::flaws(text) {
        let text = format!("the DMARC record of {domain} has a mistake: {flaw}");
        let finding =
            if flaw.is_serious() { Finding::error(CHECK, text) } else { Finding::advice(CHECK, text) };
        findings.push(finding.todo(format!("correct it; such as:\n{line}")));
    }
    findings.extend(facts.elsewhere.iter().filter_map(|(other, wants)| reports(domain, other, wants)));
    if let Some(record) = Record::parse(text) {
        findings.extend(policy(domain, &record));
    }
    findings
}

/// Also one that is spelled wrong: it was meant so.
fn is_meant_for_dmarc(text: &[u8]) -> bool {
    Record::parse(text).is_some() || text.to_ascii_lowercase().windows(6).any(|part| part == b"dmarc1")
}

fn reports(domain: &str, other: &str, wants: &Result<bool, DnsError>) -> Option<Finding> {
    match wants {
        Ok(true) => None,
        Ok(false) => {
            let text = format!(
                "DMARC reports on {domain} shall go to {other}, which does not say that it wants them: nobody sends them there"
            );
            let action = format!(
                "have {other} publish this, or name an address of {domain} in rua=:\n{}",
                text_line(&permission(domain, other), "v=DMARC1")
            );
            Some(Finding::warning(CHECK, text).todo(action))
        }
        Err(error) => Some(unanswered(CHECK, &format!("whether {other} wants reports on {domain}"), error)),
    }
}

fn policy(domain: &str, record: &Record) -> Vec<Finding> {
    let mut findings = Vec::new();
    match record.policy {
        Some(Policy::None) => {
            let text = format!(
                "DMARC of {domain} asks for nothing (p=none): forged mail is delivered as if it were yours"
            );
            let action = "once reports have shown for some weeks that all mail of yours passes, set p=quarantine, then p=reject";
            findings.push(Finding::advice(CHECK, text).todo(action));
        }
        Some(policy) if record.testing => {
            let text =
                format!("DMARC of {domain} is being tried out (t=y): p={} is not carried out", policy.name());
            findings.push(
                Finding::advice(CHECK, text)
                    .todo("take t=y out once reports show that all mail of yours passes"),
            );
        }
        Some(policy) => {
            let what = if policy == Policy::Reject { "refuse" } else { "put aside" };
            findings.push(Finding::ok(
                CHECK,
                format!("DMARC of {domain} asks receivers to {what} what is not proved to be its"),
            ));
        }
        // It has been told that there is none.
        None => {}
    }
    if record.reports.is_empty() {
        let text = format!("DMARC of {domain} names nobody for reports, so you do not see who forges it");
        findings.push(
            Finding::advice(CHECK, text).todo(format!("add to the record: rua=mailto:postmaster@{domain}")),
        );
    } else {
        let to = listed(record.reports.iter());
        findings.push(Finding::ok(CHECK, format!("reports on {domain} go to {to}")));
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

    const NAME: &str = "_dmarc.example.org";

    fn facts(live: &[&str]) -> Facts {
        Facts {
            domain: "example.org".into(),
            wanted: "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org".into(),
            seen: texts(NAME, live),
            inherited: None,
            elsewhere: Vec::new(),
        }
    }

    #[test]
    fn each_way_in_which_a_record_is_right_or_wrong() {
        const WANTED: &str =
            "_dmarc.example.org. 3600 IN TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org\"";
        const RUA: &str = "rua=mailto:a@example.org";
        let with = |text: &str| format!("v=DMARC1; {text}; {RUA}");
        for (live, level, words) in [
            (&[with("p=quarantine").as_str()][..], Level::Ok, &["put aside"][..]),
            (&[&with("p=reject")], Level::Ok, &["refuse"]),
            (&[&with("p=reject"), "another=text"], Level::Ok, &["refuse"]),
            (&[], Level::Error, &["has no DMARC record", WANTED]),
            (&["v=DMARC1; p=none", "v=DMARC1; p=reject"], Level::Error, &["2 DMARC records", WANTED]),
            (&["v=dmarc1; p=reject"], Level::Error, &["does not begin with", WANTED]),
            (&[&with("p=refuse")], Level::Error, &["`p=refuse` is no value"]),
            (&["v=DMARC1; rua=mailto:a@example.org"], Level::Error, &["it has no policy"]),
            (&["v=DMARC1; p=reject; rua=a@example.org"], Level::Error, &["is no address for reports"]),
            (&[&with("p=reject; pct=50")], Level::Advice, &["`pct=` means nothing any more"]),
            (&[&with("p=none")], Level::Advice, &["asks for nothing (p=none)", "then p=reject"]),
            (&[&with("p=reject; t=y")], Level::Advice, &["tried out (t=y)"]),
            (
                &["v=DMARC1; p=reject"],
                Level::Advice,
                &["names nobody for reports", "rua=mailto:postmaster@example.org"],
            ),
        ] {
            says(&judge(&facts(live)), level, words);
        }
        let mut nobody = facts(&[]);
        nobody.seen = silent(NAME, RecordType::Txt);
        says(&judge(&nobody), Level::Unknown, &["could not be asked for"]);
        let mut below = facts(&[]);
        below.inherited = Some("org.example".into());
        says(&judge(&below), Level::Ok, &["that of org.example holds"]);
    }

    #[test]
    fn who_gets_reports_on_others_has_to_want_them() {
        let record = |text: &str| Record::parse(format!("v=DMARC1; p=none; rua={text}").as_bytes()).unwrap();
        let to =
            |text: &str| reported_to("mail.example.org", &[record(text)]).into_iter().collect::<Vec<_>>();
        assert_eq!(to("mailto:a@mail.example.org,mailto:b@example.org,mailto:c@x.mail.example.org"), [""; 0]);
        assert_eq!(
            to("mailto:a@Reports.Example,mailto:b@notexample.org"),
            ["notexample.org", "reports.example"]
        );
        let record = "v=DMARC1; p=reject; rua=mailto:a@reports.example";
        for (wants, level, words) in [
            (Ok(true), Level::Ok, &["reports on example.org go to a@reports.example"][..]),
            (
                Ok(false),
                Level::Warning,
                &[
                    "nobody sends them there",
                    "example.org._report._dmarc.reports.example. 3600 IN TXT \"v=DMARC1\"",
                ],
            ),
            (Err(DnsError::temporary("timeout")), Level::Unknown, &["whether reports.example wants reports"]),
        ] {
            let mut facts = facts(&[record]);
            facts.elsewhere = vec![("reports.example".into(), wants)];
            says(&judge(&facts), level, words);
        }
    }
}
