//! Chains made here and checked here (RFC 8617).

use message::HeaderSection;
use message_auth::{
    arc::{ArcReason, Broken, ChainStatus, Outcome, Verifier, seal},
    dkim::{Algorithm, SignedBody, Signer},
};
use testkit::dns::FakeDns;

use crate::dkim::{signed, signer, zone};

const MESSAGE: &str =
    "From: Anna <anna@example.org>\r\nTo: list@example.net\r\nSubject: news\r\n\r\nHello.\r\n";

pub(crate) async fn outcome(message: &str, dns: &FakeDns) -> Outcome {
    let section = HeaderSection::read(message.as_bytes());
    let mut verifier = Verifier::new(&section);
    verifier.body(&message.as_bytes()[section.end()..]);
    verifier.conclude(dns).await
}

pub(crate) async fn sealed(signer: &Signer, message: &str, dns: &FakeDns) -> String {
    let status = outcome(message, dns).await.status;
    let section = HeaderSection::read(message.as_bytes());
    let mut body = SignedBody::default();
    body.push(&message.as_bytes()[section.end()..]);
    let fields =
        seal(signer, &section, &body.finish(), status, "mx.example.org; spf=pass", 1_700_000_000).unwrap();
    format!("{}{message}", String::from_utf8(fields).unwrap())
}

#[tokio::test]
async fn a_chain_holds_over_those_who_seal_and_change() {
    let signer = signer(Algorithm::RsaSha256);
    let dns = zone(&signer);
    // What a list does: it changes the message, and seals what it sends.
    let list = |message: &str| message.replacen("Subject: ", "Subject: [list] ", 1) + "-- \r\na footer\r\n";
    let message = signed(&signer, MESSAGE);
    assert_eq!(outcome(&message, &dns).await.status, ChainStatus::None);
    let once = sealed(&signer, &list(&message), &dns).await;
    assert_eq!(outcome(&once, &dns).await.status, ChainStatus::Pass);
    // A second one finds the chain broken by its own change, and can only say so.
    let twice = sealed(&signer, &list(&once), &dns).await;
    assert_eq!(outcome(&twice, &dns).await.reason, Some(ArcReason::Form(Broken::ToldSo)));
    let mut message = signed(&signer, MESSAGE);
    for number in 1..=3 {
        message = sealed(&signer, &message, &dns).await;
        let found = outcome(&message, &dns).await;
        assert_eq!((found.status, found.sealers.len()), (ChainStatus::Pass, number), "{found:?}");
        assert_eq!(found.results.as_deref(), Some(&*format!("i={number}; mx.example.org; spf=pass")));
    }
}

#[tokio::test]
async fn what_is_changed_behind_a_seal_breaks_the_chain() {
    let signer = signer(Algorithm::Ed25519Sha256);
    let dns = zone(&signer);
    let mut message = signed(&signer, MESSAGE);
    for _ in 0..2 {
        message = sealed(&signer, &message, &dns).await;
    }
    for (from, to, form) in [
        ("Hello", "hello", None),
        ("Subject: news", "Subject: olds", None),
        ("i=1; mx.example.org; spf=pass", "i=1; mx.example.org; spf=fail", None),
        ("ARC-Seal: i=2", "ARC-Seal: i=3", Some(Broken::Incomplete)),
        ("ARC-Seal: i=2", "ARC-Seal: i=999", Some(Broken::TooMany)),
        ("ARC-Seal: i=2", "ARC-Seal: i=0", Some(Broken::Malformed)),
        ("ARC-Authentication-Results: i=1", "X: i=1", Some(Broken::Incomplete)),
        ("cv=pass", "cv=none", Some(Broken::Status)),
        ("cv=pass", "cv=fail", Some(Broken::ToldSo)),
        ("cv=none", "cv=pass", Some(Broken::Status)),
        ("ARC-Seal: i=1;", "ARC-Seal: i=1; h=from;", Some(Broken::Malformed)),
    ] {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message, "{from}");
        let found = outcome(&changed, &dns).await;
        assert_eq!(found.status, ChainStatus::Fail, "{from} as {to}");
        if let Some(form) = form {
            assert_eq!(found.reason, Some(ArcReason::Form(form)), "{from} as {to}");
        }
    }
    // Fields that nobody signed may come.
    let more = format!("Received: from x\r\n{message}");
    assert_eq!(outcome(&more, &dns).await.status, ChainStatus::Pass);
}
