//! DANE (RFC 7672): Knot signs the zone, Postfix is the host, and openssl says what its TLSA records are.

use std::{fs, path::Path, process::Command};

use e2e::{Authority, Pair, Postfix, World, Zone, said};

use super::SOON;

const ONCE: &str = "retry = [\"1h\"]";
const MX: &str = "peer MX 10 mx.peer\nmx.peer A @1\n";

fn smtpd(pair: &Pair) -> String {
    format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtpd_tls_loglevel = 1\n\
         smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
        pair.certificate.display(),
        pair.key.display()
    )
}

/// What openssl says is the SHA-256 of the key, or of all of the certificate.
fn sha256(certificate: &Path, selector: u8) -> String {
    let file = certificate.display();
    let select = match selector {
        0 => format!("openssl x509 -outform DER -in '{file}'"),
        _ => format!("openssl x509 -noout -pubkey -in '{file}' | openssl pkey -pubin -outform DER"),
    };
    let script = format!("{select} | sha256sum");
    said(Command::new("sh").args(["-c", &script]), b"").out.split(' ').next().unwrap().to_owned()
}

fn tlsa(host: &str, usage: u8, selector: u8, certificate: &Path) -> String {
    format!("_@port._tcp.{host} TLSA {usage} {selector} 1 {}\n", sha256(certificate, selector))
}

/// A host's certificate with that of its authority behind it.
fn with_authority(authority: &Authority, pair: Pair) -> Pair {
    let chain = fs::read_to_string(&pair.certificate).unwrap()
        + &fs::read_to_string(authority.certificate()).unwrap();
    fs::write(&pair.certificate, chain).unwrap();
    pair
}

#[test]
fn a_host_that_its_tlsa_records_tell_of_gets_the_mail() {
    let authority = Authority::new();
    let right = with_authority(&authority, authority.issue("mx.peer.test", "right"));
    let other_name = authority.issue("elsewhere.test", "other");
    let by_domain = with_authority(&authority, authority.issue("peer.test", "domain"));
    for (usage, selector, pair, of) in [
        (3, 1, &right, &right.certificate),
        (3, 0, &right, &right.certificate),
        // DANE-EE looks at no name.
        (3, 1, &other_name, &other_name.certificate),
        (2, 0, &right, &authority.certificate()),
        (2, 1, &right, &authority.certificate()),
        // DANE-TA takes the name of the domain too.
        (2, 1, &by_domain, &authority.certificate()),
    ] {
        let zone = format!("{MX}{}", tlsa("mx.peer", usage, selector, of));
        let mut world = World::signed(&zone, &[], ONCE, "");
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(pair));
        let id = world.send(&["x@peer.test"], "by-dane");
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        let tls = &event["tls"];
        assert_eq!(
            (tls["policy"].as_str(), tls["verified"].as_bool()),
            (Some("dane"), Some(true)),
            "{event}"
        );
        postfix.maildir().wait_for("by-dane", SOON);
        world.stop();
    }
}

#[test]
fn a_host_of_which_its_tlsa_records_do_not_tell_gets_nothing() {
    let (authority, others) = (Authority::new(), Authority::new());
    let pair = with_authority(&authority, authority.issue("mx.peer.test", "peer"));
    let stranger = with_authority(&authority, authority.issue("mx.elsewhere.test", "stranger"));
    let other = others.issue("mx.peer.test", "other");
    for (records, pair, why) in [
        (tlsa("mx.peer", 3, 1, &other.certificate), &pair, "none of its TLSA records"),
        (tlsa("mx.peer", 2, 1, &others.certificate()), &pair, "none of its TLSA records"),
        (tlsa("mx.peer", 2, 1, &authority.certificate()), &stranger, "is for mx.elsewhere.test"),
    ] {
        let world = World::signed(&format!("{MX}{records}"), &[], ONCE, "");
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(pair));
        let id = world.send(&["x@peer.test"], "refused");
        let event = world.house.wait_for_event(&id, "deferred", "x@peer.test");
        let reply = event["reply"].as_str().unwrap();
        assert!(reply.starts_with("451 4.7.5 ") && reply.contains(why), "{event}");
        assert_eq!(
            (event["tls"]["policy"].as_str(), event["tls"]["verified"].as_bool()),
            (Some("dane"), Some(false))
        );
        assert!(event["tls"]["certificate"]["fingerprint"].is_string(), "{event}");
        assert!(postfix.maildir().messages().is_empty());
    }
}

/// §5.1: STARTTLS stripped from the reply to EHLO, or refused, by who is on the way.
#[test]
fn starttls_stripped_where_there_are_tlsa_records_gets_nothing_in_clear() {
    let authority = Authority::new();
    let pair = authority.issue("mx.peer.test", "peer");
    let zones = [
        (tlsa("mx.peer", 3, 1, &pair.certificate), "dane"),
        // None can be used: TLS all the same (mail-rules 19).
        (format!("_@port._tcp.mx.peer TLSA 1 1 1 {}\n", "07".repeat(32)), "dane-unusable"),
    ];
    for (records, policy) in zones {
        for offered in ["250 mx.peer.test", "250-mx.peer.test\r\n250 STARTTLS"] {
            let world = World::signed(&format!("{MX}{records}"), &[], ONCE, "");
            let sink = world.scripted(1, move |line| match line.get(..4).unwrap_or(line) {
                "EHLO" => Some(offered.to_owned()),
                "STAR" => Some("454 4.7.0 Not now".to_owned()),
                _ => None,
            });
            let id = world.send(&["x@peer.test"], "stripped");
            let event = world.house.wait_for_event(&id, "deferred", "x@peer.test");
            assert!(event["reply"].as_str().unwrap().starts_with("451 4.7.4 "), "{event}");
            assert_eq!(event["tls"]["policy"], policy, "{event}");
            assert!(sink.received().is_empty());
        }
    }
}

