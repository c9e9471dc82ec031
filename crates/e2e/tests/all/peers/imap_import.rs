//! Mail that is taken over from another server by IMAP: all of a Dovecot, interrupted and begun again; and from servers that lie.
#![allow(clippy::panic, reason = "a panic is how a test fails")]

use std::{process::Command, time::Duration};

use e2e::{
    Authority, DovecotImap, ImapUser, Loopback, Process, Said, eventually, eventually_true, write_secret,
};
use serde_json::Value;

use super::SOON;

/// Fills the account at Dovecot.
const FILL: &str = r#"
imap = connect()
def text(number, lines):
    return b"From: peer@far.test\r\nSubject: %d\r\nMessage-ID: <m%d@far.test>\r\n\r\n" % (number, number) + b"line %d\r\n" % number * lines
kinds = [rb"\Seen", b"", rb"\Flagged \Answered", rb"\Seen $Forwarded work", rb"\Draft \Deleted"]
def fill(mailbox, first, end, lines):
    for number in range(first, end):
        when = '"%02d-Jul-2019 12:00:%02d +0200"' % (1 + number % 28, number % 60)
        ok(imap.append(mailbox, "(" + kinds[number % 5].decode() + ")", when, text(number, lines)))
for name in ["INBOX.Work", "INBOX.Work.2024", "INBOX.Entw&APw-rfe", '"INBOX.With space"', "INBOX.Empty"]:
    ok(imap.create(name))
for name in ["INBOX", "INBOX.Work.2024", "INBOX.Entw&APw-rfe", "INBOX.Empty"]:
    ok(imap.subscribe(name))
fill("INBOX", 0, 600, 30)
fill("INBOX", 600, 601, 300_000)
fill("INBOX.Work.2024", 700, 703, 5)
fill("INBOX.Entw&APw-rfe", 710, 712, 5)
fill('"INBOX.With space"', 720, 721, 5)
fill("INBOX.Sent", 730, 733, 5)
imap.logout()
"#;

/// Prints what is in all mailboxes, one line for each message, names as ours are.
const LOOK: &str = r#"
import hashlib
imap = connect()
names = []
for line in ok(imap.list()):
    attributes, delimiter, name = re.match(rb'\((.*?)\) "(.)" "?(.*?)"?$', line).groups()
    if rb"\Noselect" not in attributes: names.append((name.decode(), delimiter.decode()))
for name, delimiter in names:
    ours = name.removeprefix("INBOX.").replace(delimiter, "/")
    ok(imap.select('"%s"' % name, readonly=True))
    count = 0
    for item in ok(imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")):
        if isinstance(item, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].decode().split()
            flags = " ".join(sorted(flag for flag in flags if flag != "\\Recent"))
            when = imaplib.Internaldate2tuple(item[0])
            print(ours, flags, tuple(when)[:6], hashlib.sha256(item[1]).hexdigest())
            count += 1
    if ours not in ("INBOX", "Drafts", "Trash", "Junk", "Archive"):
        print("mailbox", ours, count)
imap.logout()
"#;

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The arguments of an import.
fn arguments<'a>(url: &'a str, ca: &'a str, password: &'a str) -> Vec<&'a str> {
    vec!["mailbox", "import", ImapUser::LOGIN, "--from", url, "--ca", ca, "--password-file", password]
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

fn number(document: &Value, name: &str) -> u64 {
    document.get(name).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {name} in {document}"))
}

fn messages_here(user: &ImapUser) -> u64 {
    let listed = user.house.command(&["mailbox", "list", ImapUser::LOGIN, "--json"]);
    document(&listed).pointer("/quota/messages").and_then(Value::as_u64).unwrap()
}

