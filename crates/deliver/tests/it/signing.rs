//! Mail whose domain has keys that are in trouble.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};

use deliver::{DomainSigners, OnTrouble, Signers};
use events::Kind::{Deferred, Delivered};
use message_auth::{
    DomainName,
    dkim::{Algorithm, Signer, SigningKey},
};

use crate::support::{World, peer::Does::Say};

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "From: otto@here.test\r\nSubject: x\r\n\r\nhello\r\n";
const OTHER: &str = "From: otto@elsewhere.test\r\nSubject: y\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const DAY: Duration = Duration::from_hours(24);

/// Who signs for here.test: a key, or nobody for a reason.
fn signers(trouble: Option<&str>, on_trouble: OnTrouble) -> Signers {
    let key = || Signer {
        domain: "here.test".into(),
        selector: "e1".into(),
        key: SigningKey::generate(Algorithm::Ed25519Sha256).unwrap(),
    };
    let domain = DomainSigners {
        domain: DomainName::parse("here.test").unwrap(),
        signers: trouble.is_none().then(|| Arc::new(key())).into_iter().collect(),
        trouble: trouble.map(str::to_owned),
    };
    Signers::new([domain], on_trouble)
}

async fn send(world: &World, content: &str) {
    world.send_as(OTTO, &[ANNA], content, |envelope| envelope.account = Some(OTTO.into())).await;
}

#[tokio::test]
async fn mail_waits_for_its_keys_without_an_attempt_and_leaves_when_they_are_right() {
    let mut world = World::with(|config| {
        config.signers = signers(Some("no record"), OnTrouble::Hold);
        config.delay_notice = None;
    });
    let peer = world.peer(MX1);
    send(&world, TEXT).await;
    let told = world.fate(ANNA).await;
    assert_eq!(told.kind, Deferred);
    assert_eq!(told.reply.as_deref(), Some("451 4.7.0 held: mail of here.test cannot be signed: no record"));
    // Mail of other domains goes its way, and so does what nobody vouches for.
    send(&world, OTHER).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    world.send("eve@example.net", &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(peer.got().len(), 2);
    // No lifetime ends while it waits.
    world.later(DAY * 30);
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    assert_eq!((world.queue().len(), peer.got().len()), (1, 2));
    world.sign_by(&signers(None, OnTrouble::Hold));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    let sent = peer.got().pop().unwrap();
    assert!(sent.content.starts_with("DKIM-Signature: v=1; a=ed25519-sha256;"), "{}", sent.content);
}

#[tokio::test]
async fn mail_goes_without_signatures_where_somebody_said_so() {
    let unsigned = signers(Some("no record"), OnTrouble::SendUnsigned);
    let mut world = World::with(|config| config.signers = signers(Some("no record"), OnTrouble::Hold));
    let peer = world.peer(MX1);
    send(&world, TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.sign_by(&unsigned);
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    let sent = peer.got().pop().unwrap();
    assert!(sent.content.starts_with("From: otto@here.test"), "{}", sent.content);
}

#[tokio::test]
async fn a_signature_that_is_kept_is_not_sent_once_its_key_is_in_trouble() {
    let mut world = World::with(|config| config.signers = signers(None, OnTrouble::Hold));
    let peer = world.peer(MX1);
    peer.obey(vec![("DATA", Say("451 4.3.0 Later"))]);
    send(&world, TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    world.sign_by(&signers(Some("gone"), OnTrouble::Hold));
    world.later(DAY / 12);
    let told = world.fate(ANNA).await;
    assert!(told.reply.unwrap().contains("gone"), "nothing is sent by a key that is in trouble");
}
