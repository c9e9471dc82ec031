//! People in OpenLDAP: they log in by a bind, get mail, and send as who they are, whatever becomes of the directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use e2e::{Authority, House, Loopback, Postrider, Said, Slapd, eventually, person, said};

const SOON: Duration = Duration::from_mins(1);

/// A server whose people of `far.test` are in OpenLDAP.
struct Office {
    authority: Authority,
    house: House,
    slapd: Slapd,
    _net: Loopback,
}

/// dora with two addresses, emil who is disabled, and a newsletter's login.
fn people() -> String {
    [
        person("dora", "tiger", &["mail: dora@far.test", "labeledURI: d@far.test"]),
        person("emil", "lion", &["mail: emil@far.test", "employeeType: TRUE"]),
        person("fred", "bear", &["mail: fred@far.test"]),
        person("nobody", "bear", &["mail: nobody@elsewhere.test"]),
    ]
    .concat()
}

impl Office {
    /// `url`: how the directory is spoken to; `more`: further lines of its section, after those that there have to be.
    fn new(entries: &str, url: impl Fn(&Slapd) -> String, more: &str) -> Self {
        let net = Loopback::claim();
        let slapd = Slapd::start(&net, entries);
        let authority = Authority::new();
        let own = authority.issue("mx.here.test", "own").section();
        let section = format!(
            "[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n{own}\
             [queue]\nretry = [\"1s\"]\n\
             [[alias]]\naddress = \"team@here.test\"\nto = [\"dora@far.test\", \"ben@here.test\"]\n\
             [[ldap]]\nurl = \"{}\"\nca_file = \"{}\"\nbase = \"{}\"\ndomains = [\"far.test\"]\n\
             bind_dn = \"{}\"\npassword = {{ file = \"ldap.password\" }}\n\
             address_attributes = [\"mail\", \"labeledURI\"]\ndisabled_attribute = \"employeeType\"\n{more}",
            url(&slapd),
            slapd.ca_file().display(),
            Slapd::BASE,
            Slapd::READER,
        );
        let house = House::new(&section);
        let secret = house.path().join("ldap.password");
        fs::write(&secret, format!("{}\n", Slapd::READER_PASSWORD)).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        Self { authority, house, slapd, _net: net }
    }

    fn ldaps() -> Self {
        Self::new(&people(), Slapd::secure_url, "")
    }

    /// Changes the configuration file.
    fn reconfigure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.house.config()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.house.config(), text.replace(from, to)).unwrap();
    }

    /// swaks sends a message by a login to ben.
    fn swaks(&self, server: &Postrider, login: &str, password: &str, from: &str, subject: &str) -> Said {
        let port = server.listener("submission").port().to_string();
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--ehlo", "client.test", "--tls-on-connect"]);
        swaks.arg("--tls-ca-path").arg(self.authority.certificate());
        swaks.args(["--auth", "PLAIN", "--auth-user", login, "--auth-password", password, "--from", from]);
        swaks.args(["--to", "ben@here.test", "--header", &format!("Subject: {subject}")]);
        said(&mut swaks, b"")
    }

    fn sends(&self, server: &Postrider, login: &str, password: &str, from: &str, subject: &str) {
        let said = self.swaks(server, login, password, from, subject);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        self.house.maildir("ben@here.test").wait_for(&format!("Subject: {subject}"), SOON);
    }

    fn refuses(&self, server: &Postrider, login: &str, password: &str, from: &str, reply: &str) {
        let Said { code, out, err } = self.swaks(server, login, password, from, "refused");
        assert!(code != 0 && out.contains(reply), "{login} {reply}: {out}{err}");
    }
}

/// Mail for an address; the reply that decided.
fn mail(server: &Postrider, to: &str, subject: &str) -> (u16, String) {
    server.client().mail("x@c.test", &[to], &format!("Subject: {subject}\r\n\r\nx\r\n")).unwrap()
}

/// Waits for a line of the log.
fn wait_for_log(server: &Postrider, words: &str) -> String {
    eventually(words, SOON, || {
        let printed = server.printed();
        printed.lines().rev().find(|line| line.contains(words)).map(str::to_owned)
    })
}

