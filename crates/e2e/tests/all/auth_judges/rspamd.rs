//! rspamd, as a daemon that is asked by HTTP, beside our SPF, DKIM and ARC on the same DNS.

use e2e::{Envelope, Judged, Loopback, Nameserver, Rspamd};
use message::HeaderSection;
use message_auth::{
    arc::ChainStatus,
    dkim::{DkimResult, SignedBody, Signer},
};

use super::{
    arc::{sealed, status},
    dkim::{MESSAGES, now, outcomes, published, signers, with_changes},
    spf,
};

/// rspamd, and the name server that it asks.
pub(crate) struct Judge {
    pub(crate) dns: Nameserver,
    pub(crate) rspamd: Rspamd,
    _net: Loopback,
}

impl Judge {
    pub(crate) fn start() -> Self {
        let net = Loopback::claim();
        let dns = Nameserver::start(&net, "");
        let rspamd = Rspamd::start(&net, dns.address());
        Self { dns, rspamd, _net: net }
    }

    pub(crate) fn judge(&self, message: &[u8], client: &str, from: &str) -> Judged {
        let envelope = Envelope { client: client.parse().expect("an address"), hello: spf::HELO, from };
        self.rspamd.judge(message, envelope)
    }
}

fn by_rspamd(cases: &[spf::Case]) -> Vec<Vec<spf::Said>> {
    let judge = Judge::start();
    let judged = cases.iter().map(|case| {
        judge.dns.set(&case.zone);
        spf::beside(case, |client| {
            // A message alone: who wrote it is of no matter for SPF.
            let said = judge.judge(b"Subject: x\r\n\r\nx\r\n", client, &case.sender);
            assert!(!said.spf.is_empty(), "{}: {said:?}", case.title);
            said.spf.to_owned()
        })
    });
    judged.collect()
}

#[test]
fn rspamd_agrees_on_each_clause_of_spf_but_where_it_is_argued() {
    let cases = spf::by_hand();
    spf::agree_but_where_it_is_said("rspamd", &cases, by_rspamd(&cases));
}

/// A message signed by all of these.
pub(crate) fn signed(message: &str, signers: &[Signer]) -> String {
    signers.iter().fold(message.to_owned(), |message, signer| {
        let section = HeaderSection::read(message.as_bytes());
        let mut body = SignedBody::default();
        body.push(&message.as_bytes()[section.end()..]);
        let field = signer.sign(&section, &body.finish(), now() - 10, now() + 1000).unwrap();
        format!("{}{message}", String::from_utf8(field).unwrap())
    })
}

/// A body of lines of white space, which is an empty one in relaxed form (RFC 6376 §3.4.4) and to dkimpy: rspamd takes it for a line.
fn white_alone(message: &[u8]) -> bool {
    let body = &message[HeaderSection::read(message).end()..];
    body.contains(&b' ') && body.iter().all(u8::is_ascii_whitespace)
}

/// What we say of all signatures together.
fn together(message: &[u8], dns: &testkit::dns::FakeDns) -> &'static str {
    let outcomes = outcomes(message, dns);
    let any = |result| outcomes.iter().any(|found| found.result == result);
    let words =
        [(DkimResult::Pass, "pass"), (DkimResult::TempError, "temperror"), (DkimResult::Fail, "fail")];
    let word = words.into_iter().find(|(result, _)| any(*result)).map(|(_, word)| word);
    word.unwrap_or(if outcomes.is_empty() { "none" } else { "permerror" })
}

#[test]
fn what_we_sign_passes_at_rspamd_and_what_is_changed_behind_us_fails_at_both() {
    let (judge, signers) = (Judge::start(), signers());
    let (dns, _) = published(&signers);
    judge.dns.set(&zone(&signers));
    let mut messages = Vec::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        for signers in [&signers[..1], &signers[1..], &signers[..]] {
            messages.push((format!("{number} by {}", signers.len()), signed(message, signers).into_bytes()));
        }
    }
    let (mut wrong, mut passed) = (Vec::new(), 0);
    let all = with_changes(messages);
    for (name, message) in &all {
        let (ours, theirs) = (together(message, &dns), judge.judge(message, "192.0.2.1", "anna@example.org"));
        passed += usize::from(ours == "pass");
        if (ours == "pass") != (theirs.dkim == "pass") && !white_alone(message) {
            wrong.push(format!("{name}: {ours}, {theirs:?}\n{}", message.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(
        passed > MESSAGES.len() * 3 && all.len() - passed > MESSAGES.len() * 3,
        "{passed} of {}",
        all.len()
    );
}

/// The keys of example.org as lines of a zone.
pub(crate) fn zone(signers: &[Signer]) -> String {
    let line = |signer: &Signer| {
        let record = signer.key.record().unwrap();
        format!("{}._domainkey.{} TXT \"{record}\"\n", signer.selector, signer.domain)
    };
    signers.iter().map(line).collect()
}

#[test]
fn what_we_seal_passes_at_rspamd_and_what_is_changed_behind_us_fails_at_both() {
    let (judge, signers) = (Judge::start(), signers());
    let (dns, _) = published(&signers);
    judge.dns.set(&zone(&signers));
    let mut chains = Vec::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        let mut message = message.as_bytes().to_vec();
        for length in 1..=3 {
            message = sealed(&signers[0], &message, &dns);
            chains.push((format!("{number} by {length}"), message.clone()));
        }
    }
    let all = with_changes(chains);
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for (name, message) in &all {
        let ours = status(message, &dns).status == ChainStatus::Pass;
        let theirs = judge.judge(message, "192.0.2.1", "anna@example.org");
        passed += usize::from(ours);
        if ours != (theirs.arc == "pass") && !white_alone(message) {
            wrong.push(format!("{name}: {ours}, {theirs:?}\n{}", message.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(passed > 20 && all.len() - passed > 50, "{passed} of {}", all.len());
}
