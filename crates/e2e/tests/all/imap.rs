//! Mailboxes read by the programs that people have: Python's imaplib, curl, and mbsync both ways.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use e2e::{Authority, House, Postrider, run};

const LOGIN: &str = "carol@here.test";
const PASSWORD: &str = "correct horse";

/// A running server with carol's mailboxes, and its port for IMAP under TLS.
fn reading() -> (Authority, House, Postrider, String) {
    let authority = Authority::new();
    let own = authority.issue_for(&["mx.here.test", "localhost"], "own");
    let house = House::new(&format!(
        "[[listener]]\nservice = \"imap\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n\
         [[account]]\nlogin = \"{LOGIN}\"\npassword = {{ file = \"carol.password\" }}\n\
         [deliver]\nlocal = \"mailstore\"\n{}",
        own.section()
    ));
    let secret = house.path().join("carol.password");
    fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let server = house.start();
    let port = server.listener_with("imap", "implicit").port().to_string();
    (authority, house, server, port)
}

/// What all of these programs begin with.
const CONNECT: &str = r#"
import imaplib, ssl, sys
port, ca, login, password = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
def connect():
    imap = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context)
    imap.login(login, password)
    return imap
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
"#;

fn python(authority: &Authority, port: &str, program: &str) -> String {
    let program = format!("{CONNECT}{program}");
    run(
        "python3",
        &["-c", &program, port, &authority.certificate().display().to_string(), LOGIN, PASSWORD],
        b"",
    )
}

#[test]
fn imaplib_of_python_reads_and_changes() {
    let (authority, _house, _server, port) = reading();
    let program = r#"
one, two = connect(), connect()
text = b"From: a@here.test\r\nSubject: number %d\r\n\r\nhello %d\r\n"
for number in range(20):
    ok(one.append("INBOX", r"(\Flagged)" if number % 2 else None, None, text % (number, number)))
assert ok(one.select("INBOX")) == [b"20"]
ok(two.select("INBOX"))
assert ok(one.search(None, "FLAGGED", "SUBJECT", '"number 1"')) == [b"2 12 14 16 18 20"], one.search(None, "FLAGGED", "SUBJECT", '"number 1"')
assert ok(one.search(None, "BODY", '"hello 7"')) == [b"8"]
fetched = ok(one.fetch("3", "(UID FLAGS BODY.PEEK[] ENVELOPE BODYSTRUCTURE)"))
assert fetched[0][1] == text % (2, 2), fetched
ok(one.store("1:10", "+FLAGS", r"(\Deleted)"))
assert len(ok(one.expunge())) == 10
assert ok(two.fetch("1:*", "(UID)")) != [None]
ok(two.noop())
assert len(ok(two.fetch("1:*", "(UID)"))) == 10
ok(one.create("Projects/One"))
ok(one.copy("1:5", "Projects/One"))
assert b"(MESSAGES 5)" in ok(one.status("Projects/One", "(MESSAGES)"))[0]
ok(one.delete("Projects/One"))
large = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 40000
ok(one.append("INBOX", None, None, large))
ok(one.select("INBOX"))
assert ok(one.fetch("11", "(RFC822)"))[0][1] == large
one.logout()
"#;
    python(&authority, &port, program);
}

#[test]
fn curl_lists_and_fetches() {
    let (authority, _house, _server, port) = reading();
    python(
        &authority,
        &port,
        "ok(connect().append('INBOX', None, None, b'Subject: by curl\\r\\n\\r\\nx\\r\\n'))\n",
    );
    let ca = authority.certificate().display().to_string();
    let resolve = format!("mx.here.test:{port}:127.0.0.1");
    let user = format!("{LOGIN}:{PASSWORD}");
    let curl = |path: &str| {
        let url = format!("imaps://mx.here.test:{port}/{path}");
        let arguments =
            ["--silent", "--show-error", "--cacert", &ca, "--resolve", &resolve, "--user", &user, &url];
        run("curl", &arguments, b"")
    };
    let listed = curl("");
    for name in ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert_eq!(curl("INBOX;MAILINDEX=1").replace("\r\n", "\n"), "Subject: by curl\n\nx\n");
}

fn count(directory: &Path) -> usize {
    let files = |part: &str| fs::read_dir(directory.join(part)).map_or(0, Iterator::count);
    files("cur") + files("new")
}

/// What one side has the other gets, with flags; what is deleted on one side goes on the other.
#[test]
fn mbsync_keeps_both_sides_alike() {
    let (authority, house, _server, port) = reading();
    python(
        &authority,
        &port,
        r#"
imap = connect()
for number in range(300):
    ok(imap.append("INBOX", r"(\Seen)" if number % 3 == 0 else None, None, b"Subject: %d\r\nMessage-ID: <%d@x>\r\n\r\n%d\r\n" % (number, number, number)))
"#,
    );
    let local = house.path().join("local");
    fs::create_dir(&local).unwrap();
    let config = house.path().join("mbsyncrc");
    fs::write(
        &config,
        format!(
            "IMAPAccount carol\nHost localhost\nPort {port}\nUser {LOGIN}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
             CertificateFile {ca}\n\nIMAPStore far\nAccount carol\n\nMaildirStore near\nPath {local}/\nInbox {local}/INBOX\n\
             SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n\
             SyncState *\n",
            ca = authority.certificate().display(),
            local = local.display(),
        ),
    )
    .unwrap();
    let sync = || {
        let mut command = Command::new("mbsync");
        let said = e2e::said(command.arg("-c").arg(&config).arg("all"), b"");
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    };
    sync();
    let inbox = local.join("INBOX");
    assert_eq!(count(&inbox), 300);
    // One goes here, one comes here.
    let first = fs::read_dir(inbox.join("cur")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(first).unwrap();
    fs::write(inbox.join("new/1.here"), "Subject: from here\nMessage-ID: <here@x>\n\nx\n").unwrap();
    python(
        &authority,
        &port,
        r#"
imap = connect()
ok(imap.select("INBOX"))
ok(imap.store("10:19", "+FLAGS", r"(\Deleted)"))
ok(imap.expunge())
"#,
    );
    sync();
    let said = python(
        &authority,
        &port,
        "imap = connect()\nprint(ok(imap.select('INBOX'))[0].decode(), ok(imap.search(None, 'SUBJECT', '\"from here\"'))[0].decode() != '')\n",
    );
    assert_eq!(said.trim(), format!("{} True", count(&inbox)));
    assert!((289..=291).contains(&count(&inbox)), "{}", count(&inbox));
}
