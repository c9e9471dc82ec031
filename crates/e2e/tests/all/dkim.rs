//! Mail of ours leaves with signatures that dkimpy, a program of others, finds good; mail of others leaves without.

use std::{fs, process::Command, time::Duration};

use e2e::{House, Loopback, Postrider, Sink, binary, said};

const SOON: Duration = Duration::from_mins(1);

/// Checks all signatures of the message on standard input against keys in files: `NAME TEXT` in each line of the one that is named.
const JUDGE: &str = "\
import sys, dkim
keys = dict(line.rstrip('\\n').split(' ', 1) for line in open(sys.argv[1]))
def find(name, timeout=5):
    name = (name.decode() if isinstance(name, bytes) else name).rstrip('.')
    return keys[name].encode() if name in keys else None
message = dkim.DKIM(sys.stdin.buffer.read())
count = sum(1 for name, _ in message.headers if name.lower() == b'dkim-signature')
print(' '.join(str(message.verify(idx=number, dnsfunc=find)) for number in range(count)))
";

/// A server that signs for here.test by a key of each kind, and sends all other mail to a sink.
struct Signing {
    house: House,
    server: Postrider,
    sink: Sink,
    _net: Loopback,
}

impl Signing {
    fn new() -> Self {
        let net = Loopback::claim();
        let sink = Sink::start(net.host(1), 0);
        let keys = ["r1", "e1"].map(|selector| {
            format!("[[dkim]]\ndomain = \"here.test\"\nselector = \"{selector}\"\nkey = \"{selector}.pem\"\n")
        });
        let house = House::new(&format!(
            "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n[signing]\nwatch = \"off\"\n[deliver]\nprivate_addresses = \"allow\"\n\
             [[route]]\ndomains = \"away.test\"\nto = \"smtp:{}\"\n{}",
            sink.address(),
            keys.concat()
        ));
        for (kind, selector) in [("rsa", "r1"), ("ed25519", "e1")] {
            let mut command = Command::new(binary());
            command.args([
                "dkim",
                "generate",
                "here.test",
                "--kind",
                kind,
                "--selector",
                selector,
                "--output",
            ]);
            let made = said(command.arg(house.path().join(format!("{selector}.pem"))), b"");
            assert_eq!(made.code, 0, "{}", made.err);
        }
        let server = house.start();
        Self { house, server, sink, _net: net }
    }

    /// By `sendmail`, from anna.
    fn send(&self, to: &str, text: &str) {
        let dir = format!("QueueDirectory={}", self.house.data().display());
        let mut command = Command::new(binary());
        command.args(["sendmail", "-O", &dir, "-f", "anna@here.test", to]);
        let sent = said(&mut command, text.as_bytes());
        assert_eq!(sent.code, 0, "{}", sent.err);
    }

    /// What dkimpy says of each signature of the mail that came to an address, and the mail.
    fn judged(&self, to: &str) -> (String, String) {
        let mail = self.sink.wait_for(to, SOON);
        let config = self.house.path().join("postrider.toml");
        let records = said(Command::new(binary()).args(["--json", "dkim", "records", "-c"]).arg(config), b"");
        assert_eq!(records.code, 0, "{}", records.err);
        let records: serde_json::Value = serde_json::from_str(&records.out).unwrap();
        let lines: Vec<String> = records
            .as_array()
            .unwrap()
            .iter()
            .map(|record| {
                format!("{} {}\n", record["name"].as_str().unwrap(), record["txt"].as_str().unwrap())
            })
            .collect();
        let keys = self.house.path().join("keys");
        fs::write(&keys, lines.concat()).unwrap();
        let mut judge = Command::new("/usr/bin/python3");
        let verdict = said(judge.args(["-c", JUDGE]).arg(keys), &mail.content);
        assert_eq!(verdict.code, 0, "{}", verdict.err);
        (verdict.out.trim().to_owned(), String::from_utf8_lossy(&mail.content).into_owned())
    }
}

#[test]
fn mail_of_ours_is_signed_by_both_kinds_of_keys() {
    let signing = Signing::new();
    let long = "x".repeat(70);
    for (to, text) in [
        ("plain@away.test", "Subject: plain\n\nHello.\n".to_owned()),
        (
            "odd@away.test",
            format!("Subject:   odd \n\tspaces\nList-Id: <x.here.test>\n\n  a \t b \n\n\n{long}\n\n\n"),
        ),
        ("empty@away.test", "Subject: empty\n\n".to_owned()),
        (
            "eight@away.test",
            "Subject: eight\nContent-Type: text/plain; charset=utf-8\n\nGr\u{fc}\u{df}e\n".to_owned(),
        ),
        ("large@away.test", format!("Subject: large\n\n{}", format!("{long}\n").repeat(40_000))),
    ] {
        signing.send(to, &text);
        let (verdict, mail) = signing.judged(to);
        assert_eq!(verdict, "True True", "{to}: {}", mail.get(..2000).unwrap_or(&mail));
    }
}

#[test]
fn mail_of_others_is_passed_on_as_it_came() {
    let signing = Signing::new();
    // A trusted network may relay, but nobody has shown whose From it is: a signature would make it true.
    let mut client = signing.server.client();
    let content = "From: anna@here.test\r\nTo: bert@away.test\r\nSubject: by a network\r\n\r\nHello.\r\n";
    let (code, text) = client.mail("anna@here.test", &["bert@away.test"], content).unwrap();
    assert_eq!(code, 250, "{text}");
    let (verdict, mail) = signing.judged("bert@away.test");
    assert_eq!(verdict, "", "{mail}");
    // Of a domain without a key.
    let dir = format!("QueueDirectory={}", signing.house.data().display());
    let mut command = Command::new(binary());
    command.args(["sendmail", "-O", &dir, "-f", "anna@here.test", "carl@away.test"]);
    let sent = said(&mut command, b"From: x@elsewhere.test\nSubject: other\n\nHello.\n");
    if sent.code == 0 {
        assert_eq!(signing.judged("carl@away.test").0, "");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_told_with_its_line() {
    let signing = Signing::new();
    let key = signing.house.path().join("r1.pem");
    fs::write(&key, "no key\n").unwrap();
    let config = signing.house.path().join("postrider.toml");
    let checked = said(Command::new(binary()).args(["config", "check", "-c"]).arg(&config), b"");
    assert_eq!(checked.code, 2, "{}", checked.out);
    for words in ["r1.pem: not a private key for DKIM", "-----BEGIN PRIVATE KEY-----"] {
        assert!(checked.err.contains(words), "{}", checked.err);
    }
    // A second key under a name that is taken would be published in its place.
    let mut again = Command::new(binary());
    again.args(["dkim", "generate", "here.test", "--selector", "e1", "--output"]);
    let again = said(again.arg(signing.house.path().join("e1.pem")), b"");
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains("e1.pem"), "{}", again.err);
}