#[test]
fn people_of_a_directory_log_in_by_a_bind() {
    let office = Office::ldaps();
    let server = office.house.start();
    office.sends(&server, "dora@far.test", "tiger", "dora@far.test", "first");
    office.sends(&server, "Dora@FAR.test", "tiger", "d@far.test", "by her other address");
    office.refuses(&server, "dora@far.test", "tiger", "fred@far.test", "553 5.7.1");
    office.refuses(&server, "fred@far.test", "tiger", "fred@far.test", "535 5.7.8");
    office.refuses(&server, "who@far.test", "tiger", "who@far.test", "535 5.7.8");
    office.refuses(&server, "d@far.test", "tiger", "d@far.test", "535 5.7.8");
    office.refuses(&server, "nobody@elsewhere.test", "bear", "fred@far.test", "535 5.7.8");
    let said = office.swaks(&server, "emil@far.test", "lion", "emil@far.test", "disabled");
    assert!(said.out.contains("535 5.7.8"), "{}{}", said.out, said.err);
    assert!(!said.out.contains("SCRAM"), "nobody here could use it: {}", said.out);
    wait_for_log(&server, "the account is disabled");
    assert!(!server.printed().contains(Slapd::READER_PASSWORD) && !server.printed().contains("tiger"));
}

/// RFC 4513 §5.1.2: a bind with a name and without a password is anonymous, and succeeds.
#[test]
fn an_empty_password_lets_nobody_in() {
    let office = Office::ldaps();
    let server = office.house.start();
    let port = server.listener("submission").port().to_string();
    // AUTH PLAIN with nothing behind the second NUL.
    let script = "\
import base64, smtplib, ssl, sys
context = ssl._create_unverified_context()
smtp = smtplib.SMTP_SSL('127.0.0.1', int(sys.argv[1]), context=context, local_hostname='client.test')
smtp.ehlo()
code, text = smtp.docmd('AUTH', 'PLAIN ' + base64.b64encode(b'\\0dora@far.test\\0').decode())
assert code in (501, 535), (code, text)
";
    e2e::run("python3", &["-c", script, &port], b"");
    let printed = office.slapd.printed();
    assert!(!printed.contains("BIND dn=\"uid=dora"), "{printed}");
}

#[test]
fn a_directory_is_spoken_to_by_starttls() {
    let office = Office::new(&people(), Slapd::clear_url, "");
    let server = office.house.start();
    office.sends(&server, "dora@far.test", "tiger", "dora@far.test", "by-starttls");
    let printed = office.slapd.printed();
    assert!(printed.contains("STARTTLS") && printed.contains("TLS established"), "{printed}");
}

#[test]
fn a_name_can_be_made_of_the_login() {
    let more = "login_attribute = \"uid\"\nuser_dn = \"uid={user},ou=people,dc=far,dc=test\"\n";
    let office = Office::new(&people(), Slapd::secure_url, more);
    let server = office.house.start();
    office.sends(&server, "dora@far.test", "tiger", "dora@far.test", "by-template");
    office.refuses(&server, "fred@far.test", "lion", "fred@far.test", "535 5.7.8");
    office.refuses(&server, "who@far.test", "lion", "fred@far.test", "535 5.7.8");
}

#[test]
fn who_is_in_a_directory_gets_mail_and_who_is_new_at_once() {
    let office = Office::ldaps();
    let server = office.house.start();
    for (to, mailbox, subject) in [
        ("dora@far.test", "dora@far.test", "to her"),
        ("D@far.test", "dora@far.test", "to her other address"),
        ("dora+news@far.test", "dora@far.test", "with a detail"),
        ("emil@far.test", "emil@far.test", "to who is disabled"),
        ("postmaster@far.test", "anna@here.test", "to the postmaster"),
        ("team@here.test", "dora@far.test", "to an alias"),
    ] {
        let (code, text) = mail(&server, to, subject);
        assert_eq!(code, 250, "{to}: {text}");
        office.house.maildir(mailbox).wait_for(&format!("Subject: {subject}"), SOON);
    }
    assert_eq!(mail(&server, "gus@far.test", "too early").0, 550);
    assert_eq!(mail(&server, "*@far.test", "to all").0, 550);
    office.slapd.modify(&person("gus", "wolf", &["mail: gus@far.test"]));
    let (code, text) = mail(&server, "gus@far.test", "welcome");
    assert_eq!(code, 250, "{text}");
    office.house.maildir("gus@far.test").wait_for("Subject: welcome", SOON);
    office.sends(&server, "gus@far.test", "wolf", "gus@far.test", "from the new one");
}

