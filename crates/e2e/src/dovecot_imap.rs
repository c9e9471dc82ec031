//! Dovecot as a server from which mail is taken over: IMAP under TLS, with names below `INBOX.` and dots between levels.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::loopback::Loopback;
use crate::process::Process;
use crate::wait::eventually_true;

/// Who owns the mailboxes: `nobody` on Debian.
const OWNER: u32 = 65_534;

/// A running Dovecot with IMAP alone, for one user.
#[derive(Debug)]
pub struct DovecotImap {
    process: Process,
    address: SocketAddr,
    starttls: SocketAddr,
    authority: Authority,
    _folder: TempDir,
}

impl DovecotImap {
    /// The user.
    pub const LOGIN: &str = "carol@old.test";
    /// The user's password.
    pub const PASSWORD: &str = "correct horse";

    /// Starts it on a host of the net.
    pub fn start(net: &Loopback, host: u8) -> Self {
        let ip = net.host(host);
        let (port, mut other) = (net.port(), net.port());
        while other == port {
            other = net.port();
        }
        let (address, starttls) = (SocketAddr::from((ip, port)), SocketAddr::from((ip, other)));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        for name in ["run", "state", "mail"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        chown(path.join("mail"), Some(OWNER), Some(OWNER)).expect("only root may run Dovecot");
        fs::write(path.join("users"), format!("{}:{{PLAIN}}{}\n", Self::LOGIN, Self::PASSWORD)).unwrap();
        let authority = Authority::new();
        let own = authority.issue(&ip.to_string(), "dovecot");
        let text = configuration(path.to_str().expect("UTF-8"), address, starttls)
            .replace("CERTIFICATE", own.certificate.to_str().expect("UTF-8"))
            .replace("KEY", own.key.to_str().expect("UTF-8"));
        fs::write(path.join("dovecot.conf"), text).unwrap();
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(path.join("dovecot.conf"));
        let mut process = Process::start("dovecot", command, &path.join("log"));
        eventually_true("Dovecot to listen", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "dovecot ended: {}", process.printed());
            TcpStream::connect(address).is_ok()
        });
        Self { process, address, starttls, authority, _folder: folder }
    }

    /// Where it listens for TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for STARTTLS.
    pub fn starttls(&self) -> SocketAddr {
        self.starttls
    }

    /// The file with the certificate that clients have to trust.
    pub fn ca(&self) -> String {
        self.authority.certificate().display().to_string()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.printed()
    }
}

fn configuration(folder: &str, address: SocketAddr, starttls: SocketAddr) -> String {
    let special = ["Sent", "Trash", "Drafts"]
        .map(|name| format!(" mailbox {name} {{\n  special_use = \\{name}\n  auto = create\n }}\n"))
        .concat();
    format!(
        "base_dir = {folder}/run\n\
         state_dir = {folder}/state\n\
         log_path = /dev/stderr\n\
         protocols = imap\n\
         ssl = required\n\
         ssl_cert = <CERTIFICATE\n\
         ssl_key = <KEY\n\
         mail_location = maildir:{folder}/mail/%u\n\
         first_valid_uid = 1\n\
         namespace inbox {{\n inbox = yes\n prefix = INBOX.\n separator = .\n{special}}}\n\
         passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n\
         userdb {{\n driver = static\n args = uid={OWNER} gid={OWNER} home={folder}/mail/%u\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  address = {ip}\n  port = {clear}\n }}\n\
         \x20inet_listener imaps {{\n  address = {ip}\n  port = {port}\n  ssl = yes\n }}\n}}\n",
        ip = address.ip(),
        port = address.port(),
        clear = starttls.port(),
    )
}
