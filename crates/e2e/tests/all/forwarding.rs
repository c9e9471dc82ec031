//! Mail that is sent on from here.test to there.test: two Postriders behind a real DNS, and a sender whose domain lets nobody else send in its name.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use e2e::{
    Client, Envelope, House, Judged, Knot, Loopback, Mail, Postrider, Rspamd, Zone, binary, eventually,
    queue_id, said,
};

const SOON: Duration = Duration::from_mins(1);
/// Where mail of away.test comes from.
const SENDER: &str = "192.0.2.7";

/// As another server signs for away.test.
const SIGN: &str = "\
import sys, dkim
message, key = sys.stdin.buffer.read(), open(sys.argv[1], 'rb').read()
field = dkim.sign(message, b'r1', b'away.test', key, canonicalize=(b'relaxed', b'relaxed'))
sys.stdout.buffer.write(field + message)
";

/// Says what dkimpy says of the chain of the message on standard input, with the keys in the file.
const CHAIN: &str = "\
import sys, json, dkim
keys = json.load(open(sys.argv[1]))
dns = lambda name, timeout=5: keys.get(name.decode().rstrip('.'), '').encode()
status, results, reason = dkim.ARC(sys.stdin.buffer.read()).verify(dnsfunc=dns)
print(status.decode(), reason)
";

struct World {
    here: House,
    /// There for its mailboxes: bert's, and that of zoe@away.test, who hears of what cannot be delivered.
    there: House,
    _running: Vec<Postrider>,
    at: SocketAddr,
    keys: House,
    /// The records of keys, by name.
    records: Vec<(String, String)>,
    knot: Knot,
    net: Loopback,
}

/// A key, and the record that publishes it.
fn key(keys: &Path, domain: &str) -> String {
    let file = keys.join(format!("{domain}.pem"));
    let mut generate = Command::new(binary());
    generate.args(["dkim", "generate", domain, "--kind", "rsa", "--selector", "r1", "--output"]);
    let made = said(generate.arg(&file), b"");
    assert_eq!(made.code, 0, "{}", made.err);
    let config = keys.join("postrider.toml");
    let text = format!(
        "hostname = \"mx.{domain}\"\n[[domain]]\nname = \"{domain}\"\n[[account]]\nlogin = \"a@{domain}\"\n\
         [[dkim]]\ndomain = \"{domain}\"\nselector = \"r1\"\nkey = \"{domain}.pem\"\n"
    );
    fs::write(&config, text).unwrap();
    let mut records = Command::new(binary());
    let records = said(records.args(["--json", "dkim", "records", "-c"]).arg(&config), b"");
    assert_eq!(records.code, 0, "{}", records.err);
    let records: serde_json::Value = serde_json::from_str(&records.out).unwrap();
    records.pointer("/0/txt").and_then(serde_json::Value::as_str).unwrap().to_owned()
}

/// A server for a domain, at a host of the net.
fn house(domain: &str, at: SocketAddr, knot: SocketAddr, more: &str) -> House {
    let house = House::new("[verify]\nchecks = \"on\"\n");
    let base = fs::read_to_string(house.config()).unwrap();
    let base = base.replace("here.test", domain).replace("127.0.0.1:0", &at.to_string());
    let port = at.port();
    let deliver = format!("[deliver]\nport = {port}\nprivate_addresses = \"allow\"\n");
    let text = format!(
        "{}\n[dns]\nservers = [\"{knot}\"]\n[receive]\nxclient_networks = [\"127.0.0.0/8\"]\n\
         [queue]\nretry = [\"1s\"]\n{more}\n",
        base.replace("[deliver]\n", &deliver)
    );
    fs::write(house.config(), text).unwrap();
    house
}

