//! Dovecot as a peer: its LMTP server, on loopback, with its mailboxes in a folder of the test.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
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
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((net.host(host), port));
        prepare(folder.path(), address, mailboxes);
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

fn prepare(folder: &Path, address: SocketAddr, mailboxes: &[Mailbox<'_>]) {
    // Dovecot's own users must get to its folder.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for name in ["run", "state", "mail"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    chown(folder.join("mail"), Some(OWNER), Some(OWNER)).expect("only root may run Dovecot");
    fs::write(folder.join("users"), users(mailboxes)).unwrap();
    let text = configuration(folder.to_str().expect("UTF-8"), address);
    fs::write(folder.join("dovecot.conf"), text).unwrap();
}

/// A line for each mailbox, in the manner of passwd(5): all but the name and the quota is the same for all.
fn users(mailboxes: &[Mailbox<'_>]) -> String {
    mailboxes.iter().fold(String::new(), |mut text, mailbox| {
        let quota = mailbox.quota.map(|octets| format!("userdb_quota_rule=*:bytes={octets}B"));
        let _ = writeln!(text, "{}:::::::{}", mailbox.address, quota.unwrap_or_default());
        text
    })
}

fn configuration(folder: &str, address: SocketAddr) -> String {
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
         passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n\
         userdb {{\n driver = passwd-file\n args = {folder}/users\n\
         \x20override_fields = uid={OWNER} gid={OWNER} home={folder}/mail/%u\n}}\n\
         plugin {{\n quota = maildir:all\n}}\n\
         service lmtp {{\n inet_listener lmtp {{\n  address = {ip}\n  port = {port}\n }}\n}}\n"
    )
}
