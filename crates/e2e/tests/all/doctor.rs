//! `postrider doctor` calls a healthy server healthy, and tells each thing that is broken, one at a time, in its own words.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use e2e::{Authority, House, Key, Knot, Loopback, Pair, Postrider, Said, Zone, binary, said};
use serde_json::Value;

const KEY: Key<'_> = Key { name: "doctor-key", secret: "ZG9jdG9yIGRvY3RvciBkb2N0b3IgZG9jdG9yIDEyMzQ=" };

/// Our address: nobody is there, and nobody is spoken to there. One of loopback would have its name without asking.
const OURS: &str = "192.0.2.1";

/// How a scene differs from a healthy one.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a break by itself")]
struct Broken<'a> {
    /// A line of the zone here.test that begins so is left out.
    without: &'a str,
    /// Lines that come in addition.
    with: &'a str,
    /// The zone of the addresses is empty.
    nameless: bool,
    /// The blocklist has our address.
    listed: bool,
    /// The certificate has expired.
    expired: bool,
    /// The configuration wants one more port than the server has.
    further_port: bool,
}

/// A server with all that its domain needs in the DNS.
struct Scene {
    authority: Authority,
    house: House,
    server: Option<Postrider>,
    knot: Knot,
    net: Loopback,
}

impl Scene {
    fn new(broken: Broken<'_>) -> Self {
        let net = Loopback::claim();
        let authority = Authority::new();
        let own = if broken.expired {
            authority.issue_expired("mx.here.test", "own")
        } else {
            authority.issue("mx.here.test", "own")
        };
        let key = key();
        let zones = Zones::of(broken, &key.1);
        let knot = Knot::updatable(&net, &zones.as_zones(), KEY);
        let house = house(&knot, &own);
        let pem = house.path().join("r1.pem");
        e2e::write_secret(&pem, &key.0);
        let server = house.start();
        if broken.further_port {
            let config = fs::read_to_string(house.config()).unwrap();
            let more =
                format!("[[listener]]\nservice = \"smtp\"\nbind = [\"{}:{}\"]\n", net.host(7), net.port());
            let config = config.replacen("[[domain]]\n", &format!("{more}[[domain]]\n"), 1);
            fs::write(house.config(), config).unwrap();
        }
        Self { authority, house, server: Some(server), knot, net }
    }

    /// Runs a command with the authority of the test as the one that this machine trusts.
    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.house.config());
        said(command.env("SSL_CERT_FILE", self.authority.certificate()), b"")
    }

    /// The levels and texts that `doctor` tells, with the exit code.
    fn doctor(&self) -> (i32, Vec<(String, String)>) {
        let Said { code, out, err } = self.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&out).expect(&err);
        let word =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let groups = report.get("groups").and_then(Value::as_array).unwrap();
        let findings =
            groups.iter().flat_map(|group| group.get("findings").and_then(Value::as_array).unwrap());
        let told = |finding: &Value| {
            (word(finding, "level"), format!("{} => {}", word(finding, "text"), word(finding, "do")))
        };
        let findings: Vec<_> = findings.map(told).collect();
        assert_eq!(report.get("healthy").and_then(Value::as_bool), Some(code == 0), "{out}");
        (code, findings)
    }
}

/// A key, and the record that publishes it.
fn key() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let mut command = Command::new(binary());
    command.args(["dkim", "generate", "here.test", "--selector", "r1", "--json", "--output"]).arg(&file);
    let made = said(&mut command, b"");
    assert_eq!(made.code, 0, "{}", made.err);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    (fs::read_to_string(file).unwrap(), made.get("txt").and_then(Value::as_str).unwrap().to_owned())
}

struct Zones {
    here: String,
    reverse: String,
    list: String,
}

impl Zones {
    fn of(broken: Broken<'_>, key: &str) -> Self {
        let (start, end) = key.split_at(200);
        let healthy = format!(
            "mx A {OURS}\nmx TXT \"v=spf1 a -all\"\n@ MX 10 mx\n@ TXT \"v=spf1 mx -all\"\n@ TXT \"a note of somebody else\"\n\
             r1._domainkey TXT ( \"{start}\" \"{end}\" )\n\
             _dmarc TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@here.test\"\n\
             _smtp._tls TXT \"v=TLSRPTv1; rua=mailto:postmaster@here.test\"\n"
        );
        let kept = |line: &&str| broken.without.is_empty() || !line.starts_with(broken.without);
        let here: Vec<&str> = healthy.lines().filter(kept).collect();
        let reverse = if broken.nameless { "" } else { "1 PTR mx.here.test.\n" };
        let listed =
            if broken.listed { "1.2.0.192 A 127.0.0.4\n1.2.0.192 TXT \"spam was seen\"\n" } else { "" };
        Self {
            here: format!("{}\n{}", here.join("\n"), broken.with),
            reverse: reverse.to_owned(),
            list: format!("2.0.0.127 A 127.0.0.2\n{listed}"),
        }
    }

