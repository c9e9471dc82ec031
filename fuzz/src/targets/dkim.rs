//! DKIM: signatures of strangers on messages of strangers, and ours on the same messages.
//!
//! The first octet is the size of pieces.

use dns::Resolve;
use message::HeaderSection;
use message_auth::dkim::{DkimResult, Outcome, SIGNATURES_MAX, SignedBody, Signer, SigningKey, Verifier};

use crate::{
    scripted::{Scripted, at_once},
    source::pieces,
};

pub(crate) const NOW: u64 = 1_700_000_000;
/// The test key of RFC 8410.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

pub(crate) fn run(octets: &[u8]) {
    let Some((size, content)) = octets.split_first() else { return };
    let (signer, dns) = (signer(), keys());
    let outcomes = outcomes(content, *size, &dns);
    assert!(outcomes.len() <= SIGNATURES_MAX + 1 && dns.asked() <= SIGNATURES_MAX);
    assert_eq!(self::outcomes(content, 0, &dns), outcomes, "cut otherwise, it is another");
    for outcome in &outcomes {
        assert_eq!(outcome.result == DkimResult::Pass, outcome.reason.is_none(), "{outcome:?}");
    }
    body(HeaderSection::read(content).end(), content, *size);
    signed(&signer, content, *size);
}

/// Any body is digested in any pieces as its canonical form is, as RFC 6376 §3.4.4 words it.
fn body(at: usize, content: &[u8], size: u8) {
    let body = &content[at..];
    let by_the_book = relaxed(body);
    assert_eq!(relaxed(&by_the_book), by_the_book, "a second time it changes");
    assert_eq!(hash(body, size), hash(&by_the_book, 0), "{}", body.escape_ascii());
}

/// What the text of a digest is, for comparing.
fn hash(body: &[u8], size: u8) -> String {
    let mut digest = SignedBody::default();
    pieces(body, size).for_each(|piece| digest.push(piece));
    format!("{:?}", digest.finish())
}

/// Lines by themselves, white space in them as one space, none at their ends; no empty lines at the end.
fn relaxed(body: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = body;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(b"\r\n") {
            lines.push(Vec::new());
            rest = behind;
            continue;
        }
        let line = lines.last_mut().unwrap();
        let white = |octet: &u8| matches!(octet, b' ' | b'\t');
        match first {
            first if white(first) => {
                if line.last() != Some(&b' ') {
                    line.push(b' ');
                }
            }
            first => line.push(*first),
        }
        rest = tail;
    }
    for line in &mut lines {
        while line.last() == Some(&b' ') {
            line.pop();
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect()
}

/// What is signed here passes here, whatever the message; and with an octet more it does not.
fn signed(signer: &Signer, content: &[u8], size: u8) {
    let section = HeaderSection::read(content);
    let mut digest = SignedBody::default();
    pieces(&content[section.end()..], size).for_each(|piece| digest.push(piece));
    let field = signer.sign(&section, &digest.finish(), NOW, NOW + 1000).unwrap();
    assert!(field.split(|octet| *octet == b'\n').all(|line| line.len() <= 79));
    let message = [field.as_slice(), content].concat();
    // A content that is only a body, or whose section stopped early, is another one behind a field.
    if HeaderSection::read(&message).end() != field.len() + section.end() {
        return;
    }
    let ours = |message: &[u8]| {
        outcomes(message, size, &keys()).into_iter().find(|found| &*found.domain == "example.org")
    };
    let found = ours(&message).expect("our signature");
    assert_eq!(found.result, DkimResult::Pass, "{found:?} {}", message.escape_ascii());
    let longer = [&message, b"x".as_slice()].concat();
    if section.is_complete() {
        let found = ours(&longer).expect("our signature");
        assert_eq!(found.result, DkimResult::Fail, "{found:?} {}", longer.escape_ascii());
        let another = [b"From: mallory@example.org\r\n", &message[..]].concat();
        assert_eq!(ours(&another).expect("our signature").result, DkimResult::Fail, "another From");
    }
}

pub(crate) fn signer() -> Signer {
    Signer { domain: "example.org".into(), selector: "s1".into(), key: SigningKey::from_pem(KEY).unwrap() }
}

pub(crate) fn keys() -> Scripted {
    let record = signer().key.record().unwrap();
    Scripted::new(
        format!("s1._domainkey.example.org {record}\nbad._domainkey.example.org p=AAAA\n").as_bytes(),
    )
}

fn outcomes(content: &[u8], size: u8, dns: &dyn Resolve) -> Vec<Outcome> {
    let section = HeaderSection::read(content);
    let mut verifier = Verifier::new(&section, NOW);
    pieces(&content[section.end()..], size).for_each(|piece| verifier.body(piece));
    at_once(verifier.conclude(dns))
}
