//! dkimpy beside our DKIM: what each signs the other takes, and what is changed on the way neither does.

use message::HeaderSection;
use message_auth::dkim::{Algorithm, DkimResult, Outcome, Reason, SignedBody, Signer, SigningKey, Verifier};
use testkit::dns::FakeDns;

use super::judge::{at_once, hex, octets, python};

/// dkimpy goes by the real clock, and takes nothing from the future.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs()
}

/// Messages of many forms, without signatures.
pub(crate) const MESSAGES: &[&str] = &[
    "From: Anna <anna@example.org>\r\nTo: bert@example.net\r\nSubject: plain\r\n\r\nHello.\r\n",
    "From: Anna <anna@example.org>\r\nTo: bert@example.net\r\nSubject:  a  long\r\n\tsubject \r\n  of three lines\r\n\
     Date: Tue, 1 Jan 2030 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\n\
     Hello,  Bert. \r\n \t\r\nAnna\t \r\n\r\n\r\n",
    "Received: from a by b; Tue, 1 Jan 2030 00:00:00 +0000\r\nReceived: from c by d; Tue, 1 Jan 2030 00:00:00 +0000\r\n\
     FROM: anna@example.org\r\nsubject: odd name\r\nX-Empty:\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Twice: 1\r\n\r\n\r\n\r\ntext\r\n",
    "From: anna@example.org\r\nSubject: no body\r\n\r\n",
    "From: anna@example.org\r\nSubject: lines alone\r\n\r\n\r\n\r\n\r\n",
    "From: anna@example.org\r\nSubject: no end\r\n\r\nthe last line has none",
    "From: anna@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: \u{fc}\r\n\r\nGr\u{fc}\u{df}e\r\n.\r\n..\r\n",
    "From: anna@example.org\r\nSubject: b=x; bh=y; c\r\nX-b: b=1;\r\n b=2\r\n\r\nb=x;\r\n",
];

/// What is done to a message on its way.
pub(crate) const CHANGES: &[(&str, &str)] = &[
    ("Subject", "subject"),
    ("Subject: ", "Subject:  "),
    ("\r\n\r\n", "\r\nX-New: 1\r\n\r\n"),
    ("\r\n\r\n", "\r\n\r\n\r\n"),
    ("\r\n\r\n", "\r\n\r\n \r\n"),
    ("\r\n\r\n", "\r\n\r\nx"),
    ("From: ", "From:"),
    ("From: ", "From: M"),
    ("example.net", "example.com"),
    ("text", "test"),
    ("bh=", "bh=A"),
    ("; b=", "; b=A"),
    ("d=example.org", "d=example.com"),
    ("a=rsa-sha256", "a=rsa-sha1"),
    ("v=1", "v=2"),
];

/// Keys of both kinds.
pub(crate) fn signers() -> [Signer; 2] {
    [("r1", Algorithm::RsaSha256), ("e1", Algorithm::Ed25519Sha256)].map(|(selector, algorithm)| Signer {
        domain: "example.org".into(),
        selector: selector.into(),
        key: SigningKey::generate(algorithm).unwrap(),
    })
}

/// The keys as lines of a zone: as DNS for us and for dkimpy, which takes no quotes.
pub(crate) fn published(signers: &[Signer]) -> (FakeDns, String) {
    let record = |signer: &Signer| {
        (format!("{}._domainkey.example.org", signer.selector), signer.key.record().unwrap())
    };
    let records: Vec<_> = signers.iter().map(record).collect();
    let zone: Vec<String> = records.iter().map(|(name, text)| format!("{name} TXT \"{text}\"")).collect();
    let keys: Vec<String> = records.iter().map(|(name, text)| format!("{name} {text}\n")).collect();
    (FakeDns::new(&zone.join("\n")), keys.concat())
}

/// What dkimpy signs, or seals, with these keys: a name for each way, and the message.
pub(crate) fn by_dkimpy(what: &str, signers: &[Signer; 2]) -> Vec<(String, Vec<u8>)> {
    use std::fmt::Write as _;
    let [rsa, ed25519] = signers;
    let seed = ed25519.key.to_pkcs8().unwrap();
    // RFC 8410: the seed stands behind 16 octets that are always the same.
    let mut input = format!("{}\n{}\n", hex(rsa.key.to_pem().unwrap().as_bytes()), base64(&seed[16..48]));
    for message in MESSAGES {
        writeln!(input, "{}", hex(message.as_bytes())).unwrap();
    }
    let said = python(include_str!("dkim.py"), &[what], input);
    let line = |line: &str| {
        let (name, message) = line.split_once(' ').expect("a name and a message");
        (name.to_owned(), octets(message))
    };
    said.lines().map(line).collect()
}

fn base64(octets: &[u8]) -> String {
    python(
        "import sys, base64; print(base64.b64encode(bytes.fromhex(sys.stdin.read())).decode())",
        &[],
        hex(octets),
    )
    .trim()
    .to_owned()
}

/// What dkimpy says of each: a word for each signature, and one for the chain.
pub(crate) fn of_dkimpy(keys: &str, messages: &[(String, Vec<u8>)]) -> Vec<Vec<String>> {
    let lines: Vec<String> = messages.iter().map(|(_, message)| hex(message) + "\n").collect();
    let said = python(include_str!("dkim.py"), &["verify"], format!("{keys}\n{}", lines.concat()));
    let said: Vec<_> = said.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    assert_eq!(said.len(), messages.len());
    said
}

