//! Accounts that come and go while the server runs, and programs of others that log in to them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use e2e::{Authority, House, Postrider, Said, binary, eventually, said};
use serde_json::Value;

pub(crate) const SOON: Duration = Duration::from_mins(1);
pub(crate) const SUBMISSION: &str = "[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n\
     [[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"starttls\"\n";
/// SHA-512 of `lion` by crypt(3), with the fewest rounds.
pub(crate) const LION: &str = "$6$rounds=1000$saltsalt$spQCvGSCwNyty0XRNutn3V6qh0Z8zQ21vaqGx/GxcLxXoHHD8px5SFn.wIeb1IQVDNNA5cgwFKIlCcPynNtzT1";
/// What curl ends with when a login is refused.
pub(crate) const CURL_LOGIN_DENIED: i32 = 67;
/// What msmtp ends with when a login is refused.
pub(crate) const EX_NOPERM: i32 = 77;

/// A server that asks for logins under TLS.
struct Office {
    authority: Authority,
    house: House,
}

impl Office {
    fn new() -> Self {
        let authority = Authority::new();
        let own = authority.issue_for(&["mx.here.test", "127.0.0.1"], "own");
        let house = House::new(&format!("{SUBMISSION}{}", own.section()));
        Self { authority, house }
    }

    /// A command that must succeed, with a line of input; what it printed.
    fn command(&self, arguments: &[&str], input: &str) -> String {
        let said = self.try_command(arguments, input);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }

    fn try_command(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.house.config());
        said(&mut command, input.as_bytes())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.command(&[arguments, &["--json"]].concat(), "")).unwrap()
    }

    /// curl sends a message to ben by a login; its exit code.
    fn curl(&self, server: &Postrider, login: &str, password: &str, subject: &str) -> i32 {
        let port = server.listener_with("submission", "implicit").port();
        let (url, resolve) =
            (format!("smtps://mx.here.test:{port}"), format!("mx.here.test:{port}:127.0.0.1"));
        let (user, ca) = (format!("{login}:{password}"), self.authority.certificate().display().to_string());
        let content = format!("From: {login}\r\nTo: ben@here.test\r\nSubject: {subject}\r\n\r\nx\r\n");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert", &ca, "--resolve", &resolve, "--url", &url]);
        curl.args([
            "--user",
            &user,
            "--mail-from",
            login,
            "--mail-rcpt",
            "ben@here.test",
            "--upload-file",
            "-",
        ]);
        said(&mut curl, content.as_bytes()).code
    }

    /// msmtp does the same by a mechanism.
    fn msmtp(&self, server: &Postrider, mechanism: &str, login: &str, password: &str) -> i32 {
        let ca = self.authority.certificate().display().to_string();
        let port = server.listener_with("submission", "implicit").port();
        let config = format!(
            "account a\nhost 127.0.0.1\nport {port}\ntls on\ntls_starttls off\ntls_trust_file {ca}\n\
             tls_host_override mx.here.test\nauth {mechanism}\nuser {login}\npassword {password}\nfrom {login}\n\
             account default : a\n"
        );
        let file = self.house.path().join("msmtprc");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let mut msmtp = Command::new("msmtp");
        msmtp.arg("--file").arg(&file).arg("ben@here.test");
        said(&mut msmtp, b"Subject: by msmtp\n\nx\n").code
    }

    /// gsasl logs in by a mechanism, over STARTTLS.
    fn gsasl(&self, server: &Postrider, login: &str, password: &str, more: &[&str]) -> Said {
        let ca = self.authority.certificate().display().to_string();
        let to = server.listener_with("submission", "starttls").to_string();
        let mut gsasl = Command::new("gsasl");
        // It takes STARTTLS where it is offered; told to take it, it would forget EHLO before it.
        gsasl.args(["--smtp", "--connect", &to, "--x509-ca-file", &ca]);
        gsasl.args(["--authentication-id", login, "--password", password, "--quiet"]).args(more);
        said(&mut gsasl, b"")
    }

    fn delivered(&self, subject: &str) {
        self.house.maildir("ben@here.test").wait_for(&format!("Subject: {subject}"), SOON);
    }
}

