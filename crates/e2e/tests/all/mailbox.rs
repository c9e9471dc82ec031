//! Mail brought in and taken out, with Python's `mailbox` module as the judge of the files.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use e2e::{House, Postrider, eventually_true, run};
use serde_json::Value;

const ANNA: &str = "anna@here.test";

fn house() -> (House, Postrider) {
    let house = House::new("[deliver]\nlocal = \"mailstore\"\n");
    let server = house.start();
    (house, server)
}

fn python(program: &str, directory: &Path) -> String {
    run("python3", &["-c", program, &directory.display().to_string()], b"")
}

/// Runs a command that must succeed; its document.
fn command(house: &House, arguments: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let said = house.command(&all);
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
    serde_json::from_str(&said.out).unwrap()
}

fn import(house: &House, from: &Path) -> (u64, u64) {
    let done = command(house, &["mailbox", "import", ANNA, "--from", from.to_str().unwrap()]);
    let number = |name: &str| done.get(name).and_then(Value::as_u64).unwrap();
    assert_eq!(number("keywords_left_out"), 0, "{done}");
    (number("imported"), number("already"))
}

fn export(house: &House, format: &str, to: &Path) {
    command(house, &["mailbox", "export", ANNA, "--to", to.to_str().unwrap(), "--format", format]);
}

/// A Maildir with two subfolders, and a message of many pieces among them. Lines end as those of files do.
const WRITE: &str = r#"
import mailbox, os, sys
root = sys.argv[1]
def message(subject, body="Hello\n"):
    return f"From: peer@far.test\nSubject: {subject}\nStatus: open\n\n{body}".encode()
large = "".join(f"line {n} of a long text\n" for n in range(200_000))
box = mailbox.Maildir(os.path.join(root, "maildir"), create=True)
def add(box, octets, flags, when, new=False):
    m = mailbox.MaildirMessage(octets)
    m.set_subdir("new" if new else "cur"); m.set_flags(flags); m.set_date(when)
    box.add(m)
add(box, message("one"), "S", 1_000_000_000)
add(box, message("one"), "S", 1_000_000_000)
add(box, message("large", large), "FRS", 1_100_000_000)
add(box, message("new", "From me\n\nFrom you\n>From both\n"), "", 1_200_000_000, new=True)
add(box.add_folder("Work.2024"), message("work"), "DT", 1_300_000_000)
add(box.add_folder("Entw&APw-rfe"), message("draft"), "D", 1_400_000_000)
"#;

/// Prints what is in an export: for each message its mailbox, subject, flags, time and the hash of its octets.
const READ: &str = r#"
import hashlib, mailbox, os, sys
root = sys.argv[1]
def told(name, m, octets, flags, when):
    print(name, m["subject"], "".join(sorted(flags)), int(when), hashlib.sha256(octets).hexdigest()[:16])
if os.path.isdir(os.path.join(root, "cur")):
    top = mailbox.Maildir(root, create=False)
    for name, box in [("INBOX", top)] + [(n, top.get_folder(n)) for n in sorted(top.list_folders())]:
        for key in box.keys():
            m = box.get_message(key)
            told(name.replace(".", "/"), m, box.get_bytes(key), m.get_flags(), m.get_date())
else:
    import calendar, time
    for at, _, files in os.walk(root):
        for file in files:
            path = os.path.join(at, file)
            box = mailbox.mbox(path, create=False)
            for key in box.keys():
                m = box.get_message(key)
                octets = box.get_bytes(key)
                for field in (b"Status: ", b"X-Status: ", b"X-Keywords:"):
                    line, octets = octets.split(b"\n", 1)
                    assert line.startswith(field), line
                octets = octets.replace(b"\n>From ", b"\nFrom ").replace(b"\n>>From ", b"\n>From ")
                flags = {"R": "S", "A": "R", "F": "F", "T": "D", "D": "T"}
                letters = [flags[c] for c in m.get_flags() if c in flags]
                when = calendar.timegm(time.strptime(m.get_from().split(" ", 1)[1]))
                told(os.path.relpath(path, root)[:-5], m, octets, letters, when)
"#;

