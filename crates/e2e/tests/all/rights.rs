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
    // Of 100, for what a service could do; the worst of ours is that it may have a folder whose group goes over to its files.
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true", "--threshold=20"]);
    let judged = e2e::said(command.arg(folder.path().join("postrider.service")), b"");
    assert_eq!(judged.code, 0, "{}{}", judged.out, judged.err);
}

/// As the unit has it: the server is one user, who sends is another, and neither is root.
#[test]
fn an_ordinary_user_sends_to_a_server_that_is_another_user() {
    let house = House::new("[process]\nuser = \"nobody\"\n");
    open(&house);
    let server = house.start();
    let program = house.path().join("postrider");
    fs::copy(binary(), &program).unwrap();
    let as_daemon = |words: &[&str], input: &[u8]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=daemon", "--regid=daemon", "--clear-groups", "--no-new-privs"]);
        e2e::said(command.args(words), input)
    };
    let (program, dir) = (program.display().to_string(), house.data().display().to_string());
    let queue = format!("QueueDirectory={dir}");
    let sent = as_daemon(
        &[&program, "sendmail", "-O", &queue, "anna@here.test", "nobody-here@here.test"],
        b"Subject: by-daemon\n\nx\n",
    );
    assert_eq!(sent.code, 0, "{}", sent.err);
    let mail = house.maildir("anna@here.test").wait_for("Subject: by-daemon", SOON);
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<daemon@here.test>"));
    let mode = |path: &str| {
        let found = fs::metadata(house.data().join(path)).unwrap();
        (found.uid(), found.mode() & 0o7777)
    };
    assert_eq!(mode(""), (65534, 0o711));
    assert_eq!(mode("maildrop"), (65534, 0o3733));
    assert_eq!(mode("maildrop-bad"), (65534, 0o700));
    // What is no mail is kept, and told of.
    let left = as_daemon(
        &["sh", "-c", "umask 027; echo no mail > \"$1\"", "-", &format!("{dir}/maildrop/by-hand")],
        b"",
    );
    assert_eq!(left.code, 0, "{}", left.err);
    eventually("it to be put aside", SOON, || {
        let status = house.command(&["status"]);
        status.out.contains("put aside    1 file in maildrop-bad").then_some(())
    });
    let aside: Vec<_> = fs::read_dir(house.data().join("maildrop-bad")).unwrap().collect();
    assert_eq!(fs::read(aside[0].as_ref().unwrap().path()).unwrap(), b"no mail\n");
    assert!(server.printed().contains("no mail: put aside"), "{}", server.printed());
    let others = as_daemon(&["ls", &format!("{dir}/maildrop")], b"");
    assert_ne!(others.code, 0, "{}", others.out);
    house.wait_for_empty_queue(SOON);
}
