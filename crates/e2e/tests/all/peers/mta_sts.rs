//! MTA-STS (RFC 8461): policies over HTTPS, served by openssl on port 443 of an address of the test's own, and Postfix as the host.

use std::{fs, net::TcpStream, process::Command, time::Duration};

use e2e::{Authority, Pair, Postfix, Process, Sink, World, eventually_true};
use tempfile::TempDir;

use super::SOON;

const ONCE: &str = "retry = [\"1h\"]";
const ZONE: &str =
    "peer MX 10 mx.peer\nmx.peer A @1\n_mta-sts.peer TXT \"v=STSv1; id=1;\"\nmta-sts.peer A @3\n";

/// The host of a policy. What it answers is a file, and so may change.
struct Host {
    _process: Process,
    folder: TempDir,
}

impl Host {
    fn start(world: &World, pair: &Pair, answer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".well-known")).unwrap();
        let at = format!("{}:443", world.net.host(3));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-HTTP", "-quiet", "-accept", &at]);
        command.arg("-cert").arg(&pair.certificate).arg("-key").arg(&pair.key).current_dir(folder.path());
        let log = folder.path().join("log");
        let host = Self { _process: Process::start("openssl", command, &log), folder };
        host.answers(answer);
        eventually_true("the host of the policy to listen", Duration::from_secs(20), || {
            TcpStream::connect(&at).is_ok()
        });
        host
    }

    fn answers(&self, answer: &str) {
        fs::write(self.folder.path().join(".well-known/mta-sts.txt"), answer).unwrap();
    }
}

fn policy(mode: &str, mx: &str) -> String {
    served(
        "200 OK",
        "text/plain; charset=utf-8",
        &format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n"),
    )
}

fn served(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Location: https://mta-sts.peer.test/other.txt\r\n\r\n{body}",
        body.len()
    )
}

fn smtpd(pair: &Pair) -> String {
    format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtpd_tls_loglevel = 1\n\
         smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
        pair.certificate.display(),
        pair.key.display()
    )
}

/// A world that believes this authority.
fn world(authority: &Authority) -> World {
    let believes = format!("tls_ca_file = \"{}\"", authority.certificate().display());
    World::delivering(ZONE, &believes, ONCE, "")
}

/// A host that offers no STARTTLS, as who is on the way may make it look.
fn stripped(world: &World) -> Sink {
    world.scripted(1, |line| line.starts_with("EHLO").then(|| "250 mx.peer.test".to_owned()))
}

#[test]
fn an_enforced_policy_is_held_to() {
    let authority = Authority::new();
    let site = authority.issue("mta-sts.peer.test", "site");
    let (right, wrong) =
        (authority.issue("mx.peer.test", "right"), authority.issue("mx.other.test", "wrong"));
    for (mx, pair, kind, word) in [
        ("mx.peer.test", &right, "delivered", ""),
        ("*.peer.test", &right, "delivered", ""),
        ("mx.peer.test", &wrong, "deferred", "is for mx.other.test"),
        ("mx2.peer.test", &right, "deferred", "is not a host of the domain"),
    ] {
        let world = world(&authority);
        let _host = Host::start(&world, &site, &policy("enforce", mx));
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(pair));
        let id = world.send(&["x@peer.test"], "enforced");
        let event = world.house.wait_for_event(&id, kind, "x@peer.test");
        assert_eq!(event["tls"]["policy"], "mta-sts", "{event}");
        assert!(event["reply"].as_str().unwrap().contains(word), "{event}");
        if kind == "delivered" {
            assert_eq!(event["tls"]["verified"], true, "{event}");
            postfix.maildir().wait_for("enforced", SOON);
        } else {
            assert!(event["reply"].as_str().unwrap().starts_with("451 4.7.5 "), "{event}");
            assert!(postfix.maildir().messages().is_empty());
        }
    }
}