#[test]
fn who_leaves_a_directory_gets_no_more_mail() {
    let office = Office::new(&people(), Slapd::secure_url, "refresh = \"1s\"\n");
    let server = office.house.start();
    assert_eq!(mail(&server, "fred@far.test", "in time").0, 250);
    office.slapd.modify(&format!("dn: uid=fred,{}\nchangetype: delete\n", Slapd::BASE));
    eventually("fred to be unknown", SOON, || {
        (mail(&server, "fred@far.test", "too late").0 == 550).then_some(())
    });
    office.refuses(&server, "fred@far.test", "bear", "fred@far.test", "535 5.7.8");
}

#[test]
fn mail_goes_on_while_a_directory_is_down() {
    let mut office =
        Office::new(&people(), Slapd::secure_url, "refresh = \"1s\"\nconnect_timeout = \"1s\"\n");
    let server = office.house.start();
    wait_for_log(&server, "people fetched");
    office.slapd.kill();
    wait_for_log(&server, "people could not be fetched");
    let (code, text) = mail(&server, "dora@far.test", "meanwhile");
    assert_eq!(code, 250, "{text}");
    office.house.maildir("dora@far.test").wait_for("Subject: meanwhile", SOON);
    let (code, text) = mail(&server, "who@far.test", "unknown");
    assert!(code == 451 && text.contains("4.3.0"), "{code} {text}");
    office.refuses(&server, "dora@far.test", "tiger", "dora@far.test", "454 4.7.0");
    // Our own people are not concerned.
    assert_eq!(mail(&server, "ben@here.test", "to our own").0, 250);
    office.slapd.start_again();
    eventually("who@far.test to be unknown again", SOON, || {
        (mail(&server, "who@far.test", "unknown").0 == 550).then_some(())
    });
    office.sends(&server, "dora@far.test", "tiger", "dora@far.test", "again");
}

/// What was accepted waits for a directory that is not there at the next start, and is not returned.
#[test]
fn accepted_mail_waits_for_a_directory() {
    let rule = "[[rule]]\nname = \"slow\"\naction = \"hold\"\nsenders = [\"slow@c.test\"]\n";
    let mut office = Office::new(&people(), Slapd::secure_url, &format!("connect_timeout = \"1s\"\n{rule}"));
    let server = office.house.start();
    let content = "Subject: held\r\n\r\nx\r\n";
    let (code, text) =
        server.client().mail("slow@c.test", &["dora@far.test", "team@here.test"], content).unwrap();
    assert_eq!(code, 250, "{text}");
    let id = office.house.queue_ids().remove(0);
    server.stop();
    office.slapd.kill();
    let server = office.house.start();
    wait_for_log(&server, "people could not be fetched");
    let released = office.house.command(&["queue", "release", &id]);
    assert_eq!(released.code, 0, "{}{}", released.out, released.err);
    let event = office.house.wait_for_event(&id, "deferred", "dora@far.test");
    assert!(event.to_string().contains("4.3.0"), "{event}");
    office.slapd.start_again();
    office.house.wait_for_empty_queue(SOON);
    office.house.maildir("dora@far.test").wait_for("Subject: held", SOON);
    office.house.maildir("ben@here.test").wait_for("Subject: held", SOON);
}

#[test]
fn a_directory_may_be_down_when_the_server_starts() {
    let mut office = Office::new(&people(), Slapd::secure_url, "connect_timeout = \"1s\"\n");
    office.slapd.kill();
    let server = office.house.start();
    let line = wait_for_log(&server, "people could not be fetched");
    assert!(line.contains("hint"), "{line}");
    let (code, text) = mail(&server, "dora@far.test", "early");
    assert!(code == 451 && text.contains("4.3.0"), "{code} {text}");
    assert_eq!(mail(&server, "team@here.test", "to the team").0, 451);
    office.slapd.start_again();
    eventually("dora to be known", SOON, || (mail(&server, "dora@far.test", "late").0 == 250).then_some(()));
    office.house.maildir("dora@far.test").wait_for("Subject: late", SOON);
}

