//! SPF of a domain (RFC 7208): whether its record is one, can be afforded, lets this machine send, and not the whole world.

use std::net::IpAddr;

use dns::RecordType;
use message_auth::spf::{
    self, LOOKUPS_MAX, Problem, Query, SpfResult, Survey, Trouble, VOID_LOOKUPS_MAX, Verdict,
};

use super::{
    finding::{Finding, counted, listed},
    zone::{Asking, Authority, Seen, text_line, unanswered},
};

const CHECK: &str = "spf";
/// From here on a record is told to be near the limit.
const LOOKUPS_MANY: u32 = 8;
/// As many addresses as a /16 has; who lets more send knows them all hardly.
const V4_MANY: u64 = 1 << 16;
/// A network of IPv6 as wide as a provider has.
const V6_WIDE: u8 = 32;

/// What is known of SPF of a domain.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// Our own name.
    pub hostname: String,
    /// What `dns records` wants.
    pub wanted: String,
    /// Mail leaves through a relay, whose hosts have to be let, too.
    pub relayed: bool,
    /// Its TXT records.
    pub seen: Seen,
    /// Its record and all that it leads to.
    pub survey: Survey,
    /// What a receiver would say of each of our addresses.
    pub verdicts: Vec<(IpAddr, Verdict)>,
}

/// Whose mail from where.
pub(super) struct Sender<'a> {
    /// The domain.
    pub domain: &'a str,
    /// Our own name.
    pub hostname: &'a str,
    /// The addresses that mail leaves from.
    pub addresses: &'a [IpAddr],
    /// Seconds since 1970.
    pub now: u64,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    sender: &Sender<'_>,
    wanted: String,
    relayed: bool,
) -> Facts {
    let Sender { domain, hostname, addresses, now } = *sender;
    let (seen, survey) = tokio::join!(
        Seen::look(asking, authority, domain, RecordType::Txt),
        spf::survey(domain, &asking.resolver)
    );
    let mut verdicts = Vec::new();
    for client in addresses {
        let query =
            Query { client: *client, helo: hostname, local_part: None, domain, receiver: hostname, now };
        verdicts.push((*client, spf::check(query, &asking.resolver).await));
    }
    Facts {
        domain: domain.to_owned(),
        hostname: hostname.to_owned(),
        wanted,
        relayed,
        seen,
        survey,
        verdicts,
    }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, wanted, seen, survey, .. } = facts;
    let records: Vec<String> = match seen.texts() {
        Ok(texts) => texts.into_iter().filter(|text| is_spf(text)).map(lossy).collect(),
        Err(error) => return vec![unanswered(CHECK, &format!("the SPF record of {domain}"), error)],
    };
    let line = text_line(domain, wanted);
    match records.as_slice() {
        [] => {
            let text = format!("{domain} has no SPF record, so nobody knows which hosts may send its mail");
            return vec![Finding::error(CHECK, text).todo(format!("publish:\n{line}"))];
        }
        [_] => {}
        several => {
            let text = format!(
                "{domain} has {} SPF records, and receivers take neither of them: {}",
                several.len(),
                listed(several.iter().map(|text| format!("\"{text}\"")))
            );
            let action = format!("keep one that has the terms of all of them, such as:\n{line}");
            return vec![Finding::error(CHECK, text).todo(action)];
        }
    }
    let mut findings: Vec<Finding> = survey.troubles.iter().map(|trouble| troubled(facts, trouble)).collect();
    findings.extend(seen.difference(CHECK));
    findings.extend(costs(facts));
    findings.extend(breadth(facts));
    findings.extend(form(facts));
    if survey.troubles.is_empty() {
        findings.extend(facts.verdicts.iter().map(|(address, verdict)| judged(facts, *address, verdict)));
    }
    findings
}

