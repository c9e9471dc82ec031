//! Policies and alignment (RFC 9989).

use dns::Resolve as _;
use message_auth::{
    DomainName,
    dmarc::{DmarcResult, Evidence, Policy, Verdict, check, check_unsure},
};
use testkit::dns::FakeDns;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

async fn verdict(zone: &str, author: &str, spf: Option<&str>, dkim: &[&str]) -> Verdict {
    let dns = FakeDns::new(zone);
    let (author, spf) = (name(author), spf.map(name));
    let dkim: Vec<DomainName> = dkim.iter().map(|domain| name(domain)).collect();
    check(Evidence { author: &author, spf: spf.as_ref(), dkim: &dkim }, &dns).await
}

const PLAIN: &str = "_dmarc.example.org TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\n\
    mail.example.org A 192.0.2.1\nexample.org A 192.0.2.1";

#[tokio::test]
async fn what_is_of_one_organization_is_aligned() {
    for (author, spf, dkim, spf_aligned, dkim_aligned) in [
        ("example.org", Some("example.org"), &[][..], true, vec![]),
        ("example.org", Some("bounce.example.org"), &[], true, vec![]),
        ("mail.example.org", Some("example.org"), &[], true, vec![]),
        ("example.org", Some("example.com"), &["example.com", "x.example.org"], false, vec![1]),
        ("example.org", None, &["badexample.org"], false, vec![]),
        ("example.org", None, &["org"], false, vec![]),
    ] {
        let found = verdict(PLAIN, author, spf, dkim).await;
        assert_eq!((found.spf_aligned, found.dkim_aligned.clone()), (spf_aligned, dkim_aligned), "{author}");
        let passes = found.spf_aligned || !found.dkim_aligned.is_empty();
        assert_eq!(found.result, if passes { DmarcResult::Pass } else { DmarcResult::Fail });
    }
}

#[tokio::test]
async fn strict_means_the_same() {
    let zone = "_dmarc.example.org TXT \"v=DMARC1; p=reject; aspf=s; adkim=s\"";
    let found = verdict(zone, "example.org", Some("a.example.org"), &["a.example.org"]).await;
    assert_eq!(found.result, DmarcResult::Fail);
    let found = verdict(zone, "example.org", None, &["example.org"]).await;
    assert_eq!(found.result, DmarcResult::Pass);
}

#[tokio::test]
async fn the_policy_is_that_of_the_domain_itself_or_of_its_organization() {
    for (author, policy, missing) in [
        ("example.org", Policy::Reject, false),
        ("mail.example.org", Policy::Quarantine, false),
        ("nothing.example.org", Policy::None, true),
    ] {
        let found = verdict(PLAIN, author, None, &[]).await;
        assert_eq!(
            (found.result, found.policy, found.missing),
            (DmarcResult::Fail, policy, missing),
            "{author}"
        );
    }
    let found = verdict("example.org A 192.0.2.1", "example.org", Some("example.org"), &[]).await;
    assert_eq!(found.result, DmarcResult::None);
    let testing = "_dmarc.example.org TXT \"v=DMARC1; p=reject; t=y\"";
    assert_eq!(verdict(testing, "example.org", None, &[]).await.policy, Policy::Quarantine);
}

/// The examples of RFC 9989, "Organizational and Policy Domain Tree Walk Examples".
#[tokio::test]
async fn walks_go_as_the_rfc_shows() {
    // A public suffix with a record, and organizations below it without one.
    let bank = "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n\
        _dmarc.giant.bank.example TXT \"v=DMARC1; p=quarantine\"\ngiant.bank.example A 192.0.2.1\n\
        mega.bank.example A 192.0.2.1";
    let found =
        verdict(bank, "giant.bank.example", Some("mail.giant.bank.example"), &["mail.mega.bank.example"])
            .await;
    assert_eq!((found.result, found.spf_aligned, found.dkim_aligned), (DmarcResult::Pass, true, vec![]));
    let found = verdict(bank, "mega.bank.example", None, &[]).await;
    assert_eq!((found.result, found.policy), (DmarcResult::Fail, Policy::Reject));
    assert_eq!(found.record.unwrap().0, name("bank.example"));
    // An organization that says of itself that it is one.
    let own =
        "_dmarc.example.org TXT \"v=DMARC1; p=none\"\n_dmarc.a.example.org TXT \"v=DMARC1; p=reject; psd=n\"";
    let found = verdict(own, "x.a.example.org", Some("b.example.org"), &["y.a.example.org"]).await;
    assert_eq!((found.spf_aligned, found.dkim_aligned), (false, vec![0]));
}