#[test]
fn all_of_a_dovecot_comes_over_also_in_two_goes_and_what_is_here_is_not_fetched_again() {
    let net = Loopback::claim();
    let dovecot = DovecotImap::start(&net, 2);
    let at = |place| (place, dovecot.ca());
    let (place, ca) = at(dovecot.address());
    ImapUser::python_at(place, &ca, DovecotImap::LOGIN, FILL);
    let theirs = lines(&ImapUser::python_at(place, &ca, DovecotImap::LOGIN, LOOK));
    assert!(theirs.len() > 610, "{theirs:?}");

    let user = ImapUser::new();
    let password = user.house.path().join("old.password");
    write_secret(&password, &format!("{}\n", DovecotImap::PASSWORD));
    let password = password.to_str().unwrap();
    let url = format!("imaps://{}@{place}/", DovecotImap::LOGIN);
    let mut some = user.house.start_command(&arguments(&url, &ca, password), "import.log");
    eventually_true("some messages to be here", SOON, || messages_here(&user) > 0);
    some.kill();

    // The rest by STARTTLS: that is another door of the same server.
    let url = format!("imap://{}@{}", DovecotImap::LOGIN.replace('@', "%40"), dovecot.starttls());
    let again = [arguments(&url, &ca, password), vec!["--json"]].concat();
    let said = user.house.command(&again);
    assert_eq!(said.code, 0, "{}{}\n{}", said.out, said.err, dovecot.log());
    let told = document(&said);
    assert!(number(&told, "already") > 0, "{told}");
    assert_eq!(number(&told, "imported") + number(&told, "already"), 610, "{told}");
    assert_eq!(lines(&user.python(LOOK, &[])), theirs);

    // Nothing is left to do, and what its reader moved and deleted here stays so.
    user.python("imap = connect(); ok(imap.select('INBOX')); ok(imap.store('1', '+FLAGS', r'(\\Deleted)')); ok(imap.expunge())", &[]);
    let told = document(&user.house.command(&again));
    assert_eq!((number(&told, "imported"), number(&told, "already")), (0, 610), "{told}");

    let subscribed = user.python(
        "imap = connect(); print(*sorted(line.split()[-1].decode() for line in ok(imap.lsub())))",
        &[],
    );
    assert!(subscribed.contains("Work/2024") && subscribed.contains("Empty"), "{subscribed}");
    assert!(!subscribed.contains("space"), "{subscribed}");

    let wrong = user.house.path().join("wrong.password");
    write_secret(&wrong, "tiger\n");
    let said = user.house.command(&arguments(&url, &ca, wrong.to_str().unwrap()));
    assert!(said.code == 1 && said.err.contains("the login as carol@old.test was refused"), "{}", said.err);
    // Nobody certified our own server for that place.
    let said = user.house.command(&arguments(&url, &user.ca(), password));
    assert!(said.code == 1 && said.err.contains("no TLS with") && said.err.contains("--ca"), "{}", said.err);
}

#[test]
fn postrider_is_taken_over_from_as_well() {
    let from = ImapUser::new();
    let fill = r#"
imap = connect()
ok(imap.create("Work/2024"))
append_all(imap, b"INBOX", [(rb"\Seen $x", b"Subject: %d\r\n\r\nhello\r\n" % n) for n in range(40)])
append_all(imap, b"Work/2024", [(rb"\Flagged", b"Subject: work\r\n\r\nhello\r\n")])
"#;
    from.python(fill, &[]);
    let to = ImapUser::new();
    let (url, ca) = (format!("imaps://{}@127.0.0.1:{}/", ImapUser::LOGIN, from.port("implicit")), from.ca());
    let password = from.house.path().join("carol.password");
    let all = [arguments(&url, &ca, password.to_str().unwrap()), vec!["--json"]].concat();
    let said = to.house.command(&all);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(number(&document(&said), "imported"), 41);
    let look = |user: &ImapUser| lines(&user.python(LOOK, &[]));
    assert_eq!(look(&to), look(&from));
    // One mailbox, below another name.
    let one = [all.as_slice(), &["--only", "Work/2024", "--folder", "Old"]].concat();
    let told = document(&to.house.command(&one));
    assert_eq!((number(&told, "imported"), number(&told, "already")), (1, 0), "{told}");
    let listed = document(&to.house.command(&["mailbox", "list", ImapUser::LOGIN, "--json"]));
    assert!(
        listed["mailboxes"].as_array().unwrap().iter().any(|one| one["name"] == "Old/Work/2024"),
        "{listed}"
    );
    let said = to.house.command(&[all.as_slice(), &["--only", "Nowhere"]].concat());
    assert!(said.code == 2 && said.err.contains("no mailbox `Nowhere`"), "{}", said.err);
}

/// A server of IMAP that does what its last argument says. Prints its port, and a line for each message that it sends.
const LIAR: &str = r#"
import re, socket, ssl, sys
certificate, key, manner = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
boxes = {b"INBOX": {1: b"1", 2: b"2", 3: b"3"}}
if manner == "gmail":
    boxes[b"[Gmail]/All Mail"] = {7: b"1", 8: b"2", 9: b"3", 10: b"4"}
    boxes[b"[Gmail]/Starred"] = {1: b"2"}
