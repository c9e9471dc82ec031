//! Mailboxes kept alike on both sides by programs that hold a copy: mbsync, also when it is killed, `OfflineIMAP`, and Dovecot.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use e2e::{ImapUser, Process, Said, eventually, eventually_true, said, write_secret};
use rustix::process::{getegid, geteuid};

/// `nobody` on Debian.
const NOBODY: u32 = 65_534;
const LOGIN: &str = ImapUser::LOGIN;
const PASSWORD: &str = ImapUser::PASSWORD;

/// Of each message in a mailbox its token, flags and content, as `compare` wants it; only lines that the programs add to find their
/// messages again are left out.
const LOOK: &str = r#"
import hashlib
LETTERS = {rb"\Seen": "S", rb"\Flagged": "F", rb"\Answered": "R", rb"\Deleted": "T", rb"\Draft": "D"}
def message(octets, flags):
    lines = octets.replace(b"\r\n", b"\n").split(b"\n")
    lines = [line for line in lines if not line.startswith((b"X-TUID:", b"X-OfflineIMAP:"))]
    return [hashlib.sha256(b"\n".join(lines)).hexdigest(), "".join(sorted(flags))]
def far(mailbox):
    imap, found = connect(), {}
    ok(imap.select(mailbox, readonly=True))
    for item in ok(imap.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")):
        if isinstance(item, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].split()
            uid = int(re.search(rb"UID (\d+)", item[0])[1])
            found[uid] = message(item[1], [LETTERS[flag] for flag in flags if flag in LETTERS])
    imap.logout()
    return found
def near(folder):
    found = []
    for part in ("cur", "new"):
        for name in os.listdir(f"{folder}/{part}"):
            with open(f"{folder}/{part}/{name}", "rb") as file:
                flags = name.rpartition(":2,")[2] if ":2," in name else ""
                found.append((name, message(file.read(), flags)))
    return found
"#;

fn maildir(folder: &Path) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
}

/// Messages of different flags, kinds and sizes, from `first` up to before `end`, as files of a Maildir.
fn fill(folder: &Path, first: usize, end: usize) {
    for number in first..end {
        let flags = ["", "S", "F", "FS", "RS"].into_iter().nth(number % 5).unwrap();
        let body = format!("line {number}\n").repeat(1 + number % 40);
        let text = format!("Subject: near {number}\nMessage-ID: <near-{number}@x>\n\n{body}");
        fs::write(folder.join(format!("cur/{number}.here:2,{flags}")), text).unwrap();
    }
}

/// The same, in an INBOX of the server.
const FILL: &str = r#"
first, end = map(int, sys.argv[5:7])
kinds = [b"", rb"\Seen", rb"\Flagged", rb"\Flagged \Seen", rb"\Answered \Seen"]
messages = [(kinds[number % 5], b"Subject: far %d\r\nMessage-ID: <far-%d@x>\r\n\r\n" % (number, number) + b"line %d\r\n" % number * (1 + number % 40)) for number in range(first, end)]
imap = connect()
for at in range(0, len(messages), 250):
    append_all(imap, b"INBOX", messages[at:at + 250])
"#;

/// mbsync with its configuration for each manner of TLS.
struct Mbsync<'a> {
    user: &'a ImapUser,
    inbox: PathBuf,
    /// What the server has open without any session.
    sockets: usize,
}

impl<'a> Mbsync<'a> {
    fn new(user: &'a ImapUser) -> Self {
        let local = user.house.path().join("local");
        let inbox = local.join("INBOX");
        maildir(&inbox);
        for (tls, word) in [("implicit", "IMAPS"), ("starttls", "STARTTLS")] {
            let text = format!(
                "FSync no\nIMAPAccount carol\nHost localhost\nPort {port}\nUser {LOGIN}\nPass \"{PASSWORD}\"\nSSLType {word}\n\
                 CertificateFile {ca}\n\nIMAPStore far\nAccount carol\n\nMaildirStore near\nPath {local}/\nInbox {inbox}\n\
                 SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState *\n",
                port = user.port(tls),
                ca = user.ca(),
                local = local.display(),
                inbox = inbox.display(),
            );
            write_secret(&user.house.path().join(format!("mbsync.{tls}")), &text);
        }
        Self { user, inbox, sockets: user.server().sockets() }
    }

    fn command(&self, tls: &str) -> Command {
        let mut command = Command::new("mbsync");
        command.arg("-c").arg(self.user.house.path().join(format!("mbsync.{tls}"))).arg("all");
        command
    }

