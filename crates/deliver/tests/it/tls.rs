//! Hosts that say that they have TLS and have not: what opportunistic TLS comes to with them (mail-rules 19).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::time::Duration;

use deliver::TlsPolicy;
use events::{Kind::Delivered, Tls};

use crate::support::{
    World,
    peer::Does::{self, Close, KeepSilent, Say},
};

const ANNA: &str = "anna@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";
const OFFERS: &str = "250-mx1.example.org\r\n250 STARTTLS";

/// How MX1 fares that does this at STARTTLS: how often it was connected to, and what the event says of TLS.
async fn fares(does: Does) -> (usize, Option<Tls>) {
    let mut world = World::over_sockets(|config| config.timeouts.tls = Duration::from_millis(400));
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(OFFERS)), ("STARTTLS", does)]);
    world.send(OTTO, &[ANNA], TEXT).await;
    let event = world.fate(ANNA).await;
    assert_eq!((event.kind, event.attempt), (Delivered, Some(1)));
    assert_eq!(world.peer(MX2).count("CONNECT"), 0, "the next host was asked");
    (peer.count("CONNECT"), event.tls)
}

#[tokio::test]
async fn a_host_that_refuses_starttls_is_spoken_to_in_clear_in_the_same_session() {
    for refusal in ["454 4.7.0 TLS not available", "502 5.5.1 What?", "554 5.7.3 No"] {
        assert_eq!(fares(Say(refusal)).await, (1, None), "{refusal}");
    }
}

#[tokio::test]
async fn a_host_with_which_the_handshake_fails_gets_the_mail_in_clear_at_once() {
    for (does, why) in [
        // It takes our handshake for commands.
        (Say("220 Go on"), "TLS handshake"),
        (Close, "closed at STARTTLS"),
        (KeepSilent, "no answer to STARTTLS"),
        // Replies in clear behind the 220 (CVE-2021-38371): none of them is believed, in TLS or out of it.
        (Say("220 Go on\r\n250-evil.example\r\n250 CHUNKING"), "a reply that nobody asked for"),
        (Say("250 Ok"), "not a reply to STARTTLS"),
    ] {
        let (connections, tls) = fares(does).await;
        assert_eq!(connections, 2, "{does:?}");
        let Tls { protocol, cipher, verified, failure } = tls.unwrap();
        assert_eq!((protocol, cipher, verified), (None, None, None));
        assert!(failure.as_deref().unwrap().contains(why), "{does:?}: {failure:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_busy_at_starttls_is_busy() {
    let mut world = World::over_sockets(|_| ());
    let (busy, other) = (world.peer(MX1), world.peer(MX2));
    busy.obey(vec![("EHLO", Say(OFFERS)), ("STARTTLS", Say("421 4.3.2 Not now"))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!((busy.count("CONNECT"), other.got().len()), (1, 1));
}

#[tokio::test]
async fn without_tls_nobody_is_asked_for_it() {
    let mut world = World::over_sockets(|config| config.tls = TlsPolicy::None);
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(OFFERS))]);
    world.send(OTTO, &[ANNA], TEXT).await;
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(peer.count("STARTTLS"), 0);
}
