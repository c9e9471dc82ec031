//! DMARC: records, and checks of an author below any of them.
//!
//! The first octet chooses who speaks for the author; then lines of a DNS.

use message_auth::{
    DomainName,
    dmarc::{DmarcResult, Evidence, Policy, Record, WALK_MAX, check},
};

use crate::scripted::{Scripted, at_once};

pub(crate) fn run(octets: &[u8]) {
    let Some((choice, script)) = octets.split_first() else { return };
    script.split(|octet| *octet == b'\n').for_each(record);
    let name = |text: &str| DomainName::parse(text).unwrap();
    let author = name("a.b.c.d.e.f.g.h.example.org");
    let speakers =
        [name("h.example.org"), name("other.test"), author.clone(), name("example.org"), name("org")];
    let spf = speakers.get(usize::from(*choice) % 6);
    let signers = &speakers[..usize::from(*choice >> 4) % 6];
    let dns = Scripted::new(script);
    let verdict = at_once(check(Evidence { author: &author, spf, dkim: signers }, &dns));
    // A walk for the author, for SPF and for four signers; whether the author's domain exists.
    assert!(dns.asked() <= WALK_MAX * 6 + 2, "{} questions", dns.asked());
    assert_eq!(verdict.result == DmarcResult::TempError, verdict.problem.is_some());
    let aligned = verdict.spf_aligned || !verdict.dkim_aligned.is_empty();
    assert_eq!(aligned, verdict.result == DmarcResult::Pass, "{verdict:?}");
    assert!(!verdict.spf_aligned || spf.is_some());
    assert!(
        verdict.dkim_aligned.iter().all(|number| signers.get(*number) != Some(&speakers[1])),
        "another's"
    );
    match &verdict.record {
        Some((domain, record)) => {
            assert!(author.is_within(domain));
            assert!(!record.testing || verdict.policy != Policy::Reject, "tried out, and refused");
        }
        None => assert!(matches!(verdict.result, DmarcResult::None | DmarcResult::TempError)),
    }
}

fn record(txt: &[u8]) {
    let Some(record) = Record::parse(txt) else { return };
    assert!(record.reports.iter().chain(&record.failures).all(|to| to.parse::<mail::Address>().is_ok()));
    // What is not known, what is doubled and what is no tag changes nothing.
    for more in ["; zz=1", "; v=DMARC1", "; words", ";", ";;", "; pct=5"] {
        let longer = [txt, more.as_bytes()].concat();
        assert_eq!(Record::parse(&longer).as_ref(), Some(&record), "{}", longer.escape_ascii());
    }
}