#[test]
fn a_policy_in_testing_stops_nothing_and_is_told_of() {
    let authority = Authority::new();
    let site = authority.issue("mta-sts.peer.test", "site");
    let pair = authority.issue("mx.other.test", "wrong");
    let world = world(&authority);
    let _host = Host::start(&world, &site, &policy("testing", "mx.peer.test"));
    let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&pair));
    let id = world.send(&["x@peer.test"], "in-testing");
    let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
    let tls = &event["tls"];
    assert_eq!(
        (tls["policy"].as_str(), tls["verified"].as_bool()),
        (Some("mta-sts-testing"), Some(false)),
        "{event}"
    );
    assert!(tls["failure"].as_str().unwrap().contains("is for mx.other.test"), "{event}");
    postfix.maildir().wait_for("in-testing", SOON);
}

/// Each way to have no policy at the first contact: the mail goes as if there were none, and the log says why.
#[test]
fn a_policy_that_cannot_be_had_is_none() {
    let (authority, others) = (Authority::new(), Authority::new());
    let site = authority.issue("mta-sts.peer.test", "site");
    let other_name = authority.issue("www.peer.test", "www");
    let strange = others.issue("mta-sts.peer.test", "strange");
    let good = policy("enforce", "mx.elsewhere.test");
    let text = "version: STSv1\r\nmode: enforce\r\nmx: mx.elsewhere.test\r\nmax_age: 86400\r\n";
    let large = format!("{text}{}", "x: y\r\n".repeat(12_000));
    for (pair, answer, why) in [
        (&other_name, good.clone(), "certificate"),
        (&strange, good.clone(), "certificate"),
        (&site, served("301 Moved Permanently", "text/plain", text), "answered 301"),
        (&site, served("404 Not Found", "text/plain", text), "answered 404"),
        (&site, served("200 OK", "text/html", text), "is no text/plain"),
        (&site, served("200 OK", "text/plain", "<html>"), "is no policy"),
        (&site, served("200 OK", "text/plain", &text.replace("enforce", "reinforce")), "is no policy"),
        (&site, served("200 OK", "text/plain", &large), "mta-sts.peer.test"),
        (&site, String::new(), "mta-sts.peer.test"),
    ] {
        let world = world(&authority);
        let _host = Host::start(&world, pair, &answer);
        let sink = world.sink(1);
        let id = world.send(&["x@peer.test"], "no-policy");
        sink.wait_for("x@peer.test", SOON);
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        assert_eq!(event["attempt"], 1, "{event}");
        let printed = world.server().printed();
        let line = printed.lines().find(|line| line.contains("cannot be fetched"));
        assert!(line.is_some_and(|line| line.contains(why)), "{why}: {line:?}");
    }
}

/// §5.1 and §5.3: STARTTLS stripped, the policy's host blocked, its record in the DNS another one, the server started anew. What is known holds.
#[test]
fn a_known_policy_holds_against_every_downgrade() {
    let authority = Authority::new();
    let site = authority.issue("mta-sts.peer.test", "site");
    let pair = authority.issue("mx.peer.test", "right");
    let mut world = world(&authority);
    let host = Host::start(&world, &site, &policy("enforce", "mx.peer.test"));
    let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&pair));
    let id = world.send(&["x@peer.test"], "first");
    postfix.maildir().wait_for("first", SOON);
    world.house.wait_for_event(&id, "delivered", "x@peer.test");
    let file = world.house.data().join("mta-sts.jsonl");
    eventually_true("the policy to be written down", SOON, || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("peer.test"))
    });
    drop((host, postfix));
    world.stop();
    world.start();
    let sink = stripped(&world);
    let id = world.send(&["x@peer.test"], "second");
    let event = world.house.wait_for_event(&id, "deferred", "x@peer.test");
    assert!(event["reply"].as_str().unwrap().starts_with("451 4.7.4 "), "{event}");
    assert_eq!(event["tls"]["policy"], "mta-sts", "{event}");
    assert!(sink.received().is_empty());
    world.stop();
}
