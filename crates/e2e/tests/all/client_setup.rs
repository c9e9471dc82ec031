//! Mail clients that set themselves up: what is served for them by HTTP, judged by other programs, and SRV records.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use e2e::{
    Authority, House, Knot, Loopback, Pebble, Postrider, Process, Said, Zone, eventually, run, said,
    write_secret,
};
use serde_json::Value;

const SOON: Duration = Duration::from_mins(1);
const OUTLOOK: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

const CAROL: &str = "carol@here.test";
const PASSWORD: &str = "correct horse";

/// A server with all that clients use, under TLS, and HTTP both ways.
struct Scene {
    authority: Authority,
    house: House,
    server: Postrider,
}

impl Scene {
    fn new() -> Self {
        let authority = Authority::new();
        let own = authority.issue_for(&["mx.here.test", "autoconfig.here.test", "here.test"], "own");
        let listener = |service: &str, tls: &str| {
            format!("[[listener]]\nservice = \"{service}\"\nbind = [\"127.0.0.1:0\"]\ntls = \"{tls}\"\n")
        };
        let listeners = [
            ("http", "implicit"),
            ("http", "none"),
            ("imap", "implicit"),
            ("pop3", "implicit"),
            ("submission", "implicit"),
        ];
        let listeners = listeners.map(|(service, tls)| listener(service, tls)).concat();
        let house = House::new(&format!(
            "{listeners}[[account]]\nlogin = \"{CAROL}\"\npassword = {{ file = \"carol.password\" }}\n\
             {}[deliver]\nlocal = \"mailstore\"\n",
            own.section()
        ));
        write_secret(&house.path().join("carol.password"), &format!("{PASSWORD}\n"));
        let server = house.start();
        Self { authority, house, server }
    }

    /// What curl says of `scheme://host` with that path, with the status in a last line.
    fn curl(&self, scheme: &str, host: &str, path: &str, more: &[&str]) -> Said {
        let tls = if scheme == "https" { "implicit" } else { "none" };
        let at = self.server.listener_with("http", tls);
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--write-out",
            "\n%{http_code} %{content_type}",
        ]);
        command.arg("--connect-to").arg(format!("::{at}")).arg("--cacert").arg(self.authority.certificate());
        said(command.args(more).arg(format!("{scheme}://{host}{path}")), b"")
    }

    /// The same, without the last line, which must be this.
    fn page(&self, scheme: &str, host: &str, path: &str, more: &[&str], expected: &str) -> String {
        let Said { code, out, err } = self.curl(scheme, host, path, more);
        assert_eq!(code, 0, "{err}");
        let (page, last) = out.rsplit_once('\n').unwrap();
        assert_eq!(last, expected, "{host}{path}: {page}");
        page.to_owned()
    }

    fn port(&self, service: &str) -> u16 {
        self.server.listener(service).port()
    }
}

/// What Python makes of a text by this expression, whose value is JSON.
fn python(program: &str, text: &str) -> Value {
    serde_json::from_str(&run("/usr/bin/python3", &["-c", program], text.as_bytes())).unwrap()
}

/// All leaves of an XML document, by a parser that is not ours.
const LEAVES: &str = "import json, sys, xml.etree.ElementTree as t
root = t.fromstring(sys.stdin.buffer.read())
print(json.dumps([[e.tag.rsplit('}')[-1], e.text] for e in root.iter() if not len(e)]))";

fn leaves(text: &str) -> Vec<(String, String)> {
    let leaves = python(LEAVES, text);
    let word = |leaf: &Value, at: usize| leaf[at].as_str().unwrap_or_default().to_owned();
    leaves.as_array().unwrap().iter().map(|leaf| (word(leaf, 0), word(leaf, 1))).collect()
}

fn of(leaves: &[(String, String)], wanted: &str) -> Vec<String> {
    leaves.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect()
}

/// Asks as a client of Microsoft's protocols does, or reads what was answered.
const EXCHANGELIB: &str = "import json, sys
from exchangelib.autodiscover.properties import Autodiscover
if sys.argv[1:]:
    sys.stdout.buffer.write(Autodiscover.payload(email=sys.argv[1]))
