//! Hosts that say that they have TLS and have not: what opportunistic TLS comes to with them (mail-rules 19).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::time::Duration;

use deliver::{Destination, Hosts, NamedHost, Pattern, Protocol, StaticRoute, TlsPolicy, TlsRule, Verify};
use events::{
    Kind::{Deferred, Delivered},
    Tls,
};
use net::Fingerprint;

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
        let Tls { protocol, cipher, verified, failure, policy, certificate } = tls.unwrap();
        assert_eq!((protocol, cipher, verified, certificate), (None, None, None, None));
        assert_eq!(policy.as_deref(), Some("opportunistic"));
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

/// mail-rules 19: attempts of §5.1 to have mail in clear that must not be, at the first host of two: STARTTLS stripped from the reply to EHLO, refused,
/// answered in clear, cut.
#[tokio::test]
async fn what_must_be_under_tls_is_never_sent_in_clear() {
    for (offers, does, why) in [
        ("250 mx1.example.org", Close, "does not begin TLS"),
        (OFFERS, Say("454 4.7.0 TLS not available"), "does not begin TLS"),
        (OFFERS, Say("220 Go on"), "TLS handshake"),
        (OFFERS, Say("220 Go on\r\n250-evil.example\r\n250 CHUNKING"), "a reply that nobody asked for"),
        (OFFERS, Close, "closed at STARTTLS"),
        (OFFERS, KeepSilent, "no answer to STARTTLS"),
    ] {
        let policies = [
            TlsPolicy::Must,
            TlsPolicy::Verify(Verify::default()),
            TlsPolicy::Fingerprint([Fingerprint::Certificate([7; 32])].into()),
        ];
        for (policy, word) in policies.into_iter().zip(["must", "verify", "fingerprint"]) {
            let rule = TlsRule { domains: vec![Pattern::parse("example.org").unwrap()], policy };
            let mut world = World::over_sockets(|config| {
                config.timeouts.tls = Duration::from_millis(400);
                config.tls_rules.push(rule);
            });
            let (peer, other) = (world.peer(MX1), world.peer(MX2));
            peer.obey(vec![("EHLO", Say(offers)), ("STARTTLS", does)]);
            world.send(OTTO, &[ANNA], TEXT).await;
            let event = world.fate(ANNA).await;
            assert_eq!(event.kind, Deferred, "{word}");
            assert_eq!((peer.count("CONNECT"), other.count("CONNECT")), (1, 1), "each host once");
            assert_eq!((peer.count("MAIL"), other.count("MAIL")), (0, 0), "{word}: {does:?}");
            // The last host does not offer it.
            assert!(event.reply.as_deref().unwrap().contains(&format!("(policy: {word})")), "{event:?}");
            let Tls { protocol, policy, failure, .. } = event.tls.unwrap();
            assert_eq!((protocol, policy.as_deref()), (None, Some(word)));
            assert_eq!(failure.as_deref(), Some("it does not begin TLS"));
            // Where it is the only one, its own failure is told.
            world.dns.set("example.org MX 10 mx1.example.org");
            world.later(Duration::from_hours(24));
            let event = world.fate(ANNA).await;
            let failure = event.tls.unwrap().failure.unwrap();
            assert!(failure.contains(why), "{word}: {does:?}: {failure}");
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn of_policies_the_first_that_takes_the_domain_holds() {
    let rule = |domain: &str, policy| TlsRule { domains: vec![Pattern::parse(domain).unwrap()], policy };
    let mut world = World::over_sockets(|config| {
        config.tls = TlsPolicy::Must;
        config.tls_rules = vec![rule("example.org", TlsPolicy::None), rule("*", TlsPolicy::Must)];
    });
    let (peer, _other) = (world.peer(MX1), world.peer("192.0.2.3"));
    peer.obey(vec![("EHLO", Say(OFFERS))]);
    world.send(OTTO, &[ANNA, "nora@example.net"], TEXT).await;
    assert_eq!(world.fates(&[ANNA, "nora@example.net"]).await, [Delivered, Deferred]);
    assert_eq!(peer.count("STARTTLS"), 0);
    // A change holds for what begins then.
    world.change(|config| config.tls_rules = vec![rule("*", TlsPolicy::Opportunistic)]);
    loop {
        world.later(Duration::from_hours(2));
        // What was on its way before the change ends as it began.
        match world.fate("nora@example.net").await.kind {
            Deferred => {}
            kind => break assert_eq!(kind, Delivered),
        }
    }
}

/// The host that a route names is what a policy is asked for by, not the recipient's domain.
#[tokio::test]
async fn a_route_is_held_to_the_policy_of_its_host() {
    for (domain, kind) in [("mx1.example.org", Deferred), ("example.net", Delivered)] {
        let mut world = World::over_sockets(|config| {
            let hosts = Hosts {
                protocol: Protocol::Smtp,
                hosts: vec![NamedHost::Name("mx1.example.org".into(), None)],
            };
            let domains = vec![Pattern::parse("example.net").unwrap()];
            config.routes = vec![StaticRoute { domains, to: Destination::Hosts(hosts) }];
            let domains = vec![Pattern::parse(domain).unwrap()];
            config.tls_rules = vec![TlsRule { domains, policy: TlsPolicy::Must }];
        });
        world.peer(MX1).obey(vec![]);
        world.send(OTTO, &["nora@example.net"], TEXT).await;
        assert_eq!(world.fate("nora@example.net").await.kind, kind, "{domain}");
    }
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
