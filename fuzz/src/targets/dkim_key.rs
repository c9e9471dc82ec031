//! Keys of DKIM as the DNS says them: a good signature passes only by its own key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use message::HeaderSection;
use message_auth::dkim::{DkimResult, SignedBody, Verifier};

use super::dkim::{NOW, signer};
use crate::scripted::{Scripted, at_once};

const MESSAGE: &[u8] = b"From: anna@example.org\r\n\r\nHello.\r\n";

pub(crate) fn run(txt: &[u8]) {
    let signer = signer();
    let section = HeaderSection::read(MESSAGE);
    let mut body = SignedBody::default();
    body.push(&MESSAGE[section.end()..]);
    let field = signer.sign(&section, &body.finish(), NOW, NOW + 1000).unwrap();
    let message = [&field, MESSAGE].concat();
    let section = HeaderSection::read(&message);
    let mut verifier = Verifier::new(&section, NOW);
    verifier.body(&message[section.end()..]);
    let dns = Scripted::new(&[b"s1._domainkey.example.org ", txt].concat());
    let outcomes = at_once(verifier.conclude(&dns));
    assert_eq!((outcomes.len(), dns.asked()), (1, 1));
    let dense: Vec<u8> = txt.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let record = signer.key.record().unwrap();
    let (_, public) = record.rsplit_once("p=").unwrap();
    assert!(STANDARD.decode(public).is_ok());
    let has_key = dense.windows(public.len()).any(|window| window == public.as_bytes());
    assert!(outcomes[0].result != DkimResult::Pass || has_key, "{}", txt.escape_ascii());
    assert!(!outcomes[0].testing || outcomes[0].result == DkimResult::Pass);
}