    /// Runs it to its end.
    fn run(&self, tls: &str) {
        let Said { code, out, err } = said(&mut self.command(tls), b"");
        assert_eq!(code, 0, "{out}{err}");
    }

    /// Runs it and kills it once it has written down so many steps; whether that came before its end.
    fn run_and_kill(&self, tls: &str, steps: usize) -> bool {
        let journal = self.inbox.join(".mbsyncstate.journal");
        let written = || fs::read(&journal).map_or(0, |text| text.split(|octet| *octet == b'\n').count());
        let before = written();
        let mut process =
            Process::start("mbsync", self.command(tls), &self.user.house.path().join("mbsync.log"));
        let ended = eventually("mbsync to be in the middle", Duration::from_mins(1), || {
            let ended = process.ended();
            (ended.is_some() || written() >= before + steps).then_some(ended)
        });
        process.kill();
        // What was begun is carried out though it is dead, and the next run must not look for that before it is.
        eventually_true("the killed session to end", Duration::from_mins(1), || {
            self.user.server().sockets() <= self.sockets
        });
        assert!(ended.is_none_or(|status| status.success()), "{}", process.printed());
        ended.is_none()
    }

    /// Each message is there once on both sides, under the UIDs that mbsync has written down, with equal content and flags.
    fn compare(&self) -> usize {
        let program = format!("{LOOK}{COMPARE_BY_STATE}");
        let told = self.user.python(&program, &[&self.inbox.display().to_string()]);
        told.trim().parse().unwrap()
    }
}

const COMPARE_BY_STATE: &str = r#"
folder = sys.argv[5]
theirs, ours = far("INBOX"), {}
for name, what in near(folder):
    uid = int(re.search(r",U=(\d+)", name)[1])
    assert uid not in ours, name
    ours[uid] = what
with open(f"{folder}/.mbsyncstate") as file:
    header, _, body = file.read().partition("\n\n")
pairs = [tuple(map(int, line.split()[:2])) for line in body.splitlines()]
assert sorted(one for one, _ in pairs) == sorted(theirs), (len(pairs), len(theirs))
assert sorted(other for _, other in pairs) == sorted(ours), (len(pairs), len(ours))
for one, other in pairs:
    assert theirs[one] == ours[other], (one, theirs[one], other, ours[other])
contents = [content for content, _ in theirs.values()]
assert len(set(contents)) == len(contents), "something is there twice"
print(len(pairs))
"#;

/// Both sides have a thousand messages of their own; then both change some, and lose some.
#[test]
fn mbsync_killed_in_the_middle_makes_both_sides_alike() {
    let user = ImapUser::new();
    let mbsync = Mbsync::new(&user);
    user.python(FILL, &["0", "1000"]);
    fill(&mbsync.inbox, 0, 1000);
    assert!(mbsync.run_and_kill("implicit", 150));
    for steps in [700, 1100] {
        mbsync.run_and_kill("implicit", steps);
    }
    mbsync.run("implicit");
    assert_eq!(mbsync.compare(), 2000);
    let change = r#"
imap = connect()
ok(imap.select("INBOX"))
ok(imap.store("1:200", "+FLAGS", r"(\Flagged \Answered)"))
ok(imap.store("1900:1950", "-FLAGS", r"(\Seen)"))
ok(imap.store("301:400", "+FLAGS", r"(\Deleted)"))
assert len(ok(imap.expunge())) == 100
"#;
    user.python(change, &[]);
    let mut files: Vec<PathBuf> =
        fs::read_dir(mbsync.inbox.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // Those that both sides delete or change would leave open how many there are in the end.
    let untouched: Vec<&PathBuf> = files
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("Message-ID: <near-"))
        .take(300)
        .collect();
    let (lost, flagged) = untouched.split_at(150);
    for path in lost {
        fs::remove_file(path).unwrap();
    }
    for path in flagged {
        let name = path.to_str().unwrap();
        let (start, _) = name.rsplit_once(":2,").unwrap();
        fs::rename(path, format!("{start}:2,FRS")).unwrap();
    }
    fill(&mbsync.inbox, 1000, 1050);
    assert!(mbsync.run_and_kill("starttls", 60));
    mbsync.run_and_kill("starttls", 200);
    mbsync.run("starttls");
    assert_eq!(mbsync.compare(), 2000 - 100 - 150 + 50);
    // Nothing is left to do.
    let state = || fs::read(mbsync.inbox.join(".mbsyncstate")).unwrap();
    let before = state();
    mbsync.run("implicit");
    assert_eq!(state(), before);
}

