//! Backups of a server under load, cut off and whole, restored elsewhere and into the running server.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use e2e::{Client, House, ImapUser, eventually_true};
use mailstore::{Mailstore, UidSet};
use serde_json::Value;

const ANNA: &str = "anna@here.test";
const SOON: Duration = Duration::from_mins(1);

type Accepted = Arc<Mutex<Vec<String>>>;

/// Sends until the server is gone or nobody wants more; of each message its token, once it is answered with 250.
fn sender(server: SocketAddr, name: &str, accepted: &Accepted, wanted: &Mutex<bool>) {
    let Ok(mut client) = Client::open(server) else { return };
    let mut greet = || {
        client.reply()?;
        client.command("EHLO client.test")
    };
    if greet().is_err() {
        return;
    }
    for count in 0.. {
        let token = format!("{name}-{count}");
        let content = format!("Subject: {token}\r\n\r\n{}", "0123456789abcdef\r\n".repeat(500));
        match client.mail("peer@far.test", &[ANNA], &content) {
            Ok((250, _)) => accepted.lock().unwrap().push(token),
            Ok(_) => {}
            Err(_) => return,
        }
        if !*wanted.lock().unwrap() {
            return;
        }
    }
}

/// The subjects in an inbox.
fn arrived(database: &Path) -> BTreeSet<String> {
    let mailstore = Mailstore::open(database).unwrap().0;
    assert_eq!(mailstore.verify().unwrap(), []);
    let account = mailstore.find_account(ANNA).unwrap().expect("an account");
    let inbox = mailstore.mailbox(account, "INBOX").unwrap().expect("an inbox");
    let subject = |email| {
        let octets = mailstore.read(email, 0, 4096).unwrap();
        let text = String::from_utf8_lossy(&octets).into_owned();
        text.split_once("Subject: ").expect("a subject").1.lines().next().unwrap_or_default().to_owned()
    };
    let all = mailstore
        .facts(inbox.id, &UidSet::all())
        .unwrap()
        .into_iter()
        .map(|facts| subject(facts.email))
        .collect();
    mailstore.close();
    all
}

