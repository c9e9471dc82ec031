//! Certificates by ACME, from Pebble, which proves every name as a real authority does.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Client, House, Key, Knot, Loopback, Pebble, Postrider, Said, Zone, eventually, said};

const SOON: Duration = Duration::from_mins(1);
const LONG: Duration = Duration::from_hours(24 * 90);
const HOST: &str = "mx.here.test";
const KEY: Key<'_> = Key { name: "acme-key", secret: "bm90IGEgc2VjcmV0LCBidXQgYSBrZXkgb2YgYSB0ZXN0" };
/// External account binding: a name and a key.
const ACCOUNT: (&str, &str) = ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

/// A net with a name server and an authority.
struct Scene {
    pebble: Pebble,
    knot: Knot,
    /// Where the authority looks at challenges.
    challenged: SocketAddr,
    _net: Loopback,
}

impl Scene {
    fn new(validity: Duration, external: Option<(&str, &str)>) -> Self {
        Self::with_records(validity, external, "")
    }

    /// As `new`, with more records in the zone `test.`.
    fn with_records(validity: Duration, external: Option<(&str, &str)>, more: &str) -> Self {
        let net = Loopback::claim();
        let challenged = SocketAddr::from((net.host(1), net.port()));
        let records = format!("mx.here A {0}\n{more}", net.host(1)).replace("@1", &net.host(1).to_string());
        let zones = [Zone { name: "test.", records: Some(&records) }, Zone { name: ".", records: Some("") }];
        let knot = Knot::updatable(&net, &zones, KEY);
        let pebble = Pebble::start(&net, knot.address(), challenged.port(), validity, external);
        Self { pebble, knot, challenged, _net: net }
    }

    fn house(&self, more: &str) -> House {
        let (directory, ca) = (self.pebble.directory(), self.pebble.ca_file());
        House::new(&format!(
            "[tls.acme]\nagree_to_terms = true\ndirectory = \"{directory}\"\nca_file = \"{}\"\n\
             contact = [\"postmaster@here.test\"]\n{more}",
            ca.display()
        ))
    }

    /// A handshake by STARTTLS that believes this authority alone.
    fn verified(&self, to: SocketAddr, host: &str) -> Said {
        handshake(to, host, Some(&self.pebble.root()), &["-starttls", "smtp"])
    }

    /// Waits until the certificate of the authority is shown.
    fn certified(&self, server: &Postrider, host: &str) {
        eventually("a certificate of the authority", SOON, || {
            (self.verified(server.smtp(), host).code == 0).then_some(())
        });
    }
}

fn handshake(to: SocketAddr, host: &str, root: Option<&Path>, more: &[&str]) -> Said {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &to.to_string(), "-servername", host, "-crlf"]).args(more);
    if let Some(root) = root {
        command.args(["-verify_hostname", host, "-verify_return_error", "-CAfile"]).arg(root);
    }
    said(&mut command, b"quit\n")
}

/// The serial number of what is shown.
fn serial(to: SocketAddr) -> String {
    let shown = handshake(to, HOST, None, &["-starttls", "smtp"]).out;
    let number = said(Command::new("openssl").args(["x509", "-noout", "-serial"]), shown.as_bytes());
    assert_eq!(number.code, 0, "{}", number.err);
    number.out
}

/// The status of an answer to curl.
fn fetched(from: SocketAddr, path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    said(curl.arg(format!("http://{from}{path}")), b"").out
}