/// Compares without UIDs: each content is there once on both sides, with equal flags.
const COMPARE_BY_CONTENT: &str = r#"
theirs, ours = sorted(far(sys.argv[6]).values()), sorted(what for _, what in near(sys.argv[5]))
assert theirs == ours, (len(theirs), len(ours), [one for one in theirs if one not in ours][:3], [one for one in ours if one not in theirs][:3])
assert len({content for content, _ in theirs}) == len(theirs), "something is there twice"
print(len(theirs))
"#;

fn compare(user: &ImapUser, folder: &Path, mailbox: &str) -> String {
    let program = format!("{LOOK}{COMPARE_BY_CONTENT}");
    user.python(&program, &[&folder.display().to_string(), mailbox]).trim().to_owned()
}

#[test]
fn offlineimap_keeps_both_sides_alike() {
    let user = ImapUser::new();
    let house = user.house.path();
    let local = house.join("local");
    let inbox = local.join("INBOX");
    maildir(&inbox);
    user.python(FILL, &["0", "100"]);
    fill(&inbox, 0, 100);
    let rc = |tls: &str| {
        let (ssl, starttls) = if tls == "implicit" { ("yes", "no") } else { ("no", "yes") };
        let text = format!(
            "[general]\naccounts = carol\nmetadata = {house}/offlineimap\nfsync = false\n\
             [Account carol]\nlocalrepository = near\nremoterepository = far\n\
             [Repository near]\ntype = Maildir\nlocalfolders = {local}\n\
             [Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\nremoteuser = {LOGIN}\n\
             remotepass = {PASSWORD}\nssl = {ssl}\nstarttls = {starttls}\nsslcacertfile = {ca}\n",
            house = house.display(),
            local = local.display(),
            port = user.port(tls),
            ca = user.ca(),
        );
        let path = house.join(format!("offlineimap.{tls}"));
        write_secret(&path, &text);
        path
    };
    let run = |tls: &str| {
        let mut command = Command::new("offlineimap");
        let Said { code, out, err } =
            said(command.arg("-o").arg("-u").arg("basic").arg("-c").arg(rc(tls)), b"");
        assert!(code == 0 && !format!("{out}{err}").contains("ERROR"), "{code}: {out}{err}");
    };
    run("implicit");
    assert_eq!(compare(&user, &inbox, "INBOX"), "200");
    let change = r#"
imap = connect()
ok(imap.select("INBOX"))
ok(imap.store("1:20", "+FLAGS", r"(\Flagged \Answered)"))
ok(imap.store("31:40", "+FLAGS", r"(\Deleted)"))
assert len(ok(imap.expunge())) == 10
ok(imap.create("Projects/One"))
ok(imap.copy("1:5", "Projects/One"))
"#;
    user.python(change, &[]);
    let names = fs::read_dir(inbox.join("cur")).unwrap().map(|entry| entry.unwrap().path());
    let ours = names.filter(|path| fs::read_to_string(path).unwrap().contains("Message-ID: <near-"));
    for path in ours.take(15).collect::<Vec<_>>() {
        fs::remove_file(path).unwrap();
    }
    run("starttls");
    assert_eq!(compare(&user, &inbox, "INBOX"), "175");
    assert_eq!(compare(&user, &local.join("Projects.One"), "Projects/One"), "5");
}

/// Dovecot's own synchronisation, with our server as the far side and a Maildir as the near one.
struct Doveadm {
    folder: PathBuf,
}

