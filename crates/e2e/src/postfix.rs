//! Postfix as a peer: an instance of its own, on loopback, with its queue and its mail in a folder of the test.

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
use crate::tool::said;
use crate::wait::{eventually_true, wait_for_line};

/// Who owns the mail that Postfix files: `nobody` on Debian.
const OWNER: u32 = 65_534;

/// A running Postfix. It is `mx.peer.test`, files what is for `peer.test`, and relays for all of loopback.
#[derive(Debug)]
pub struct Postfix {
    process: Process,
    folder: TempDir,
    address: SocketAddr,
}

impl Postfix {
    /// Starts Postfix on a host of the net; `main_cf` is added to its settings.
    pub fn start(net: &Loopback, host: u8, port: u16, main_cf: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((net.host(host), port));
        prepare(folder.path(), address, main_cf);
        let mut command = Command::new(peers::postfix::PROGRAM);
        command.arg("-c").arg(folder.path().join("etc")).arg("start-fg");
        let process = Process::start("postfix", command, &folder.path().join("log"));
        let mut postfix = Self { process, folder, address };
        eventually_true("Postfix to listen", Duration::from_secs(30), || postfix.listens());
        postfix
    }

    fn listens(&mut self) -> bool {
        assert!(self.process.ended().is_none(), "postfix ended: {}", self.process.printed());
        Client::open(self.address).is_ok_and(|mut client| client.reply().is_ok())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it files the mail of everyone at `peer.test`.
    pub fn maildir(&self) -> Maildir {
        Maildir::new(self.folder.path().join("mail/inbox"))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.printed()
    }

    /// Waits for a line of its log with all these words. What a peer has done it may log a moment later.
    pub fn wait_for_log(&self, words: &[&str]) -> String {
        wait_for_line(words, || self.log())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master puts itself into a process group of its own and ends its children when it is told to.
        let _ = said(
            Command::new(peers::postfix::PROGRAM).arg("-c").arg(self.folder.path().join("etc")).arg("abort"),
            b"",
        );
    }
}

fn prepare(folder: &Path, address: SocketAddr, main_cf: &str) {
    // Postfix's own user must get to its queue.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for name in ["etc", "queue", "data", "mail"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    chown(folder.join("mail"), Some(OWNER), Some(OWNER)).expect("only root may run Postfix");
    peers::give(&folder.join("data"), peers::postfix::USER).unwrap();
    let text = main(folder.to_str().expect("UTF-8"), main_cf);
    fs::write(folder.join("etc/main.cf"), text).unwrap();
    fs::write(folder.join("etc/master.cf"), peers::postfix::master_cf(address)).unwrap();
}

fn main(folder: &str, more: &str) -> String {
    let networks = if more.contains("mynetworks") { "" } else { "mynetworks = 127.0.0.0/8" };
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/queue\n\
         data_directory = {folder}/data\n\
         maillog_file = /dev/stdout\n\
         inet_interfaces = all\n\
         inet_protocols = ipv4\n\
         myhostname = mx.peer.test\n\
         mydestination =\n\
         {networks}\n\
         smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
         disable_dns_lookups = yes\n\
         alias_maps =\n\
         alias_database =\n\
         virtual_mailbox_domains = peer.test\n\
         virtual_mailbox_base = {folder}/mail\n\
         virtual_mailbox_maps = static:inbox/\n\
         virtual_uid_maps = static:{OWNER}\n\
         virtual_gid_maps = static:{OWNER}\n\
         {more}\n"
    )
}