else:
    account = Autodiscover.from_bytes(sys.stdin.buffer.read()).response.account
    servers = [[p.type, p.server, p.port, p.login_name, p.ssl, p.auth_required] for p in account.protocols]
    print(json.dumps({'type': account.type, 'action': account.action, 'servers': servers}))";

const XML: &str = "200 text/xml; charset=utf-8";

fn question(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
         <Request><EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{OUTLOOK}</AcceptableResponseSchema></Request></Autodiscover>"
    )
}

#[test]
fn clients_find_their_settings_by_http_with_and_without_tls() {
    let scene = Scene::new();
    let [imap, pop3, smtp] = ["imap", "pop3", "submission"].map(|service| scene.port(service).to_string());
    let path = "/mail/config-v1.1.xml?emailaddress=anna%40here.test";
    let page = scene.page("https", "autoconfig.here.test", path, &[], XML);
    let found = leaves(&page);
    assert_eq!(of(&found, "port"), [imap.clone(), pop3.clone(), smtp.clone()]);
    assert_eq!(of(&found, "hostname"), ["mx.here.test"; 3]);
    assert_eq!(of(&found, "socketType"), ["SSL"; 3]);
    // In clear, elsewhere, and for somebody who is not there: the same.
    assert_eq!(scene.page("http", "autoconfig.here.test", path, &[], XML), page);
    let other = "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=nobody%40here.test";
    assert_eq!(scene.page("https", "here.test", other, &[], XML), page);

    let asked = question("anna@here.test");
    let post = ["--data-raw", asked.as_str(), "--header", "Content-Type: text/xml"];
    let page = scene.page("https", "mx.here.test", "/Autodiscover/Autodiscover.xml", &post, XML);
    let found = leaves(&page);
    assert_eq!(of(&found, "Type"), ["IMAP", "POP3", "SMTP"]);
    assert_eq!(of(&found, "Port"), [imap.clone(), pop3, smtp.clone()]);
    assert_eq!(of(&found, "LoginName"), ["anna@here.test"; 3]);
    assert_eq!(scene.page("http", "mx.here.test", "/autodiscover/autodiscover.xml", &post, XML), page);

    // A library that speaks it asks and reads for itself.
    let asked = run("/usr/bin/python3", &["-c", EXCHANGELIB, "anna@here.test"], b"");
    let post = ["--data-raw", asked.as_str(), "--header", "Content-Type: text/xml"];
    let page = scene.page("https", "here.test", "/autodiscover/autodiscover.xml", &post, XML);
    let read = python(EXCHANGELIB, &page);
    assert_eq!((&read["type"], &read["action"]), (&"email".into(), &"settings".into()), "{read}");
    let server = |kind: &str, service: &str| {
        serde_json::json!([kind, "mx.here.test", scene.port(service), "anna@here.test", true, true])
    };
    let servers = [server("IMAP", "imap"), server("POP3", "pop3"), server("SMTP", "submission")];
    assert_eq!(read["servers"], serde_json::json!(servers));

    let path = "/mail/apple.mobileconfig?emailaddress=anna%40here.test";
    let kind = "200 application/x-apple-aspen-config";
    let page = scene.page("https", "mx.here.test", path, &[], kind);
    assert_eq!(scene.page("http", "mx.here.test", path, &[], kind), page);
    let profile = python(
        "import json, plistlib, sys\nprint(json.dumps(plistlib.loads(sys.stdin.buffer.read())))",
        &page,
    );
    assert_eq!(profile["PayloadType"], "Configuration");
    let payload = &profile["PayloadContent"][0];
    assert_eq!(payload["PayloadType"], "com.apple.mail.managed");
    assert_eq!(payload["EmailAddress"], "anna@here.test");
    assert_eq!(payload["IncomingMailServerPortNumber"].to_string(), imap);
    assert_eq!(payload["OutgoingMailServerPortNumber"].to_string(), smtp);
    assert_eq!(
        (&payload["IncomingMailServerUseSSL"], &payload["OutgoingMailServerUseSSL"]),
        (&true.into(), &true.into())
    );
    assert_ne!(payload["PayloadUUID"], profile["PayloadUUID"]);
}

