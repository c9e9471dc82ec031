//! dkimpy beside our ARC: chains that each seals the other takes, and what is changed behind a seal neither does.

use message::HeaderSection;
use message_auth::{
    arc::{ChainStatus, Verifier, seal},
    dkim::{SignedBody, Signer},
};
use testkit::dns::FakeDns;

use super::dkim::{MESSAGES, by_dkimpy, now, of_dkimpy, published, signers, with_changes};
use super::judge::at_once;

pub(crate) fn status(message: &[u8], dns: &FakeDns) -> message_auth::arc::Outcome {
    let section = HeaderSection::read(message);
    let mut verifier = Verifier::new(&section);
    message[section.end()..].chunks(11).for_each(|piece| verifier.body(piece));
    at_once(verifier.conclude(dns))
}

pub(crate) fn sealed(signer: &Signer, message: &[u8], dns: &FakeDns) -> Vec<u8> {
    let found = status(message, dns).status;
    let section = HeaderSection::read(message);
    let mut body = SignedBody::default();
    body.push(&message[section.end()..]);
    let results = "mx.example.org; spf=pass smtp.mailfrom=a@example.org";
    let fields = seal(signer, &section, &body.finish(), found, results, now()).unwrap();
    [fields, message.to_vec()].concat()
}

fn agree(keys: &str, dns: &FakeDns, messages: &[(String, Vec<u8>)]) {
    let mut wrong = Vec::new();
    for ((name, message), said) in messages.iter().zip(of_dkimpy(keys, messages)) {
        let (ours, theirs) = (status(message, dns), said.last().expect("a word"));
        if (ours.status == ChainStatus::Pass) != (theirs == "pass") {
            wrong.push(format!("{name}: {ours:?} and {said:?}\n{}", message.escape_ascii()));
        }
    }
    let shown: Vec<String> = wrong.iter().take(8).cloned().collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), messages.len(), shown.join("\n"));
}

#[test]
fn what_dkimpy_seals_passes_and_what_is_changed_behind_it_fails_at_both() {
    let signers = signers();
    let (dns, keys) = published(&signers);
    let chains = by_dkimpy("seal", &signers);
    assert!(!chains.is_empty());
    for (name, message) in &chains {
        let found = status(message, &dns);
        assert_eq!(found.status, ChainStatus::Pass, "{name}: {found:?}\n{}", message.escape_ascii());
    }
    // Each verdict of dkimpy costs seconds of RSA in Python: some chains, all changes.
    agree(&keys, &dns, &with_changes(chains.into_iter().step_by(5).collect()));
}

#[test]
fn what_we_seal_passes_at_dkimpy_and_what_is_changed_behind_us_fails_at_both() {
    let signers = signers();
    let (dns, keys) = published(&signers);
    let mut chains = Vec::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        let mut message = message.as_bytes().to_vec();
        for length in 1..=3 {
            // dkimpy knows chains by RSA alone.
            message = sealed(&signers[0], &message, &dns);
            assert_eq!(status(&message, &dns).status, ChainStatus::Pass);
            if (length + number).is_multiple_of(3) {
                chains.push((format!("{number} by {length}"), message.clone()));
            }
        }
    }
    agree(&keys, &dns, &with_changes(chains));
}