/// Whether a TXT record is one of SPF (RFC 7208 §4.5).
fn is_spf(text: &[u8]) -> bool {
    let version = text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"));
    version && matches!(text.get(6), None | Some(b' '))
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn troubled(facts: &Facts, Trouble { domain, problem }: &Trouble) -> Finding {
    let own = **domain == *facts.domain;
    let whose = if own {
        format!("the SPF record of {domain}")
    } else {
        format!("the SPF record of {domain}, which that of {} leads to,", facts.domain)
    };
    let mend = if own {
        format!("correct it; what is wanted for this host alone is:\n{}", text_line(domain, &facts.wanted))
    } else {
        format!("take the term that leads to {domain} out, or tell whoever runs it")
    };
    match problem {
        Problem::Dns(why) => Finding::unknown(CHECK, format!("{whose} could not be asked for: {why}")),
        Problem::Mistake(term) => {
            let record = facts.survey.record.as_deref().unwrap_or_default();
            let place = record.find(&**term).filter(|_| own);
            let place = place.map(|at| format!(" at character {}", at + 1)).unwrap_or_default();
            let text = format!("{whose} has a mistake{place}, `{term}`, so receivers take none of it");
            Finding::error(CHECK, text).todo(mend)
        }
        Problem::Several(_) => {
            Finding::error(CHECK, format!("{whose} stands there twice, so receivers take none of it"))
                .todo(mend)
        }
        Problem::NoRecord(_) => {
            let text = format!(
                "the SPF record of {} leads to {domain}, which has none: receivers take none of it",
                facts.domain
            );
            Finding::error(CHECK, text).todo(mend)
        }
        Problem::TooManyLookups | Problem::TooManyVoid => {
            Finding::error(CHECK, format!("{whose} leads back to itself")).todo(mend)
        }
        Problem::TooManyHosts(host) => {
            let text = format!("{whose} has a term `mx` for {host}, which has more than ten mail hosts");
            Finding::error(CHECK, text).todo("name the addresses by ip4: and ip6: instead")
        }
    }
}

fn costs(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, survey, .. } = facts;
    let mut findings = Vec::new();
    let mut dear: Vec<&(Box<str>, u32)> = survey.costs.iter().collect();
    dear.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    let terms = || listed(dear.iter().take(5).map(|(term, cost)| format!("{term} ({cost})")));
    let action = "put ip4: and ip6: in the place of terms that ask much, and take out includes of services that you no longer use";
    if survey.lookups > u32::from(LOOKUPS_MAX) {
        let text = format!(
            "the SPF record of {domain} needs {} lookups of the DNS, and receivers make {LOOKUPS_MAX} at most: {}",
            survey.lookups,
            terms()
        );
        findings.push(Finding::error(CHECK, text).todo(action));
    } else if survey.lookups >= LOOKUPS_MANY {
        let text = format!(
            "the SPF record of {domain} needs {} lookups of the DNS of the {LOOKUPS_MAX} that receivers make: an include that grows will break it; {}",
            survey.lookups,
            terms()
        );
        findings.push(Finding::warning(CHECK, text).todo(action));
    }
    if survey.void_lookups > u32::from(VOID_LOOKUPS_MAX) {
        let text = format!(
            "the SPF record of {domain} has {} terms that find nothing, and receivers bear {VOID_LOOKUPS_MAX}",
            survey.void_lookups
        );
        findings.push(Finding::error(CHECK, text).todo("take out the terms with names that are no more"));
    }
    findings
}

fn breadth(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, survey, .. } = facts;
    if let Some(whose) = &survey.everybody {
        let through = if **whose == **domain { String::new() } else { format!(" through {whose}") };
        let text =
            format!("the SPF record of {domain} lets everybody send its mail{through}: it ends in +all");
        return vec![
            Finding::error(CHECK, text)
                .todo(format!("end it in -all, such as:\n{}", text_line(domain, &facts.wanted))),
        ];
    }
    let mut findings = Vec::new();
    let v4 = survey.v4_addresses();
    if v4 > V4_MANY {
        let text = format!(
            "the SPF record of {domain} lets {v4} addresses send its mail, more than a /16 has: who is a customer there can forge it"
        );
        findings.push(Finding::warning(CHECK, text).todo("name fewer networks, or only the hosts that send"));
    }
    if let Some(bits) = survey.v6_bits().filter(|bits| *bits < V6_WIDE) {
        let text =
            format!("the SPF record of {domain} lets a network of IPv6 as wide as a /{bits} send its mail");
        findings.push(Finding::warning(CHECK, text).todo("name fewer networks, or only the hosts that send"));
    }
    findings
}