#[test]
fn outlook_is_led_from_http_to_https() {
    let scene = Scene::new();
    let more = ["--include"];
    let page = scene.page("http", "autodiscover.here.test", "/autodiscover/autodiscover.xml", &more, "302 ");
    let port = scene.server.listener_with("http", "implicit").port();
    let place = format!("location: https://mx.here.test:{port}/autodiscover/autodiscover.xml");
    assert!(page.lines().any(|line| line.trim_end() == place), "{page}");
}

#[test]
fn nothing_is_told_about_others_and_nothing_too_large_is_read() {
    let scene = Scene::new();
    for path in [
        "/mail/config-v1.1.xml?emailaddress=anna%40there.test",
        "/mail/apple.mobileconfig?emailaddress=anna%40there.test",
        "/../postrider.toml",
        "/mail/..%2f..%2fetc/passwd",
        "/",
    ] {
        let said = scene.curl("https", "mx.here.test", path, &["--path-as-is"]);
        assert!(said.out.rsplit_once('\n').unwrap().1.starts_with("404"), "{path}: {}", said.out);
    }
    let file = scene.house.path().join("large.xml");
    fs::write(&file, question(&"a".repeat(2_000_000))).unwrap();
    let data = format!("@{}", file.display());
    let said =
        scene.curl("https", "mx.here.test", "/autodiscover/autodiscover.xml", &["--data-binary", &data]);
    assert!(said.out.contains("\n413 "), "{}{}", said.out, said.err);
    let bomb = format!("<!DOCTYPE a [<!ENTITY a SYSTEM \"file://{}\">]>{}", file.display(), question("&a;"));
    let page =
        scene.page("https", "mx.here.test", "/autodiscover/autodiscover.xml", &["--data-raw", &bomb], XML);
    assert_eq!(of(&leaves(&page), "ErrorCode"), ["600"]);
}

#[test]
fn a_domain_that_comes_is_told_of_at_once_and_one_that_goes_no_more() {
    let scene = Scene::new();
    let path = "/mail/config-v1.1.xml";
    let status = |host: &str| {
        let out = scene.curl("http", host, path, &[]).out;
        out.rsplit_once('\n').unwrap().1.split(' ').next().unwrap().to_owned()
    };
    assert_eq!([status("autoconfig.here.test"), status("autoconfig.new.test")], ["200", "404"]);
    assert_eq!(scene.house.command(&["domain", "add", "new.test"]).code, 0);
    assert_eq!(status("autoconfig.new.test"), "200");
    assert_eq!(scene.house.command(&["domain", "remove", "new.test"]).code, 0);
    assert_eq!(status("autoconfig.new.test"), "404");
    // And by the file, where a reload replaces the certificate too.
    let config = fs::read_to_string(scene.house.config()).unwrap();
    fs::write(scene.house.config(), format!("{config}\n[[domain]]\nname = \"file.test\"\n")).unwrap();
    let own = scene.authority.issue_for(&["mx.here.test", "autoconfig.file.test"], "own");
    assert!(own.certificate.exists());
    assert_ne!(scene.curl("https", "autoconfig.file.test", path, &[]).code, 0, "no name of the certificate");
    let reloaded = scene.house.command(&["config", "reload"]);
    assert_eq!(reloaded.code, 0, "{}{}", reloaded.out, reloaded.err);
    scene.page("https", "autoconfig.file.test", path, &[], XML);
}

#[test]
fn a_proxy_says_who_comes_and_nobody_takes_all_places() {
    let listener = "[[listener]]\nservice = \"http\"\nbind = [\"127.0.0.1:0\"]\ntls = \"none\"\n";
    let house = House::new(&format!(
        "[receive]\nsessions_per_address_max = 1\nproxy_networks = [\"127.0.0.1\"]\n\
         {listener}{listener}proxy = \"required\"\n"
    ));
    let server = house.start();
    let [open, proxied]: [SocketAddr; 2] = server.listeners("http").try_into().unwrap();
    let curl = |at: SocketAddr, more: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--max-time",
            "60",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ]);
        let said = said(command.args(more).arg(format!("http://{at}/")), b"");
        (said.code, said.out)
    };
    assert_eq!(curl(proxied, &["--haproxy-protocol"]), (0, "404".to_owned()));
    assert_ne!(curl(proxied, &[]).0, 0, "who does not say who comes hears nothing");
    assert_eq!(curl(open, &[]), (0, "404".to_owned()));
    // What proxies hold is counted for who is behind them.
    let behind = TcpStream::connect(proxied).unwrap();
    (&behind).write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut first = [0; 12];
    (&behind).read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 404");
    let second = TcpStream::connect(proxied).unwrap();
    (&second).write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\n").unwrap();
    (&second).read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 429");
}

