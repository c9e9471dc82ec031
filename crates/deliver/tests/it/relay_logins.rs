//! Logging in at a relay: what it refuses there holds mail and bounces none (mail-rules 10).
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deliver::{Account, Config, Hosts, NamedHost, NoToken, Proof, Protocol, Relay, RelayTokens, TlsPolicy};
use dns::BoxFuture;
use events::Kind::{Deferred, Delivered};
use net::{Acceptor, Certificates, Identity};
use sasl::{Password, base64};

use crate::support::{
    World,
    peer::{Does::Say, Peer},
};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.net";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const RELAY: &str = "10.0.0.7";
const PLAIN: &str = "250-relay\r\n250 AUTH PLAIN";
const TOKENS: &str = "250-relay\r\n250 AUTH XOAUTH2 PLAIN";

fn relay(proof: Proof) -> impl FnOnce(&mut Config) {
    let hosts = vec![NamedHost::Address(RELAY.parse().unwrap(), Some(465))];
    let account = Some(Account { login: "otto@relay.example".into(), proof });
    let hosts = Hosts { protocol: Protocol::Smtp, hosts };
    let relay =
        Relay { implicit_tls: true, tls: Some(TlsPolicy::Must), account, ..Relay::of("relay", hosts) };
    move |config| config.relays = vec![Arc::new(relay)]
}

fn password() -> Proof {
    Proof::Password(Password::new("tiger"))
}

/// The relay, under TLS from the first octet.
fn at(world: &World, says: &'static str) -> Arc<Peer> {
    let peer = world.peer(RELAY);
    let made = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
    let identity =
        Identity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    peer.begin_with_tls(Acceptor::new(&Certificates::new(&[identity]), "smtp").unwrap());
    peer.obey(vec![("EHLO", Say(says)), ("AUTH", Say("235 2.7.0 Welcome"))]);
    peer
}

#[tokio::test]
async fn mail_goes_with_a_login_and_several_messages_with_one() {
    let mut world = World::with(relay(password()));
    let peer = at(&world, PLAIN);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.tls.is_some()), (Delivered, true));
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!(world.fate(BERT).await.kind, Delivered);
    let said = format!("AUTH PLAIN {}", base64::encode(b"\0otto@relay.example\0tiger"));
    assert_eq!((peer.count("CONNECT"), peer.count(&said), peer.got().len()), (1, 1, 2));
}

/// What the relay says to AUTH: nothing is bounced or told, nothing more is tried for now, and all goes once it is content.
async fn refused(says: &'static str) {
    let mut world = World::with(relay(password()));
    let peer = at(&world, PLAIN);
    peer.obey(vec![("EHLO", Say(PLAIN)), ("AUTH", Say(says))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.reply.as_deref()), (Deferred, Some(says)));
    world.send(OTTO, &[BERT], TEXT).await;
    assert_eq!((world.fate(BERT).await.kind, peer.count("AUTH"), peer.count("MAIL")), (Deferred, 1, 0));
    assert!(world.mailbox(OTTO).is_empty());
    peer.obey(vec![("EHLO", Say(PLAIN)), ("AUTH", Say("235 2.7.0 Welcome"))]);
    world.later(Duration::from_mins(2));
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered], "{says}");
}

#[tokio::test]
async fn a_login_that_is_refused_holds_all_mail_and_bounces_none() {
    refused("535 5.7.8 Username and Password not accepted").await;
    refused("550 5.7.1 No").await;
}

#[tokio::test]
async fn a_login_that_is_not_taken_now_waits() {
    refused("454 4.7.0 Temporary authentication failure").await;
}

#[tokio::test]
async fn a_relay_without_a_login_gets_no_mail() {
    for (offers, why) in
        [("250 relay", "it offers no login"), ("250-relay\r\n250 AUTH XOAUTH2", "no passwords")]
    {
        let mut world = World::with(relay(password()));
        let peer = at(&world, offers);
        world.send(OTTO, &[ANNA], TEXT).await;
        let event = world.fate(ANNA).await;
        assert_eq!((event.kind, peer.count("AUTH"), peer.count("MAIL")), (Deferred, 0, 0));
        assert!(event.reply.as_deref().unwrap().contains(why), "{event:?}");
    }
}

/// Has `old` until that is refused, then `new`.
struct Two {
    refused: AtomicUsize,
    asked: AtomicUsize,
    none: Option<NoToken>,
}

impl RelayTokens for Two {
    fn token(&self) -> BoxFuture<'_, Result<Password, NoToken>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let token = if self.refused.load(Ordering::SeqCst) == 0 { "old" } else { "new" };
        Box::pin(std::future::ready(self.none.clone().map_or_else(|| Ok(Password::new(token)), Err)))
    }

    fn identity(&self) -> &'static str {
        "two"
    }

    fn refused(&self, token: &Password) {
        assert_eq!(token.expose(), "old");
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
}

fn two(none: Option<NoToken>) -> Arc<Two> {
    Arc::new(Two { refused: AtomicUsize::new(0), asked: AtomicUsize::new(0), none })
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced_at_once() {
    let tokens = two(None);
    let mut world = World::with(relay(Proof::Tokens(tokens.clone())));
    let peer = at(&world, TOKENS);
    let old = base64::encode(b"user=otto@relay.example\x01auth=Bearer old\x01\x01");
    let old: &'static str = format!("AUTH XOAUTH2 {old}").leak();
    let rules = [("EHLO", Say(TOKENS)), (old, Say("535 5.7.8 Expired")), ("AUTH", Say("235 2.7.0 Welcome"))];
    peer.obey(rules.to_vec());
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.attempt), (Delivered, Some(1)));
    assert_eq!((peer.count("AUTH"), tokens.asked.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn without_a_token_nobody_is_spoken_to() {
    for none in [NoToken::Revoked("the grant is over".into()), NoToken::Unavailable("no answer".into())] {
        let why = none.to_string();
        let mut world = World::with(relay(Proof::Tokens(two(Some(none)))));
        let peer = at(&world, TOKENS);
        world.send(OTTO, &[ANNA], TEXT).await;
        let event = world.fate(ANNA).await;
        assert_eq!((event.kind, peer.count("CONNECT")), (Deferred, 0));
        assert!(event.reply.as_deref().unwrap().contains(&why), "{event:?}");
    }
}