fn form(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, survey, .. } = facts;
    let mut findings = Vec::new();
    if !survey.behind.is_empty() {
        let terms = listed(survey.behind.iter().map(|term| format!("`{term}`")));
        let text = format!("in the SPF record of {domain} nobody reads {terms}: it stands behind `all`");
        findings.push(Finding::warning(CHECK, text).todo("put it before `all`, or take it out"));
    }
    if survey.by_name {
        let text = format!(
            "the SPF record of {domain} goes by names of clients (ptr), which is slow and not believed by all"
        );
        findings.push(Finding::advice(CHECK, text).todo("put a:, mx or ip4: in its place"));
    }
    let end = survey.end.as_deref().map(str::to_ascii_lowercase);
    let end_action = || format!("end it in -all, such as:\n{}", text_line(domain, &facts.wanted));
    match end.as_deref() {
        None if survey.troubles.is_empty() && !survey.by_macro => {
            let text =
                format!("the SPF record of {domain} does not say what is to become of mail from other hosts");
            findings.push(Finding::warning(CHECK, text).todo(end_action()));
        }
        Some("?all") => {
            let text = format!("the SPF record of {domain} ends in ?all, which is as if there were none");
            findings.push(Finding::warning(CHECK, text).todo(end_action()));
        }
        _ => {}
    }
    findings
}

