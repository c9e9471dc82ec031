//! Mail of strangers is checked against keys and policies in a real DNS: what dkimpy signs, and what a second Postrider does.

use std::{fs, process::Command, time::Duration};

use e2e::{House, Knot, Loopback, Mail, Postrider, Zone, binary, said};

const SOON: Duration = Duration::from_mins(1);

/// Signs the message on standard input by the key in a file.
const SIGN: &str = "\
import sys, dkim
message, key = sys.stdin.buffer.read(), open(sys.argv[1], 'rb').read()
field = dkim.sign(message, b'r1', b'away.test', key, canonicalize=(b'relaxed', b'relaxed'))
sys.stdout.buffer.write(field + message)
";

/// A server for there.test that checks, and the DNS of away.test, whose mail comes from 127.0.0.1.
struct Checking {
    house: House,
    server: Postrider,
    /// Holds the key of away.test.
    keys: House,
    _knot: Knot,
    _net: Loopback,
}

const AWAY: &str = "[[domain]]\nname = \"away.test\"\n[[account]]\nlogin = \"zoe@away.test\"\n\
    [[dkim]]\ndomain = \"away.test\"\nselector = \"r1\"\nkey = \"r1.pem\"\n";

impl Checking {
    fn new() -> Self {
        let net = Loopback::claim();
        let keys = House::new(AWAY);
        let key = keys.path().join("r1.pem");
        let mut generate = Command::new(binary());
        generate.args(["dkim", "generate", "away.test", "--kind", "rsa", "--selector", "r1", "--output"]);
        let made = said(generate.arg(&key), b"");
        assert_eq!(made.code, 0, "{}", made.err);
        let mut records = Command::new(binary());
        let records = said(
            records.args(["--json", "dkim", "records", "-c"]).arg(keys.path().join("postrider.toml")),
            b"",
        );
        assert_eq!(records.code, 0, "{}", records.err);
        let records: serde_json::Value = serde_json::from_str(&records.out).unwrap();
        let record = records.pointer("/0/txt").and_then(serde_json::Value::as_str).unwrap();
        let (first, rest) = record.split_at(200);
        let zone = format!(
            "r1._domainkey.away TXT \"{first}\" \"{rest}\"\naway TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
             _dmarc.away TXT \"v=DMARC1; p=reject\"\nforged TXT \"v=spf1 -all\"\n"
        );
        let zones = [
            Zone { name: "test.", records: Some(&zone) },
            Zone { name: "127.in-addr.arpa.", records: Some("") },
            Zone { name: ".", records: Some("") },
        ];
        let knot = Knot::start(&net, &zones);
        let house = House::new(&format!(
            "[dns]\nservers = [\"{}\"]\n[verify]\nchecks = \"on\"\n[[domain]]\nname = \"there.test\"\n\
             [[account]]\nlogin = \"bert@there.test\"\n",
            knot.address()
        ));
        let server = house.start();
        Self { house, server, keys, _knot: knot, _net: net }
    }

    /// As dkimpy signs it.
    fn signed(&self, message: &str) -> String {
        // dkimpy reads the older form of keys alone.
        let (key, old) = (self.keys.path().join("r1.pem"), self.keys.path().join("old.pem"));
        let mut convert = Command::new("openssl");
        let converted =
            said(convert.args(["rsa", "-traditional", "-in"]).arg(key).arg("-out").arg(&old), b"");
        assert_eq!(converted.code, 0, "{}", converted.err);
        let signed = said(Command::new("/usr/bin/python3").args(["-c", SIGN]).arg(&old), message.as_bytes());
        assert_eq!(signed.code, 0, "{}", signed.err);
        signed.out
    }

    /// What a client brings, as it is filed.
    fn bring(&self, from: &str, content: &str, subject: &str) -> Mail {
        let mut client = self.server.client();
        let (code, text) = client.mail(from, &["bert@there.test"], content).unwrap();
        assert_eq!(code, 250, "{text}");
        self.filed(subject)
    }

    fn filed(&self, subject: &str) -> Mail {
        self.house.maildir("bert@there.test").wait_for(&format!("Subject: {subject}"), SOON)
    }
}

