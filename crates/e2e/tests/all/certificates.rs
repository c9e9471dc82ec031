//! Logging in by a certificate of the client, with the programs that can.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Authority, House, Pair, Postrider, eventually_true, run, said};

use super::accounts::{CURL_LOGIN_DENIED, LION, SOON, SUBMISSION};

/// What msmtp ends with when a mechanism is not offered.
const EX_UNAVAILABLE: i32 = 69;
const SMTPLIB: &str = "
import smtplib, ssl, sys
host, port, ca, certificate, key, *commands = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
if certificate:
    context.load_cert_chain(certificate, key)
with smtplib.SMTP(host, int(port)) as smtp:
    smtp.starttls(context=context)
    print(smtp.ehlo('client.test')[1].decode())
    for command in commands:
        code, text = smtp.docmd(command)
        print(code, text.decode())
";

/// A server whose people have certificates.
struct Office {
    /// Who certifies the people, and the server.
    authority: Authority,
    house: House,
    revoked: PathBuf,
    _folder: tempfile::TempDir,
}

impl Office {
    /// `accounts`: those beside ben, with what they have.
    fn new(authority: Authority, accounts: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let revoked = folder.path().join("revoked.pem");
        authority.revoke(&[99], &revoked);
        let own = authority.issue("mx.here.test", "own").section();
        let house = House::new(&format!(
            "{SUBMISSION}[tls]\nclient_ca = \"{}\"\nclient_crl = \"{}\"\n{own}{accounts}",
            authority.certificate().display(),
            revoked.display()
        ));
        Self { authority, house, revoked, _folder: folder }
    }

    /// curl sends a message to ben; its exit code. `user`: whoever it is, and the password.
    fn curl(&self, server: &Postrider, shown: &Pair, user: &str, more: &[&str], subject: &str) -> i32 {
        let port = server.listener_with("submission", "implicit").port();
        let (url, resolve) =
            (format!("smtps://mx.here.test:{port}"), format!("mx.here.test:{port}:127.0.0.1"));
        let ca = self.authority.certificate().display().to_string();
        let from = user.split(':').next().filter(|from| !from.is_empty()).unwrap_or("anna@here.test");
        let content = format!("From: {from}\r\nTo: ben@here.test\r\nSubject: {subject}\r\n\r\nx\r\n");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert", &ca, "--resolve", &resolve, "--url", &url]);
        curl.arg("--cert")
            .arg(&shown.certificate)
            .arg("--key")
            .arg(&shown.key)
            .args(["--user", user])
            .args(more);
        curl.args(["--mail-from", from, "--mail-rcpt", "ben@here.test", "--upload-file", "-"]);
        said(&mut curl, content.as_bytes()).code
    }

    fn by_certificate(&self, server: &Postrider, shown: &Pair, login: &str, subject: &str) -> i32 {
        self.curl(server, shown, &format!("{login}:"), &["--login-options", "AUTH=EXTERNAL"], subject)
    }

    /// msmtp does the same over STARTTLS.
    fn msmtp(&self, server: &Postrider, shown: &Pair) -> i32 {
        let ca = self.authority.certificate().display().to_string();
        let port = server.listener_with("submission", "starttls").port();
        let (certificate, key) = (shown.certificate.display(), shown.key.display());
        let config = format!(
            "account a\nhost 127.0.0.1\nport {port}\ntls on\ntls_starttls on\ntls_trust_file {ca}\n\
             tls_host_override mx.here.test\ntls_cert_file {certificate}\ntls_key_file {key}\nauth external\n\
             user anna@here.test\nfrom anna@here.test\naccount default : a\n"
        );
        let file = self.house.path().join("msmtprc");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut msmtp = Command::new("msmtp");
        msmtp.args(["--file", &file.display().to_string(), "ben@here.test"]);
        said(&mut msmtp, b"Subject: by msmtp\n\nx\n").code
    }

