//! ARC: chains of strangers, and our seal on any of them.
//!
//! The first octet is the size of pieces.

use message::HeaderSection;
use message_auth::{
    arc::{ChainStatus, Outcome, SETS_MAX, Verifier, seal},
    dkim::SignedBody,
};

use super::dkim::{NOW, keys, signer};
use crate::{
    scripted::{Scripted, at_once},
    source::pieces,
};

pub(crate) fn run(octets: &[u8]) {
    let Some((size, content)) = octets.split_first() else { return };
    let dns = keys();
    let found = outcome(content, *size, &dns);
    assert!(dns.asked() <= SETS_MAX + 1 && found.sealers.len() <= SETS_MAX);
    assert_eq!(outcome(content, 0, &dns), found, "cut otherwise, it is another");
    assert_eq!(found.status == ChainStatus::Fail, found.reason.is_some(), "{found:?}");
    assert_eq!(found.status == ChainStatus::None, found.results.is_none() && found.reason.is_none());
    sealed(content, *size, &found);
}

/// Our seal on a good chain makes a good one, on a broken one a broken one.
fn sealed(content: &[u8], size: u8, found: &Outcome) {
    let section = HeaderSection::read(content);
    let mut body = SignedBody::default();
    pieces(&content[section.end()..], size).for_each(|piece| body.push(piece));
    let results = "mx.example.org; spf=pass";
    let fields = seal(&signer(), &section, &body.finish(), found.status, results, NOW).unwrap();
    let message = [fields.as_slice(), content].concat();
    if fields.is_empty() || HeaderSection::read(&message).end() != fields.len() + section.end() {
        return;
    }
    let now = outcome(&message, size, &keys());
    if found.status == ChainStatus::Fail {
        assert_eq!(now.status, ChainStatus::Fail, "broken, and whole again: {}", message.escape_ascii());
    } else {
        assert_eq!(now.status, ChainStatus::Pass, "{now:?} {}", message.escape_ascii());
        assert_eq!(now.sealers.len(), found.sealers.len() + 1);
        assert_eq!(now.sealers.last().map(|domain| &**domain), Some("example.org"));
    }
}

fn outcome(content: &[u8], size: u8, dns: &Scripted) -> Outcome {
    let section = HeaderSection::read(content);
    let mut verifier = Verifier::new(&section);
    pieces(&content[section.end()..], size).for_each(|piece| verifier.body(piece));
    at_once(verifier.conclude(dns))
}