#[test]
fn what_was_filed_before_a_backup_under_load_is_in_it_and_restored_elsewhere() {
    let house = House::new("[deliver]\nlocal = \"mailstore\"\n");
    let server = house.start();
    let (accepted, wanted) = (Accepted::default(), Arc::new(Mutex::new(true)));
    let senders: Vec<_> = (0..4)
        .map(|number| {
            let (address, accepted, wanted) = (server.smtp(), Arc::clone(&accepted), Arc::clone(&wanted));
            thread::spawn(move || sender(address, &format!("t-{number}"), &accepted, &wanted))
        })
        .collect();
    eventually_true("mail to be filed", SOON, || {
        accepted.lock().unwrap().len() > 60 && !arrived_while_running(&house).is_empty()
    });
    let before = arrived_while_running(&house);
    let backup = house.path().join("backup");
    let to = backup.to_str().unwrap();

    // One that is cut off is none, and the next begins anew.
    let mut cut = house.start_command(&["backup", "create", to], "cut.log");
    cut.kill();
    let partial = house.path().join("backup.partial");
    assert!(!backup.exists() || !partial.exists());
    if !backup.exists() {
        let said = house.command(&["backup", "verify", partial.to_str().unwrap()]);
        assert_ne!(said.code, 0, "{}", said.out);
        let said = house.command(&["backup", "create", to]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    let accepted_at_the_end = accepted.lock().unwrap().len();
    *wanted.lock().unwrap() = false;
    for sender in senders {
        sender.join().unwrap();
    }
    assert!(accepted_at_the_end >= before.len());
    assert_eq!(server.stop().code(), Some(0));

    let said = backup_command(&["backup", "verify", to], &house);
    assert!(said.contains("whole: made ") && said.contains(" messages of "), "{said}");
    let manifest: Value = serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    let paths: Vec<&str> =
        manifest["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(
        paths.contains(&"mailboxes.db")
            && paths.contains(&"store.db")
            && paths.contains(&"configuration/01-postrider.toml"),
        "{paths:?}"
    );

    let other = House::new("[deliver]\nlocal = \"mailstore\"\n");
    // Cut off somewhere: no server starts on half of it, and the next restore begins anew.
    let mut cut = other.start_command(&["restore", to], "cut.log");
    cut.kill();
    if other.data().join("restoring").exists() {
        let mut refused = other.spawn();
        let ended = refused.wait(SOON);
        assert!(!ended.success() && refused.printed().contains("was cut off"), "{}", refused.printed());
    }
    if !other.data().join("mailboxes.db").exists() || other.data().join("restoring").exists() {
        backup_command(&["restore", to], &other);
    }
    let restored = arrived(&other.data().join("mailboxes.db"));
    let lost: Vec<_> = before.difference(&restored).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let server = other.start();
    assert_eq!(server.stop().code(), Some(0));
    // Nothing is written over.
    let said = other.command(&["restore", to]);
    assert!(said.code == 2 && said.err.contains("already"), "{}", said.err);
}

/// The same while a server has it open: that reads no more than it has to.
fn arrived_while_running(house: &House) -> BTreeSet<String> {
    let copy = house.path().join("look.db");
    let _ = fs::remove_file(&copy);
    let database = house.data().join("mailboxes.db");
    let program = "import sqlite3, sys; a = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True); b = sqlite3.connect(sys.argv[2]); a.backup(b); b.close()";
    e2e::run("python3", &["-c", program, database.to_str().unwrap(), copy.to_str().unwrap()], b"");
    let mailstore = Mailstore::open(&copy).unwrap().0;
    let there = mailstore.find_account(ANNA).unwrap().is_some();
    mailstore.close();
    if there { arrived(&copy) } else { BTreeSet::new() }
}

fn backup_command(arguments: &[&str], house: &House) -> String {
    let said = match arguments {
        ["backup", "verify", ..] => e2e::said(std::process::Command::new(e2e::binary()).args(arguments), b""),
        _ => house.command(arguments),
    };
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
    said.out
}

#[test]
fn a_damaged_backup_a_newer_one_and_half_of_one_are_refused() {
    let user = ImapUser::new();
    user.python("imap = connect(); append_all(imap, b'INBOX', [(rb'\\Seen', b'Subject: x\\r\\n\\r\\n' + b'x' * 50_000)])", &[]);
    let backup = user.house.path().join("backup");
    let to = backup.to_str().unwrap();
    assert_eq!(user.house.command(&["backup", "create", to]).code, 0);
    let said = user.house.command(&["backup", "create", to]);
    assert!(said.code == 2 && said.err.contains("is there already"), "{}", said.err);
    let secret = fs::read_dir(backup.join("configuration"))
        .unwrap()
        .any(|file| file.unwrap().file_name().to_string_lossy().contains("carol.password"));
    assert!(secret, "the files that the configuration names belong to it");

    let refused = |code: i32, words: &str| {
        let verified =
            e2e::said(std::process::Command::new(e2e::binary()).args(["backup", "verify", to]), b"");
        let other = House::new("[deliver]\nlocal = \"mailstore\"\n");
        let restored = other.command(&["restore", to]);
        for said in [&verified, &restored] {
            let text = format!("{}{}", said.out, said.err);
            assert!(said.code == code && text.contains(words), "{words}: {text}");
        }
        assert!(!other.data().join("mailboxes.db").exists());
    };
    let database = backup.join("mailboxes.db");
    let whole = fs::read(&database).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    *damaged.get_mut(middle).unwrap() ^= 1;
    fs::write(&database, &damaged).unwrap();
    refused(1, "mailboxes.db is not what was written");
    fs::write(&database, &whole).unwrap();
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    fs::write(backup.join("manifest.json"), manifest.replace("\"format\": 1", "\"format\": 2")).unwrap();
    refused(1, "was made by a newer Postrider");
    fs::remove_file(backup.join("manifest.json")).unwrap();
    refused(2, "is no backup");
}

/// Subjects with flags in a mailbox, as a client sees them.
const LOOK: &str = r#"
imap = connect()
for name in sys.argv[5:]:
    typ, _ = imap.select(name, readonly=True)
    if typ != "OK": print(name, "none"); continue
    for item in ok(imap.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")):
        if isinstance(item, tuple):
            print(name, re.search(rb"Subject: (.*)\r", item[1])[1].decode(), re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].decode().replace(" \\Recent", ""), len(item[1]))
"#;

#[test]
fn a_deleted_mailbox_and_a_deleted_message_come_back_into_the_running_server() {
    let user = ImapUser::new();
    let fill = r#"
imap = connect()
ok(imap.create("Work/2024"))
ok(imap.subscribe("Work/2024"))
append_all(imap, b"INBOX", [(rb"\Seen", b"Subject: %d\r\n\r\nhello\r\n" % n) for n in range(5)])
append_all(imap, b"INBOX", [(b"", b"Subject: twice\r\n\r\nhello\r\n")] * 2)
append_all(imap, b"Work/2024", [(rb"\Flagged $x", b"Subject: work %d\r\n\r\n" % n + b"line\r\n" * 50_000) for n in range(3)])
"#;
    user.python(fill, &[]);
    let mut client = user.server().client();
    assert_eq!(
        client.mail("peer@far.test", &[ImapUser::LOGIN], "Subject: delivered\r\n\r\nhello\r\n").unwrap().0,
        250
    );
    let inbox = ["INBOX", "Work/2024"];
    let look = || {
        let mut lines: Vec<String> = user.python(LOOK, &inbox).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    eventually_true("the delivery to be filed", SOON, || look().len() == 11);
    let before = look();
    let backup = user.house.path().join("backup");
    let to = backup.to_str().unwrap();
    assert_eq!(user.house.command(&["backup", "create", to]).code, 0);

    let lose = r#"
imap = connect()
ok(imap.delete("Work/2024"))
ok(imap.select("INBOX"))
ok(imap.store("1,7,8", "+FLAGS", r"(\Deleted)"))
ok(imap.expunge())
append_all(imap, b"INBOX", [(b"", b"Subject: new\r\n\r\nhello\r\n")])
"#;
    user.python(lose, &[]);
    assert_eq!(look().len(), 7);
    let restore = |more: &[&str]| {
        let arguments = [&["restore", to, "--account", ImapUser::LOGIN, "--json"], more].concat();
        let said = user.house.command(&arguments);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let told: Value = serde_json::from_str(&said.out).unwrap();
        ["restored", "there", "mailboxes"].map(|name| told[name].as_u64().unwrap())
    };
    assert_eq!(restore(&["--mailbox", "Work/2024"]), [3, 0, 1]);
    assert_eq!(restore(&[]), [3, 8, 0]);
    assert_eq!(restore(&[]), [0, 11, 0]);
    // Whether a session was told of it is nothing that a backup keeps.
    let known = |lines: Vec<String>| -> Vec<String> {
        let mut lines: Vec<String> = lines.iter().map(|line| line.replace("\\Recent", "")).collect();
        lines.sort();
        lines
    };
    let (before, mut after) = (known(before), known(look()));
    after.retain(|line| !line.contains(" new "));
    assert_eq!(after, before);
    let said = user.house.command(&["restore", to, "--account", ImapUser::LOGIN, "--mailbox", "Nowhere"]);
    assert!(said.code == 2 && said.err.contains("no such mailbox"), "{}", said.err);
    let verified = user.house.command(&["mailbox", "verify"]);
    assert_eq!(verified.out, "all is well\n", "{}", verified.err);
}