    /// What the server says to smtplib after STARTTLS: to EHLO, and to these commands.
    fn smtplib(&self, to: SocketAddr, shown: Option<&Pair>, commands: &[&str]) -> String {
        let path = |path: &Path| path.display().to_string();
        let (certificate, key) =
            shown.map(|pair| (path(&pair.certificate), path(&pair.key))).unwrap_or_default();
        let ca = path(&self.authority.certificate());
        let (host, port) = (to.ip().to_string(), to.port().to_string());
        let mut arguments = vec!["-c", SMTPLIB, &host, &port, &ca, &certificate, &key];
        arguments.extend(commands);
        run("python3", &arguments, b"")
    }

    fn delivered(&self, subject: &str) {
        self.house.maildir("ben@here.test").wait_for(&format!("Subject: {subject}"), SOON);
    }
}

/// What curl makes of MAIL refused.
const CURL_SEND_ERROR: i32 = 55;

#[test]
fn a_certificate_for_an_address_is_a_login() {
    let office = Office::new(Authority::new(), "");
    let server = office.house.start();
    let anna = office.authority.issue_client("anna@here.test", 7, "anna");
    assert_eq!(office.by_certificate(&server, &anna, "anna@here.test", "by-curl"), 0);
    office.delivered("by-curl");
    assert_eq!(office.msmtp(&server, &anna), 0);
    office.delivered("by msmtp");
    let to = server.listener_with("submission", "starttls");
    let said = office.smtplib(to, Some(&anna), &["AUTH EXTERNAL ="]);
    assert!(said.contains("AUTH EXTERNAL\n") && said.contains("\n235 2.7.0 "), "{said}");
    let said = office.smtplib(to, None, &["AUTH EXTERNAL ="]);
    assert!(!said.contains("EXTERNAL") && !said.contains("\n235 "), "{said}");
    // She is not ben.
    assert_eq!(office.by_certificate(&server, &anna, "ben@here.test", "as-ben"), CURL_LOGIN_DENIED);
    let stranger = office.authority.issue_client("eve@elsewhere.test", 8, "eve");
    assert_eq!(
        office.by_certificate(&server, &stranger, "eve@elsewhere.test", "as-eve"),
        CURL_SEND_ERROR,
        "she is offered nothing"
    );

    office.authority.revoke(&[7], &office.revoked);
    server.ask_to_reload();
    eventually_true("her certificate to be revoked", SOON, || office.msmtp(&server, &anna) == EX_UNAVAILABLE);
}

#[test]
fn a_certificate_may_be_named_by_its_account() {
    let authority = Authority::new();
    let printer = authority.issue_client("printer@devices.test", 3, "printer");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&printer.certificate);
    let said = said(&mut openssl, b"");
    let fingerprint = said.out.trim().split_once('=').expect("a fingerprint").1.to_owned();
    let named = format!(
        "[[account]]\nlogin = \"scan@here.test\"\naddresses = [\"scanner@here.test\"]\ncertificates = [\"sha256:{fingerprint}\"]\n"
    );
    let office = Office::new(authority, &named);
    let server = office.house.start();
    let to = server.listener_with("submission", "starttls");
    let said = office.smtplib(to, Some(&printer), &["AUTH EXTERNAL =", "MAIL FROM:<scanner@here.test>"]);
    assert!(said.contains("\n235 2.7.0 ") && said.contains("\n250 2.1.0 "), "{said}");
}

#[test]
fn other_certificates_hinder_nobody() {
    let dora = format!("[[account]]\nlogin = \"dora@here.test\"\npassword = \"{LION}\"\n");
    let office = Office::new(Authority::new(), &dora);
    let server = office.house.start();
    let elsewhere = Authority::new();
    let others = elsewhere.issue_client("anna@here.test", 7, "anna");
    // It lets in nobody, but who has a password may use that.
    assert_eq!(office.by_certificate(&server, &others, "anna@here.test", "forged"), CURL_LOGIN_DENIED);
    assert_eq!(office.curl(&server, &others, "dora@here.test:lion", &[], "by-dora"), 0);
    office.delivered("by-dora");
    // Port 25 does not even ask.
    let said = office.smtplib(server.smtp(), Some(&others), &["MAIL FROM:<>"]);
    assert!(said.contains("\n250 2.1.0 "), "{said}");
}