attributes = {b"[Gmail]/All Mail": rb"\All", b"[Gmail]/Starred": rb"\Flagged"}
cuts = {"cut": 2, "gone": 1000}.get(manner, 0)
def content(email): return b"Subject: " + email + b"\r\n\r\n" + b"x" * 100_000 + b"\r\n"
def serve(client):
    global cuts
    out = client.makefile("wb", buffering=0)
    lines = client.makefile("rb")
    out.write(b"* OK hello\r\n")
    open_box = {}
    while line := lines.readline():
        tag, command = line.rstrip(b"\r\n").split(b" ", 1)
        done = tag + b" OK done\r\n"
        if command == b"CAPABILITY":
            more = b" X-GM-EXT-1" if manner == "gmail" else b""
            out.write(b"* CAPABILITY IMAP4rev1" + more + b"\r\n" + done)
        elif command.startswith(b"LIST"):
            for name in boxes:
                out.write(b'* LIST (%s) "/" "%s"\r\n' % (attributes.get(name, b""), name))
            out.write(done)
        elif command.startswith(b"EXAMINE"):
            open_box = boxes[re.match(rb'EXAMINE "(.*)"', command)[1]]
            if manner == "endless":
                out.write(b"* OK ")
                while True: out.write(b"x" * 100_000)
            out.write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n" % len(open_box) + done)
        elif command.startswith(b"UID FETCH 1:* (UID RFC822.SIZE"):
            for number, (uid, email) in enumerate(open_box.items(), 1):
                out.write(b"* %d FETCH (UID %d RFC822.SIZE 5 X-GM-MSGID %s)\r\n" % (number, uid, email))
            out.write(done)
        elif command.startswith(b"UID FETCH"):
            first, _, last = re.match(rb"UID FETCH ([0-9]+)(:([0-9]+))?", command).groups()
            for uid in range(int(first), int(last or first) + 1):
                octets = content(open_box[uid])
                told = 99 if manner == "other" else uid
                length = 5 if manner == "short" else len(octets)
                out.write(b"* 1 FETCH (FLAGS (\\Seen) BODY[] {%d}\r\n" % length)
                if cuts and uid == 2:
                    cuts -= 1
                    out.write(octets[:50_000])
                    return
                out.write(octets + b" UID %d)\r\n" % told)
                print("sent", uid, flush=True)
            out.write(done)
        else:
            out.write(done)
while True:
    client, _ = listener.accept()
    try:
        with context.wrap_socket(client, server_side=True) as client: serve(client)
    except OSError: pass
"#;

struct Liar {
    process: Process,
    authority: Authority,
    url: String,
}

fn liar(user: &ImapUser, manner: &str) -> Liar {
    let authority = Authority::new();
    let own = authority.issue("127.0.0.1", "liar");
    let mut command = Command::new("python3");
    command.arg("-c").arg(LIAR).arg(own.certificate).arg(own.key).arg(manner);
    let process = Process::start("python3", command, &user.house.path().join(format!("{manner}.log")));
    let port = eventually("the server to listen", Duration::from_secs(30), || {
        let printed = process.printed();
        printed.lines().next()?.strip_prefix("port ")?.parse::<u16>().ok().filter(|_| printed.contains('\n'))
    });
    Liar { process, authority, url: format!("imaps://carol@127.0.0.1:{port}/") }
}

impl Liar {
    fn import(&self, user: &ImapUser) -> Said {
        let (ca, password) =
            (self.authority.certificate().display().to_string(), user.house.path().join("carol.password"));
        user.house.command(&[arguments(&self.url, &ca, password.to_str().unwrap()), vec!["--json"]].concat())
    }

    fn sent(&self) -> usize {
        self.process.printed().lines().filter(|line| line.starts_with("sent ")).count()
    }
}

#[test]
fn a_connection_that_breaks_within_a_message_is_made_again_and_no_message_is_fetched_twice() {
    let user = ImapUser::new();
    let server = liar(&user, "cut");
    let said = server.import(&user);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("was lost") && said.err.contains("once more in 1 s"), "{}", said.err);
    let told = document(&said);
    assert_eq!((number(&told, "imported"), number(&told, "already"), server.sent()), (3, 0, 3), "{told}");
    let again = document(&server.import(&user));
    assert_eq!((number(&again, "imported"), number(&again, "already"), server.sent()), (0, 3, 3), "{again}");
    let verified = user.house.command(&["mailbox", "verify"]);
    assert_eq!(verified.out, "all is well\n", "{}", verified.err);
}

#[test]
fn of_gmail_comes_what_is_archived_and_nothing_twice() {
    let user = ImapUser::new();
    let server = liar(&user, "gmail");
    let said = server.import(&user);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("left out: [Gmail]/Starred"), "{}", said.err);
    assert_eq!((number(&document(&said), "imported"), server.sent()), (4, 4));
    let listed = document(&user.house.command(&["mailbox", "list", ImapUser::LOGIN, "--json"]));
    let of = |name: &str| {
        let all = listed["mailboxes"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).and_then(|one| one["messages"].as_u64())
    };
    assert_eq!((of("INBOX"), of("Archive"), of("[Gmail]/All Mail")), (Some(3), Some(1), None), "{listed}");
}

#[test]
fn a_server_that_lies_is_told_so_and_leaves_nothing_half() {
    let user = ImapUser::new();
    for (manner, words) in [
        ("other", "a message that nobody asked for"),
        ("short", "a response cannot be read"),
        ("endless", "a response has more than"),
    ] {
        let server = liar(&user, manner);
        let said = server.import(&user);
        assert!(said.code == 1 && said.err.contains(words), "{manner}: {}{}", said.out, said.err);
        assert_eq!(messages_here(&user), 0, "{manner}");
    }
    let verified = user.house.command(&["mailbox", "verify"]);
    assert_eq!(verified.out, "all is well\n", "{}", verified.err);
}