impl Doveadm {
    fn new(user: &ImapUser) -> Self {
        let folder = user.house.path().join("dovecot");
        fs::create_dir(&folder).unwrap();
        // Dovecot opens no mailbox as root.
        let (owner, group) = (geteuid(), getegid());
        let (owner, group) =
            if owner.is_root() { (NOBODY, NOBODY) } else { (owner.as_raw(), group.as_raw()) };
        chown(&folder, Some(owner), Some(group)).unwrap();
        fs::set_permissions(user.house.path(), Permissions::from_mode(0o755)).unwrap();
        let ca = folder.join("ca.pem");
        fs::copy(user.ca(), &ca).unwrap();
        let text = format!(
            "mail_uid = {owner}\nmail_gid = {group}\nbase_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = /dev/stderr\nssl = yes\nssl_client_ca_file = {ca}\n\
             mail_location = maildir:{folder}/mail\nmail_fsync = never\nfirst_valid_uid = 1\n\
             imapc_host = 127.0.0.1\nimapc_port = {port}\nimapc_ssl = imaps\nimapc_user = {LOGIN}\nimapc_password = {PASSWORD}\n\
             imapc_features = rfc822.size fetch-headers\nnamespace inbox {{\n inbox = yes\n separator = /\n}}\n",
            folder = folder.display(),
            ca = ca.display(),
            port = user.port("implicit"),
        );
        write_secret(&folder.join("dovecot.conf"), &text);
        Self { folder }
    }

    fn mail(&self) -> PathBuf {
        self.folder.join("mail")
    }

    fn said(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut command = Command::new("doveadm");
        command.arg("-c").arg(self.folder.join("dovecot.conf")).args(arguments);
        command.env("HOME", &self.folder).env("USER", "carol");
        said(&mut command, input)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> String {
        let Said { code, out, err } = self.said(arguments, input);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// Until nothing is left to do: a mailbox that is new on one side may take it another run, and it says so by its exit code.
    fn sync(&self) {
        let left_something = |_: &usize| {
            let Said { code, out, err } = self.said(&["sync", "imapc:"], b"");
            // Now and then it does not see the GUID that it has just given to a mailbox of its own; then it takes another run, too.
            let is_blind = err.contains("Backend didn't update mailbox");
            assert!([0, 2].contains(&code) || is_blind, "{out}{err}");
            code != 0
        };
        assert!((0..4).take_while(left_something).count() < 4, "it comes to no end");
    }
}

#[test]
fn dovecot_keeps_both_sides_alike() {
    let user = ImapUser::new();
    let doveadm = Doveadm::new(&user);
    user.python(FILL, &["0", "200"]);
    doveadm.run(&["backup", "-R", "imapc:"], b"");
    assert_eq!(compare(&user, &doveadm.mail(), "INBOX"), "200");
    for number in 0..20 {
        let text = format!("Message-ID: <near-{number}@x>\r\n\r\nx\r\n");
        doveadm.run(&["save", "-m", "INBOX"], text.as_bytes());
    }
    doveadm.run(&["flags", "add", "\\Flagged", "mailbox", "INBOX", "1:30"], b"");
    doveadm.run(&["expunge", "mailbox", "INBOX", "31:40"], b"");
    doveadm.run(&["mailbox", "create", "Projects"], b"");
    doveadm.run(&["move", "Projects", "mailbox", "INBOX", "41:45"], b"");
    doveadm.sync();
    assert_eq!(compare(&user, &doveadm.mail(), "INBOX"), "205");
    assert_eq!(compare(&user, &doveadm.mail().join(".Projects"), "Projects"), "5");
    // It keeps no mod-sequences of a far side, so one side has to be right about flags. And one alone may get mail: where both gave the same UID
    // to different messages, Dovecot gives both new ones that it chooses itself. No server takes a UID from its client, so the two sides differ again, and each
    // run makes more copies; with Dovecot's own server at the far side it ends the same way.
    let change = r#"
imap = connect()
ok(imap.select("INBOX"))
ok(imap.store("101:120", "+FLAGS", r"(\Answered)"))
ok(imap.store("131:140", "+FLAGS", r"(\Deleted)"))
assert len(ok(imap.expunge())) == 10
for number in range(10):
    ok(imap.append("INBOX", None, None, b"Message-ID: <again-%d@x>\r\n\r\nx\r\n" % number))
"#;
    user.python(change, &[]);
    doveadm.run(&["backup", "-R", "imapc:"], b"");
    assert_eq!(compare(&user, &doveadm.mail(), "INBOX"), "205");
    // The UIDs are the same on both sides: this is how Dovecot knows which message is which.
    let ours = doveadm.run(&["fetch", "uid", "mailbox", "INBOX"], b"");
    let ours: Vec<&str> = ours.split_whitespace().filter(|word| *word != "uid:").collect();
    let theirs = user.python(
        "imap = connect()\nok(imap.select('INBOX', readonly=True))\nprint(ok(imap.uid('SEARCH', 'ALL'))[0].decode())\n",
        &[],
    );
    assert_eq!(ours, theirs.split_whitespace().collect::<Vec<_>>());
}