/// What is in an export, one line for each message.
fn exported(house: &House, format: &str, to: &str) -> Vec<String> {
    let to = house.path().join(to);
    export(house, format, &to);
    let mut lines: Vec<String> = python(READ, &to).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_python_writes_is_imported_once_and_what_is_exported_python_reads_and_is_imported_the_same() {
    let (house, server) = house();
    python(WRITE, house.path());
    let maildir = house.path().join("maildir");
    assert_eq!(import(&house, &maildir), (6, 0));
    assert_eq!(import(&house, &maildir), (0, 6));

    let lines = exported(&house, "maildir", "out-maildir");
    let marks: Vec<String> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
    assert_eq!(
        marks,
        [
            "Entw&APw-rfe draft D 1400000000",
            "INBOX large FRS 1100000000",
            "INBOX new  1200000000",
            "INBOX one S 1000000000",
            "INBOX one S 1000000000",
            "Work/2024 work DT 1300000000",
        ]
    );
    // The same octets and marks by mbox files, but for how names are written.
    let in_mbox: Vec<String> = exported(&house, "mbox", "out-mbox");
    let named: Vec<String> = in_mbox.iter().map(|line| line.replace("Entwürfe", "Entw&APw-rfe")).collect();
    assert_eq!(named, lines);

    // Nothing is written over.
    let again = house.path().join("out-mbox");
    let refused =
        house.command(&["mailbox", "export", ANNA, "--to", again.to_str().unwrap(), "--format", "maildir"]);
    assert_eq!(refused.code, 2, "{}", refused.err);

    // Both exports, each into another server, come out the same.
    for from in ["out-maildir", "out-mbox"] {
        let other = House::new("[deliver]\nlocal = \"mailstore\"\n");
        let running = other.start();
        assert_eq!(import(&other, &house.path().join(from)), (6, 0), "{from}");
        assert_eq!(exported(&other, "maildir", "out"), lines, "{from}");
        assert_eq!(running.stop().code(), Some(0));
    }
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn who_gets_the_login_of_a_former_account_does_not_get_its_mail_once_that_is_removed() {
    const DORA: &str = "dora@here.test";
    let (house, server) = house();
    let text = |arguments: &[&str]| {
        let said = house.command(arguments);
        (said.code, format!("{}{}", said.out, said.err))
    };
    let messages = || {
        let listed = command(&house, &["mailbox", "list", DORA]);
        listed["quota"]["messages"].as_u64().unwrap()
    };
    command(&house, &["account", "add", DORA, "--no-password"]);
    let (code, said) = server.client().mail("x@c.test", &[DORA], "Subject: old\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{said}");
    eventually_true("mail to come", Duration::from_mins(1), || messages() == 1);

    let (code, said) = text(&["mailbox", "remove", DORA, "--yes"]);
    assert!(code == 1 && said.contains("account remove"), "{code} {said}");
    let (code, said) = text(&["account", "remove", DORA]);
    assert!(code == 0 && said.contains("`postrider mailbox remove dora@here.test`"), "{code} {said}");
    assert_eq!(messages(), 1, "it stays");
    let (code, said) = text(&["mailbox", "remove", DORA]);
    assert!(code == 2 && said.contains("1 message") && said.contains("--yes"), "{code} {said}");
    assert_eq!(messages(), 1, "nobody said yes");

    let (code, said) = text(&["mailbox", "remove", DORA, "--yes"]);
    assert!(
        code == 0 && said.contains("removed 6 mailboxes of dora@here.test with 1 message"),
        "{code} {said}"
    );
    assert_ne!(text(&["mailbox", "list", DORA]).0, 0, "nothing is left");
    assert_ne!(text(&["mailbox", "remove", DORA, "--yes"]).0, 0);
    command(&house, &["account", "add", DORA, "--no-password"]);
    assert_eq!(messages(), 0);
    let (code, said) = server.client().mail("x@c.test", &[DORA], "Subject: new\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{said}");
    eventually_true("mail to come", Duration::from_mins(1), || messages() == 1);
    command(&house, &["mailbox", "verify"]);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn an_import_that_was_cut_off_goes_on_where_it_was() {
    let (house, server) = house();
    let message = |number: u32| {
        format!("From a@x Mon Nov 23 18:00:00 2026\nSubject: {number}\n\n{}\n\n", "x".repeat(900))
    };
    let messages: Vec<String> = (0..2000).map(message).collect();
    let mbox = house.path().join("many");
    fs::write(&mbox, messages.concat()).unwrap();
    // The server is killed once some of it is there.
    let import_some =
        house.start_command(&["mailbox", "import", ANNA, "--from", mbox.to_str().unwrap()], "import.log");
    eventually_true("some messages to be imported", Duration::from_mins(1), || {
        let listed = house.command(&["mailbox", "list", ANNA, "--json"]);
        serde_json::from_str::<Value>(&listed.out)
            .is_ok_and(|list| list["quota"]["messages"].as_u64().unwrap_or(0) > 0)
    });
    server.kill();
    drop(import_some);
    let server = house.start();
    let (imported, already) = import(&house, &mbox);
    assert!(already > 0 && imported + already == 2000, "{imported} {already}");
    assert_eq!(server.stop().code(), Some(0));
    let verified = house.command(&["mailbox", "verify"]);
    assert_eq!((verified.code, verified.out.as_str()), (0, "all is well\n"), "{}", verified.err);
}

#[test]
fn mailboxes_are_listed_bounded_verified_and_rebuilt() {
    let (house, server) = house();
    python(WRITE, house.path());
    let maildir = house.path().join("maildir");
    let quota = command(&house, &["mailbox", "quota", ANNA, "--messages", "2", "--octets", "1GiB"]);
    assert_eq!(quota["messages_max"].as_u64(), Some(2), "{quota}");
    let from = maildir.to_str().unwrap();
    let over = house.command(&["mailbox", "import", ANNA, "--from", from, "--folder", "Old"]);
    assert!(over.code == 1 && over.err.contains("over its quota"), "{}{}", over.out, over.err);
    let quota = command(&house, &["mailbox", "quota", ANNA, "--messages", "none"]);
    assert_eq!(
        (quota["messages_max"].as_u64(), quota["octets_max"].as_u64()),
        (None, Some(1 << 30)),
        "{quota}"
    );
    let done = house.command(&["mailbox", "import", ANNA, "--from", from, "--folder", "Old"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let list = command(&house, &["mailbox", "list", ANNA]);
    let mailboxes = list["mailboxes"].as_array().unwrap();
    let of = |name: &str| mailboxes.iter().find(|mailbox| mailbox["name"] == name).unwrap();
    assert_eq!((of("Old")["messages"].as_u64(), of("Old")["unseen"].as_u64()), (Some(4), Some(1)));
    assert_eq!(of("Old/Work/2024")["messages"].as_u64(), Some(1));
    assert_eq!(of("Sent")["special_use"], "\\Sent");
    assert_eq!(house.command(&["mailbox", "list", "nobody@here.test"]).code, 1);

    let verified = |code: i32, words: &str| {
        let said = house.command(&["mailbox", "verify"]);
        assert!(said.code == code && said.out.contains(words), "{}{}", said.out, said.err);
    };
    verified(0, "all is well");
    assert_eq!(server.stop().code(), Some(0));
    verified(0, "all is well");
    let database = house.data().join("mailboxes.db");
    let damage = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('UPDATE mailbox SET unseen = 7'); c.commit()";
    python(damage, &database);
    verified(1, "the counts of a mailbox are wrong");
    let server = house.start();
    verified(1, "the counts of a mailbox are wrong");
    assert_eq!(house.command(&["mailbox", "rebuild"]).code, 0);
    verified(0, "all is well");
    assert_eq!(server.stop().code(), Some(0));
    python(damage, &database);
    assert_eq!(house.command(&["mailbox", "rebuild"]).code, 0);
    verified(0, "all is well");
}

#[test]
fn a_client_that_takes_its_export_slowly_does_not_hold_up_a_stop() {
    let (house, server) = house();
    let message = |number: u32| {
        format!("From a@x Mon Nov 23 18:00:00 2026\nSubject: {number}\n\n{}\n\n", "x".repeat(900_000))
    };
    let mbox = house.path().join("large");
    fs::write(&mbox, (0..20).map(message).collect::<String>()).unwrap();
    assert_eq!(import(&house, &mbox), (20, 0));
    let mut client = UnixStream::connect(house.data().join("control.sock")).unwrap();
    let request =
        "GET /v1/accounts/anna%40here.test/mailboxes/export?folder=INBOX HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let mut begin = [0; 15];
    client.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    // It reads no further: far more waits than sockets hold.
    assert_eq!(server.stop().code(), Some(0));
    let mut rest = Vec::new();
    // Cut off, or ended with what is wrong: either way it is not the end of an export.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < 15_000_000, "all of it came: {}", rest.len());
}