/// Records of which none can be used ask for TLS with anybody.
#[test]
fn unusable_tlsa_records_ask_for_tls_with_any_certificate() {
    let authority = Authority::new();
    let pair = authority.issue("mx.elsewhere.test", "peer");
    let zone = format!("{MX}_@port._tcp.mx.peer TLSA 1 1 1 {}\n", "07".repeat(32));
    let mut world = World::signed(&zone, &[], ONCE, "");
    let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&pair));
    let id = world.send(&["x@peer.test"], "unusable");
    let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
    let tls = &event["tls"];
    assert_eq!(
        (tls["policy"].as_str(), tls["verified"].as_bool()),
        (Some("dane-unusable"), Some(false)),
        "{event}"
    );
    postfix.maildir().wait_for("unusable", SOON);
    world.stop();
}

/// TLSA suppressed: who keeps the answer from us does not get mail in clear; another host that has none does.
#[test]
fn tlsa_suppressed_leaves_the_host_out() {
    let zone = "peer MX 10 mx.peer\nmx.peer A @1\n_tcp.mx.peer NS ns\n\
        two MX 10 mx.peer\ntwo MX 20 mx2.peer\nmx2.peer A @2\n";
    let broken = Zone { name: "_tcp.mx.peer.test.", records: None };
    let world = World::signed(zone, &[broken], ONCE, "");
    let (first, second) = (world.sink(1), world.sink(2));
    let id = world.send(&["x@peer.test", "y@two.test"], "suppressed");
    let event = world.house.wait_for_event(&id, "deferred", "x@peer.test");
    assert!(event["reply"].as_str().unwrap().starts_with("451 4.4.3 "), "{event}");
    assert_eq!(event["tls"]["policy"], "dane-unknown", "{event}");
    let event = world.house.wait_for_event(&id, "delivered", "y@two.test");
    assert_eq!(event["mx"]["host"], "mx2.peer.test", "{event}");
    second.wait_for("y@two.test", SOON);
    assert_eq!(first.sessions(), 0, "nobody even connects");
}

/// A delegation that nobody signs: what is said below it of certificates means nothing, and the mail goes.
#[test]
fn an_insecure_delegation_means_no_dane() {
    let wrong = "07".repeat(32);
    let plain = format!("@ MX 10 mx\nmx A @1\n_@port._tcp.mx TLSA 3 1 1 {wrong}\n");
    let zone = format!(
        "plain NS ns\nsafe MX 10 mx.plain\nlist MX 10 mx\nmx A @1\n_@port._tcp.mx TLSA 3 1 1 {wrong}\n"
    );
    let world = World::signed(&zone, &[Zone { name: "plain.test.", records: Some(&plain) }], ONCE, "");
    let sink = world.sink(1);
    // The second domain is signed, and its host is not.
    let id = world.send(&["x@plain.test", "x@safe.test", "x@list.test"], "insecure");
    for recipient in ["x@plain.test", "x@safe.test"] {
        sink.wait_for(recipient, SOON);
        world.house.wait_for_event(&id, "delivered", recipient);
    }
    let event = world.house.wait_for_event(&id, "deferred", "x@list.test");
    assert_eq!(event["tls"]["policy"], "dane", "of a signed host they count: {event}");
}

/// A chain of trust that does not hold: the keys of the zone are not those that its parent names.
#[test]
fn bogus_signatures_defer_the_mail() {
    let bogus = "@ MX 10 mx\nmx A @1\n";
    let zone = format!("bogus NS ns\nbogus DS 4711 13 2 {}\nfalse MX 10 mx.bogus\n", "07".repeat(32));
    let world = World::signed(&zone, &[Zone { name: "bogus.test.", records: Some(bogus) }], ONCE, "");
    let sink = world.sink(1);
    let id = world.send(&["x@bogus.test", "x@false.test"], "bogus");
    let event = world.house.wait_for_event(&id, "deferred", "x@bogus.test");
    assert!(event["reply"].as_str().unwrap().contains("4.4.3"), "{event}");
    let event = world.house.wait_for_event(&id, "deferred", "x@false.test");
    assert_eq!(event["tls"]["policy"], "dane-unknown", "{event}");
    assert_eq!(sink.sessions(), 0);
}

/// mail-rules 20: no DANE, and a loud word, but no stopped queue.
#[test]
fn a_name_server_that_strips_signatures_means_no_dane_and_a_loud_word() {
    let wrong = format!("{MX}_@port._tcp.mx.peer TLSA 3 1 1 {}\n", "07".repeat(32));
    let other_key = "test. DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==";
    let world = World::signed_by(&wrong, &[], ONCE, "", |_| other_key.to_owned());
    let sink = world.sink(1);
    let id = world.send(&["x@peer.test"], "no-dane");
    sink.wait_for("x@peer.test", SOON);
    world.house.wait_for_event(&id, "delivered", "x@peer.test");
    assert!(world.server().printed().contains("NO DANE"));
}
