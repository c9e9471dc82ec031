//! What is asked of hosts by `[[tls.policy]]`, with Postfix as the host.

use std::process::Command;

use e2e::{Authority, Pair, Postfix, World, said};

use super::SOON;

const MX: &str = "peer MX 10 mx.peer\nmx.peer A @1\n";
const RETRY: &str = "retry = [\"1s\"]";
const ONCE: &str = "retry = [\"1h\"]";

/// The settings by which Postfix answers under TLS with this certificate.
fn smtpd(pair: &Pair) -> String {
    format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtpd_tls_loglevel = 1\n\
         smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
        pair.certificate.display(),
        pair.key.display()
    )
}

/// What openssl says is the fingerprint.
fn fingerprint(pair: &Pair) -> String {
    let mut command = Command::new("openssl");
    command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&pair.certificate);
    said(&mut command, b"").out.trim().rsplit_once('=').unwrap().1.to_owned()
}

#[test]
fn a_host_that_is_who_it_has_to_be_gets_the_mail_and_the_event_says_by_what() {
    let authority = Authority::new();
    let pair = authority.issue("mx.peer.test", "peer");
    let ca = authority.certificate();
    let ca = ca.display();
    for (mode, asked, verified) in [
        ("must", String::new(), false),
        ("verify", format!("ca_file = \"{ca}\""), true),
        ("verify", format!("ca_file = \"{ca}\"\nnames = [\"other.test\", \".peer.test\"]"), true),
        ("fingerprint", format!("fingerprints = [\"sha256:{}\"]", fingerprint(&pair)), true),
    ] {
        let policy = format!("[[tls.policy]]\ndomains = \"peer.test\"\nmode = \"{mode}\"\n{asked}\n");
        let mut world = World::with(MX, RETRY, &policy);
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&pair));
        let id = world.send(&["x@peer.test"], "asked");
        let mail = postfix.maildir().wait_for("asked", SOON);
        assert!(mail.contains("(using TLSv1.3 with cipher"), "{mode}: {}", mail.text());
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        let tls = &event["tls"];
        assert_eq!(
            (tls["policy"].as_str(), tls["verified"].as_bool()),
            (Some(mode), Some(verified)),
            "{event}"
        );
        let wanted = format!("sha256:{}", fingerprint(&pair).replace(':', "").to_lowercase());
        assert_eq!(tls["certificate"]["fingerprint"], wanted, "{event}");
        assert_eq!(tls["certificate"]["names"][0], "mx.peer.test", "{event}");
        world.stop();
    }
}

#[test]
fn a_host_that_is_somebody_else_gets_nothing_and_the_event_says_why() {
    let (ours, others) = (Authority::new(), Authority::new());
    let (right, wrong) = (ours.issue("mx.peer.test", "peer"), ours.issue("mx.other.test", "other"));
    let strange = others.issue("mx.peer.test", "strange");
    let ca = ours.certificate();
    let verify = format!("mode = \"verify\"\nca_file = \"{}\"\n", ca.display());
    let by_system = "mode = \"verify\"\n".to_owned();
    let other_key = format!("mode = \"fingerprint\"\nfingerprints = [\"sha256:{}\"]\n", fingerprint(&wrong));
    for (policy, pair, why) in [
        (&verify, &wrong, "is for mx.other.test, not for mx.peer.test"),
        (&verify, &strange, "no authority"),
        (&by_system, &right, "no authority"),
        (&other_key, &right, "none of the fingerprints"),
    ] {
        let world = World::with(MX, ONCE, &format!("[[tls.policy]]\ndomains = \"peer.test\"\n{policy}\n"));
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(pair));
        let id = world.send(&["x@peer.test"], "refused");
        let event = world.house.wait_for_event(&id, "deferred", "x@peer.test");
        let reply = event["reply"].as_str().unwrap();
        assert!(reply.starts_with("451 4.7.5 ") && reply.contains(why), "{event}");
        assert!(event["tls"]["failure"].as_str().unwrap().contains(why), "{event}");
        assert_eq!(event["tls"]["verified"], false, "{event}");
        let seen = format!("sha256:{}", fingerprint(pair).replace(':', "").to_lowercase());
        assert_eq!(event["tls"]["certificate"]["fingerprint"], seen, "{event}");
        assert!(postfix.maildir().messages().is_empty());
    }
}

/// The one of better preference is somebody else: the next is tried in the same attempt.
#[test]
fn the_next_host_is_tried_and_a_reload_changes_who_is_believed() {
    let (ours, others) = (Authority::new(), Authority::new());
    let (good, bad) = (ours.issue("mx2.peer.test", "good"), others.issue("mx1.peer.test", "bad"));
    let zone = "peer MX 10 mx1.peer\npeer MX 20 mx2.peer\nmx1.peer A @1\nmx2.peer A @2\n";
    let ca = ours.certificate();
    let policy =
        format!("[[tls.policy]]\ndomains = \"*\"\nmode = \"verify\"\nca_file = \"{}\"\n", ca.display());
    let mut world = World::with(zone, RETRY, &policy);
    let first = Postfix::start(&world.net, 1, world.port, &smtpd(&bad));
    let second = Postfix::start(&world.net, 2, world.port, &smtpd(&good));
    let id = world.send(&["x@peer.test"], "second-host");
    second.maildir().wait_for("second-host", SOON);
    let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
    assert_eq!((event["mx"]["host"].as_str(), event["attempt"].as_u64()), (Some("mx2.peer.test"), Some(1)));
    // Believed is what is in the file: others take its place.
    std::fs::copy(others.certificate(), &ca).unwrap();
    let reloaded = world.house.command(&["config", "reload"]);
    assert_eq!(reloaded.out, "reloaded; changed: tls.policy\n", "{}", reloaded.err);
    let id = world.send(&["x@peer.test"], "first-host");
    first.maildir().wait_for("first-host", SOON);
    let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
    assert_eq!(event["mx"]["host"], "mx1.peer.test", "the connection that was kept is not used: {event}");
    world.stop();
}
