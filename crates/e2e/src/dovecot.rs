//! Dovecot as a peer: its LMTP server, on loopback, with its mailboxes in a folder of the test.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Client;
use crate::loopback::Loopback;
use crate::maildir::Maildir;
use crate::process::Process;
use crate::wait::eventually_true;

/// Who owns the mailboxes: `nobody` on Debian.
const OWNER: u32 = 65_534;

/// A mailbox of Dovecot.
#[derive(Debug, Clone, Copy)]
pub struct Mailbox<'a> {
    /// Its address.
    pub address: &'a str,
    /// How many octets it may hold; none: any number.
    pub quota: Option<u32>,
}

/// A running Dovecot with nothing but LMTP.
#[derive(Debug)]
pub struct Dovecot {
    process: Process,
    folder: TempDir,
    address: SocketAddr,
}

impl Dovecot {
    /// Starts Dovecot on a host of the net.
    pub fn start(net: &Loopback, host: u8, port: u16, mailboxes: &[Mailbox<'_>]) -> Self {
        let address = SocketAddr::from((net.host(host), port));
        let folder = prepare(mailboxes);
        let users = format!("driver = passwd-file\n args = {}", folder.path().join("users").display());
        Self::run(folder, address, &users)
    }

    /// Starts Dovecot as a proxy, which hands all mail to an LMTP server behind it.
    pub fn start_proxy(net: &Loopback, host: u8, port: u16, behind: SocketAddr) -> Self {
        let address = SocketAddr::from((net.host(host), port));
        let (ip, port) = (behind.ip(), behind.port());
        let all =
            format!("driver = static\n args = proxy=y protocol=lmtp host={ip} port={port} nopassword=y");
        Self::run(prepare(&[]), address, &all)
    }

    /// `passdb`: the settings of the database that says where a recipient is.
    fn run(folder: TempDir, address: SocketAddr, passdb: &str) -> Self {
        let text = configuration(folder.path().to_str().expect("UTF-8"), address, passdb);
        fs::write(folder.path().join("dovecot.conf"), text).unwrap();
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(folder.path().join("dovecot.conf"));
        let process = Process::start("dovecot", command, &folder.path().join("log"));
        let mut dovecot = Self { process, folder, address };
        eventually_true("Dovecot to listen", Duration::from_secs(30), || dovecot.listens());
        dovecot
    }

    fn listens(&mut self) -> bool {
        assert!(self.process.ended().is_none(), "dovecot ended: {}", self.process.printed());
        Client::open(self.address).is_ok_and(|mut client| client.reply().is_ok())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its UNIX socket, for LMTP as well.
    pub fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("run/lmtp")
    }

    /// The mailbox of an address.
    pub fn maildir(&self, address: &str) -> Maildir {
        Maildir::new(self.folder.path().join("mail").join(address))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.printed()
    }
}

/// A folder for Dovecot, with its mailboxes.
fn prepare(mailboxes: &[Mailbox<'_>]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    // Dovecot's own users must get to its folder.
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    for name in ["run", "state", "mail"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    chown(path.join("mail"), Some(OWNER), Some(OWNER)).expect("only root may run Dovecot");
    fs::write(path.join("users"), users(mailboxes)).unwrap();
    folder
}

/// A line for each mailbox, in the manner of passwd(5): all but the name and the quota is the same for all.
fn users(mailboxes: &[Mailbox<'_>]) -> String {
    mailboxes.iter().fold(String::new(), |mut text, mailbox| {
        let quota = mailbox.quota.map(|octets| format!("userdb_quota_rule=*:bytes={octets}B"));
        let _ = writeln!(text, "{}:::::::{}", mailbox.address, quota.unwrap_or_default());
        text
    })
}

fn configuration(folder: &str, address: SocketAddr, passdb: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "base_dir = {folder}/run\n\
         state_dir = {folder}/state\n\
         log_path = /dev/stderr\n\
         protocols = lmtp\n\
         ssl = no\n\
         hostname = mx.lmtp.test\n\
         postmaster_address = postmaster@lmtp.test\n\
         mail_location = maildir:{folder}/mail/%u\n\
         mail_plugins = quota\n\
         first_valid_uid = 1\n\
         lmtp_proxy = yes\n\
         passdb {{\n {passdb}\n}}\n\
         userdb {{\n driver = passwd-file\n args = {folder}/users\n\
         \x20override_fields = uid={OWNER} gid={OWNER} home={folder}/mail/%u\n}}\n\
         plugin {{\n quota = maildir:all\n}}\n\
         service lmtp {{\n inet_listener lmtp {{\n  address = {ip}\n  port = {port}\n }}\n}}\n"
    )
}
