//! Exim as a peer: a daemon of its own, on loopback, with its spool and its mail in a folder of the test.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::loopback::Loopback;
use crate::maildir::Maildir;
use crate::process::Process;
use crate::wait::{eventually_true, wait_for_line};

/// What differs from one Exim to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct EximSettings<'a> {
    /// Main options, added to those of the harness and outranking them.
    pub main: &'a str,
    /// Where all mail for other domains goes; none: it is refused.
    pub next_hop: Option<SocketAddr>,
}

/// A running Exim. It is `mx.exim.test`, files what is for `exim.test` and relays for all of loopback. Nobody there
/// is called `no` (550) and whoever is called `later` never has time (451).
#[derive(Debug)]
pub struct Exim {
    process: Process,
    folder: TempDir,
    address: SocketAddr,
}

impl Exim {
    /// Starts Exim on a host of the net.
    pub fn start(net: &Loopback, host: u8, port: u16, settings: EximSettings<'_>) -> Self {
        let program = peers::exim::program().expect("Exim");
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((net.host(host), port));
        prepare(folder.path(), program, address, settings);
        let mut command = Command::new(program);
        // In the foreground, with a look at the queue each second.
        command.arg("-C").arg(folder.path().join("exim.conf")).args(["-bdf", "-q1s"]);
        let process = Process::start("exim", command, &folder.path().join("printed"));
        let mut exim = Self { process, folder, address };
        eventually_true("Exim to listen", Duration::from_secs(30), || exim.listens());
        exim
    }

    fn listens(&mut self) -> bool {
        assert!(self.process.ended().is_none(), "exim ended: {}", self.process.printed());
        self.log().contains("listening for SMTP")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it files the mail of everyone at `exim.test`.
    pub fn maildir(&self) -> Maildir {
        Maildir::new(self.folder.path().join("own/mail"))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("own/mainlog")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits for a line of its log with all these words. What a peer has done it may log a moment later.
    pub fn wait_for_log(&self, words: &[&str]) -> String {
        wait_for_line(words, || self.log())
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(&self.log());
        }
    }
}

/// A failing test shows what Exim logged, not only what it printed.
fn show(log: &str) {
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("--- log of exim:\n{log}\n"));
}

fn prepare(folder: &Path, program: &str, address: SocketAddr, settings: EximSettings<'_>) {
    // Exim gives up root for good: its own user must get to its folder.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let own = folder.join("own");
    fs::create_dir(&own).unwrap();
    peers::give(&own, peers::exim::USER).unwrap();
    let own = own.to_str().expect("UTF-8");
    fs::write(folder.join("exim.conf"), configuration(own, program, address, settings)).unwrap();
}

fn configuration(own: &str, program: &str, address: SocketAddr, settings: EximSettings<'_>) -> String {
    let (ip, port, main) = (address.ip(), address.port(), settings.main);
    let elsewhere = match settings.next_hop {
        Some(hop) => format!(
            "elsewhere:\n driver = manualroute\n route_list = * {}::{} byname\n self = send\n transport = smtp\n",
            hop.ip(),
            hop.port()
        ),
        None => String::new(),
    };
    format!(
        "exim_path = {program}\n\
         keep_environment =\n\
         spool_directory = {own}/spool\n\
         log_file_path = {own}/%slog\n\
         log_selector = +8bitmime +received_recipients +smtp_confirmation +smtp_protocol_error +smtp_syntax_error\n\
         pid_file_path = {own}/pid\n\
         primary_hostname = mx.exim.test\n\
         qualify_domain = exim.test\n\
         local_interfaces = <; {ip}\n\
         daemon_smtp_ports = {port}\n\
         tls_advertise_hosts =\n\
         never_users =\n\
         deliver_drop_privilege = true\n\
         acl_smtp_rcpt = recipient\n\
         domainlist local = exim.test\n\
         {main}\n\
         begin acl\n\
         recipient:\n\
         \x20deny local_parts = no\n  message = No such hermit\n\
         \x20defer local_parts = later\n  message = Never at home\n\
         \x20accept\n  hosts = 127.0.0.0/8\n\
         begin routers\n\
         here:\n driver = accept\n domains = +local\n transport = file\n\
         {elsewhere}\
         begin transports\n\
         file:\n driver = appendfile\n directory = {own}/mail\n maildir_format\n return_path_add\n envelope_to_add\n\
         smtp:\n driver = smtp\n\
         begin retry\n\
         * * F,1h,1s\n"
    )
}