pub(crate) fn outcomes(message: &[u8], dns: &FakeDns) -> Vec<Outcome> {
    let section = HeaderSection::read(message);
    let mut verifier = Verifier::new(&section, now());
    message[section.end()..].chunks(11).for_each(|piece| verifier.body(piece));
    at_once(verifier.conclude(dns))
}

/// As it is, and with each change that changes it.
pub(crate) fn with_changes(messages: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, message) in messages {
        for (from, to) in CHANGES {
            let at = message.windows(from.len()).position(|window| window == from.as_bytes());
            let Some(at) = at else { continue };
            let changed = [&message[..at], to.as_bytes(), &message[at + from.len()..]].concat();
            all.push((format!("{name}, {from:?} as {to:?}"), changed));
        }
        all.push((name, message));
    }
    all
}

/// Where we are stricter, on purpose.
fn stricter(outcome: &Outcome) -> bool {
    matches!(outcome.reason, Some(Reason::BodyGoesOn))
}

fn agree(keys: &str, dns: &FakeDns, messages: &[(String, Vec<u8>)]) -> usize {
    let mut wrong = Vec::new();
    let mut passed = 0;
    for ((name, message), said) in messages.iter().zip(of_dkimpy(keys, messages)) {
        let (_, said) = said.split_last().expect("a word");
        let ours = outcomes(message, dns);
        // Ours come in the order in which they were settled.
        let good = ours.iter().filter(|ours| ours.result == DkimResult::Pass).count();
        let strict = ours.iter().filter(|ours| stricter(ours)).count();
        let theirs = said.iter().filter(|word| *word == "True").count();
        let alike = ours.len() == said.len() && (good..=good + strict).contains(&theirs);
        passed += good;
        if !alike {
            wrong.push(format!("{name}: {ours:?}\nand {said:?}\n{}", message.escape_ascii()));
        }
    }
    let shown: Vec<String> = wrong.iter().take(12).cloned().collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), messages.len(), shown.join("\n"));
    passed
}

#[test]
fn what_dkimpy_signs_passes_and_what_is_changed_behind_it_fails_at_both() {
    let signers = signers();
    let (dns, keys) = published(&signers);
    let signed = by_dkimpy("sign", &signers);
    for (name, message) in &signed {
        let found = outcomes(message, &dns);
        let passes = found.iter().all(|found| found.result == DkimResult::Pass);
        assert!(passes != name.ends_with("-ended") && !found.is_empty(), "{name}: {found:?}");
    }
    let all = with_changes(signed);
    let passed = agree(&keys, &dns, &all);
    assert!(passed > 300 && all.len() - passed > 300, "{passed} of {}", all.len());
}

#[test]
fn what_we_sign_passes_at_dkimpy_and_what_is_changed_behind_us_fails_at_both() {
    let signers = signers();
    let (dns, keys) = published(&signers);
    let mut all = Vec::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        let mut signed = message.as_bytes().to_vec();
        for signer in &signers {
            let section = HeaderSection::read(&signed);
            let mut body = SignedBody::default();
            body.push(&signed[section.end()..]);
            let field = signer.sign(&section, &body.finish(), now() - 10, now() + 1000).unwrap();
            signed = [field, signed].concat();
            all.push((number.to_string(), signed.clone()));
        }
    }
    assert!(
        all.iter()
            .all(|(_, message)| outcomes(message, &dns).iter().all(|found| found.result == DkimResult::Pass))
    );
    agree(&keys, &dns, &with_changes(all));
}

/// Keys as others publish them: folded, with other tags, revoked, for tests, not for mail.
#[test]
fn keys_of_many_forms_mean_the_same_to_both() {
    let signers = signers();
    let signed: Vec<_> = by_dkimpy("sign", &signers)
        .into_iter()
        .filter(|(name, _)| name == "0-rsa-relaxed-simple-default")
        .collect();
    let record = signers[0].key.record().unwrap();
    let (_, public) = record.split_once("p=").unwrap();
    let (head, tail) = public.split_at(60);
    for (text, agrees) in [
        (format!("p={public}"), true),
        (format!("v=DKIM1; p={public};"), true),
        (format!("v=DKIM1;k=rsa;p={public}"), true),
        (format!("  v = DKIM1 ; k = rsa ; p = {public} "), true),
        (format!("v=DKIM1; k=rsa; p={head} {tail}"), true),
        (format!("v=DKIM1; n=a note; x=unknown; t=s; p={public}"), true),
        (format!("v=DKIM1; s=*; p={public}"), true),
        ("v=DKIM1; p=".to_owned(), true),
        (format!("v=DKIM2; p={public}"), true),
        (format!("v=DKIM1; k=ed25519; p={public}"), true),
        (format!("v=DKIM1; p={public}; p={public}"), true),
        ("v=DKIM1; k=rsa".to_owned(), true),
        ("nothing of the kind".to_owned(), true),
        // dkimpy does not look at `h=`, nor where the version stands.
        (format!("v=DKIM1; h=sha1; p={public}"), false),
        (format!("p={public}; v=DKIM1"), false),
        (format!("v=DKIM1; s=other; p={public}"), true),
    ] {
        let name = "r1._domainkey.example.org";
        let dns = FakeDns::new(&format!("{name} TXT \"{text}\""));
        let said = of_dkimpy(&format!("{name} {text}\n"), &signed);
        let ours = outcomes(&signed[0].1, &dns);
        let alike = (ours[0].result == DkimResult::Pass) == (said[0][0] == "True");
        assert_eq!(alike, agrees, "{text}: {ours:?}, {said:?}");
    }
}
