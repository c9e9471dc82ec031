//! What the process may do, as the kernel tells it: the user, the capabilities, the sandbox; and what a service manager gives and hears.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{Client, House, Process, binary, eventually};

const SOON: Duration = Duration::from_mins(1);

/// Opens a house to other users: its folder is ours alone otherwise.
fn open(house: &House) {
    fs::set_permissions(house.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(house.config(), Permissions::from_mode(0o644)).unwrap();
}

/// A field of `/proc/PID/task/TID/status`, for each thread.
fn of_all_threads(pid: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let read = |path: &Path| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")).map(str::trim))?;
        Some(line.replace('\t', " "))
    };
    tasks.filter_map(|task| read(&task.unwrap().path())).collect()
}

fn delivers(house: &House, address: SocketAddr) {
    let mut client = Client::connect(address);
    client.expect("EHLO client.test", 250);
    let (code, _) = client.mail("a@client.test", &["anna@here.test"], "Subject: x\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250);
    let maildir = house.maildir("anna@here.test");
    eventually("the mail in its mailbox", SOON, || (!maildir.messages().is_empty()).then_some(()));
}

#[test]
fn started_as_root_it_serves_as_another_user_and_every_thread_has_given_up_all_rights() {
    let house = House::new("[process]\nuser = \"nobody\"\n");
    open(&house);
    let server = house.start();
    delivers(&house, server.smtp());
    let pid = server.id();
    let all_are = |field: &str, expected: &str| {
        let found = of_all_threads(pid, field);
        assert!(found.len() > 2 && found.iter().all(|value| value == expected), "{field}: {found:?}");
    };
    all_are("Uid", "65534 65534 65534 65534");
    all_are("Gid", "65534 65534 65534 65534");
    all_are("Groups", "");
    all_are("NoNewPrivs", "1");
    all_are("Seccomp", "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        all_are(set, "0000000000000000");
    }
    assert_eq!(fs::metadata(house.data()).unwrap().uid(), 65534);
    let reloaded = house.command(&["config", "reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.err);
    let log = server.printed();
    assert!(log.contains("files by Landlock") && log.contains("system calls by seccomp"), "{log}");
    server.stop();
}

#[test]
fn a_data_directory_of_somebody_else_and_a_user_that_is_none_stop_the_start() {
    for (user, own, said) in [
        ("nobody", true, "does not belong to nobody"),
        ("no-such-user", false, "there is no user no-such-user"),
    ] {
        let house = House::new(&format!("[process]\nuser = \"{user}\"\n"));
        open(&house);
        if own {
            fs::create_dir(house.data()).unwrap();
        }
        let mut process = house.spawn();
        let status = process.wait(SOON);
        assert_eq!(status.code(), Some(1));
        assert!(process.printed().contains(said), "{}", process.printed());
    }
}

/// What systemd does: the socket as descriptor 3, and its number and our process id in the environment.
fn activated(house: &House, listener: TcpListener, more: &[(&str, &Path)]) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=smtp exec \"$0\" serve --config \"$1\""]);
    command.arg(binary()).arg(house.config());
    command.envs(more.iter().copied());
    let input = Stdio::from(OwnedFd::from(listener));
    Process::start_with("postrider", command, input, &house.path().join("log"))
}

#[test]
fn a_socket_of_the_service_manager_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let house = House::new("");
    // In the place of the address that the kernel would choose.
    let config = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), config.replacen("127.0.0.1:0", &address.to_string(), 1)).unwrap();
    let socket = house.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(SOON)).unwrap();
    let heard = || {
        let mut text = [0; 1024];
        let octets = manager.recv(&mut text).expect("a notification");
        String::from_utf8_lossy(&text[..octets]).into_owned()
    };
    let mut process = activated(&house, listener, &[("NOTIFY_SOCKET", &socket)]);
    assert_eq!(heard(), "READY=1\n");
    delivers(&house, address);
    process.ask_to_reload();
    let reloading = heard();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(heard(), "READY=1\n");
    process.ask_to_stop();
    assert_eq!(heard(), "STOPPING=1\n");
    let status = process.wait(SOON);
    assert!(status.success(), "{}", process.printed());
}

#[test]
fn a_socket_that_no_listener_has_stops_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let house = House::new("[[listener]]\nservice = \"smtp\"\nbind = [\"127.0.0.1:0\"]\n");
    let mut process = activated(&house, listener, &[]);
    let status = process.wait(SOON);
    assert_eq!(status.code(), Some(1));
    assert!(process.printed().contains("belongs to no listener"), "{}", process.printed());
}

/// The units say what they do to a systemd that reads them.
#[test]
fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    for unit in ["postrider.service", "postrider.socket"] {
        let text = fs::read_to_string(dist.join(unit)).unwrap();
        fs::write(folder.path().join(unit), text.replace("/usr/local/bin/postrider", "/bin/true")).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").arg(folder.path().join("postrider.service"));
    let verified = e2e::said(&mut command, b"");
    let ours: Vec<&str> = verified.err.lines().filter(|line| line.contains("postrider")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
