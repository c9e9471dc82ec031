//! Servers with their queues on the disk of the test, each configured to keep what it takes until a next hop is there,
//! and to try again each second. Syncing is as each of them ships.

use crate::Failure;
use crate::args::Who;
use crate::servers::{free_port, log_end};
use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where a server lives: its configuration and log in a folder, its queue on the disk of the test.
pub(super) struct Place {
    who: Who,
    folder: PathBuf,
    /// What is mounted there.
    pub(super) queue: PathBuf,
    pub(super) address: SocketAddr,
    pub(super) next_hop: SocketAddr,
    program: PathBuf,
}

impl Place {
    pub(super) fn prepare(who: Who, folder: &Path, postrider: &Path) -> Result<Self, Failure> {
        // The servers' own users must get to their queues.
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        let queue = folder.join("queue");
        fs::create_dir(&queue)?;
        let program = match who {
            Who::Postfix => PathBuf::from(peers::postfix::PROGRAM),
            Who::Exim => PathBuf::from(peers::exim::program()?),
            Who::Postrider => postrider.to_owned(),
        };
        let (address, next_hop) = (free_port()?, free_port()?);
        Ok(Self { who, folder: folder.to_owned(), queue, address, next_hop, program })
    }

    /// Writes the configuration, and gives the queue to whom it belongs: after it was mounted.
    pub(super) fn furnish(&self) -> Result<(), Failure> {
        match self.who {
            Who::Postfix => self.furnish_postfix(),
            Who::Exim => {
                peers::give(&self.queue, peers::exim::USER)?;
                let logs = self.folder.join("logs");
                fs::create_dir(&logs)?;
                peers::give(&logs, peers::exim::USER)?;
                Ok(fs::write(self.config(), self.exim_conf())?)
            }
            Who::Postrider => Ok(fs::write(self.config(), self.postrider_toml())?),
        }
    }

    fn furnish_postfix(&self) -> Result<(), Failure> {
        for name in ["etc", "data"] {
            fs::create_dir(self.folder.join(name))?;
        }
        peers::give(&self.folder.join("data"), peers::postfix::USER)?;
        fs::write(self.folder.join("etc/main.cf"), self.main_cf())?;
        Ok(fs::write(self.folder.join("etc/master.cf"), peers::postfix::master_cf(self.address))?)
    }

    fn config(&self) -> PathBuf {
        self.folder.join(match self.who {
            Who::Postfix => "etc",
            Who::Exim => "exim.conf",
            Who::Postrider => "postrider.toml",
        })
    }

    /// Starts it in the foreground.
    pub(super) fn start(&self) -> Result<Child, Failure> {
        let log = File::options().create(true).append(true).open(self.log())?;
        // Some of Postfix's programs open their standard output anew, as its own user.
        log.set_permissions(Permissions::from_mode(0o666))?;
        let mut command = Command::new(&self.program);
        match self.who {
            Who::Postfix => command.arg("-c").arg(self.config()).arg("start-fg"),
            // Exim looks at its queue each second.
            Who::Exim => command.arg("-C").arg(self.config()).args(["-bdf", "-q1s"]),
            Who::Postrider => command.arg("serve").arg("--config").arg(self.config()),
        };
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().map_err(|error| format!("cannot start {}: {error}", self.program.display()).into())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The last lines of what it printed.
    pub(super) fn log_end(&self) -> String {
        log_end(&self.log())
    }

    fn main_cf(&self) -> String {
        let (folder, hop) = (self.folder.display(), self.next_hop);
        format!(
            "compatibility_level = 3.6\n\
             queue_directory = {}\n\
             data_directory = {folder}/data\n\
             maillog_file = /dev/stdout\n\
             inet_interfaces = all\n\
             inet_protocols = ipv4\n\
             myhostname = postfix.bench.test\n\
             mydestination =\n\
             mynetworks = 127.0.0.0/8\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\n\
             smtpd_client_connection_count_limit = 0\n\
             in_flow_delay = 0\n\
             disable_dns_lookups = yes\n\
             alias_maps =\n\
             alias_database =\n\
             relayhost = [{}]:{}\n\
             queue_run_delay = 1s\n\
             minimal_backoff_time = 1s\n\
             maximal_backoff_time = 1s\n",
            self.queue.display(),
            hop.ip(),
            hop.port()
        )
    }

    fn exim_conf(&self) -> String {
        let (folder, address, hop) = (self.folder.display(), self.address, self.next_hop);
        format!(
            "exim_path = {}\n\
             keep_environment =\n\
             spool_directory = {}\n\
             log_file_path = {folder}/logs/%slog\n\
             pid_file_path = {folder}/logs/pid\n\
             primary_hostname = exim.bench.test\n\
             local_interfaces = <; {}\n\
             daemon_smtp_ports = {}\n\
             smtp_accept_max = 0\n\
             tls_advertise_hosts =\n\
             never_users =\n\
             deliver_drop_privilege = true\n\
             queue_only = true\n\
             acl_smtp_rcpt = recipient\n\
             begin acl\n\
             recipient:\n\
             \x20accept hosts = 127.0.0.0/8\n\
             begin routers\n\
             elsewhere:\n\
             \x20driver = manualroute\n\
             \x20route_list = * {}::{} byname\n\
             \x20self = send\n\
             \x20transport = smtp\n\
             begin transports\n\
             smtp:\n\
             \x20driver = smtp\n\
             begin retry\n\
             * * F,1h,1s\n",
            self.program.display(),
            self.queue.display(),
            address.ip(),
            address.port(),
            hop.ip(),
            hop.port()
        )
    }

    fn postrider_toml(&self) -> String {
        format!(
            "hostname = \"postrider.bench.test\"\n\
             data_dir = \"{}\"\n\
             [[listener]]\nservice = \"smtp\"\nbind = [\"{}\"]\n\
             [receive]\ntrusted_networks = [\"127.0.0.0/8\"]\n\
             [queue]\nretry = [\"1s\"]\n\
             [[domain]]\nname = \"postrider.bench.test\"\n\
             [[account]]\nlogin = \"postmaster@postrider.bench.test\"\n\
             [[route]]\ndomains = \"sink.bench.test\"\nto = \"smtp:{}\"\n",
            self.queue.display(),
            self.address,
            self.next_hop
        )
    }
}
