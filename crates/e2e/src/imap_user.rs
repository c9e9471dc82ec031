//! A server with one user, whose mailboxes other people's programs read by IMAP, and another one who may be let in to them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::authority::Authority;
use crate::postrider::{House, Postrider};
use crate::process::Process;
use crate::tool::said;

/// What every program of Python's begins with.
const PYTHON: &str = r#"
import imaplib, os, re, ssl, sys
port, ca, login, password = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
def connect(login=login):
    imap = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context)
    imap.login(login, password)
    return imap
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
# All in one command (RFC 3502): pairs of flags and octets.
def append_all(imap, mailbox, messages):
    tag = imap._new_tag()
    parts = [b" (%s) {%d+}\r\n%s" % (flags, len(octets), octets) for flags, octets in messages]
    imap.send(tag + b" APPEND " + mailbox + b"".join(parts) + b"\r\n")
    ok(imap._command_complete("APPEND", tag))
"#;

/// A server for carol, with IMAP under TLS before the greeting and by STARTTLS.
#[derive(Debug)]
pub struct ImapUser {
    authority: Authority,
    /// The server's folder.
    pub house: House,
    server: Option<Postrider>,
}

impl ImapUser {
    /// Whose mailboxes they are.
    pub const LOGIN: &str = "carol@here.test";
    /// Who else has mailboxes here.
    pub const OTHER: &str = "dave@here.test";
    /// The password of both.
    pub const PASSWORD: &str = "correct horse";

    /// Starts the server; it is certified for `localhost`, `mx.here.test` and 127.0.0.1.
    pub fn new() -> Self {
        let authority = Authority::new();
        let own = authority.issue_for(&["mx.here.test", "localhost", "127.0.0.1"], "own");
        let listener = |tls: &str| {
            format!("[[listener]]\nservice = \"imap\"\nbind = [\"127.0.0.1:0\"]\ntls = \"{tls}\"\n")
        };
        let house = House::new(&format!(
            "{}{}[[account]]\nlogin = \"{}\"\npassword = {{ file = \"carol.password\" }}\n\
             [[account]]\nlogin = \"{}\"\npassword = {{ file = \"carol.password\" }}\n\
             [deliver]\nlocal = \"mailstore\"\n{}",
            listener("implicit"),
            listener("starttls"),
            Self::LOGIN,
            Self::OTHER,
            own.section()
        ));
        write_secret(&house.path().join("carol.password"), &format!("{}\n", Self::PASSWORD));
        let server = Some(house.start());
        Self { authority, house, server }
    }

    /// The running server.
    pub fn server(&self) -> &Postrider {
        self.server.as_ref().expect("a running server")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.server.take().expect("a running server").kill();
    }

    /// Stops the server gracefully.
    pub fn stop(&mut self) {
        let status = self.server.take().expect("a running server").stop();
        assert_eq!(status.code(), Some(0), "a graceful stop");
    }

    /// Starts the server again, on other ports.
    pub fn start(&mut self) {
        self.server = Some(self.house.start());
    }

    /// Where the server listens for clients that go about TLS in this manner.
    pub fn port(&self, tls: &str) -> u16 {
        self.server().listener_with("imap", tls).port()
    }

    /// The file with the certificate that clients have to trust.
    pub fn ca(&self) -> String {
        self.authority.certificate().display().to_string()
    }

    /// Runs a program of Python's that must succeed, with `connect()`, `ok(answer)` and `append_all(..)` at hand; gives what it prints.
    pub fn python(&self, program: &str, more: &[&str]) -> String {
        let said = said(&mut self.command(program, more), b"");
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    }

    /// The same at another server.
    pub fn python_at(at: SocketAddr, ca: &str, login: &str, program: &str) -> String {
        let program = PYTHON.replace("127.0.0.1", &at.ip().to_string()) + program;
        let said = said(
            Command::new("python3").arg("-c").arg(program).args([
                at.port().to_string().as_str(),
                ca,
                login,
                Self::PASSWORD,
            ]),
            b"",
        );
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    }

    /// Starts such a program, with what it prints in a file.
    pub fn start_python(&self, program: &str, more: &[&str], log: &str) -> Process {
        Process::start("python3", self.command(program, more), &self.house.path().join(log))
    }

    fn command(&self, program: &str, more: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.arg("-c").arg(format!("{PYTHON}{program}"));
        let (port, ca) = (self.port("implicit").to_string(), self.ca());
        command.args([port.as_str(), ca.as_str(), Self::LOGIN, Self::PASSWORD]);
        command.args(more);
        command
    }
}

impl Default for ImapUser {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a file that nobody else may read, as programs want it of files with passwords.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its permissions");
}
