//! SPF against records of all kinds (RFC 7208).

use message_auth::spf::{Query, SpfResult, Verdict, check};
use testkit::dns::FakeDns;

async fn verdict(zone: &str, client: &str, sender: &str) -> Verdict {
    let dns = FakeDns::new(zone);
    let (local_part, domain) = sender.rsplit_once('@').unwrap();
    let query = Query {
        client: client.parse().unwrap(),
        helo: "mail.client.example",
        local_part: (!local_part.is_empty()).then_some(local_part),
        domain,
        receiver: "mx.here.example",
        now: 1_700_000_000,
    };
    check(query, &dns).await
}

async fn all(cases: &[(&str, &str, SpfResult)]) {
    for (zone, client, expected) in cases {
        let found = verdict(zone, client, "anna@example.org").await;
        assert_eq!(found.result, *expected, "{zone}\nfrom {client}: {found:?}");
    }
}

#[tokio::test]
async fn addresses_of_the_other_kind_hide_no_failure_and_their_failure_harms_nobody() {
    use SpfResult::{Pass, TempError};
    let half = "example.org TXT \"v=spf1 a -all\"\nexample.org A SERVFAIL\nexample.org AAAA 2001:db8::1";
    all(&[(half, "192.0.2.1", TempError), (half, "2001:db8::1", Pass)]).await;
    let exists = "example.org TXT \"v=spf1 exists:x.org -all\"\nx.org A 192.0.2.9\nx.org AAAA SERVFAIL";
    all(&[(exists, "192.0.2.1", Pass), (exists, "2001:db8::1", Pass)]).await;
}

#[tokio::test]
async fn mechanisms_match_as_they_say() {
    use SpfResult::{Fail, Neutral, None, Pass, SoftFail};
    all(&[
        ("example.org TXT \"v=spf1 -all\"", "192.0.2.1", Fail),
        ("example.org TXT \"v=spf1 ~all\"", "192.0.2.1", SoftFail),
        ("example.org TXT \"v=spf1 ?all\"", "192.0.2.1", Neutral),
        ("example.org TXT \"v=spf1\"", "192.0.2.1", Neutral),
        ("example.org TXT \"v=spf1 +all\"", "192.0.2.1", Pass),
        ("example.org TXT \"something else\"", "192.0.2.1", None),
        ("example.org A 192.0.2.1", "192.0.2.1", None),
        ("", "192.0.2.1", None),
        ("example.org TXT \"v=spf1 ip4:192.0.2.0/24 -all\"", "192.0.2.7", Pass),
        ("example.org TXT \"v=spf1 ip4:192.0.2.0/24 -all\"", "192.0.3.7", Fail),
        ("example.org TXT \"v=spf1 ip6:2001:db8::/32 -all\"", "2001:db8::9", Pass),
        ("example.org TXT \"v=spf1 ip6:2001:db8::/32 -all\"", "192.0.2.1", Fail),
        ("example.org TXT \"v=spf1 a -all\"\nexample.org A 192.0.2.1", "192.0.2.1", Pass),
        ("example.org TXT \"v=spf1 a/24 -all\"\nexample.org A 192.0.2.9", "192.0.2.1", Pass),
        ("example.org TXT \"v=spf1 a//64 -all\"\nexample.org AAAA 2001:db8::1", "2001:db8::9", Pass),
        ("example.org TXT \"v=spf1 a:x.org -all\"\nx.org A 192.0.2.1", "192.0.2.1", Pass),
        (
            "example.org TXT \"v=spf1 mx -all\"\nexample.org MX 10 m.x.org\nm.x.org A 192.0.2.1",
            "192.0.2.1",
            Pass,
        ),
        (
            "example.org TXT \"v=spf1 mx -all\"\nexample.org MX 10 m.x.org\nm.x.org A 192.0.2.2",
            "192.0.2.1",
            Fail,
        ),
        (
            "example.org TXT \"v=spf1 ptr -all\"\n192.0.2.1 PTR a.example.org\na.example.org A 192.0.2.1",
            "192.0.2.1",
            Pass,
        ),
        (
            "example.org TXT \"v=spf1 ptr -all\"\n192.0.2.1 PTR a.example.org\na.example.org A 192.0.2.2",
            "192.0.2.1",
            Fail,
        ),
        (
            "example.org TXT \"v=spf1 exists:%{ir}.x.org -all\"\n1.2.0.192.x.org A 127.0.0.2",
            "192.0.2.1",
            Pass,
        ),
        // Only A records count.
        ("example.org TXT \"v=spf1 exists:x.org -all\"\nx.org AAAA ::1", "192.0.2.1", Fail),
    ])
    .await;
}

