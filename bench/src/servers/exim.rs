//! Exim with a configuration and spool of its own, set up to be as fast as it can be and stay safe.

use super::{LOCAL_DOMAIN, Server, Setting, free_port};
use crate::group::Group;
use crate::guard::spawn;
use crate::scenario::Work;
use crate::{Failure, maildir};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(super) fn start(setting: &Setting<'_>) -> Result<Server, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err("Exim starts only as root".into());
    }
    let group = Group::create();
    if group.is_none() {
        return Err("Exim's CPU cannot be told without control groups, and there is none to be had".into());
    }
    let program = peers::exim::program()?;
    let owner = peers::ids(peers::exim::USER)?;
    // Exim gives up root for good: its own user must get to its directory.
    let own = setting.dir.join("own");
    fs::create_dir(&own)?;
    fs::set_permissions(setting.dir, fs::Permissions::from_mode(0o755))?;
    peers::give(&own, peers::exim::USER)?;
    let address = free_port()?;
    let config = setting.dir.join("exim.conf");
    fs::write(&config, configuration(setting, program, &own, address))?;
    let maildirs = make_maildirs(setting, &own, owner)?;
    let log = setting.dir.join("exim.log");
    let arguments = ["-C".as_ref(), config.as_os_str(), "-bdf".as_ref()];
    let child = spawn(Path::new(program), &arguments, &log, group.as_ref())?;
    let mut server = Server { address, maildirs, child, group, log };
    server.wait_for_greeting(setting.access)?;
    Ok(server)
}

fn configuration(setting: &Setting<'_>, program: &str, own: &Path, address: SocketAddr) -> String {
    let own = own.display();
    // Nothing listens to syslog here, so no log is written: as with Postfix. No limits, for all load comes from one
    // address; no look-up of the client's name (there is none unless asked for).
    let mut text = format!(
        "exim_path = {program}\n\
         keep_environment =\n\
         spool_directory = {own}/spool\n\
         split_spool_directory\n\
         log_file_path = syslog\n\
         message_logs = false\n\
         pid_file_path = {own}/pid\n\
         primary_hostname = exim.bench.test\n\
         local_interfaces = <; {}\n\
         daemon_smtp_ports = {}\n\
         smtp_connect_backlog = 4096\n\
         smtp_accept_max = 0\n\
         smtp_accept_max_per_connection = 0\n\
         smtp_accept_queue_per_connection = 0\n\
         smtp_enforce_sync = false\n\
         message_size_limit = 0\n\
         tls_advertise_hosts =\n\
         never_users =\n\
         deliver_drop_privilege = true\n\
         acl_smtp_rcpt = recipient\n",
        address.ip(),
        address.port(),
    );
    if setting.work.stays_in_the_queue() {
        text += "queue_only\n";
    }
    text += "begin acl\nrecipient:\n accept hosts = 127.0.0.0/8\n";
    text += "begin routers\n";
    if setting.work == Work::Local {
        let names: Vec<String> = setting.mailbox_names().collect();
        // What a client says may not become a path (it is tainted): the name comes out of this list.
        let _infallible = write!(
            text,
            "here:\n driver = accept\n domains = {LOCAL_DOMAIN}\n local_parts = {}\n transport = file\n",
            names.join(" : ")
        );
    }
    let _infallible = write!(
        text,
        "elsewhere:\n driver = manualroute\n domains = ! {LOCAL_DOMAIN}\n route_list = * {}::{} byname\n self = send\n transport = smtp\n\
         begin transports\n\
         smtp:\n driver = smtp\n hosts_avoid_tls = *\n\
         file:\n driver = appendfile\n directory = {own}/mail/$local_part_data\n maildir_format\n return_path_add\n\
         begin retry\n* * F,1h,1m\n",
        setting.next_hop.ip(),
        setting.next_hop.port(),
    );
    text
}

fn make_maildirs(setting: &Setting<'_>, own: &Path, user: (u32, u32)) -> Result<Vec<PathBuf>, Failure> {
    if setting.work != Work::Local {
        return Ok(Vec::new());
    }
    let maildirs: Vec<PathBuf> = setting.mailbox_names().map(|name| own.join("mail").join(name)).collect();
    for path in &maildirs {
        maildir::create(path, Some(user))?;
    }
    Ok(maildirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(work: Work) -> String {
        configuration(
            &Setting::example(work),
            "/exim",
            Path::new("/dir/own"),
            "127.0.0.1:4000".parse().unwrap(),
        )
    }

    #[test]
    fn only_mail_that_is_to_stay_in_the_queue_is_queued() {
        assert!(
            text(Work::Accept).contains("\nqueue_only\n") && text(Work::Latency).contains("\nqueue_only\n")
        );
        assert!(!text(Work::Relay).contains("queue_only") && !text(Work::Local).contains("queue_only"));
    }

    #[test]
    fn mail_goes_to_the_next_hop_or_into_the_mailboxes() {
        assert!(text(Work::Relay).contains("\n route_list = * 127.0.0.1::4025 byname\n"));
        assert!(!text(Work::Relay).contains("local_parts"));
        assert!(text(Work::Local).contains("\n local_parts = user0 : user1\n"));
    }
}
