//! Keys for signatures that the server makes and keeps, with a real DNS: made, published, used, followed by others, and missed when they are gone.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, time::Duration};

use e2e::{House, Key, Knot, Loopback, Postrider, Sink, Zone, binary, eventually, said};
use serde_json::Value;

const SOON: Duration = Duration::from_mins(1);
const KEY: Key<'_> = Key { name: "keys", secret: "bm90IGEgc2VjcmV0LCBidXQgYSBrZXkgb2YgYSB0ZXN0" };
/// What a message begins with that waits.
const HELD: &str = "held: mail of here.test cannot be signed";

/// Checks all signatures of the message on standard input against keys in files: `NAME TEXT` in each line of the one that is named. With each
/// verdict its selector.
const JUDGE: &str = "\
import sys, re, dkim
keys = dict(line.rstrip('\\n').split(' ', 1) for line in open(sys.argv[1]))
def find(name, timeout=5):
    name = (name.decode() if isinstance(name, bytes) else name).rstrip('.')
    return keys[name].encode() if name in keys else None
message = dkim.DKIM(sys.stdin.buffer.read())
fields = [value for name, value in message.headers if name.lower() == b'dkim-signature']
for number, field in enumerate(fields):
    selector = re.search(rb's=([a-z0-9-]+)', field).group(1).decode()
    print(selector, message.verify(idx=number, dnsfunc=find))
";

/// A server that keeps the keys of here.test and sends other mail to a sink, and its DNS.
struct Keeping {
    house: House,
    /// None: between two runs.
    server: Option<Postrider>,
    sink: Sink,
    knot: Knot,
    _net: Loopback,
}

impl Keeping {
    fn new(signing: &str, updates: bool) -> Self {
        Self::with(&format!("[signing]\ninterval = \"1s\"\n{signing}"), updates, |_| {})
    }

    fn with(signing: &str, updates: bool, prepare: impl FnOnce(&House)) -> Self {
        let net = Loopback::claim();
        let sink = Sink::start(net.host(1), 0);
        let zones = [Zone { name: "test.", records: Some("") }, Zone { name: ".", records: Some("") }];
        let knot = Knot::updatable(&net, &zones, KEY);
        let update = format!(
            "[dns.update]\nserver = \"{}\"\nkey_name = \"{}\"\nkey = {{ file = \"dns.key\" }}\nttl = \"1s\"\nwait = \"0s\"\n",
            knot.address(),
            KEY.name
        );
        let house = House::new(&format!(
            "[deliver]\nprivate_addresses = \"allow\"\n[[route]]\ndomains = \"away.test\"\nto = \"smtp:{}\"\n\
             [dns]\nservers = [\"{}\"]\n{}{signing}",
            sink.address(),
            knot.address(),
            if updates { &update } else { "" }
        ));
        let file = house.path().join("dns.key");
        fs::write(&file, KEY.secret).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        prepare(&house);
        let server = Some(house.start());
        Self { house, server, sink, knot, _net: net }
    }

    /// What the server has logged.
    fn log(&self) -> String {
        self.server.as_ref().map(Postrider::printed).unwrap_or_default()
    }

    /// By `sendmail`, from anna.
    fn send(&self, to: &str) {
        let dir = format!("QueueDirectory={}", self.house.data().display());
        let mut command = Command::new(binary());
        command.args(["sendmail", "-O", &dir, "-f", "anna@here.test", to]);
        let sent = said(&mut command, format!("Subject: {to}\n\nHello.\n").as_bytes());
        assert_eq!(sent.code, 0, "{}", sent.err);
    }

    /// The keys of here.test, as `dkim status` tells them, and what is wrong.
    fn status(&self) -> (Vec<Value>, Option<String>) {
        let told = self.house.command(&["--json", "dkim", "status"]);
        let all: Value = serde_json::from_str(&told.out).expect(&told.err);
        let domain = all.pointer("/domains/0").expect("a domain");
        let trouble = domain.get("trouble").and_then(Value::as_str).map(str::to_owned);
        assert_eq!(told.code, i32::from(trouble.is_some()), "{}", told.err);
        (domain.get("keys").and_then(Value::as_array).expect("keys").clone(), trouble)
    }