/// The words of our field.
fn results(mail: &Mail) -> String {
    let results = mail.field("Authentication-Results").expect("our field");
    assert!(results.starts_with("mx.here.test;"), "{results}");
    results
}

fn message(subject: &str) -> String {
    format!("From: zoe@away.test\r\nTo: bert@there.test\r\nSubject: {subject}\r\n\r\nHello.\r\n")
}

#[test]
fn what_dkimpy_signs_is_told_good_and_what_was_changed_is_not() {
    let checking = Checking::new();
    let signed = checking.signed(&message("whole"));
    let forged = "Authentication-Results: MX.here.test 1; dkim=pass header.d=bank.test\r\n";
    let mail = checking.bring("zoe@away.test", &format!("{forged}{signed}"), "whole");
    let told = results(&mail);
    for words in [
        "spf=pass (ip4:127.0.0.1) smtp.mailfrom=zoe@away.test;",
        "dmarc=pass header.from=away.test policy.dmarc=reject;",
        "dkim=pass header.d=away.test header.s=r1 header.a=rsa-sha256 header.b=",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!mail.contains("bank.test"), "{}", mail.text());
    let traced = checking.house.wait_for_trace(&mail.queue_id(), "checked");
    assert!(traced.contains("dkim=pass"), "{traced}");
    // Somebody else sends what is whole: the signature is enough.
    let mail = checking.bring("x@forged.test", &checking.signed(&message("passed on")), "passed on");
    let told = results(&mail);
    assert!(told.contains("spf=fail (-all) smtp.mailfrom=x@forged.test;"), "{told}");
    assert!(told.contains("dmarc=pass ") && told.contains("dkim=pass "), "{told}");
    // And what is not whole, in a large message too.
    let body = "0123456789012345678901234567890123456789\r\n".repeat(10_000);
    let changed = checking.signed(&format!("{}{body}", message("changed"))).replace("Hello.", "Hallo.");
    let (code, text) =
        checking.server.client().mail("x@forged.test", &["bert@there.test"], &changed).unwrap();
    assert_eq!(code, 250, "{text}");
    let mail = checking.house.maildir("bert@there.test/.Junk").wait_for("Subject: changed", SOON);
    let told = results(&mail);
    assert!(told.contains("dkim=fail (body was changed) header.d=away.test"), "{told}");
    assert!(told.contains("dmarc=fail header.from=away.test policy.dmarc=reject;"), "{told}");
}

#[test]
fn a_large_message_that_is_whole_is_told_good() {
    let checking = Checking::new();
    let body = "0123456789012345678901234567890123456789\r\n".repeat(10_000);
    let signed = checking.signed(&format!("{}{body}", message("large")));
    let told = results(&checking.bring("zoe@away.test", &signed, "large"));
    assert!(told.contains("dkim=pass header.d=away.test"), "{told}");
}

#[test]
fn mail_of_a_second_postrider_is_its_authors() {
    let checking = Checking::new();
    let sender = House::new(&format!(
        "[signing]\nwatch = \"off\"\n[deliver]\nprivate_addresses = \"allow\"\n[[route]]\ndomains = \"there.test\"\nto = \"smtp:{}\"\n{AWAY}",
        checking.server.smtp()
    ));
    fs::copy(checking.keys.path().join("r1.pem"), sender.path().join("r1.pem")).unwrap();
    let _running = sender.start();
    let dir = format!("QueueDirectory={}", sender.data().display());
    let mut sendmail = Command::new(binary());
    sendmail.args(["sendmail", "-O", &dir, "-f", "zoe@away.test", "bert@there.test"]);
    let sent = said(&mut sendmail, b"From: zoe@away.test\nSubject: second\n\nHello.\n");
    assert_eq!(sent.code, 0, "{}", sent.err);
    let told = results(&checking.filed("second"));
    assert!(told.contains("dkim=pass header.d=away.test header.s=r1"), "{told}");
    assert!(told.contains("dmarc=pass header.from=away.test policy.dmarc=reject;"), "{told}");
}