#[tokio::test]
async fn deep_names_are_asked_for_eight_times_at_most() {
    let dns = FakeDns::new("example.com A 192.0.2.1");
    let author = name("a.b.c.d.e.f.g.h.i.j.mail.example.com");
    let found = check(Evidence { author: &author, spf: None, dkim: &[] }, &dns).await;
    assert_eq!(found.result, DmarcResult::None);
    let asked: Vec<String> = dns.queries().into_iter().filter(|query| query.contains("_dmarc")).collect();
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert!(asked[1].contains("_dmarc.g.h.i.j.mail.example.com"), "{asked:?}");
    assert!(dns.txt("_dmarc.com").await.is_err());
}

#[tokio::test]
async fn several_records_are_none_and_a_silent_dns_is_told() {
    let two = "_dmarc.example.org TXT \"v=DMARC1; p=reject\"\n_dmarc.example.org TXT \"v=DMARC1; p=none\"";
    assert_eq!(verdict(two, "example.org", None, &[]).await.result, DmarcResult::None);
    let other = "_dmarc.example.org TXT \"v=DMARC1; p=reject\"\n_dmarc.example.org TXT \"else\"";
    assert_eq!(verdict(other, "example.org", None, &[]).await.result, DmarcResult::Fail);
    let silent = verdict("_dmarc.example.org SERVFAIL", "example.org", None, &[]).await;
    assert_eq!(silent.result, DmarcResult::TempError);
    assert!(silent.problem.is_some());
}

#[tokio::test]
async fn a_dns_that_fails_leaves_what_others_show_and_is_no_failure_of_the_author() {
    let zone = "_dmarc.example.org TXT \"v=DMARC1; p=reject\"\n_dmarc.bad.example.org SERVFAIL";
    let found = verdict(zone, "example.org", Some("example.org"), &["x.bad.example.org"]).await;
    assert_eq!((found.result, found.spf_aligned), (DmarcResult::Pass, true));
    let found = verdict(zone, "example.org", None, &["x.bad.example.org", "example.org"]).await;
    assert_eq!((found.result, found.dkim_aligned), (DmarcResult::Pass, vec![1]));
    let found = verdict(zone, "example.org", Some("other.test"), &["x.bad.example.org"]).await;
    assert_eq!(found.result, DmarcResult::TempError);
    // What could not be asked might have spoken for the author, or not.
    let dns = FakeDns::new(zone);
    let (author, mail, other) = (name("example.org"), name("mail.example.org"), name("other.test"));
    let evidence = Evidence { author: &author, spf: None, dkim: &[] };
    for (open, result) in [(&mail, DmarcResult::TempError), (&other, DmarcResult::Fail)] {
        let by_path = Evidence { spf: Some(open), ..evidence };
        assert_eq!(check_unsure(evidence, by_path, &dns).await.result, result);
        let signers = [open.clone()];
        let signed = Evidence { dkim: &signers, ..evidence };
        assert_eq!(check_unsure(evidence, signed, &dns).await.result, result);
    }
}

#[tokio::test]
async fn a_name_is_missing_only_if_the_dns_says_so_and_is_asked_for_only_if_it_matters() {
    let record = |tags: &str| format!("_dmarc.example.org TXT \"v=DMARC1; p=reject; {tags}\"");
    for (more, tags, missing, policy) in [
        ("", "np=none", true, Policy::None),
        ("\nx.example.org TXT \"text\"", "np=none", false, Policy::Reject),
        ("\na.x.example.org A 192.0.2.1", "np=none", false, Policy::Reject),
        ("\nx.example.org SERVFAIL", "sp=none; np=none", false, Policy::None),
    ] {
        let zone = format!("{}{more}", record(tags));
        let found = verdict(&zone, "x.example.org", None, &[]).await;
        assert_eq!(
            (found.result, found.missing, found.policy),
            (DmarcResult::Fail, missing, policy),
            "{zone}"
        );
    }
    let silent = format!("{}\nx.example.org SERVFAIL", record("np=none"));
    assert_eq!(verdict(&silent, "x.example.org", None, &[]).await.result, DmarcResult::TempError);
    let found = verdict(&silent, "x.example.org", Some("example.org"), &[]).await;
    assert_eq!(found.result, DmarcResult::Pass, "what passes needs no policy");
}
