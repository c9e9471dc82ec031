//! The servers with their mailboxes: each in a directory of its own, stopped and started again on what is there.

use super::client::Door;
use crate::group::Group;
use crate::guard::spawn;
use crate::secure::{Dialer, Keys, Tls};
use crate::servers::{free_port, log_end};
use crate::{Failure, cpu};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, io};

/// Whose the large mailbox is; the others get mail.
pub(super) const READER: &str = "reader@bench.test";
/// A server rests that takes less than a fiftieth of a processor for so long.
const REST: Duration = Duration::from_secs(2);
/// It is waited for no longer.
const REST_MAX: Duration = Duration::from_mins(5);
/// The mailboxes that mail is delivered into.
pub(super) const RECIPIENTS: u64 = 10;
pub(super) const PASSWORD: &str = "correct-horse";
const START_MAX: Duration = Duration::from_mins(1);
const STOP_MAX: Duration = Duration::from_secs(30);
const DOVECOT: &str = "/usr/sbin/dovecot";
/// Who owns Dovecot's mailboxes.
const OWNER: &str = "nobody";

/// Who gets mail: from 0 on.
pub(super) fn recipient(number: u64) -> String {
    format!("user{}@bench.test", number % RECIPIENTS)
}

/// A server that keeps mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program.
    Postrider(PathBuf),
    /// Dovecot with this format of its mailboxes.
    Dovecot(&'static str),
}

impl Kind {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Postrider(_) => "Postrider".to_owned(),
            Self::Dovecot(format) => format!("Dovecot {format}"),
        }
    }
}

/// Where a server is, and what it needs of the bench.
#[derive(Debug)]
pub(super) struct House<'a> {
    pub(super) kind: Kind,
    dir: PathBuf,
    keys: &'a Keys,
    dns: SocketAddr,
    /// Sessions that it must be able to hold.
    sessions: u64,
}

/// A server that runs; stopped when dropped.
#[derive(Debug)]
pub(super) struct Running {
    imaps: SocketAddr,
    /// In clear, which only Dovecot does.
    imap: Option<SocketAddr>,
    pub(super) lmtp: SocketAddr,
    child: Child,
    group: Option<Group>,
    log: PathBuf,
}

impl<'a> House<'a> {
    pub(super) fn new(
        kind: Kind,
        parent: &Path,
        keys: &'a Keys,
        dns: SocketAddr,
        sessions: u64,
    ) -> Result<Self, Failure> {
        let dir = parent.join(kind.name().replace(' ', "-"));
        fs::create_dir(&dir)?;
        for name in ["data", "run", "state", "mail"] {
            fs::create_dir(dir.join(name))?;
        }
        if matches!(kind, Kind::Dovecot(_)) {
            peers::give(&dir.join("mail"), OWNER)?;
        }
        Ok(Self { kind, dir, keys, dns, sessions })
    }

    /// Starts the server. `hurried`: nothing is synced, where that can be had; for filling mailboxes only.
    pub(super) fn start(&self, hurried: bool) -> Result<Running, Failure> {
        let (imaps, imap, lmtp) = (free_port()?, free_port()?, free_port()?);
        let log = self.dir.join("log");
        let group = Group::create();
        let (child, imap) = match &self.kind {
            Kind::Postrider(program) => {
                let config = self.dir.join("postrider.toml");
                fs::write(&config, self.postrider(imaps, lmtp))?;
                // It holds passwords.
                fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
                let arguments = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
                (spawn(program, &arguments, &log, group.as_ref())?, None)
            }
            Kind::Dovecot(format) => {
                let config = self.dir.join("dovecot.conf");
                fs::write(self.dir.join("users"), users())?;
                fs::write(&config, self.dovecot(format, [imaps, imap, lmtp], hurried)?)?;
                let arguments = ["-F".as_ref(), "-c".as_ref(), config.as_os_str()];
                (spawn(Path::new(DOVECOT), &arguments, &log, group.as_ref())?, Some(imap))
            }
        };
        let mut running = Running { imaps, imap, lmtp, child, group, log };
        running.wait()?;
        Ok(running)
    }

    fn postrider(&self, imaps: SocketAddr, lmtp: SocketAddr) -> String {
        let (sessions, dns) = (self.sessions + 100, self.dns);
        let (data, keys) = (self.dir.join("data"), self.keys);
        let mut text = format!(
            "hostname = \"postrider.bench.test\"\ndata_dir = \"{}\"\n\
             [[listener]]\nservice = \"imap\"\nbind = [\"{imaps}\"]\ntls = \"implicit\"\n\
             [[listener]]\nservice = \"lmtp\"\nbind = [\"{lmtp}\"]\ntls = \"none\"\n\
             [[tls.certificate]]\ncertificate = \"{}\"\nkey = \"{}\"\n\
             [receive]\nlmtp_networks = [\"127.0.0.0/8\"]\nsessions_max = {sessions}\n\
             sessions_per_address_max = {sessions}\ntransactions_max = 1000000\n\
             [deliver]\nlocal = \"mailstore\"\n[dns]\nservers = [\"{dns}\"]\n[[domain]]\nname = \"bench.test\"\n",
            data.display(),
            keys.certificate.display(),
            keys.key.display(),
        );
        for login in logins() {
            let _infallible = write!(text, "[[account]]\nlogin = \"{login}\"\npassword = \"{PASSWORD}\"\n");
        }
        text
    }