#[test]
fn an_account_that_is_added_logs_in_at_once_and_after_a_kill() {
    let office = Office::new();
    let server = office.house.start();
    // Without anybody who can log in nobody is asked to.
    office.command(&["account", "add", "ruth@here.test"], "bear\n");
    assert_eq!(office.curl(&server, "dora@here.test", "tiger", "early"), CURL_LOGIN_DENIED);
    let told = office.command(&["account", "add", "Dora@here.test", "--address", "d@here.test"], "tiger\n");
    assert_eq!(told, "account Dora@here.test added\n");
    assert_eq!(office.curl(&server, "dora@here.test", "tiger", "first"), 0);
    office.delivered("first");
    let (code, text) =
        server.client().mail("x@c.test", &["d@here.test"], "Subject: in\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    office.house.maildir("dora@here.test").wait_for("Subject: in", SOON);
    server.kill();
    let server = office.house.start();
    assert_eq!(office.curl(&server, "dora@here.test", "tiger", "second"), 0);
    office.delivered("second");
    // A file that all can read is none for passwords; one of our own is.
    let file = office.house.path().join("password");
    fs::write(&file, "lion\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let change = ["account", "password", "dora@here.test", "--password-file", file.to_str().unwrap()];
    let said = office.try_command(&change, "");
    assert!(said.code == 2 && said.err.contains("hint: chmod 600"), "{}", said.err);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    office.command(&change, "");
    assert_eq!(office.curl(&server, "dora@here.test", "tiger", "third"), CURL_LOGIN_DENIED);
    assert_eq!(office.curl(&server, "dora@here.test", "lion", "fourth"), 0);
    office.delivered("fourth");
    office.command(&["account", "disable", "dora@here.test"], "");
    assert_eq!(office.curl(&server, "dora@here.test", "lion", "fifth"), CURL_LOGIN_DENIED);
    assert_eq!(office.json(&["account", "show", "dora@here.test"])["disabled"], true);
    office.command(&["account", "enable", "dora@here.test"], "");
    assert_eq!(office.curl(&server, "dora@here.test", "lion", "sixth"), 0);
    office.command(&["account", "remove", "dora@here.test"], "");
    assert_eq!(office.curl(&server, "dora@here.test", "lion", "seventh"), CURL_LOGIN_DENIED);
    let (code, _) = server.client().mail("x@c.test", &["d@here.test"], "Subject: no\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 550);
}

#[test]
fn a_session_under_way_ends_with_its_account_and_sees_new_ones() {
    let office = Office::new();
    let server = office.house.start();
    let mut client = server.client();
    client.expect("EHLO c.test", 250);
    client.expect("MAIL FROM:<x@c.test>", 250);
    client.expect("RCPT TO:<dora@here.test>", 550);
    office.command(&["account", "add", "dora@here.test", "--no-password"], "");
    client.expect("RCPT TO:<dora@here.test>", 250);
    office.command(&["account", "remove", "dora@here.test"], "");
    client.expect("RCPT TO:<dora@here.test>", 550);
}

#[test]
fn an_imported_hash_becomes_one_of_today_and_then_scram_works() {
    let office = Office::new();
    let server = office.house.start();
    office.command(&["account", "add", "emil@here.test", "--hash"], LION);
    let shown = || office.json(&["account", "show", "emil@here.test"]);
    assert_eq!((&shown()["has_password"], &shown()["has_scram"]), (&true.into(), &false.into()));
    assert_eq!(office.msmtp(&server, "scram-sha-256", "emil@here.test", "lion"), 69, "it is not offered yet");
    assert_eq!(office.msmtp(&server, "plain", "emil@here.test", "tiger"), EX_NOPERM);
    assert_eq!(office.msmtp(&server, "plain", "emil@here.test", "lion"), 0);
    eventually("keys for SCRAM", SOON, || (shown()["has_scram"] == true).then_some(()));
    assert_eq!(office.msmtp(&server, "scram-sha-256", "emil@here.test", "lion"), 0);
    assert_eq!(office.msmtp(&server, "scram-sha-256", "emil@here.test", "tiger"), EX_NOPERM);
    let said = office.try_command(&["account", "add", "fred@here.test", "--hash"], "tiger\n");
    assert!(said.code == 1 && said.err.contains("not known") && said.err.contains("hint: "), "{}", said.err);
}

/// RFC 9266, against GNU SASL and `GnuTLS`: the proof holds for this TLS session alone.
#[test]
fn a_login_is_bound_to_its_tls_session() {
    let office = Office::new();
    let server = office.house.start();
    office.command(&["account", "add", "dora@here.test"], "tiger\n");
    for (mechanism, password, more, works) in [
        ("SCRAM-SHA-256-PLUS", "tiger", &[][..], true),
        ("SCRAM-SHA-256-PLUS", "lion", &[], false),
        ("SCRAM-SHA-256", "tiger", &["--no-cb"], true),
        // It could have bound, and says that it was not offered to: somebody would have taken the offer away.
        ("SCRAM-SHA-256", "tiger", &[], false),
    ] {
        let said =
            office.gsasl(&server, "dora@here.test", password, &[&["--mechanism", mechanism], more].concat());
        assert_eq!(said.code == 0, works, "{mechanism} {password} {more:?}: {}{}", said.out, said.err);
    }
}

#[test]
fn an_app_password_is_for_one_program_and_can_be_taken_back() {
    let office = Office::new();
    let server = office.house.start();
    office.command(&["account", "add", "ruth@here.test"], "bear\n");
    office.command(&["account", "add", "dora@here.test", "--no-password"], "");
    let make = |scope: &str| {
        let arguments =
            ["account", "app-password", "add", "dora@here.test", "--name", "cron", "--scope", scope];
        office.command(&arguments, "").trim_end().to_owned()
    };
    let (smtp, imap) = (make("smtp"), make("imap"));
    assert_eq!(office.curl(&server, "dora@here.test", &smtp, "by app"), 0);
    office.delivered("by app");
    // With SCRAM too, and nobody loses it for that: the server does not know yet which password is meant.
    for (login, password, code) in
        [("dora@here.test", &*smtp, 0), ("dora@here.test", &*imap, EX_NOPERM), ("ruth@here.test", "bear", 0)]
    {
        assert_eq!(office.msmtp(&server, "scram-sha-256", login, password), code, "{login}");
    }
    assert_eq!(office.curl(&server, "dora@here.test", &imap, "by imap"), CURL_LOGIN_DENIED);
    let list = || office.json(&["account", "app-password", "list", "dora@here.test"]);
    eventually("the last use", SOON, || list()[0]["last_used_at"].is_string().then_some(()));
    assert!(list()[1]["last_used_at"].is_null());
    let id = list()[0]["id"].as_str().unwrap().to_owned();
    assert!(smtp.starts_with(&format!("pr-{id}-")), "{smtp} {id}");
    office.command(&["account", "app-password", "revoke", "dora@here.test", &id], "");
    assert_eq!(office.curl(&server, "dora@here.test", &smtp, "revoked"), CURL_LOGIN_DENIED);
}

/// For an account that the file declares the command prints what the file needs; taken out again, it opens nothing.
#[test]
fn app_passwords_in_the_configuration_file() {
    let office = Office::new();
    let before = fs::read_to_string(office.house.config()).unwrap();
    let print = |scope: &str| {
        let arguments =
            ["account", "app-password", "add", "ed@here.test", "--name", "cron", "--scope", scope, "--print"];
        let said = office.try_command(&arguments, "");
        assert_eq!(said.code, 0, "{}", said.err);
        let words = said.err.lines().find(|line| line.starts_with("pr-")).unwrap().to_owned();
        assert!(!said.out.contains(&words), "{}", said.out);
        (said.out, words)
    };
    let ((smtp, smtp_words), (imap, imap_words)) = (print("smtp"), print("imap"));
    let account = "\n[[account]]\nlogin = \"ed@here.test\"\npassword = \"bear\"\n";
    fs::write(office.house.config(), format!("{before}{account}{smtp}{imap}")).unwrap();
    // For the password of the account: those of programs are no secrets here.
    fs::set_permissions(office.house.config(), Permissions::from_mode(0o600)).unwrap();
    let server = office.house.start();
    for (login, password, plain, scram) in [
        ("ed@here.test", "bear", 0, 0),
        ("ed@here.test", &*smtp_words, 0, 0),
        ("ed@here.test", &*imap_words, CURL_LOGIN_DENIED, EX_NOPERM),
    ] {
        assert_eq!(office.curl(&server, login, password, "by the file"), plain, "{password}");
        assert_eq!(office.msmtp(&server, "scram-sha-256", login, password), scram, "{password}");
    }
    office.delivered("by the file");
    let listed = office.command(&["account", "app-password", "list", "ed@here.test"], "");
    assert!(listed.contains("in the file") && listed.contains("imap"), "{listed}");
    let said = office.try_command(&["account", "app-password", "revoke", "ed@here.test", "abcdef"], "");
    assert!(said.code == 1 && said.err.contains("is declared in the configuration file"), "{}", said.err);
    fs::write(office.house.config(), format!("{before}{account}{imap}")).unwrap();
    office.command(&["config", "reload"], "");
    assert_eq!(office.curl(&server, "ed@here.test", &smtp_words, "taken out"), CURL_LOGIN_DENIED);
    // What is kept fits one login only, and is no secret.
    let other = format!("{before}{}{smtp}", account.replace("ed@", "edna@"));
    fs::write(office.house.config(), other).unwrap();
    let said = office.try_command(&["config", "check"], "");
    assert!(said.code != 0 && said.err.contains("was made for another login"), "{}{}", said.out, said.err);
}

/// What clients read by themselves is read here by parsers of others: Python's for XML and property lists, Knot's for zones.
#[test]
fn a_mail_client_is_told_its_settings() {
    let authority = Authority::new();
    let own = authority.issue_for(&["mx.here.test"], "own");
    let listener = |service: &str, port: u16, tls: &str| {
        format!("[[listener]]\nservice = \"{service}\"\nbind = [\"127.0.0.1:{port}\"]\ntls = \"{tls}\"\n")
    };
    let listeners = [
        listener("submission", 587, "starttls"),
        listener("submission", 465, "implicit"),
        listener("submission", 2525, "none"),
        listener("pop3", 995, "implicit"),
        listener("imap", 993, "implicit"),
    ];
    let local = "[deliver]\nlocal = \"mailstore\"\n";
    let house = House::new(&format!("{local}{}{}", listeners.concat(), own.section()));
    let settings = |format: &str| {
        let mut command = Command::new(binary());
        command.args(["account", "settings", "ed@here.test", "--format", format, "--config"]);
        let said = said(command.arg(house.config()), b"");
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    let text = settings("text");
    let ports: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("mx.here.test"))
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    assert_eq!(ports, ["993", "995", "465", "587"], "{text}");
    let python = |script: &str, input: &str| e2e::run("python3", &["-c", script], input.as_bytes());
    let leaves = "import sys, xml.etree.ElementTree as t; e = t.fromstring(sys.stdin.buffer.read()); \
                  print(*(x.tag.split('}')[-1] + '=' + x.text for x in e.iter() if x.text and x.text.strip()))";
    let thunderbird = python(leaves, &settings("thunderbird"));
    assert!(
        thunderbird.starts_with("domain=here.test ") && thunderbird.contains("port=993 socketType=SSL"),
        "{thunderbird}"
    );
    assert!(
        thunderbird.contains("port=587 socketType=STARTTLS") && !thunderbird.contains("2525"),
        "{thunderbird}"
    );
    let outlook = python(leaves, &settings("outlook"));
    assert!(outlook.contains("Type=SMTP Server=mx.here.test Port=465 LoginName=ed@here.test"), "{outlook}");
    let plist = "import sys, plistlib; p = plistlib.loads(sys.stdin.buffer.read()); m = p['PayloadContent'][0]; \
                 print(p['PayloadType'], m['EmailAccountType'], m['IncomingMailServerPortNumber'], m['OutgoingMailServerUseSSL'])";
    assert_eq!(python(plist, &settings("apple")), "Configuration EmailTypeIMAP 993 True\n");
    let zone = house.path().join("here.test.zone");
    let records = settings("dns");
    let soa = "here.test. 3600 IN SOA ns.here.test. root.here.test. 1 3600 600 86400 3600\nhere.test. 3600 IN NS ns.example.net.\n";
    fs::write(&zone, format!("{soa}{records}")).unwrap();
    e2e::run("kzonecheck", &["-o", "here.test", zone.to_str().unwrap()], b"");
    assert!(records.contains("_imaps._tcp.here.test. 3600 IN SRV 0 1 993 mx.here.test.\n"), "{records}");
    assert!(records.contains("_imap._tcp.here.test. 3600 IN SRV 0 0 0 .\n"), "{records}");
}

#[test]
fn domains_and_aliases_are_added_listed_and_removed() {
    let office = Office::new();
    let server = office.house.start();
    let refused = |arguments: &[&str], words: &str| {
        let said = office.try_command(arguments, "");
        assert!(said.code == 1 && said.err.contains(words) && said.err.contains("\nhint: "), "{}", said.err);
    };
    let add = ["account", "add", "gus@new.test", "--no-password"];
    refused(&add, "the domain of `gus@new.test` is not declared");
    office.command(&["domain", "add", "new.test"], "");
    office.command(&add, "");
    office.command(&["alias", "add", "all@new.test", "gus@new.test", "ben@here.test"], "");
    let (code, _) = server.client().mail("x@c.test", &["all@new.test"], "Subject: all\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250);
    office.house.maildir("gus@new.test").wait_for("Subject: all", SOON);
    office.delivered("all");
    let told = eventually("the story's end", SOON, || {
        Some(office.command(&["trace", "ALL@new.test"], "")).filter(|told| told.contains("delivered from"))
    });
    assert!(told.contains("given as <all@new.test>"), "{told}");
    refused(&["alias", "add", "all@new.test", "ben@here.test"], "`all@new.test` is taken by an alias");
    refused(&["account", "remove", "gus@new.test"], "is needed by the alias `all@new.test`");
    refused(&["domain", "remove", "new.test"], "`new.test` is needed by");
    refused(&["account", "disable", "anna@here.test"], "is declared in the configuration file");
    refused(&["account", "show", "who@here.test"], "there is no account");
    let list = office.command(&["account", "list"], "");
    assert!(
        list.contains("gus@new.test") && list.contains("configuration") && list.contains("4 accounts"),
        "{list}"
    );
    assert_eq!(office.json(&["alias", "list"])["aliases"][0]["source"], "store");
    assert!(office.command(&["domain", "list"], "").contains("new.test"));
    for arguments in [
        ["alias", "remove", "all@new.test"],
        ["account", "remove", "gus@new.test"],
        ["domain", "remove", "new.test"],
    ] {
        office.command(&arguments, "");
    }
    assert!(office.command(&["alias", "list"], "").contains("0 aliases"));
}

#[test]
fn the_database_of_a_newer_program_is_refused_and_a_dry_run_changes_nothing() {
    let office = Office::new();
    let file = office.house.data().join("store.db");
    fs::create_dir_all(office.house.data()).unwrap();
    let dry = office.command(&["store", "migrate", "--dry-run"], "");
    assert!(dry.starts_with("would make directory 1: ") && !file.exists(), "{dry}");
    assert!(office.command(&["store", "migrate"], "").starts_with("made directory 1: "));
    assert_eq!(office.command(&["store", "migrate"], ""), "the tables are up to date\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let newer = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                 c.execute(\"INSERT INTO migration VALUES ('directory', 99, 'the future')\"); c.commit(); c.close()";
    let (file, python) = (file.display().to_string(), "python3");
    e2e::run(python, &["-c", newer, &file], b"");
    let mut process = office.house.spawn();
    let status = process.wait(SOON);
    assert_eq!(status.code(), Some(1));
    let printed = process.printed();
    assert!(
        printed.contains("a newer Postrider has used store.db") && printed.contains("hint: "),
        "{printed}"
    );
    let said = office.try_command(&["store", "migrate", "--dry-run"], "");
    assert!(said.code == 1 && said.err.contains("a newer Postrider"), "{}", said.err);
}