    /// The selectors of the keys in a state.
    fn in_state(&self, state: &str) -> Vec<String> {
        let keys = self.status().0;
        let there = keys.iter().filter(|key| key["state"] == state);
        there.map(|key| key["selector"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_for(&self, state: &str, count: usize) -> Vec<String> {
        eventually(&format!("{count} keys to be {state}"), SOON, || {
            Some(self.in_state(state)).filter(|keys| keys.len() == count)
        })
    }

    /// The text that Knot has for a selector.
    fn published(&self, selector: &str) -> String {
        let text = self.knot.ask(&["+short", &format!("{selector}._domainkey.here.test"), "TXT"]);
        text.split('"').skip(1).step_by(2).collect()
    }

    /// Waits for the mail to an address, has its signatures judged by the keys that are in the DNS then, and gives their selectors.
    fn verified(&self, to: &str) -> Vec<String> {
        let mail = self.sink.wait_for(to, SOON);
        let content = String::from_utf8_lossy(&mail.content).into_owned();
        let selectors: Vec<&str> =
            content.split(" s=").skip(1).filter_map(|rest| rest.split(';').next()).collect();
        let lines: Vec<String> = selectors
            .iter()
            .map(|selector| format!("{selector}._domainkey.here.test {}\n", self.published(selector)))
            .collect();
        let keys = self.house.path().join("published");
        fs::write(&keys, lines.concat()).unwrap();
        let verdict = said(Command::new("/usr/bin/python3").args(["-c", JUDGE]).arg(keys), &mail.content);
        assert_eq!(verdict.code, 0, "{}", verdict.err);
        let judged: Vec<(&str, &str)> = verdict.out.lines().filter_map(|line| line.split_once(' ')).collect();
        assert!(judged.iter().all(|(_, passed)| *passed == "True"), "{}: {content}", verdict.out);
        judged.into_iter().map(|(selector, _)| selector.to_owned()).collect()
    }

    /// What an operator does by hand.
    fn update(&self, line: &str) {
        let address = self.knot.address();
        let script = format!(
            "server {} {}\nzone test.\nkey hmac-sha256:{} {}\n{line}\nsend\n",
            address.ip(),
            address.port(),
            KEY.name,
            KEY.secret
        );
        let done = said(Command::new("knsupdate").arg("-v"), script.as_bytes());
        assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    }

    /// Puts the records in that the status wants.
    fn obey(&self) {
        for key in self.status().0.iter().filter(|key| key["to_do"] == true) {
            let (name, text) = (key["name"].as_str().unwrap(), key["text"].as_str().unwrap());
            let (first, rest) = text.split_at(text.len().min(200));
            self.update(&format!("add {name}. 1 TXT \"{first}\" \"{rest}\""));
        }
    }

    /// Waits until a message to an address is held.
    fn wait_until_held(&self, to: &str) -> String {
        eventually("a message to be held", SOON, || {
            let listed = self.house.command(&["queue", "list", "--to", to]).out;
            listed.contains(HELD).then_some(listed)
        })
    }
}

#[test]
fn keys_follow_each_other_by_updates_and_all_mail_verifies() {
    let mut keeping = Keeping::new(
        "keep = \"all\"\nrotate = \"never\"\npublish_wait = \"3s\"\nretire_wait = \"20s\"\n",
        true,
    );
    let first = keeping.wait_for("signing", 2);
    keeping.send("before@away.test");
    assert_eq!(keeping.verified("before@away.test"), first);
    let asked = keeping.house.command(&["dkim", "rotate", "here.test"]);
    assert_eq!(asked.code, 0, "{}", asked.err);
    keeping.send("during@away.test");
    assert_eq!(keeping.verified("during@away.test").len(), 2);
    keeping.wait_for("retired", 2);
    let second = keeping.in_state("signing");
    assert!(second.len() == 2 && second.iter().all(|selector| !first.contains(selector)), "{second:?}");
    keeping.send("after@away.test");
    assert_eq!(keeping.verified("after@away.test"), second);
    // What was signed before can still be checked.
    assert_eq!(keeping.verified("before@away.test"), first);
    // A restart in between forgets nothing.
    keeping.server.take().expect("a server").kill();
    keeping.server = Some(keeping.house.start());
    eventually("the old records to go", SOON, || {
        let (keys, trouble) = keeping.status();
        (trouble.is_none() && keys.len() == 2).then_some(())
    });
    for selector in &first {
        assert_eq!(keeping.published(selector), "", "{selector}");
    }
    keeping.send("later@away.test");
    assert_eq!(keeping.verified("later@away.test"), second);
    let files = fs::read_dir(keeping.house.data().join("dkim/here.test")).unwrap();
    for file in files.map(Result::unwrap) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    // The control socket answers for no domain that it does not keep.
    let other = keeping.house.command(&["dkim", "rotate", "away.test"]);
    assert!(other.code == 1 && other.err.contains("not made here"), "{}", other.err);
}

#[test]
fn mail_waits_until_the_record_is_there_and_right() {
    let keeping = Keeping::new("keep = [\"here.test\"]\nkeys = [\"rsa\"]\n", false);
    keeping.send("first@away.test");
    let listed = keeping.wait_until_held("first@away.test");
    assert!(listed.contains("there is no record"), "{listed}");
    let status = keeping.house.command(&["status"]);
    assert!(status.code == 1 && status.out.contains("mail of here.test waits"), "{}", status.out);
    assert!(keeping.log().contains("mail cannot be signed"), "{}", keeping.log());
    let text = keeping.house.command(&["dkim", "status"]);
    assert!(
        text.out.contains("Put into the DNS:") && text.out.contains("IN TXT ( \"v=DKIM1;"),
        "{}",
        text.out
    );
    keeping.obey();
    let selectors = keeping.verified("first@away.test");
    let selector = selectors.first().expect("a signature").clone();
    // Somebody takes the record out, or takes the key back: what comes then waits.
    for (number, wrong) in ["", "v=DKIM1; k=rsa; p="].into_iter().enumerate() {
        let name = format!("{selector}._domainkey.here.test.");
        let right = keeping.published(&selector);
        keeping.update(&format!("del {name} TXT"));
        if !wrong.is_empty() {
            keeping.update(&format!("add {name} 1 TXT \"{wrong}\""));
        }
        eventually("the trouble to be seen", SOON, || keeping.status().1);
        let to = format!("waits{number}@away.test");
        keeping.send(&to);
        keeping.wait_until_held(&to);
        assert!(keeping.sink.received().iter().all(|mail| !mail.recipients.concat().contains(&to)));
        keeping.update(&format!("del {name} TXT"));
        let (first, rest) = right.split_at(200);
        keeping.update(&format!("add {name} 1 TXT \"{first}\" \"{rest}\""));
        assert_eq!(keeping.verified(&to), selectors);
    }
}

#[test]
fn a_key_file_that_is_of_no_use_stops_the_mail_of_its_domain_alone() {
    let dkim = "[[dkim]]\ndomain = \"here.test\"\nselector = \"r1\"\nkey = \"r1.pem\"\n";
    let keeping = Keeping::with(&format!("[signing]\nwatch = \"off\"\n{dkim}"), false, |house| {
        fs::write(house.path().join("r1.pem"), "no key\n").unwrap();
        fs::set_permissions(house.path().join("r1.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    });
    let checked = keeping.house.command(&["config", "check"]);
    assert_eq!(checked.code, 2, "{}", checked.out);
    keeping.send("waits@away.test");
    let listed = keeping.wait_until_held("waits@away.test");
    assert!(listed.contains("r1.pem: not a private key for DKIM"), "{listed}");
    assert!(keeping.log().contains("mail cannot be signed"), "{}", keeping.log());
    let config = fs::read_to_string(keeping.house.config()).unwrap();
    // Told otherwise, it goes without.
    let unsigned = config.replace("watch = \"off\"", "watch = \"off\"\non_trouble = \"send-unsigned\"");
    fs::write(keeping.house.config(), unsigned).unwrap();
    assert_eq!(keeping.house.command(&["config", "reload"]).code, 0);
    assert_eq!(keeping.verified("waits@away.test"), Vec::<String>::new());
    fs::write(keeping.house.config(), config).unwrap();
    assert_eq!(keeping.house.command(&["config", "reload"]).code, 0);
    keeping.send("again@away.test");
    keeping.wait_until_held("again@away.test");
    // And with the key mended, signed.
    let file = keeping.house.path().join("r1.pem");
    fs::remove_file(&file).unwrap();
    let made = said(
        Command::new(binary())
            .args(["dkim", "generate", "here.test", "--selector", "r1", "--output"])
            .arg(&file),
        b"",
    );
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(keeping.house.command(&["config", "reload"]).code, 0);
    let mail = keeping.sink.wait_for("again@away.test", SOON);
    let content = String::from_utf8_lossy(&mail.content);
    assert!(content.starts_with("DKIM-Signature:") && content.contains("s=r1;"), "{content}");
}
