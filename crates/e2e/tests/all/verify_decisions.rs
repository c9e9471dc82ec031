//! What is found of mail of strangers decides about it: refused, filed as junk, held, put off; and a sealer who is trusted changes that.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use e2e::{
    Authority, House, ImapUser, Knot, Loopback, Postrider, Zone, binary, eventually, queue_id, said,
    write_secret,
};

const SOON: Duration = Duration::from_mins(1);
const CAROL: &str = ImapUser::LOGIN;

/// Seals the message on standard input as a mailing list does that has changed its subject, by the key in a file.
const SEAL: &str = "\
import sys, dkim
message, key = sys.stdin.buffer.read(), open(sys.argv[1], 'rb').read()
seen = b'Authentication-Results: lists.test; dmarc=' + sys.argv[2].encode() + b' header.from=bank.test\\r\\n'
message = message.replace(b'Subject: ', b'Subject: [talk] ')
fields = dkim.arc_sign(seen + message, b's1', b'lists.test', key, b'lists.test')
sys.stdout.buffer.write(b''.join(fields) + message)
";

/// A server with mailboxes for carol, and the DNS of strangers, who all come from 127.0.0.1.
struct Scene {
    authority: Authority,
    house: House,
    server: Postrider,
    _knot: Knot,
    _net: Loopback,
}

impl Scene {
    fn new(verify: &str, records: &str) -> Self {
        let net = Loopback::claim();
        let zone = format!(
            "bank TXT \"v=spf1 -all\"\n_dmarc.bank TXT \"v=DMARC1; p=reject\"\n\
             good TXT \"v=spf1 ip4:127.0.0.1 -all\"\n{records}"
        );
        let zones = [
            Zone { name: "test.", records: Some(&zone) },
            Zone { name: "broken.test.", records: None },
            Zone { name: "127.in-addr.arpa.", records: Some("") },
            Zone { name: ".", records: Some("") },
        ];
        let knot = Knot::start(&net, &zones);
        let authority = Authority::new();
        let own = authority.issue_for(&["mx.here.test", "localhost", "127.0.0.1"], "own");
        let house = House::new(&format!(
            "[[listener]]\nservice = \"imap\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n\
             [dns]\nservers = [\"{}\"]\n[verify]\nchecks = \"on\"\n{verify}\n\
             [[account]]\nlogin = \"{CAROL}\"\npassword = {{ file = \"carol.password\" }}\n\
             [deliver]\nlocal = \"mailstore\"\n{}",
            knot.address(),
            own.section()
        ));
        write_secret(&house.path().join("carol.password"), &format!("{}\n", ImapUser::PASSWORD));
        let server = house.start();
        Self { authority, house, server, _knot: knot, _net: net }
    }

    fn bring(&self, from: &str, content: &str) -> (u16, String) {
        self.server.client().mail(from, &[CAROL], content).unwrap()
    }

    /// The subjects in one of carol's mailboxes, as a mail client reads them.
    fn subjects(&self, mailbox: &str) -> String {
        let ca = self.authority.certificate().display().to_string();
        let program = format!(
            "imap = connect()\nok(imap.select('{mailbox}', readonly=True))\n\
             for number in ok(imap.search(None, 'ALL'))[0].split():\n\
             \x20   print(ok(imap.fetch(number, '(BODY[HEADER.FIELDS (SUBJECT X-SPAM-FLAG)])'))[0][1].decode())\n"
        );
        ImapUser::python_at(self.server.listener_with("imap", "implicit"), &ca, CAROL, &program)
    }

    /// Waits until a mailbox has it.
    fn filed(&self, mailbox: &str, subject: &str) -> String {
        eventually(&format!("`{subject}` in {mailbox}"), SOON, || {
            Some(self.subjects(mailbox)).filter(|subjects| subjects.contains(subject))
        })
    }
}

fn message(author: &str, subject: &str) -> String {
    format!("From: {author}\r\nTo: {CAROL}\r\nSubject: {subject}\r\n\r\nHello.\r\n")
}