#[test]
fn a_directory_that_cannot_be_believed_is_told_and_gets_no_password() {
    let office = Office::ldaps();
    let other = Authority::new();
    let ca = office.slapd.ca_file().display().to_string();
    office.reconfigure(&ca, &other.certificate().display().to_string());
    let server = office.house.start();
    let line = wait_for_log(&server, "people could not be fetched");
    assert!(
        line.contains("ERROR") && line.contains("invalid peer certificate") && line.contains("ca_file"),
        "{line}"
    );
    office.refuses(&server, "dora@far.test", "tiger", "dora@far.test", "454 4.7.0");
    assert_eq!(mail(&server, "dora@far.test", "to whom?").0, 451);
    assert_eq!(mail(&server, "ben@here.test", "to our own").0, 250);
    let printed = office.slapd.printed();
    assert!(!printed.contains("cn=reader") && !printed.contains("uid=dora"), "{printed}");
}

#[test]
fn a_large_directory_is_fetched_by_pages() {
    let many =
        (0..1200).map(|number| person(&format!("p{number}"), "x", &[&format!("mail: p{number}@far.test")]));
    let entries: String = many.collect();
    let office = Office::new(&entries, Slapd::secure_url, "");
    let server = office.house.start();
    let line = wait_for_log(&server, "people fetched");
    assert!(line.contains("people=1200"), "{line}");
    assert_eq!(mail(&server, "p1199@far.test", "to the last").0, 250);
    office.house.maildir("p1199@far.test").wait_for("Subject: to the last", SOON);
}

#[test]
fn a_directory_can_be_tried_by_command() {
    let mut office = Office::ldaps();
    let password = |text: &str| {
        let file = office.house.path().join("typed");
        fs::write(&file, format!("{text}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        file.display().to_string()
    };
    let all = office.house.command(&["ldap", "check"]);
    assert_eq!(all.code, 0, "{}{}", all.out, all.err);
    assert!(
        all.out.contains("TLSv1.3, bound as cn=reader") && all.out.contains("people     3 with a mailbox"),
        "{}",
        all.out
    );
    let right = ["ldap", "check", "D@far.test"];
    let one = office.house.command(&right);
    assert_eq!(one.code, 0, "{}{}", one.out, one.err);
    for line in [
        "entry      uid=dora,ou=people,dc=far,dc=test",
        "login      dora@far.test",
        "address    d@far.test",
        "answer     RCPT TO:<d@far.test> gets 250 2.1.5",
    ] {
        assert!(one.out.contains(line), "{line}: {}", one.out);
    }
    let file = password("tiger");
    let good = office.house.command(&["ldap", "check", "dora@far.test", "--password-file", &file]);
    assert!(good.code == 0 && good.out.contains("password   right"), "{}{}", good.out, good.err);
    let file = password("lion");
    let bad = office.house.command(&["ldap", "check", "dora@far.test", "--password-file", &file]);
    assert!(bad.code == 1 && bad.out.contains("invalidCredentials (49)"), "{}{}", bad.out, bad.err);
    let nobody = office.house.command(&["ldap", "check", "who@far.test"]);
    assert!(nobody.code == 1 && nobody.out.contains("gets 550 5.1.1"), "{}{}", nobody.out, nobody.err);
    let elsewhere = office.house.command(&["ldap", "check", "who@c.test"]);
    assert!(elsewhere.code == 2 && elsewhere.err.contains("no directory serves"), "{}", elsewhere.err);
    office.slapd.kill();
    let down = office.house.command(&["ldap", "check", "dora@far.test"]);
    assert!(
        down.code == 1 && down.err.contains("hint:") && down.out.contains("451 4.3.0"),
        "{}{}",
        down.out,
        down.err
    );
}