#[test]
fn http_01_proves_a_name_and_a_restart_asks_for_nothing() {
    let mut scene = Scene::new(LONG, Some(ACCOUNT));
    let (id, key) = ACCOUNT;
    let house =
        scene.house(&format!("bind = [\"{}\"]\neab_id = \"{id}\"\neab_key = \"{key}\"\n", scene.challenged));
    std::fs::set_permissions(house.config(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut server = house.start();
    // There is something to show from the first moment.
    assert_eq!(handshake(server.smtp(), HOST, None, &["-starttls", "smtp"]).code, 0);
    assert!(
        server.printed().contains("what is shown under TLS is not what was asked for until the authority")
    );
    scene.certified(&server, HOST);
    for (path, status) in [
        ("/", "404"),
        ("/.well-known/acme-challenge/x", "404"),
        ("/.well-known/acme-challenge/../../etc/passwd", "404"),
    ] {
        assert_eq!(fetched(scene.challenged, path), status, "{path}");
    }
    // What is being written has another name until it is whole.
    let kept = std::fs::read_dir(house.data().join("acme")).unwrap().map(Result::unwrap);
    let kept = kept.filter(|file| !file.file_name().to_string_lossy().ends_with(".new"));
    let files: Vec<_> =
        kept.map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777)).collect();
    assert!(files.len() == 3 && files.iter().all(|(_, mode)| *mode == 0o600), "{files:?}");
    let before = serial(server.smtp());
    assert_eq!(server.stop().code(), Some(0));
    // Nobody is there to be asked.
    scene.pebble.stop();
    server = house.start();
    let again = scene.verified(server.smtp(), HOST);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert_eq!(serial(server.smtp()), before);
}

#[test]
fn tls_alpn_01_proves_a_name_on_a_port_of_its_own() {
    let scene = Scene::new(LONG, None);
    let house = scene.house(&format!("challenge = \"tls-alpn-01\"\nbind = [\"{}\"]\n", scene.challenged));
    let server = house.start();
    scene.certified(&server, HOST);
    // Nobody else gets anything there.
    for alpn in [&["-alpn", "smtp"][..], &["-alpn", "acme-tls/1"], &[]] {
        let refused = handshake(scene.challenged, HOST, None, alpn);
        assert_ne!(refused.code, 0, "{alpn:?}: {}", refused.out);
    }
}

/// RFC 8737, where mail is served under TLS: its own rule about ALPN stays as it is.
#[test]
fn tls_alpn_01_proves_a_name_where_submission_is() {
    let scene = Scene::new(LONG, None);
    let implicit = format!(
        "[[listener]]\nservice = \"submission\"\nbind = [\"{}\"]\ntls = \"implicit\"\n",
        scene.challenged
    );
    let house = scene.house(&format!("challenge = \"tls-alpn-01\"\nbind = []\n{implicit}"));
    let server = house.start();
    scene.certified(&server, HOST);
    assert!(server.printed().contains("had its challenge answered"), "{}", server.printed());
    let alpn = |protocol| handshake(scene.challenged, HOST, Some(&scene.pebble.root()), &["-alpn", protocol]);
    assert_eq!(alpn("smtp").code, 0);
    for other in ["acme-tls/1", "http/1.1"] {
        let refused = alpn(other);
        assert_ne!(refused.code, 0, "{}", refused.out);
        assert!(refused.err.contains("no application protocol"), "{}", refused.err);
    }
}

fn dns_01(scene: &Scene, key: &str) -> String {
    format!(
        "names = [\"{HOST}\", \"*.here.test\", \"here.test\"]\nchallenge = \"dns-01\"\ndns_server = \"{}\"\n\
         dns_key_name = \"{}\"\ndns_key = {{ file = \"dns.key\" }}\ndns_wait = \"0s\"\n{key}",
        scene.knot.address(),
        KEY.name
    )
}

