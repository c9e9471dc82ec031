//! Postfix with a configuration, queue and data directory of its own, set up to be as fast as it can be and stay safe.

use super::{Candidate, Kind, LOCAL_DOMAIN, Server, Setting, free_port};
use crate::fairness::{DOMAINS, TROUBLE};
use crate::group::Group;
use crate::guard::spawn;
use crate::scenario::Work;
use crate::secure::{Keys, Tls};
use crate::{Failure, maildir};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who owns the Maildirs: virtual(8) delivers as the recipient's user, never as root.
const NOBODY: u32 = 65534;

pub(super) fn start(setting: &Setting<'_>, who: &Candidate) -> Result<Server, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err("Postfix starts only as root; use --peer none to measure Postrider alone".into());
    }
    let (conf, queue, data) = (setting.dir.join("conf"), setting.dir.join("queue"), setting.dir.join("data"));
    for dir in [&conf, &queue, &data] {
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    }
    peers::give(&data, peers::postfix::USER)?;
    let address = free_port()?;
    fs::write(conf.join("main.cf"), main_cf(setting, who.kind, &queue, &data) + &who.more)?;
    fs::write(conf.join("master.cf"), peers::postfix::master_cf(address))?;
    fs::write(conf.join("mailboxes"), mailboxes(setting))?;
    fs::write(conf.join("transport"), transport(setting))?;
    let maildirs = make_maildirs(setting)?;

    let log = setting.dir.join("postfix.log");
    // `postfix check` makes the queue's directories. `postfix start-fg` is a script above the master: we want the master.
    postfix_says(Command::new("postfix").arg("-c").arg(&conf).arg("check"))?;
    let daemons = postfix_says(Command::new("postconf").args(["-d", "-h", "daemon_directory"]))?;
    let master = Path::new(daemons.trim()).join("master");
    let group = Group::create();
    let arguments = ["-c".as_ref(), conf.as_os_str(), "-s".as_ref()];
    let child = spawn(&master, &arguments, &log, group.as_ref())?;
    let mut server = Server { address, maildirs, child, group, log };
    server.wait_for_greeting(setting.access)?;
    Ok(server)
}

