//! Postrider: the release build of this checkout, with a configuration and data directory of its own.

use super::{Candidate, LOCAL_DOMAIN, Server, Setting, free_port};
use crate::group::Group;
use crate::guard::spawn;
use crate::scenario::Work;
use crate::secure::Tls;
use crate::{Failure, maildir};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn start(setting: &Setting<'_>, who: &Candidate) -> Result<Server, Failure> {
    let data = setting.dir.join("data");
    fs::create_dir_all(&data)?;
    let address = free_port()?;
    let config = setting.dir.join("postrider.toml");
    fs::write(&config, toml(setting, who.trusts, &data, address) + &who.more)?;
    let maildirs = make_maildirs(setting, &data)?;
    let log = setting.dir.join("postrider.log");
    let group = Group::create();
    let arguments = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
    let child = spawn(&who.program, &arguments, &log, group.as_ref())?;
    let mut server = Server { address, maildirs, child, group, log };
    server.wait_for_greeting(setting.access)?;
    if let Some(login) = setting.access.login {
        add_account(&who.program, &config, login)?;
    }
    Ok(server)
}

fn toml(setting: &Setting<'_>, trusts: bool, data: &Path, address: SocketAddr) -> String {
    // The limits are for strangers; all load comes from one address and in few long sessions here.
    let sessions = setting.sessions + 100;
    let trusted =
        if setting.access.login.is_some() || !trusts { "" } else { "trusted_networks = [\"127.0.0.0/8\"]\n" };
    let listener = listener(setting, address);
    let mut text = format!(
        "hostname = \"postrider.bench.test\"\n\
         data_dir = \"{}\"\n\
         {listener}\
         [receive]\n{trusted}\
         sessions_max = {sessions}\nsessions_per_address_max = {sessions}\ntransactions_max = 1000000\n\
         [deliver]\nport = {}\nprivate_addresses = \"allow\"\nlocal = \"maildir\"\n\
         [dns]\nservers = [\"{}\"]\n",
        data.display(),
        setting.next_hop.port(),
        setting.dns,
    );
    if let Some((_, domain)) = setting.access.login.and_then(|(login, _)| login.split_once('@')) {
        let _infallible = write!(text, "[[domain]]\nname = \"{domain}\"\n");
    }
    if setting.work == Work::Local {
        let _infallible = write!(text, "[[domain]]\nname = \"{LOCAL_DOMAIN}\"\n");
        for name in setting.mailbox_names() {
            let _infallible = write!(text, "[[account]]\nlogin = \"{name}@{LOCAL_DOMAIN}\"\n");
        }
    }
    text
}

/// The listener, and under TLS its certificate.
fn listener(setting: &Setting<'_>, address: SocketAddr) -> String {
    let service = if setting.access.login.is_some() { "submission" } else { "smtp" };
    let tls = match setting.access.tls {
        None => "none",
        Some((Tls::Starttls, _)) => "starttls",
        Some((Tls::Implicit, _)) => "implicit",
    };
    let mut text =
        format!("[[listener]]\nservice = \"{service}\"\nbind = [\"{address}\"]\ntls = \"{tls}\"\n");
    if let Some((_, keys)) = setting.access.tls {
        let (certificate, key) = (keys.certificate.display(), keys.key.display());
        let _infallible =
            write!(text, "[[tls.certificate]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
    }
    text
}

/// Puts an account into the store of a server that runs, which makes the hash and the keys that such accounts have.
fn add_account(program: &Path, config: &Path, (login, password): (&str, &str)) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(["account", "add", login, "--role", "bulk", "--config"]).arg(config);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{password}")?;
    }
    if child.wait()?.success() { Ok(()) } else { Err("the account cannot be added".into()) }
}

/// Postrider's Maildirs are at `DATA_DIR/mail/<login>`.
fn make_maildirs(setting: &Setting<'_>, data: &Path) -> Result<Vec<PathBuf>, Failure> {
    if setting.work != Work::Local {
        return Ok(Vec::new());
    }
    let base = data.join("mail");
    let maildirs: Vec<PathBuf> =
        setting.mailbox_names().map(|name| base.join(format!("{name}@{LOCAL_DOMAIN}"))).collect();
    for path in &maildirs {
        maildir::create(path, None)?;
    }
    Ok(maildirs)
}

/// The program to measure: the one named, else the release build of this checkout, which is brought up to date.
pub(crate) fn program(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return path.canonicalize().map_err(|error| format!("{}: {error}", path.display()).into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace around bench")?;
    let built = workspace.join("target/release/postrider");
    if !built.exists() {
        eprintln!("building postrider (release)");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--package", "postrider"])
            .current_dir(workspace)
            .status()?;
        if !status.success() {
            return Err("postrider does not build; use --peer-only to measure the peer alone".into());
        }
    }
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Access;

    #[test]
    fn the_configuration_leads_to_the_sink_and_names_the_mailboxes() {
        let text = toml(
            &Setting::example(Work::Local),
            true,
            Path::new("/dir/data"),
            "127.0.0.1:4000".parse().unwrap(),
        );
        assert!(text.contains("bind = [\"127.0.0.1:4000\"]\n") && text.contains("\nport = 4025\n"));
        assert!(text.contains("servers = [\"127.0.0.1:4053\"]\n"));
        assert!(text.contains("service = \"smtp\"") && text.contains("tls = \"none\""));
        assert!(text.contains("login = \"user1@local.bench.test\"\n") && !text.contains("user2"));
    }

    #[test]
    fn who_logs_in_is_not_trusted_otherwise_and_does_so_under_tls() {
        let dir = tempfile::tempdir().unwrap();
        let keys = crate::secure::Keys::make(dir.path()).unwrap();
        let mut setting = Setting::example(Work::Relay);
        setting.access =
            Access { tls: Some((Tls::Implicit, &keys)), login: Some(("a@source.test", "secret")) };
        let text = toml(&setting, true, Path::new("/dir/data"), "127.0.0.1:4000".parse().unwrap());
        assert!(text.contains("service = \"submission\"") && text.contains("tls = \"implicit\""));
        assert!(text.contains("[[tls.certificate]]") && text.contains("name = \"source.test\""));
        assert!(!text.contains("trusted_networks") && !text.contains("secret"));
    }
}
