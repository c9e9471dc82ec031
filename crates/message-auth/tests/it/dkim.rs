//! Signatures made here and checked here, and those of the standards.

use message::HeaderSection;
use message_auth::dkim::{Algorithm, DkimResult, Outcome, Reason, SignedBody, Signer, SigningKey, Verifier};
use testkit::dns::FakeDns;

pub(crate) const NOW: u64 = 1_700_000_000;
const MESSAGE: &str = "Received: from a by b; Tue, 1 Jan 2030 00:00:00 +0000\r\nFrom: Anna <anna@example.org>\r\n\
    To: bert@example.net\r\nSubject:  a  long\r\n\tsubject\r\nDate: Tue, 1 Jan 2030 00:00:00 +0000\r\n\
    List-Id: <x.example.org>\r\n\r\nHello,  Bert. \r\n\r\nAnna\r\n\r\n\r\n";

pub(crate) fn signer(algorithm: Algorithm) -> Signer {
    Signer {
        domain: "example.org".into(),
        selector: "s1".into(),
        key: SigningKey::generate(algorithm).unwrap(),
    }
}

pub(crate) fn zone(signer: &Signer) -> FakeDns {
    let name = format!("{}._domainkey.{}", signer.selector, signer.domain);
    FakeDns::new(&format!("{name} TXT \"{}\"", signer.key.record().unwrap()))
}

pub(crate) fn signed(signer: &Signer, message: &str) -> String {
    let section = HeaderSection::read(message.as_bytes());
    let mut body = SignedBody::default();
    body.push(&message.as_bytes()[section.end()..]);
    let field = signer.sign(&section, &body.finish(), NOW, NOW + 1000).unwrap();
    format!("{}{message}", String::from_utf8(field).unwrap())
}

pub(crate) async fn outcomes(message: &str, now: u64, dns: &FakeDns) -> Vec<Outcome> {
    let section = HeaderSection::read(message.as_bytes());
    let mut verifier = Verifier::new(&section, now);
    for piece in message.as_bytes()[section.end()..].chunks(7) {
        verifier.body(piece);
    }
    verifier.conclude(dns).await
}

async fn outcome(message: &str, now: u64, dns: &FakeDns) -> (DkimResult, Option<Reason>) {
    let outcomes = outcomes(message, now, dns).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    (outcomes[0].result, outcomes[0].reason.clone())
}

#[tokio::test]
async fn what_is_signed_here_passes_and_lines_are_short() {
    for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
        let signer = signer(algorithm);
        let message = signed(&signer, MESSAGE);
        let section = HeaderSection::read(message.as_bytes());
        let field = section.find("DKIM-Signature").unwrap();
        assert!(field.octets().split(|octet| *octet == b'\n').all(|line| line.len() <= 79), "{message}");
        let outcomes = outcomes(&message, NOW, &zone(&signer)).await;
        assert_eq!(
            (outcomes[0].result, &*outcomes[0].domain),
            (DkimResult::Pass, "example.org"),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[0].algorithm, Some(algorithm));
    }
}

#[tokio::test]
async fn relays_may_fold_and_space_and_nothing_else() {
    let signer = signer(Algorithm::Ed25519Sha256);
    let (dns, message) = (zone(&signer), signed(&signer, MESSAGE));
    for (from, to, result) in [
        ("Subject:  a  long\r\n\tsubject", "subject: a long subject", DkimResult::Pass),
        ("Hello,  Bert. \r\n", "Hello, Bert.\r\n", DkimResult::Pass),
        ("Anna\r\n\r\n\r\n", "Anna\r\n", DkimResult::Pass),
        ("Received: from a", "X-More: y\r\nReceived: from c", DkimResult::Pass),
        (
            "List-Id: <x.example.org>\r\n",
            "List-Id: <x.example.org>\r\nReply-To: x@y.org\r\n",
            DkimResult::Pass,
        ),
        ("Hello", "hello", DkimResult::Fail),
        ("a  long", "a  short", DkimResult::Fail),
        // What must not be added.
        ("To: bert", "Cc: carl@example.net\r\nTo: bert", DkimResult::Fail),
        ("Received: from a", "From: Mallory <m@example.org>\r\nReceived: from a", DkimResult::Fail),
        ("Received: from a", "Content-Type: text/html\r\nReceived: from a", DkimResult::Fail),
        ("List-Id: <x.example.org>\r\n", "", DkimResult::Fail),
    ] {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message, "{from}");
        assert_eq!(outcome(&changed, NOW, &dns).await.0, result, "{from:?} as {to:?}");
    }
}

#[tokio::test]
async fn what_went_wrong_is_told() {
    let signer = signer(Algorithm::Ed25519Sha256);
    let (dns, message) = (zone(&signer), signed(&signer, MESSAGE));
    assert_eq!(outcome(&message, NOW + 1001, &dns).await, (DkimResult::Fail, Some(Reason::Expired)));
    let none = FakeDns::new("example.org A 192.0.2.1");
    assert_eq!(outcome(&message, NOW, &none).await, (DkimResult::PermError, Some(Reason::NoKey)));
    let silent = FakeDns::new("s1._domainkey.example.org SERVFAIL");
    assert_eq!(outcome(&message, NOW, &silent).await.0, DkimResult::TempError);
    let other = self::signer(Algorithm::Ed25519Sha256);
    assert_eq!(outcome(&message, NOW, &zone(&other)).await, (DkimResult::Fail, Some(Reason::Signature)));
    let record = other.key.record().unwrap();
    let testing = FakeDns::new(&format!("s1._domainkey.example.org TXT \"{record}; t=y\""));
    assert_eq!(outcome(&message, NOW, &testing).await, (DkimResult::Neutral, Some(Reason::Testing)));
    // Of several keys the one that fits counts.
    let several = FakeDns::new(&format!(
        "s1._domainkey.example.org TXT \"{record}\"\ns1._domainkey.example.org TXT \"{}\"",
        signer.key.record().unwrap()
    ));
    assert_eq!(outcome(&message, NOW, &several).await.0, DkimResult::Pass);
    let none = outcomes(MESSAGE, NOW, &dns).await;
    assert_eq!(none, []);
}

#[tokio::test]
async fn more_signatures_than_are_looked_at_cost_nothing() {
    let signer = signer(Algorithm::Ed25519Sha256);
    let dns = zone(&signer);
    let mut message = MESSAGE.to_owned();
    for _ in 0..20 {
        message = signed(&signer, &message);
    }
    let outcomes = outcomes(&message, NOW, &dns).await;
    assert_eq!(outcomes.len(), 9);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.result == DkimResult::Pass).count(), 8);
    assert_eq!(dns.queries().len(), 8);
    assert_eq!(outcomes[8].reason, Some(Reason::TooMany));
}

/// RFC 8463 Appendix A: one message with a signature of each kind.
#[tokio::test]
async fn the_example_of_rfc_8463_passes() {
    let message = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
        q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
        bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n \
        Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; \
        i=@football.example.com;\r\n q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : \
        subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
        b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n \
        dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\nFrom: Joe SixPack <joe@football.example.com>\r\n\
        To: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\n\
        Joe.\r\n";
    let dns = FakeDns::new(
        "brisbane._domainkey.football.example.com TXT \"v=DKIM1; k=ed25519; \
         p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n\
         test._domainkey.football.example.com TXT \"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\
         iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5Q\
         jvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\"",
    );
    let outcomes = outcomes(message, NOW, &dns).await;
    let results: Vec<DkimResult> = outcomes.iter().map(|outcome| outcome.result).collect();
    assert_eq!(results, [DkimResult::Pass, DkimResult::Pass], "{outcomes:?}");
}
