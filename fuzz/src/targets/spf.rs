//! SPF: records, macros and whole checks, whatever the DNS says; the limits of RFC 7208 §4.6.4 hold.
//!
//! The first octet chooses the client; then lines of a DNS.

use std::net::IpAddr;

use message_auth::spf::{LOOKUPS_MAX, Query, SpfResult, VOID_LOOKUPS_MAX, check};

use crate::scripted::{Scripted, at_once};

/// The record itself, ten terms that ask for a name and ten more each, the name of the client for a macro, and an explanation.
const QUESTIONS_MAX: usize = 1 + LOOKUPS_MAX as usize * 11 + 11 + 1;
const EXPLANATION_OCTETS_MAX: usize = 300;

pub(crate) fn run(octets: &[u8]) {
    let Some((choice, script)) = octets.split_first() else { return };
    let clients = ["192.0.2.1", "2001:db8::1", "0.0.0.0", "255.255.255.255"];
    let client: IpAddr = clients[usize::from(*choice) % clients.len()].parse().unwrap();
    let long = "a.".repeat(40);
    let locals = [Some("strong-bad"), None, Some("\u{fc}%{d}"), Some(long.as_str())];
    let query = Query {
        client,
        helo: "mail.client.test",
        local_part: locals[usize::from(*choice >> 2) % locals.len()],
        domain: "example.org",
        receiver: "mx.here.test",
        now: 1_700_000_000,
    };
    let dns = Scripted::new(script);
    let verdict = at_once(check(query, &dns));
    assert!(dns.asked() <= QUESTIONS_MAX, "{} questions", dns.asked());
    assert!(verdict.lookups <= LOOKUPS_MAX && verdict.void_lookups <= VOID_LOOKUPS_MAX + 1);
    let error = matches!(verdict.result, SpfResult::TempError | SpfResult::PermError);
    assert_eq!(error, verdict.problem.is_some(), "{verdict:?}");
    assert!(!error || verdict.mechanism.is_none());
    if matches!(verdict.result, SpfResult::Pass | SpfResult::Fail | SpfResult::SoftFail) {
        assert!(verdict.mechanism.is_some(), "something has decided: {verdict:?}");
    }
    if let Some(explanation) = &verdict.explanation {
        assert_eq!(verdict.result, SpfResult::Fail);
        assert!(explanation.len() <= EXPLANATION_OCTETS_MAX);
        assert!(explanation.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{explanation:?}");
    }
    let problem = verdict.problem.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(problem.chars().count() <= 1000, "{problem}");
    assert_eq!(at_once(check(query, &Scripted::new(script))), verdict, "another time, another result");
}