/// What a command prints; an error when it fails.
fn postfix_says(command: &mut Command) -> Result<String, Failure> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .map_err(|error| format!("cannot start {program}: {error}; is Postfix installed?"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn main_cf(setting: &Setting<'_>, kind: Kind, queue: &Path, data: &Path) -> String {
    let mut text = format!(
        "compatibility_level = 3.6\n\
         queue_directory = {}\n\
         data_directory = {}\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         myhostname = postfix.bench.test\n\
         mydestination =\n\
         local_recipient_maps =\n\
         alias_maps =\n\
         alias_database =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         relayhost = [127.0.0.1]:{}\n\
         transport_maps = texthash:{}\n\
         notify_classes =\n",
        queue.display(),
        data.display(),
        setting.next_hop.port(),
        setting.dir.join("conf/transport").display(),
    );
    // What would hold it back here: the pause between reception and delivery, the limits for strangers, the
    // look-up of the client's name.
    let processes = setting.sessions + 100;
    let _infallible = write!(
        text,
        "in_flow_delay = 0\n\
         default_process_limit = {processes}\n\
         smtpd_client_connection_count_limit = 0\n\
         smtpd_peername_lookup = no\n\
         message_size_limit = 0\n"
    );
    match setting.access.tls {
        Some((tls, keys)) => text += &tls_cf(tls, keys, kind),
        None => text += "smtpd_tls_security_level = none\nsmtp_tls_security_level = none\n",
    }
    if kind == Kind::PostfixHold && setting.work.stays_in_the_queue() {
        text += "smtpd_data_restrictions = check_client_access static:HOLD\n";
    }
    if setting.work == Work::Local {
        let _infallible = write!(
            text,
            "virtual_mailbox_domains = {LOCAL_DOMAIN}\n\
             virtual_mailbox_base = {}\n\
             virtual_mailbox_maps = texthash:{}\n\
             virtual_uid_maps = static:{NOBODY}\n\
             virtual_gid_maps = static:{NOBODY}\n\
             virtual_mailbox_limit = 0\n",
            setting.dir.join("mail").display(),
            setting.dir.join("conf/mailboxes").display(),
        );
    }
    text
}

/// TLS as `TLS_README` advises: tickets for clients by default, and a cache of sessions with other servers.
fn tls_cf(tls: Tls, keys: &Keys, kind: Kind) -> String {
    let yes = |on: bool| if on { "yes" } else { "no" };
    format!(
        "smtpd_tls_security_level = may\n\
         smtpd_tls_chain_files = {}\n\
         smtpd_tls_wrappermode = {}\n\
         smtp_tls_security_level = may\n\
         smtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache\n\
         smtp_tls_connection_reuse = {}\n",
        keys.chain.display(),
        yes(tls == Tls::Implicit),
        yes(kind == Kind::PostfixReuse),
    )
}

/// The destinations in trouble have a host of their own.
fn transport(setting: &Setting<'_>) -> String {
    let port = setting.next_hop.port();
    let mut text = format!("trouble.test smtp:[{TROUBLE}]:{port}\n");
    for number in 0..DOMAINS {
        let _infallible = writeln!(text, "x{number}.test smtp:[{TROUBLE}]:{port}");
    }
    text
}

/// virtual(8) takes a path that ends with `/` for a Maildir.
fn mailboxes(setting: &Setting<'_>) -> String {
    let mut text = String::new();
    for name in setting.mailbox_names() {
        let _infallible = writeln!(text, "{name}@{LOCAL_DOMAIN} {LOCAL_DOMAIN}/{name}/");
    }
    text
}

fn make_maildirs(setting: &Setting<'_>) -> Result<Vec<PathBuf>, Failure> {
    if setting.work != Work::Local {
        return Ok(Vec::new());
    }
    let base = setting.dir.join("mail").join(LOCAL_DOMAIN);
    let maildirs: Vec<PathBuf> = setting.mailbox_names().map(|name| base.join(name)).collect();
    for path in &maildirs {
        maildir::create(path, Some((NOBODY, NOBODY)))?;
    }
    Ok(maildirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_for_others_goes_to_the_next_hop_and_syncing_stays_as_postfix_has_it() {
        let text = main_cf(&Setting::example(Work::Relay), Kind::Postfix, Path::new("/q"), Path::new("/d"));
        assert!(text.contains("\nrelayhost = [127.0.0.1]:4025\n"));
        assert!(text.contains("\ndefault_process_limit = 120\n"));
        assert!(!text.contains("fsync") && !text.contains("virtual_"));
    }

    #[test]
    fn holding_is_for_mail_that_stays_in_the_queue_only() {
        let text =
            |work| main_cf(&Setting::example(work), Kind::PostfixHold, Path::new("/q"), Path::new("/d"));
        assert!(
            text(Work::Accept).contains("static:HOLD\n") && text(Work::Latency).contains("static:HOLD\n")
        );
        assert!(!text(Work::Relay).contains("HOLD") && !text(Work::Local).contains("HOLD"));
    }

    #[test]
    fn tls_is_on_both_sides_and_sessions_are_kept_where_asked() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::make(dir.path()).unwrap();
        let tls = |tls| {
            let mut setting = Setting::example(Work::Relay);
            setting.access.tls = Some((tls, &keys));
            main_cf(&setting, Kind::PostfixReuse, Path::new("/q"), Path::new("/d"))
        };
        let text = tls(Tls::Starttls);
        assert!(text.contains("\nsmtpd_tls_security_level = may\n") && !text.contains("level = none"));
        assert!(text.contains("\nsmtpd_tls_wrappermode = no\n"));
        assert!(text.contains("\nsmtp_tls_connection_reuse = yes\n"));
        assert!(tls(Tls::Implicit).contains("\nsmtpd_tls_wrappermode = yes\n"));
    }

    #[test]
    fn local_mail_goes_into_a_maildir_for_each_mailbox() {
        let text = main_cf(&Setting::example(Work::Local), Kind::Postfix, Path::new("/q"), Path::new("/d"));
        assert!(text.contains("\nvirtual_mailbox_base = /dir/mail\n"));
        assert_eq!(
            mailboxes(&Setting::example(Work::Local)),
            "user0@local.bench.test local.bench.test/user0/\nuser1@local.bench.test local.bench.test/user1/\n"
        );
    }
}