    /// As Dovecot ships, but for what is in the way of many sessions from one address. Its default for syncing (`mail_fsync = optimized`)
    /// syncs each message and the directory that it is in before the answer, and nothing that can be made again.
    fn dovecot(&self, format: &str, ports: [SocketAddr; 3], hurried: bool) -> Result<String, Failure> {
        let [imaps, imap, lmtp] = ports.map(|address| address.port());
        let (dir, (uid, gid)) = (self.dir.display(), peers::ids(OWNER)?);
        let sessions = self.sessions + 100;
        let fsync = if hurried { "never" } else { "optimized" };
        Ok(format!(
            "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = /dev/stderr\nprotocols = imap lmtp\n\
             hostname = dovecot.bench.test\npostmaster_address = postmaster@bench.test\n\
             mail_location = {format}:{dir}/mail/%u\nfirst_valid_uid = 1\ndisable_plaintext_auth = no\n\
             ssl = yes\nssl_cert = <{}\nssl_key = <{}\nssl_min_protocol = TLSv1.2\n\
             mail_fsync = {fsync}\nmail_max_userip_connections = 0\nauth_verbose = no\n\
             passdb {{\n driver = passwd-file\n args = {dir}/users\n}}\n\
             userdb {{\n driver = passwd-file\n args = {dir}/users\n\
             \x20override_fields = uid={uid} gid={gid} home={dir}/mail/%u\n}}\n\
             namespace inbox {{\n inbox = yes\n separator = /\n}}\n\
             default_process_limit = {sessions}\ndefault_client_limit = {}\n\
             service anvil {{\n client_limit = {}\n}}\nservice auth {{\n client_limit = {}\n}}\n\
             service imap {{\n process_limit = {sessions}\n vsz_limit = 0\n}}\n\
             service imap-login {{\n service_count = 0\n process_min_avail = 2\n process_limit = 4\n vsz_limit = 0\n\
             \x20inet_listener imap {{\n  address = 127.0.0.1\n  port = {imap}\n }}\n\
             \x20inet_listener imaps {{\n  address = 127.0.0.1\n  port = {imaps}\n  ssl = yes\n }}\n}}\n\
             service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {lmtp}\n }}\n}}\n",
            self.keys.certificate.display(),
            self.keys.key.display(),
            4 * sessions,
            8 * sessions,
            8 * sessions,
        ))
    }
}

fn logins() -> impl Iterator<Item = String> {
    (0..RECIPIENTS).map(recipient).chain([READER.to_owned()])
}

/// In the manner of passwd(5).
fn users() -> String {
    logins().fold(String::new(), |text, login| text + &format!("{login}:{{PLAIN}}{PASSWORD}::::::\n"))
}

impl Running {
    /// Where the reader's mailbox is opened: under TLS, or in clear where that is to be had.
    pub(super) fn door(&self, secure: bool) -> Result<Option<Door>, Failure> {
        let tls = if secure { Some(Dialer::new(Tls::Implicit, false)?) } else { None };
        let address = if secure { Some(self.imaps) } else { self.imap };
        let (login, password) = (READER.to_owned(), PASSWORD.to_owned());
        Ok(address.map(|address| Door { address, tls, login, password }))
    }

    /// CPU nanoseconds of all its processes so far, those that ended included.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.group.as_ref().map_or_else(|| cpu::tree_ns(self.child.id()), Group::cpu_ns)
    }

    /// Waits until it does nothing more behind its answers, as who indexes texts does.
    pub(super) fn rest(&self) {
        let started = Instant::now();
        let mut before = self.cpu_ns();
        while started.elapsed() < REST_MAX {
            std::thread::sleep(REST);
            let now = self.cpu_ns();
            if u128::from(now.saturating_sub(before)) * 50 < REST.as_nanos() {
                return;
            }
            before = now;
        }
    }

    /// Octets of anonymous memory, where that can be told.
    pub(super) fn memory(&self) -> Option<u64> {
        self.group.as_ref()?.memory()?.octets()
    }

    pub(super) fn log_end(&self) -> String {
        log_end(&self.log)
    }

    /// Waits until it takes mail and lets the reader in.
    fn wait(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let door = self.door(true)?.ok_or("no IMAP")?;
        let mut why: io::Error = io::ErrorKind::TimedOut.into();
        while started.elapsed() < START_MAX && self.alive() {
            let there = super::lmtp::Lmtp::open(self.lmtp).and_then(|_| super::client::Client::open(&door));
            match there {
                Ok(_) => return Ok(()),
                Err(error) => why = error,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the server did not come up ({why}); its log ends with:\n{}", self.log_end()).into())
    }

    fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while self.alive() && started.elapsed() < STOP_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_servers_know_the_same_people_and_sync() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::make(dir.path()).unwrap();
        let house = House {
            kind: Kind::Dovecot("maildir"),
            dir: dir.path().to_owned(),
            keys: &keys,
            dns: "127.0.0.1:4053".parse().unwrap(),
            sessions: 5,
        };
        let ports = [4993, 4143, 4024].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let dovecot = house.dovecot("maildir", ports, false).unwrap();
        assert!(dovecot.contains("mail_fsync = optimized\n") && dovecot.contains("mail_location = maildir:"));
        assert!(house.dovecot("sdbox", ports, true).unwrap().contains("mail_fsync = never\n"));
        let postrider = house.postrider(ports[0], ports[2]);
        assert!(
            postrider.contains("local = \"mailstore\"") && postrider.contains("bind = [\"127.0.0.1:4993\"]")
        );
        for login in logins() {
            assert!(postrider.contains(&format!("login = \"{login}\"")) && users().contains(&login));
        }
        assert_eq!(logins().count(), 11);
    }
}