    fn as_zones(&self) -> [Zone<'_>; 4] {
        [
            Zone { name: "here.test.", records: Some(&self.here) },
            Zone { name: "2.0.192.in-addr.arpa.", records: Some(&self.reverse) },
            Zone { name: "list.test.", records: Some(&self.list) },
            Zone { name: ".", records: Some("") },
        ]
    }
}

fn house(knot: &Knot, own: &Pair) -> House {
    let dns = knot.address();
    let house = House::new(&format!(
        "[dns]\nservers = [\"{dns}\"]\n\
         [doctor]\nblocklists = [\"list.test\"]\nname_server_port = {}\n\
         [[dkim]]\ndomain = \"here.test\"\nselector = \"r1\"\nkey = \"r1.pem\"\n{}",
        dns.port(),
        own.section()
    ));
    let config = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), format!("public_addresses = [\"{OURS}\"]\n{config}")).unwrap();
    house
}

/// Those that are worse than advice.
fn bad(findings: &[(String, String)]) -> Vec<String> {
    let bad = findings.iter().filter(|(level, _)| !["ok", "advice"].contains(&level.as_str()));
    bad.map(|(level, text)| format!("{level}: {text}")).collect()
}

#[test]
fn a_healthy_server_is_called_healthy() {
    let scene = Scene::new(Broken::default());
    let (code, findings) = scene.doctor();
    assert_eq!((bad(&findings), code), (Vec::new(), 0), "{findings:#?}");
    for words in [
        "the server runs, version",
        "(smtp)",
        "the certificate is for mx.here.test, and those who verify believe it",
        &format!("mx.here.test is at {OURS}"),
        &format!("the name of {OURS} is mx.here.test, both ways and in HELO"),
        &format!("{OURS} not on the list list.test"),
        "the zone here.test is the same at 1 server",
        "mail for here.test comes here: MX 10 mx.here.test",
        &format!("SPF of here.test lets {OURS} send its mail (`mx`), with 1 lookup"),
        "mail of here.test is signed with the key that r1._domainkey.here.test publishes, RSA of 2048 bits",
        "DMARC of here.test asks receivers to put aside",
        "senders report to here.test how TLS fares",
    ] {
        assert!(
            findings.iter().any(|(level, text)| level == "ok" && text.contains(words)),
            "{words}: {findings:#?}"
        );
    }
    // The DNS alone, for one domain, and for people.
    let checked = scene.run(&["dns", "check", "here.test"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert!(checked.out.starts_with("domain here.test\n  ok       "), "{}", checked.out);
    assert!(checked.out.trim_end().lines().last().unwrap().starts_with("healthy: "), "{}", checked.out);
    // What makes no sense is wrong usage.
    assert_eq!(scene.run(&["dns", "check", "no domain"]).code, 2);
}

#[test]
fn each_break_is_told_in_its_words() {
    let cases: [(Broken<'_>, &str, &[&str]); 9] = [
        (
            Broken { with: "@ TXT \"v=spf1 a ~all\"\n", ..Broken::default() },
            "error",
            &["here.test has 2 SPF records", "keep one", "here.test. 3600 IN TXT \"v=spf1 mx -all\""],
        ),
        (
            Broken {
                without: "r1.",
                with: "r1._domainkey TXT \"v=DKIM1; p=aGVsbG8=\"\n",
                ..Broken::default()
            },
            "error",
            &["another key than mail of here.test is signed with", "r1._domainkey.here.test. 3600 IN TXT ("],
        ),
        (
            Broken { nameless: true, ..Broken::default() },
            "error",
            &["has no name (PTR)", "PTR mx.here.test."],
        ),
        (
            Broken { without: "@ MX", with: "@ MX 10 alias\nalias CNAME mx\n", ..Broken::default() },
            "error",
            &[
                "names alias.here.test, which is an alias (CNAME) of mx.here.test",
                "here.test. 3600 IN MX 10 mx.here.test.",
            ],
        ),
        (Broken { without: "@ MX", ..Broken::default() }, "error", &["here.test has no MX record"]),
        (Broken { without: "_dmarc", ..Broken::default() }, "error", &["here.test has no DMARC record"]),
        (
            Broken { expired: true, ..Broken::default() },
            "error",
            &["expired on 2020-01-01", "postrider config reload"],
        ),
        (
            Broken { listed: true, ..Broken::default() },
            "error",
            &["is on the list list.test (127.0.0.4)", "spam was seen"],
        ),
        (Broken { further_port: true, ..Broken::default() }, "error", &["the server does not listen there"]),
    ];
    for (broken, level, words) in cases {
        let scene = Scene::new(broken);
        let (code, findings) = scene.doctor();
        let mut bad = bad(&findings);
        // What waits for a key is told too once the server has looked.
        bad.retain(|one| !one.contains("mail of here.test waits"));
        // Without a mail host SPF by `mx` lets nobody send.
        let further = usize::from(broken.without == "@ MX" && broken.with.is_empty());
        assert_eq!(bad.len(), 1 + further, "{broken:?}: {bad:#?}");
        let one = bad.iter().find(|one| words.iter().all(|word| one.contains(word)));
        assert!(one.is_some_and(|one| one.starts_with(level)), "{broken:?}: {bad:#?}");
        assert_eq!(code, 1, "{broken:?}");
    }
}

#[test]
fn a_server_that_does_not_run_and_ports_of_others_are_told() {
    let mut scene = Scene::new(Broken { further_port: true, ..Broken::default() });
    scene.server.take().unwrap().stop();
    let config = fs::read_to_string(scene.house.config()).unwrap();
    let line = config.lines().find(|line| line.contains(&scene.net.host(7).to_string())).unwrap();
    let address = line.split('"').nth(1).unwrap();
    let _other = std::net::TcpListener::bind(address.parse::<SocketAddr>().unwrap()).unwrap();
    let (code, findings) = scene.doctor();
    let bad = bad(&findings);
    assert_eq!((bad.len(), code), (2, 1), "{bad:#?}");
    assert!(bad[0].contains("no server runs on") && bad[0].contains("systemctl start postrider"), "{bad:#?}");
    assert!(bad[1].contains(&format!("another program listens on {address}")), "{bad:#?}");
}

#[test]
fn what_is_missing_is_put_into_the_dns_and_nothing_else_is_touched() {
    let scene = Scene::new(Broken { without: "_", with: "@ TXT \"v=spf1 a ~all\"\n", ..Broken::default() });
    let config = fs::read_to_string(scene.house.config()).unwrap();
    let acme = format!(
        "[tls.acme]\nagree_to_terms = true\ndirectory = \"https://127.0.0.1:9/dir\"\nchallenge = \"dns-01\"\n\
         dns_server = \"{}\"\ndns_key_name = \"{}\"\ndns_key = {{ file = \"dns.key\" }}\n",
        scene.knot.address(),
        KEY.name
    );
    e2e::write_secret(&scene.house.path().join("dns.key"), KEY.secret);
    fs::write(scene.house.config(), format!("{config}{acme}")).unwrap();
    let ask = |name: &str| scene.knot.ask(&["+short", name, "TXT"]);

    let dry = scene.run(&["dns", "publish", "--dry-run"]);
    assert!(dry.out.contains("left alone, for something else is there, here.test TXT:\n  here.test. 3600 IN TXT \"v=spf1 a ~all\""), "{}{}", dry.out, dry.err);
    assert_eq!(dry.code, 1);
    assert!(
        dry.out.contains("would change _dmarc.here.test TXT:\n  + _dmarc.here.test. 3600 IN TXT \"v=DMARC1;"),
        "{}",
        dry.out
    );
    assert!(ask("_dmarc.here.test").trim().is_empty(), "a dry run changes nothing");

    // A server for all updates comes before that for certificates.
    let update = format!(
        "[dns.update]\nserver = \"{}\"\nkey_name = \"{}\"\nkey = {{ file = \"dns.key\" }}\n",
        scene.knot.address(),
        KEY.name
    );
    fs::write(scene.house.config(), format!("{config}{update}")).unwrap();
    let done = scene.run(&["dns", "publish", "--replace"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let texts = ask("here.test");
    assert!(texts.contains("\"v=spf1 mx -all\"") && texts.contains("a note of somebody else"), "{texts}");
    assert!(!texts.contains("~all"), "{texts}");
    assert!(
        ask("_dmarc.here.test").contains("p=quarantine") && ask("_smtp._tls.here.test").contains("TLSRPTv1")
    );
    let again = scene.run(&["dns", "publish"]);
    assert_eq!((again.code, again.out.trim_end()), (0, "the DNS has all that is wanted"), "{}", again.err);
}