impl World {
    fn new(more: &str) -> Self {
        let net = Loopback::claim();
        let keys = House::new("");
        let names = ["away.test", "here.test", "there.test"];
        let published: Vec<String> = names.iter().map(|name| key(keys.path(), name)).collect();
        let port = net.port();
        let mut zone = String::new();
        for (name, record) in names.iter().zip(&published) {
            let label = name.trim_end_matches(".test");
            let (first, rest) = record.split_at(200);
            let _ = writeln!(zone, "r1._domainkey.{label} TXT \"{first}\" \"{rest}\"");
        }
        let _ = write!(
            zone,
            "away TXT \"v=spf1 ip4:{SENDER} -all\"\n_dmarc.away TXT \"v=DMARC1; p=reject\"\n\
             here TXT \"v=spf1 ip4:127.0.0.1 -all\"\nthere TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
             forged TXT \"v=spf1 -all\"\n\
             here MX 10 mx.here\nmx.here A {}\nthere MX 10 mx.there\nmx.there A {}\naway MX 10 mx.there\n",
            net.host(1),
            net.host(2)
        );
        let zones = [
            Zone { name: "test.", records: Some(&zone) },
            Zone { name: "in-addr.arpa.", records: Some("") },
            Zone { name: ".", records: Some("") },
        ];
        let knot = Knot::start(&net, &zones);
        let (at, beyond) = ((net.host(1), port).into(), (net.host(2), port).into());
        let aliases = "[[alias]]\naddress = \"sales@here.test\"\nto = [\"bert@there.test\"]\n\
             [[alias]]\naddress = \"both@here.test\"\nto = [\"anna@here.test\", \"bert@there.test\"]\n\
             [[alias]]\naddress = \"gone@here.test\"\nto = [\"nobody@there.test\"]\n\
             [[alias]]\naddress = \"loop@here.test\"\nto = [\"loop@there.test\"]\n";
        let signing = |domain: &str| {
            format!("[[dkim]]\ndomain = \"{domain}\"\nselector = \"r1\"\nkey = \"{domain}.pem\"\n")
        };
        let here =
            house("here.test", at, knot.address(), &format!("{aliases}{}{more}", signing("here.test")));
        let there = house(
            "there.test",
            beyond,
            knot.address(),
            &format!(
                "{}[[account]]\nlogin = \"bert@there.test\"\n[[domain]]\nname = \"away.test\"\n\
                 [[account]]\nlogin = \"zoe@away.test\"\n\
                 [[alias]]\naddress = \"loop@there.test\"\nto = [\"loop@here.test\"]\n",
                signing("there.test")
            ),
        );
        for (house, domain) in [(&here, "here.test"), (&there, "there.test")] {
            let file = format!("{domain}.pem");
            fs::copy(keys.path().join(&file), house.path().join(&file)).unwrap();
        }
        let running = vec![there.start(), here.start()];
        let records = names.iter().map(|name| format!("r1._domainkey.{name}")).zip(published).collect();
        Self { here, there, _running: running, at, keys, records, knot, net }
    }

    /// As a client at another address.
    fn client(&self, address: &str) -> Client {
        let mut client = Client::connect(self.at);
        client.expect("EHLO proxy.test", 250);
        client.expect(&format!("XCLIENT ADDR={address} NAME=[UNAVAILABLE]"), 220);
        client.expect("EHLO mail.away.test", 250);
        client
    }

    fn send(&self, from: &str, to: &str, content: &str, address: &str) -> String {
        let (code, text) = self.client(address).mail(from, &[to], content).unwrap();
        assert_eq!(code, 250, "{text}");
        queue_id(&text)
    }

    /// As dkimpy signs it for away.test.
    fn signed(&self, subject: &str) -> String {
        let message =
            format!("From: zoe@away.test\r\nTo: sales@here.test\r\nSubject: {subject}\r\n\r\nHello.\r\n");
        // dkimpy reads the older form of keys alone.
        let (key, old) = (self.keys.path().join("away.test.pem"), self.keys.path().join("old.pem"));
        let mut convert = Command::new("openssl");
        let converted =
            said(convert.args(["rsa", "-traditional", "-in"]).arg(key).arg("-out").arg(&old), b"");
        assert_eq!(converted.code, 0, "{}", converted.err);
        let signed = said(Command::new("/usr/bin/python3").args(["-c", SIGN]).arg(&old), message.as_bytes());
        assert_eq!(signed.code, 0, "{}", signed.err);
        signed.out
    }

    fn filed(&self, address: &str, words: &str) -> Mail {
        self.there.maildir(address).wait_for(words, SOON)
    }

    /// What dkimpy says of the chain of a message, as bert's server got it.
    fn chain(&self, mail: &Mail) -> String {
        let keys = self.keys.path().join("keys.json");
        let records: serde_json::Map<_, _> =
            self.records.iter().map(|(name, record)| (name.clone(), record.clone().into())).collect();
        fs::write(&keys, serde_json::Value::from(records).to_string()).unwrap();
        let mut python = Command::new("/usr/bin/python3");
        let told = said(python.args(["-c", CHAIN]).arg(&keys), as_it_came(mail).as_bytes());
        assert_eq!(told.code, 0, "{}", told.err);
        told.out
    }
}

/// A message as bert's server got it: without the fields that it has put before it.
fn as_it_came(mail: &Mail) -> String {
    let text = mail.text().replace("\r\n", "\n");
    let begin = text.find("ARC-Seal: ").expect("a seal");
    text.split_at(begin).1.replace('\n', "\r\n")
}