#[tokio::test]
async fn included_and_other_records_count_as_the_rfc_says() {
    use SpfResult::{Fail, None, Pass, PermError, SoftFail, TempError};
    all(&[
        ("example.org TXT \"v=spf1 include:x.org -all\"\nx.org TXT \"v=spf1 +all\"", "192.0.2.1", Pass),
        ("example.org TXT \"v=spf1 include:x.org ~all\"\nx.org TXT \"v=spf1 -all\"", "192.0.2.1", SoftFail),
        (
            "example.org TXT \"v=spf1 include:x.org ~all\"\nx.org TXT \"v=spf1 a\"\nx.org SERVFAIL",
            "192.0.2.1",
            TempError,
        ),
        ("example.org TXT \"v=spf1 include:x.org ~all\"", "192.0.2.1", PermError),
        ("example.org TXT \"v=spf1 include:x.org ~all\"\nx.org TXT \"v=spf1 foo\"", "192.0.2.1", PermError),
        ("example.org TXT \"v=spf1 redirect=x.org\"\nx.org TXT \"v=spf1 -all\"", "192.0.2.1", Fail),
        ("example.org TXT \"v=spf1 redirect=x.org\"", "192.0.2.1", PermError),
        ("example.org TXT \"v=spf1 redirect=x.org ~all\"\nx.org TXT \"v=spf1 -all\"", "192.0.2.1", SoftFail),
        ("example.org TXT \"v=spf1 -all\"\nexample.org TXT \"v=spf1 +all\"", "192.0.2.1", PermError),
        ("example.org TXT \"v=spf1 +all foo\"", "192.0.2.1", PermError),
        ("example.org TXT TIMEOUT", "192.0.2.1", TempError),
        ("example.org TXT \"v=spf1 a:x.org -all\"\nx.org SERVFAIL", "192.0.2.1", TempError),
        ("example.org TXT \"v=spf1 include:example.org -all\"", "192.0.2.1", PermError),
        ("example.org TXT \"v=spf1 redirect=example.org\"", "192.0.2.1", PermError),
    ])
    .await;
    for domain in ["localhost", "a..org", "", &format!("{}.org", "a".repeat(64))] {
        let found = verdict("localhost TXT \"v=spf1 +all\"", "192.0.2.1", &format!("a@{domain}")).await;
        assert_eq!(found.result, None, "{domain}");
    }
}

#[tokio::test]
async fn what_asks_the_dns_too_often_is_an_error() {
    let terms = |count: usize| {
        let terms: Vec<String> = (0..count).map(|number| format!("a:h{number}.org")).collect();
        let hosts: Vec<String> = (0..count).map(|number| format!("h{number}.org A 192.0.2.9")).collect();
        format!("example.org TXT \"v=spf1 {} -all\"\n{}", terms.join(" "), hosts.join("\n"))
    };
    let ten = verdict(&terms(10), "192.0.2.1", "a@example.org").await;
    assert_eq!((ten.result, ten.lookups), (SpfResult::Fail, 10));
    let eleven = verdict(&terms(11), "192.0.2.1", "a@example.org").await;
    assert_eq!(eleven.result, SpfResult::PermError);
    let void = |count: usize| {
        let terms: Vec<String> = (0..count).map(|number| format!("a:h{number}.org")).collect();
        format!("example.org TXT \"v=spf1 {} -all\"", terms.join(" "))
    };
    assert_eq!(verdict(&void(2), "192.0.2.1", "a@example.org").await.result, SpfResult::Fail);
    assert_eq!(verdict(&void(3), "192.0.2.1", "a@example.org").await.result, SpfResult::PermError);
    // A client without a name is one of the lookups in vain, too.
    let nameless = "example.org TXT \"v=spf1 ptr a:h1.org a:h2.org -all\"";
    assert_eq!(verdict(nameless, "192.0.2.1", "a@example.org").await.result, SpfResult::PermError);
    let hosts: Vec<String> = (0..11).map(|number| format!("example.org MX 10 m{number}.org")).collect();
    let many = format!("example.org TXT \"v=spf1 mx -all\"\n{}", hosts.join("\n"));
    assert_eq!(verdict(&many, "192.0.2.1", "a@example.org").await.result, SpfResult::PermError);
}

#[tokio::test]
async fn a_fail_may_be_explained_by_the_domain_itself_alone() {
    let zone = "example.org TXT \"v=spf1 exp=e.x.org -all\"\n\
        e.x.org TXT \"%{i} may not send for %{d}, says %{r}\"";
    let found = verdict(zone, "192.0.2.1", "a@example.org").await;
    assert_eq!(
        found.explanation.as_deref(),
        Some("192.0.2.1 may not send for example.org, says mx.here.example")
    );
    assert_eq!(found.mechanism.as_deref(), Some("-all"));
    let included = "example.org TXT \"v=spf1 include:x.org -all\"\nx.org TXT \"v=spf1 exp=e.x.org -all\"\n\
        e.x.org TXT \"words\"";
    assert_eq!(verdict(included, "192.0.2.1", "a@example.org").await.explanation, None);
    let redirected = "example.org TXT \"v=spf1 redirect=x.org\"\nx.org TXT \"v=spf1 exp=e.x.org -all\"\n\
        e.x.org TXT \"words\"";
    let found = verdict(redirected, "192.0.2.1", "a@example.org").await;
    assert_eq!(found.explanation.as_deref(), Some("words"));
    for text in ["a %{x}", "bell \u{7}", "ü"] {
        let zone = format!("example.org TXT \"v=spf1 exp=e.x.org -all\"\ne.x.org TXT \"{text}\"");
        assert_eq!(verdict(&zone, "192.0.2.1", "a@example.org").await.explanation, None, "{text}");
    }
}

#[tokio::test]
async fn macros_ask_for_the_names_that_they_stand_for() {
    let zone = "example.org TXT \"v=spf1 exists:%{l1r-}.%{p}._spf.%{d2} -all\"\n\
        192.0.2.1 PTR mail.example.org\nmail.example.org A 192.0.2.1\n\
        strong.mail.example.org._spf.example.org A 127.0.0.1";
    assert_eq!(verdict(zone, "192.0.2.1", "strong-bad@example.org").await.result, SpfResult::Pass);
    let nobody =
        "example.org TXT \"v=spf1 exists:%{p}.%{l}.x.org -all\"\nunknown.postmaster.x.org A 127.0.0.1";
    assert_eq!(verdict(nobody, "192.0.2.1", "@example.org").await.result, SpfResult::Pass);
}