fn with_key(house: &House, secret: &str) {
    let file = house.path().join("dns.key");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn dns_01_proves_names_and_wildcards_by_updates_that_knot_takes() {
    let scene = Scene::new(LONG, None);
    let house = scene.house(&dns_01(&scene, ""));
    with_key(&house, KEY.secret);
    let server = house.start();
    scene.certified(&server, "anything.here.test");
    assert_eq!(scene.verified(server.smtp(), "here.test").code, 0);
    // What was put there is gone again.
    let left = scene.knot.ask(&["_acme-challenge.here.test", "TXT", "+short"]);
    assert_eq!(left.trim(), "");
}

/// A name more, and no restart.
#[test]
fn a_reload_asks_for_another_name() {
    let scene = Scene::with_records(LONG, None, "two.here A @1\n");
    let house = scene.house(&format!("names = [\"{HOST}\"]\nbind = [\"{}\"]\n", scene.challenged));
    let server = house.start();
    scene.certified(&server, HOST);
    assert_ne!(scene.verified(server.smtp(), "two.here.test").code, 0);
    let config = std::fs::read_to_string(house.config()).unwrap();
    let names = format!("names = [\"{HOST}\", \"two.here.test\"]");
    std::fs::write(house.config(), config.replace(&format!("names = [\"{HOST}\"]"), &names)).unwrap();
    let reloaded = house.command(&["config", "reload"]);
    assert_eq!(reloaded.out, "reloaded; changed: tls.acme.names\n", "{}", reloaded.err);
    scene.certified(&server, "two.here.test");
    assert_eq!(scene.verified(server.smtp(), HOST).code, 0);
}

/// RFC 8555 §8.4: the authority follows an alias, and so do the updates. Beside a CNAME no other record may stand.
#[test]
fn dns_01_follows_an_alias_to_where_the_records_are() {
    let alias = "_acme-challenge.here CNAME first.keys\nfirst.keys CNAME here.keys\n";
    let scene = Scene::with_records(LONG, None, alias);
    let house =
        scene.house(&format!("{}[dns]\nservers = [\"{}\"]\n", dns_01(&scene, ""), scene.knot.address()));
    with_key(&house, KEY.secret);
    let server = house.start();
    scene.certified(&server, "anything.here.test");
    let left = scene.knot.ask(&["here.keys.test", "TXT", "+short"]);
    assert_eq!(left.trim(), "", "it is taken out again");
}

#[test]
fn a_wrong_key_is_told_as_such() {
    let scene = Scene::new(LONG, None);
    let house = scene.house(&dns_01(&scene, ""));
    with_key(&house, "d3Jvbmcga2V5IG9mIGEgdGVzdA==");
    let server = house.start();
    let told = eventually("the log to tell of it", SOON, || {
        server.printed().lines().find(|line| line.contains("no new certificate")).map(str::to_owned)
    });
    assert!(told.contains("ERROR") && told.contains("BADSIG"), "{told}");
    assert!(told.contains("are name and secret of the key right?"), "{told}");
}

/// Certificates that hold for a quarter of a minute.
#[test]
fn a_certificate_is_renewed_in_time_and_no_session_is_dropped() {
    let scene = Scene::new(Duration::from_secs(15), None);
    let house = scene.house(&format!("bind = [\"{}\"]\n", scene.challenged));
    let server = house.start();
    scene.certified(&server, HOST);
    let mut session = Client::connect(server.smtp());
    session.expect("EHLO client.test", 250);
    let before = serial(server.smtp());
    eventually("another certificate", SOON, || (serial(server.smtp()) != before).then_some(()));
    assert_eq!(scene.verified(server.smtp(), HOST).code, 0);
    session.expect("NOOP", 250);
}

#[test]
fn a_failed_proof_is_told_with_what_the_authority_saw() {
    let scene = Scene::new(LONG, None);
    // The authority looks where nobody listens.
    let house = scene.house("bind = [\"127.0.0.1:0\"]\n");
    let mut server = house.start();
    let told = |server: &Postrider| {
        server
            .printed()
            .lines()
            .filter(|line| line.contains("no new certificate"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = eventually("the log to tell of it", SOON, || told(&server).pop());
    assert!(first.contains("ERROR") && first.contains("proof by http-01: mx.here.test"), "{first}");
    assert!(first.contains("connection refused") && first.contains("failures=1"), "{first}");
    assert_eq!(handshake(server.smtp(), HOST, None, &["-starttls", "smtp"]).code, 0);
    // A restart does not ask again at once, and tells of it all the same; a reload does ask.
    assert_eq!(server.stop().code(), Some(0));
    server = house.start();
    let again = eventually("the log to tell of it again", SOON, || told(&server).into_iter().nth(1));
    assert!(again.contains("failures=1"), "{again}");
    let status = house.command(&["status"]);
    assert!(status.out.contains("1 attempt failed: proof by http-01"), "{}", status.out);
    server.ask_to_reload();
    eventually("another attempt", SOON, || {
        told(&server).into_iter().find(|line| line.contains("failures=2"))
    });
}
