//! pyspf beside our SPF: a table made by rule, and each clause of RFC 7208 by hand (`spf.txt`).

use std::{collections::BTreeMap, fmt::Write as _};

use message_auth::spf::{Query, check};
use testkit::dns::FakeDns;

use super::judge::{at_once, python};

pub(crate) const HELO: &str = "mail.client.test";
const SENDER: &str = "strong-bad@example.org";
/// Of both kinds: those that the zones name, and those that they don't.
const CLIENTS: [&str; 5] = ["192.0.2.1", "198.51.100.7", "2001:db8::1", "2001:db8:5::9", "203.0.113.200"];

/// A DNS, and who asks for what.
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) zone: String,
    pub(crate) sender: String,
    /// What a judge says instead, where it says something else: its name, and one or more words.
    differs: Vec<(String, Vec<String>)>,
}

impl Case {
    fn differs(&self, judge: &str) -> Option<&[String]> {
        self.differs.iter().find(|(name, _)| name == judge).map(|(_, words)| words.as_slice())
    }
}

/// What each says of one client.
pub(crate) type Said = (&'static str, String, String);

fn ours(case: &Case, client: &str) -> String {
    let (local_part, domain) = case.sender.rsplit_once('@').unwrap_or(("", &case.sender));
    let query = Query {
        client: client.parse().unwrap(),
        helo: HELO,
        local_part: (!local_part.is_empty()).then_some(local_part),
        domain,
        receiver: "mx.here.test",
        now: 1_700_000_000,
    };
    at_once(check(query, &FakeDns::new(&case.zone))).result.to_string()
}

/// What we say of each client, beside what a judge says.
pub(crate) fn beside(case: &Case, mut theirs: impl FnMut(&str) -> String) -> Vec<Said> {
    CLIENTS.into_iter().map(|client| (client, ours(case, client), theirs(client))).collect()
}

fn by_pyspf(cases: &[Case]) -> Vec<Vec<Said>> {
    let mut input = String::new();
    for case in cases {
        input.push_str("reset\n");
        for line in case.zone.lines() {
            writeln!(input, "zone {}", line.trim()).unwrap();
        }
        for client in CLIENTS {
            writeln!(input, "case {client} {HELO} {}", case.sender).unwrap();
        }
    }
    let said = python(include_str!("spf.py"), &[], input);
    let mut lines = said.lines();
    cases.iter().map(|case| beside(case, |_| lines.next().expect("a result").to_owned())).collect()
}

/// Every difference has to be written down, and what is written down has to be one.
pub(crate) fn agree_but_where_it_is_said(judge: &str, cases: &[Case], said: Vec<Vec<Said>>) {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (case, said) in cases.iter().zip(said) {
        let differ: Vec<&Said> = said.iter().filter(|(_, ours, theirs)| ours != theirs).collect();
        let as_said = match case.differs(judge) {
            None => differ.is_empty(),
            Some(words) => !differ.is_empty() && differ.iter().all(|(_, _, theirs)| words.contains(theirs)),
        };
        if !as_said {
            let expected = case.differs(judge).map_or_else(|| "the same".to_owned(), |words| words.join(","));
            wrong.push(format!(
                "{}, where {judge} should say {expected}: {differ:?}\n{}",
                case.title, case.zone
            ));
        }
        for (_, ours, _) in said {
            *seen.entry(ours).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // A table in which all is alike shows nothing.
    assert!(seen.len() >= 4, "{seen:?}");
}

/// `= title`, `< sender`, `!judge WORDS why`, and lines of a zone; an empty line between cases.
pub(crate) fn by_hand() -> Vec<Case> {
    let paragraphs = include_str!("spf.txt").split("\n\n").filter(|text| text.trim_start().starts_with('='));
    let cases = paragraphs.map(|text| {
        let marked = |mark: &str| {
            text.lines().find_map(|line| line.strip_prefix(mark)).map(|rest| rest.trim().to_owned())
        };
        let difference = |line: &str| {
            let mut words = line.strip_prefix('!')?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?.split(',').map(str::to_owned).collect()))
        };
        Case {
            title: marked("=").unwrap_or_default(),
            zone: text
                .lines()
                .filter(|line| !line.starts_with(['=', '<', '!', '#']))
                .collect::<Vec<_>>()
                .join("\n"),
            sender: marked("<").unwrap_or_else(|| SENDER.to_owned()),
            differs: text.lines().filter_map(difference).collect(),
        }
    });
    cases.collect()
}

/// Names that the records of the table lead to.
const WORLD: &str = "\
    example.org A 192.0.2.1\nexample.org AAAA 2001:db8::1\nexample.org MX 10 mx1.example.org\n\
    mx1.example.org A 198.51.100.7\nmx1.example.org AAAA 2001:db8:5::9\n\
    v4.example.org A 192.0.2.1\nv6.example.org AAAA 2001:db8::1\nempty.example.org TXT \"nothing\"\n\
    alias.example.org CNAME v4.example.org\nbad.example.org SERVFAIL\n\
    192.0.2.1 PTR host.example.org\nhost.example.org A 192.0.2.1\n\
    2001:db8::1 PTR six.example.org\nsix.example.org AAAA 2001:db8::1\n\
    198.51.100.7 PTR liar.example.org\nliar.example.org A 192.0.2.9\n\
    pass.example.org TXT \"v=spf1 +all\"\nfail.example.org TXT \"v=spf1 -all\"\nsoft.example.org TXT \"v=spf1 ~all\"\n\
    neutral.example.org TXT \"v=spf1 ?all\"\nhalf.example.org TXT \"v=spf1 a:example.org -all\"\n\
    wrong.example.org TXT \"v=spf1 foo\"\ntwo.example.org TXT \"v=spf1 -all\"\ntwo.example.org TXT \"v=spf1 +all\"\n\
    192.0.2.1.is.example.org A 127.0.0.2\nstrong-bad.is.example.org A 127.0.0.2\n\
    bad.strong.is.example.org A 127.0.0.2\n1.2.0.192.in-addr.is.example.org A 127.0.0.2\n\
    mail.client.test.is.example.org A 127.0.0.2\nunknown.is.example.org A 127.0.0.2\n\
    host.example.org.is.example.org A 127.0.0.2";

const TERMS: &[&str] = &[
    "all",
    "a",
    "A",
    "a:example.org",
    "a:EXAMPLE.org",
    "a:example.org.",
    "a/24",
    "a/0",
    "a//64",
    "a//0",
    "a/24//64",
    "a:example.org/24",
    "a:example.org//32",
    "a:example.org/24//32",
    "a:v4.example.org",
    "a:v6.example.org",
    "a:alias.example.org",
    "a:empty.example.org",
    "a:no.example.org",
    "a:bad.example.org",
    "a:%{d}",
    "a:v4.%{d2}",
    "mx",
    "MX",
    "mx/24",
    "mx//48",
    "mx:example.org",
    "mx:v4.example.org",
    "mx:no.example.org",
    "mx:bad.example.org",
    "mx:example.org/24//48",
    "ptr",
    "ptr:example.org",
    "ptr:org",
    "ptr:other.test",
    "ip4:192.0.2.1",
    "IP4:192.0.2.0/24",
    "ip4:192.0.2.0/0",
    "ip4:192.0.2.0/31",
    "ip4:198.51.100.0/24",
    "ip6:2001:db8::1",
    "ip6:2001:db8::/32",
    "ip6:2001:db8::/0",
    "ip6:2001:DB8:5::/48",
    "ip6:::ffff:192.0.2.1",
    "include:pass.example.org",
    "include:fail.example.org",
    "include:soft.example.org",
    "include:neutral.example.org",
    "include:half.example.org",
    "include:empty.example.org",
    "include:no.example.org",
    "include:bad.example.org",
    "include:wrong.example.org",
    "include:two.example.org",
    "include:half.%{d}",
    "exists:%{i}.is.example.org",
    "exists:%{l}.is.example.org",
    "exists:%{L}.is.example.org",
    "exists:%{lr-}.is.example.org",
    "exists:%{ir}.%{v}.is.example.org",
    "exists:%{h}.is.example.org",
    "exists:%{p}.is.example.org",
    "exists:no.example.org",
    "exists:v6.example.org",
    "exists:bad.example.org",
    "redirect=pass.example.org",
    "redirect=fail.example.org",
    "redirect=half.example.org",
    "redirect=wrong.example.org",
    "redirect=no.example.org",
    "redirect=bad.example.org",
    "redirect=two.example.org",
    "redirect=%{d}.nowhere.test",
    "exp=no.example.org",
    "new=x",
    "new=",
    "new=%{i}",
];

/// Each term with each qualifier, before several ends.
pub(crate) fn by_rule() -> Vec<Case> {
    let mut cases = Vec::new();
    for term in TERMS {
        let modifier = term.contains('=');
        let qualifiers: &[&str] = if modifier { &[""] } else { &["", "+", "-", "~", "?"] };
        for qualifier in qualifiers {
            let ends: &[&str] = if modifier { &["", "-a:v4.example.org"] } else { &[" -all", " ?all", ""] };
            for end in ends {
                let record = format!("v=spf1 {qualifier}{term} {}", end.trim());
                let zone = format!("{WORLD}\nexample.org TXT \"{}\"", record.trim_end());
                cases.push(Case { title: record, zone, sender: SENDER.to_owned(), differs: Vec::new() });
            }
        }
    }
    cases
}

#[test]
fn pyspf_agrees_on_every_term_with_every_qualifier_for_every_client() {
    let cases = by_rule();
    agree_but_where_it_is_said("pyspf", &cases, by_pyspf(&cases));
}

#[test]
fn pyspf_agrees_on_each_clause_but_where_it_is_argued() {
    let cases = by_hand();
    assert!(cases.len() >= 100, "{}", cases.len());
    agree_but_where_it_is_said("pyspf", &cases, by_pyspf(&cases));
}