#[test]
fn mail_that_is_sent_on_is_believed_and_reports_come_back() {
    let world = World::new("");
    let id = world.send("zoe@away.test", "sales@here.test", &world.signed("sent on"), SENDER);
    let mail = world.filed("bert@there.test", "Subject: sent on");
    let told = mail.field("Authentication-Results").unwrap();
    for words in [
        "mx.there.test;",
        "spf=pass (ip4:127.0.0.1) smtp.mailfrom=",
        "dmarc=pass header.from=away.test policy.dmarc=reject;",
        "arc=pass",
        "dkim=pass header.d=away.test",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let path = mail.field("Return-Path").unwrap();
    assert!(path.starts_with("<SRS0=") && path.ends_with("=away.test=zoe@here.test>"), "{path}");
    let sealed = mail.field("ARC-Authentication-Results").unwrap();
    assert!(sealed.starts_with("i=1; mx.here.test; spf=pass") && sealed.contains("dmarc=pass"), "{sealed}");
    assert_eq!(mail.field("X-Forwarded-To").as_deref(), Some("bert@there.test"));
    assert_eq!(mail.field("X-Forwarded-For").as_deref(), Some("sales@here.test"));
    let chain = world.chain(&mail);
    assert!(chain.starts_with("pass"), "{chain}");
    world.here.wait_for_trace(&id, "sent on to one address");

    // A report of somebody further on.
    let back = path.trim_matches(['<', '>']);
    let report = "From: x@there.test\r\nTo: x@here.test\r\nSubject: came back\r\n\r\nNo.\r\n";
    world.send("", back, report, "192.0.2.99");
    let came = world.filed("zoe@away.test", "Subject: came back");
    assert_eq!(came.field("Return-Path").as_deref(), Some("<>"));
    // And our own.
    world.send("zoe@away.test", "gone@here.test", &world.signed("to nobody"), SENDER);
    let came = world.filed("zoe@away.test", "Final-Recipient: rfc822; nobody@there.test");
    assert!(came.contains("gone@here.test"), "{}", came.text());
    // Forged ones, and mail that is none.
    let mut client = world.client("192.0.2.99");
    client.expect("MAIL FROM:<>", 250);
    let text = client.expect(&format!("RCPT TO:<{}>", back.replace("zoe", "eve")), 550);
    assert!(text.contains("5.7.1"), "{text}");
    client.expect("RSET", 250);
    client.expect("MAIL FROM:<eve@away.test>", 250);
    assert_eq!(client.expect(&format!("RCPT TO:<{back}>"), 550), text);
    world.here.wait_for_empty_queue(SOON);
}

#[test]
fn rspamd_believes_mail_that_is_sent_on_and_what_is_changed_behind_us_not() {
    let world = World::new("");
    let rspamd = Rspamd::start(&world.net, world.knot.address());
    world.send("zoe@away.test", "sales@here.test", &world.signed("to rspamd"), SENDER);
    let mail = world.filed("bert@there.test", "Subject: to rspamd");
    let (path, came) = (mail.field("Return-Path").unwrap(), as_it_came(&mail));
    assert!(path.starts_with("<SRS0="), "{path}");
    let judge = |message: &str, client: &str, from: &str| {
        let envelope = Envelope { client: client.parse().unwrap(), hello: "mx.here.test", from };
        rspamd.judge(message.as_bytes(), envelope)
    };
    let words = |judged: &Judged| [judged.spf, judged.dkim, judged.dmarc, judged.arc];
    let ours = path.trim_matches(['<', '>']);
    let judged = judge(&came, "127.0.0.1", ours);
    assert_eq!(words(&judged), ["pass", "pass", "pass", "pass"], "{judged:?}\n{came}");
    // In the name of whoever wrote it, SPF would have failed.
    let judged = judge(&came, "127.0.0.1", "zoe@away.test");
    assert_eq!(words(&judged), ["fail", "pass", "pass", "pass"], "{judged:?}");
    // Nobody else may use our path; and it is the author's signature alone that makes it his.
    let judged = judge(&came.replace("Hello.", "Hullo."), "192.0.2.99", ours);
    assert_eq!(words(&judged), ["fail", "fail", "fail", "fail"], "{judged:?}");
}

#[test]
fn a_loop_of_two_who_send_on_ends_and_who_wrote_hears_of_it() {
    let world = World::new("");
    world.send("zoe@away.test", "loop@here.test", &world.signed("round and round"), SENDER);
    let report = world.filed("zoe@away.test", "554 5.4.6");
    assert!(report.contains("mail loop"), "{}", report.text());
    world.here.wait_for_empty_queue(SOON);
    world.there.wait_for_empty_queue(SOON);
}

#[test]
fn what_is_forged_is_not_sent_on_before_somebody_releases_it() {
    let world = World::new("");
    let forged = "From: x@forged.test\r\nTo: both@here.test\r\nSubject: forged\r\n\r\nHello.\r\n";
    let id = world.send("x@forged.test", "both@here.test", forged, SENDER);
    let held = world.here.wait_for_event(&id, "held", "both@here.test");
    assert!(held["reason"].as_str().unwrap().contains("not sent on"), "{held}");
    // Her copy stays here, as junk: SPF of its sender fails.
    world.here.maildir("anna@here.test/.Junk").wait_for("Subject: forged", SOON);
    assert!(world.there.maildir("bert@there.test").messages().is_empty());
    let released = world.here.command(&["queue", "release", &id]);
    assert_eq!(released.code, 0, "{}", released.err);
    world.filed("bert@there.test", "Subject: forged");
}

#[test]
fn reports_of_our_own_mail_come_to_signed_addresses_alone() {
    let world = World::new("[return_path]\nsign = \"on\"\n");
    let dir = format!("QueueDirectory={}", world.here.data().display());
    let mut sendmail = Command::new(binary());
    sendmail.args(["sendmail", "-O", &dir, "-f", "anna@here.test", "bert@there.test"]);
    let sent = said(&mut sendmail, b"From: anna@here.test\nSubject: signed\n\nHello.\n");
    assert_eq!(sent.code, 0, "{}", sent.err);
    let path = world.filed("bert@there.test", "Subject: signed").field("Return-Path").unwrap();
    assert!(path.starts_with("<prvs=0") && path.ends_with("=anna@here.test>"), "{path}");
    let report = |subject: &str| format!("From: x@there.test\r\nSubject: {subject}\r\n\r\nNo.\r\n");
    let signed = path.trim_matches(['<', '>']);
    world.send("", signed, &report("a real one"), "192.0.2.99");
    let filed = world.here.maildir("anna@here.test").wait_for("Subject: a real one", SOON);
    assert_eq!(filed.field("Delivered-To").as_deref(), Some("anna@here.test"));
    let (code, text) = world.client("192.0.2.99").mail("", &["anna@here.test"], &report("forged")).unwrap();
    assert!(code == 550 && text.contains("5.7.1"), "{code} {text}");
    let forged = signed.replace("=anna", "=ben");
    let (code, _) = world.client("192.0.2.99").mail("", &[&forged], &report("forged")).unwrap();
    assert_eq!(code, 550);
    // What people write is none of it.
    world.send("zoe@away.test", "anna@here.test", &world.signed("usual"), SENDER);
    world.here.maildir("anna@here.test").wait_for("Subject: usual", SOON);
}

#[test]
fn an_alias_leads_elsewhere_at_once_and_a_list_stands_for_who_may_not_be_sent_for() {
    let world = World::new("");
    let added = world.here.command(&["alias", "add", "new@here.test", "bert@there.test"]);
    assert_eq!(added.code, 0, "{}", added.err);
    world.send("zoe@away.test", "new@here.test", &world.signed("by a new alias"), SENDER);
    world.filed("bert@there.test", "Subject: by a new alias");
    let list = ["list", "add", "talk@here.test", "--title", "Talk", "--owner", "ben@here.test"];
    let members = ["--member", "zoe@away.test", "--member", "bert@there.test"];
    let added = world.here.command(&[&list[..], &members].concat());
    assert_eq!(added.code, 0, "{}", added.err);
    world.send("zoe@away.test", "talk@here.test", &world.signed("to the list"), SENDER);
    let mail = world.filed("bert@there.test", "Subject: to the list");
    assert_eq!(mail.field("From").as_deref(), Some("\"zoe via Talk\" <talk@here.test>"));
    assert_eq!(mail.field("Reply-To").as_deref(), Some("zoe@away.test"));
    assert_eq!(mail.field("X-Original-From").as_deref(), Some("zoe@away.test"));
    let told = mail.field("Authentication-Results").unwrap();
    assert!(told.contains("dkim=pass header.d=here.test") && told.contains("arc=pass"), "{told}");
    let all = eventually("both members to have it", SOON, || {
        let filed = world.there.maildir("zoe@away.test").messages();
        filed.into_iter().find(|mail| mail.contains("Subject: to the list"))
    });
    assert!(all.contains("List-Id: \"Talk\" <talk.here.test>"), "{}", all.text());
}