#[test]
fn what_is_forged_is_refused_and_what_is_doubtful_is_in_the_junk_folder() {
    let scene = Scene::new("", "");
    let (code, text) = scene.bring("ceo@bank.test", &message("ceo@bank.test", "forged"));
    assert_eq!(code, 550, "{text}");
    assert!(
        text.contains("5.7.26 DMARC fails for bank.test (p=reject): SPF is fail for bank.test"),
        "{text}"
    );
    // Who looks for it finds why.
    let told = eventually("the refusal in the trace", SOON, || {
        let told = scene.house.command(&["trace", "ceo@bank.test"]).out;
        told.contains("refused from <ceo@bank.test>").then_some(told)
    });
    assert!(told.contains("so refused, for DMARC fails for bank.test (p=reject)"), "{told}");
    let (code, text) = scene.bring("x@good.test", &message("ceo@bank.test", "doubtful"));
    assert_eq!(code, 250, "{text}");
    let (code, text) = scene.bring("x@good.test", &message("x@good.test", "welcome"));
    assert_eq!(code, 250, "{text}");
    assert!(scene.filed("Junk", "doubtful").contains("X-Spam-Flag: YES"));
    let inbox = scene.filed("INBOX", "welcome");
    assert!(!inbox.contains("doubtful") && !inbox.contains("forged") && !inbox.contains("X-Spam"), "{inbox}");
    let checked = eventually("three events of what was found", SOON, || {
        let events = scene.house.events();
        let found: Vec<_> = events.iter().filter_map(|event| event.get("auth").cloned()).collect();
        (found.len() == 3).then_some(found)
    });
    let word =
        |at: usize, path: &str| checked[at].pointer(path).and_then(|word| word.as_str()).map(str::to_owned);
    let dispositions = [0, 1, 2].map(|at| word(at, "/disposition").unwrap());
    assert_eq!(dispositions, ["reject", "junk", "accept"]);
    assert_eq!(word(1, "/dmarc/p").as_deref(), Some("reject"), "{checked:?}");
}

#[test]
fn what_is_held_says_why_and_goes_when_it_is_released() {
    let scene = Scene::new("dmarc_reject = \"hold\"\n", "");
    let (code, text) = scene.bring("x@good.test", &message("ceo@bank.test", "waits"));
    assert_eq!(code, 250, "{text}");
    let id = queue_id(&text);
    let shown = scene.house.command(&["queue", "show", &id]).out;
    assert!(shown.contains("Held: DMARC fails for bank.test (p=reject)"), "{shown}");
    let traced = scene.house.wait_for_trace(&id, "put on hold");
    assert!(traced.contains("DMARC fails for bank.test"), "{traced}");
    let released = scene.house.command(&["queue", "release", "--reason", "DMARC fails for bank.test"]);
    assert_eq!(released.code, 0, "{}", released.err);
    scene.filed("INBOX", "waits");
}

#[test]
fn mail_waits_for_a_silent_dns_but_not_for_long() {
    let scene = Scene::new("defer_max = \"3s\"\n", "_dmarc.good TXT \"v=DMARC1; p=none\"\n");
    let mail = message("x@good.test", "late");
    let begun = Instant::now();
    let (code, text) = scene.bring("x@broken.test", &mail);
    assert_eq!(code, 451, "{text}");
    assert!(text.contains("4.7.24 The DNS does not answer for SPF of broken.test"), "{text}");
    // The client comes again, as clients do.
    eventually("the message to be taken", SOON, || {
        (scene.bring("x@broken.test", &mail).0 == 250).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    scene.filed("INBOX", "late");
}

#[test]
fn a_sealer_who_is_trusted_is_believed_that_the_author_wrote_what_a_list_changed() {
    let keys = House::new("");
    let key = keys.path().join("s1.pem");
    let generate = ["dkim", "generate", "lists.test", "--kind", "rsa", "--selector", "s1", "--output"];
    let made = said(Command::new(binary()).args(generate).arg(&key), b"");
    assert_eq!(made.code, 0, "{}", made.err);
    let old = keys.path().join("old.pem");
    let mut convert = Command::new("openssl");
    let converted = said(convert.args(["rsa", "-traditional", "-in"]).arg(&key).arg("-out").arg(&old), b"");
    assert_eq!(converted.code, 0, "{}", converted.err);
    let signing = message_auth::dkim::SigningKey::from_pem(&fs::read_to_string(&key).unwrap()).unwrap();
    let record = signing.record().unwrap();
    let (first, rest) = record.split_at(200);
    let record = format!("s1._domainkey.lists TXT \"{first}\" \"{rest}\"\n");
    let sealed = |subject: &str, seen: &str| {
        let mut seal = Command::new("/usr/bin/python3");
        let sealed =
            said(seal.args(["-c", SEAL]).arg(&old).arg(seen), message("ceo@bank.test", subject).as_bytes());
        assert_eq!(sealed.code, 0, "{}", sealed.err);
        sealed.out
    };
    let scene = Scene::new("trusted_sealers = [\"lists.test\"]\n", &record);
    for (subject, seen) in [("vouched", "pass"), ("doubted", "fail")] {
        let (code, text) = scene.bring("talk@good.test", &sealed(subject, seen));
        assert_eq!(code, 250, "{text}");
    }
    let junk = scene.filed("Junk", "doubted");
    assert!(!junk.contains("vouched"), "{junk}");
    scene.filed("INBOX", "[talk] vouched");
    drop(scene);
    // Where nobody is trusted, anybody can seal anything.
    let scene = Scene::new("", &record);
    let (code, text) = scene.bring("talk@good.test", &sealed("vouched", "pass"));
    assert_eq!(code, 250, "{text}");
    scene.filed("Junk", "[talk] vouched");
}