fn judged(facts: &Facts, address: IpAddr, verdict: &Verdict) -> Finding {
    let Facts { domain, hostname, survey, .. } = facts;
    let lookups = counted(usize::try_from(survey.lookups).unwrap_or(usize::MAX), "lookup");
    match verdict.result {
        SpfResult::Pass => {
            let by = verdict.mechanism.as_deref().unwrap_or("its record");
            Finding::ok(
                CHECK,
                format!("SPF of {domain} lets {address} send its mail (`{by}`), with {lookups}"),
            )
        }
        SpfResult::TempError => {
            let why = verdict.problem.as_ref().map(ToString::to_string).unwrap_or_default();
            Finding::unknown(CHECK, format!("SPF of {domain} for {address} could not be asked for: {why}"))
        }
        // What is wrong has been told.
        SpfResult::PermError => {
            let why = verdict.problem.as_ref().map(ToString::to_string).unwrap_or_default();
            Finding::error(CHECK, format!("receivers take nothing of the SPF record of {domain}: {why}"))
        }
        result if facts.relayed => {
            let text = format!(
                "SPF of {domain} says {result} of {address}; mail leaves through the relay, so that is right if the record lets the relay send"
            );
            Finding::advice(CHECK, text)
        }
        result => {
            let text = format!(
                "SPF of {domain} does not let {address} send its mail ({result}), and mail leaves from there"
            );
            let term = if address.is_ipv4() { "ip4" } else { "ip6" };
            let action = format!(
                "add `a:{hostname}` or `{term}:{address}` before `all`, such as:\n{}",
                text_line(domain, &facts.wanted)
            );
            Finding::error(CHECK, text).todo(action)
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::dns::FakeDns;

    use super::*;
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{silent, texts},
    };

    const WORLD: &str = "example.org MX 10 mx.example.org\n\
        mx.example.org A 192.0.2.1\n\
        mx.example.org AAAA 2001:db8::1\n\
        inc.example TXT \"v=spf1 a:none.example a:x.example a:y.example include:deep.example -all\"\n\
        x.example A 192.0.2.7\ny.example A 192.0.2.8\n\
        deep.example TXT \"v=spf1 a:x.example a:y.example mx:example.org -all\"\n\
        open.example TXT \"v=spf1 +all\"\nbad.example TXT \"v=spf1 hello\"\n";

    /// With records of their own, and as the code would find it.
    fn facts(records: &[&str]) -> Facts {
        let lines: Vec<String> = records.iter().map(|text| format!("example.org TXT \"{text}\"\n")).collect();
        let dns = FakeDns::new(&format!("{WORLD}{}", lines.concat()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let addresses: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let (survey, verdicts) = runtime.block_on(async {
            let mut verdicts = Vec::new();
            for client in addresses {
                let query = Query {
                    client,
                    helo: "mx.example.org",
                    local_part: None,
                    domain: "example.org",
                    receiver: "mx.example.org",
                    now: 0,
                };
                verdicts.push((client, spf::check(query, &dns).await));
            }
            (spf::survey("example.org", &dns).await, verdicts)
        });
        Facts {
            domain: "example.org".into(),
            hostname: "mx.example.org".into(),
            wanted: "v=spf1 mx -all".into(),
            relayed: false,
            seen: texts("example.org", records),
            survey,
            verdicts,
        }
    }

    #[test]
    fn each_way_in_which_a_record_is_right_or_wrong() {
        const WANTED: &str = "example.org. 3600 IN TXT \"v=spf1 mx -all\"";
        for (records, level, words) in [
            (&["v=spf1 mx -all"][..], Level::Ok, &["lets 192.0.2.1 send its mail (`mx`), with 1 lookup"][..]),
            (&["v=spf1 mx -all", "another=text"], Level::Ok, &["lets 2001:db8::1"]),
            (&[], Level::Error, &["has no SPF record", WANTED]),
            (&["another=text"], Level::Error, &["has no SPF record"]),
            (
                &["v=spf1 mx -all", "v=spf1 a -all"],
                Level::Error,
                &["has 2 SPF records", "\"v=spf1 mx -all\" and \"v=spf1 a -all\"", WANTED],
            ),
            (
                &["v=spf1 ip4:192.0.2.300 -all"],
                Level::Error,
                &["a mistake at character 8, `ip4:192.0.2.300`", WANTED],
            ),
            (
                &["v=spf1 mx include:bad.example -all"],
                Level::Error,
                &["bad.example, which that of example.org leads to, has a mistake, `hello`", "take the term"],
            ),
            (
                &["v=spf1 mx include:gone.example -all"],
                Level::Error,
                &["leads to gone.example, which has none"],
            ),
            (&["v=spf1 include:example.org mx -all"], Level::Error, &["leads back to itself"]),
            (
                &["v=spf1 mx include:inc.example include:deep.example -all"],
                Level::Error,
                &["needs 13 lookups", "include:inc.example (8), include:deep.example (4) and mx (1)"],
            ),
            (
                &["v=spf1 mx include:inc.example -all"],
                Level::Warning,
                &["needs 9 lookups of the DNS of the 10"],
            ),
            (
                &["v=spf1 mx a:n1.example a:n2.example a:n3.example -all"],
                Level::Error,
                &["has 3 terms that find nothing, and receivers bear 2"],
            ),
            (&["v=spf1 mx +all"], Level::Error, &["lets everybody send", "+all"]),
            (
                &["v=spf1 mx include:open.example -all"],
                Level::Error,
                &["lets everybody send its mail through open.example"],
            ),
            (&["v=spf1 mx ip4:10.0.0.0/8 -all"], Level::Warning, &["lets 16777217 addresses send", "/16"]),
            (&["v=spf1 mx ip6:2001::/16 -all"], Level::Warning, &["as wide as a /16"]),
            (&["v=spf1 mx -all a"], Level::Warning, &["nobody reads `a`"]),
            (&["v=spf1 mx ptr -all"], Level::Advice, &["goes by names of clients"]),
            (&["v=spf1 mx"], Level::Warning, &["does not say what is to become"]),
            (&["v=spf1 mx ?all"], Level::Warning, &["ends in ?all"]),
            (
                &["v=spf1 ip4:192.0.2.1 -all"],
                Level::Error,
                &["does not let 2001:db8::1 send its mail (fail)", "ip6:2001:db8::1"],
            ),
            (
                &["v=spf1 a:x.example ~all"],
                Level::Error,
                &["does not let 192.0.2.1 send its mail (softfail)", "a:mx.example.org"],
            ),
        ] {
            says(&judge(&facts(records)), level, words);
        }
    }

    #[test]
    fn behind_a_relay_other_hosts_send() {
        let mut facts = facts(&["v=spf1 include:deep.example ip4:198.51.100.1 ~all"]);
        facts.relayed = true;
        facts.verdicts.retain(|(address, _)| address.is_ipv4());
        facts.verdicts[0].1.result = SpfResult::SoftFail;
        says(&judge(&facts), Level::Advice, &["mail leaves through the relay"]);
    }

    #[test]
    fn nobody_answering_is_not_a_missing_record() {
        let mut facts = facts(&[]);
        facts.seen = silent("example.org", RecordType::Txt);
        says(&judge(&facts), Level::Unknown, &["could not be asked for", "SERVFAIL"]);
    }
}