#[test]
fn a_listener_for_http_answers_an_authority_too() {
    let net = Loopback::claim();
    let at = SocketAddr::from((net.host(1), net.port()));
    let records = format!("mx.here A {}", net.host(1));
    let knot = Knot::start(
        &net,
        &[Zone { name: "test.", records: Some(&records) }, Zone { name: ".", records: Some("") }],
    );
    let pebble = Pebble::start(&net, knot.address(), at.port(), Duration::from_hours(24 * 90), None);
    let house = House::new(&format!(
        "[[listener]]\nservice = \"http\"\nbind = [\"{at}\"]\ntls = \"none\"\n\
         [tls.acme]\nagree_to_terms = true\ndirectory = \"{}\"\nca_file = \"{}\"\nbind = []\n",
        pebble.directory(),
        pebble.ca_file().display()
    ));
    let server = house.start();
    let log = eventually("a certificate", SOON, || {
        let printed = server.printed();
        printed.contains("certificate obtained").then_some(printed)
    });
    assert!(!log.contains("listening for an authority"), "{log}");
    let url = format!("http://{at}/.well-known/acme-challenge/token");
    let status =
        run("curl", &["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &url], b"");
    assert_eq!(status, "404", "no challenge is open any more");
}

/// By RFC 6186 §4, with the resolver of dnspython: the service that is offered, with the lowest priority.
const LOOKUP: &str = "import dns.resolver, imaplib, json, ssl, sys
server, port, ca, login, password = sys.argv[1:]
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [server], int(port)
found = []
for name in ('_imaps', '_imap', '_pop3s', '_pop3', '_submissions', '_submission'):
    for record in resolver.resolve(name + '._tcp.here.test', 'SRV'):
        found.append((record.priority, name, str(record.target), record.port))
offered = sorted(record for record in found if record[2] != '.')
priority, name, target, at = next(record for record in offered if record[1].startswith('_imap'))
host = target.rstrip('.')
address = resolver.resolve(target, 'A')[0].address
context = ssl.create_default_context(cafile=ca)
class Found(imaplib.IMAP4_SSL):
    def _create_socket(self, timeout):
        import socket
        return context.wrap_socket(socket.create_connection((address, self.port)), server_hostname=host)
imap = Found(host, at)
imap.login(login, password)
print(json.dumps({'found': found, 'name': name, 'answer': imap.select('INBOX')[0]}))
imap.logout()";

#[test]
fn a_client_finds_imap_by_the_srv_records_that_are_printed() {
    let net = Loopback::claim();
    let (host, port, taken) = (net.host(1), net.port(), Authority::new());
    let own = taken.issue_for(&["mx.here.test"], "own");
    let house = House::new(&format!(
        "[[listener]]\nservice = \"imap\"\nbind = [\"{host}:{port}\"]\ntls = \"implicit\"\n\
         [[account]]\nlogin = \"{CAROL}\"\npassword = {{ file = \"carol.password\" }}\n\
         [deliver]\nlocal = \"mailstore\"\n{}",
        own.section()
    ));
    write_secret(&house.path().join("carol.password"), &format!("{PASSWORD}\n"));
    let _server = house.start();
    let said = house.command(&["account", "settings", CAROL, "--format", "dns"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let records = format!("mx A {host}\n{}", said.out);
    let knot = Knot::start(&net, &[Zone { name: "here.test.", records: Some(&records) }]);
    let at = knot.address();
    let ca = taken.certificate().display().to_string();
    let arguments = ["-c", LOOKUP, &at.ip().to_string(), &at.port().to_string(), &ca, CAROL, PASSWORD];
    let found: Value = serde_json::from_str(&run("/usr/bin/python3", &arguments, b"")).unwrap();
    assert_eq!((&found["name"], &found["answer"]), (&"_imaps".into(), &"OK".into()), "{found}");
    let targets = found["found"].as_array().unwrap().iter().filter(|record| record[2] != ".");
    assert_eq!(targets.count(), 1, "what there is not is said not to be: {found}");
}

/// Every name leads to this machine, and the ports of the web to those of the server.
fn preferences(https: u16, http: u16) -> String {
    format!(
        "user_pref(\"marionette.port\", 0);\nuser_pref(\"network.dns.forceResolve\", \"127.0.0.1\");\n\
         user_pref(\"network.socket.forcePort\", \"443={https};80={http}\");\n\
         user_pref(\"app.update.enabled\", false);\nuser_pref(\"datareporting.policy.dataSubmissionEnabled\", false);\n"
    )
}

/// All messages of somebody, as they were.
fn exported(house: &House, login: &str, to: &str) -> Vec<String> {
    let to = house.path().join(to);
    let said =
        house.command(&["mailbox", "export", login, "--to", to.to_str().unwrap(), "--format", "maildir"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let files = run("find", &[to.to_str().unwrap(), "-type", "f", "-path", "*/cur/*"], b"");
    files.lines().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn thunderbird_needs_an_address_and_a_password_to_read_and_send() {
    let scene = Scene::new();
    let profile = scene.house.path().join("profile");
    fs::create_dir(&profile).unwrap();
    let port = |tls| scene.server.listener_with("http", tls).port();
    fs::write(profile.join("user.js"), preferences(port("implicit"), port("none"))).unwrap();
    let mut command = Command::new("thunderbird");
    command.args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile"]);
    command.arg(&profile).env("HOME", scene.house.path()).env_remove("DISPLAY");
    let mut thunderbird = Process::start("thunderbird", command, &scene.house.path().join("thunderbird.log"));
    eventually("Thunderbird to listen", SOON, || {
        assert!(thunderbird.ended().is_none(), "{}", thunderbird.printed());
        fs::read_to_string(profile.join("MarionetteActivePort")).ok().filter(|port| !port.is_empty())
    });
    let (ca, smtp) = (scene.authority.certificate(), scene.server.smtp().port().to_string());
    let (profile, ca) = (profile.to_str().unwrap(), ca.to_str().unwrap());
    let program = include_str!("thunderbird.py");
    let happened = run("/usr/bin/python3", &["-c", program, profile, ca, CAROL, PASSWORD, &smtp], b"");
    let happened: Value = serde_json::from_str(&happened).unwrap();
    let found = &happened["found"];
    assert_eq!(found["source"], "xml-from-isp-https", "by our document, under TLS: {happened}");
    for (which, kind, service) in [("incoming", "imap", "imap"), ("outgoing", "smtp", "submission")] {
        let server = &found[which];
        assert_eq!(
            (&server["type"], &server["hostname"]),
            (&kind.into(), &"mx.here.test".into()),
            "{happened}"
        );
        // Under TLS from the start, and the password as it is.
        assert_eq!((&server["socketType"], &server["auth"]), (&3.into(), &3.into()), "{happened}");
        assert_eq!(server["port"], scene.port(service), "{happened}");
    }
    assert_eq!(found["alternatives"][0]["type"], "pop3", "{happened}");
    assert_eq!(happened["created"]["username"], CAROL, "{happened}");
    assert_eq!(happened["listed"], serde_json::json!(["first"]), "{happened}");
    assert!(happened["read"].as_str().unwrap().ends_with("\r\n\r\nthe body of the first\r\n"), "{happened}");
    assert_eq!(happened["arrived"], "second", "while nobody asked: {happened}");
    let sent = eventually("what was sent", SOON, || {
        // A folder that is there already is not written to.
        let number = fs::read_dir(scene.house.path()).unwrap().count();
        exported(&scene.house, "anna@here.test", &format!("anna-{number}")).into_iter().next()
    });
    assert!(
        sent.contains("Subject: from Thunderbird\r\n") && sent.contains("\r\n.\r\nfrom a desktop"),
        "{sent}"
    );
    let copies = exported(&scene.house, CAROL, "carol");
    assert!(
        copies.iter().any(|copy| copy.contains("Subject: from Thunderbird")),
        "a copy in Sent: {copies:?}"
    );
}
