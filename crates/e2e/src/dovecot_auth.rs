//! Dovecot's authentication alone, for Postfix to ask (its `smtpd_sasl_type = dovecot`).

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::loopback::Loopback;
use crate::process::Process;
use crate::wait::eventually_true;

/// A running Dovecot that knows passwords and nothing else.
#[derive(Debug)]
pub struct DovecotAuth {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl DovecotAuth {
    /// Starts it on a host of the net, with one login.
    pub fn start(net: &Loopback, host: u8, port: u16, login: &str, password: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, address) = (folder.path(), SocketAddr::from((net.host(host), port)));
        // Dovecot's own users must get to its folder.
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        for name in ["run", "state"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        fs::write(path.join("users"), format!("{login}:{{PLAIN}}{password}\n")).unwrap();
        let text = configuration(path.to_str().expect("UTF-8"), address);
        fs::write(path.join("dovecot.conf"), text).unwrap();
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(path.join("dovecot.conf"));
        let mut process = Process::start("dovecot", command, &path.join("log"));
        eventually_true("Dovecot to listen", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "dovecot ended: {}", process.printed());
            TcpStream::connect(address).is_ok()
        });
        Self { _process: process, _folder: folder, address }
    }

    /// What Postfix is to be told to ask it.
    pub fn main_cf(&self) -> String {
        format!(
            "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{}\n",
            self.address
        )
    }
}

fn configuration(folder: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "base_dir = {folder}/run\n\
         state_dir = {folder}/state\n\
         log_path = /dev/stderr\n\
         protocols =\n\
         ssl = no\n\
         first_valid_uid = 1\n\
         auth_mechanisms = plain login scram-sha-256\n\
         passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n\
         userdb {{\n driver = static\n args = uid=nobody gid=nogroup home=/nonexistent\n}}\n\
         service auth {{\n inet_listener {{\n  address = {ip}\n  port = {port}\n }}\n}}\n"
    )
}
