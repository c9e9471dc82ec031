//! The program as an operator meets it: exit codes, errors with hints, and a server that starts and stops.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn postrider(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = postrider(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running server, killed if the test ends before it.
struct Server {
    child: Child,
    out: Box<dyn BufRead>,
    ready: Value,
}

impl Server {
    /// Starts it and waits for its own word that it is ready.
    fn start(arguments: &[&str]) -> Self {
        let mut child = postrider(arguments).arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let mut out: Box<dyn BufRead> = Box::new(BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        Self { child, out, ready }
    }

    fn dev(dir: &Path) -> Self {
        Self::start(&["dev", "--dir", text(dir), "--listen", "127.0.0.1:0"])
    }

    fn address(&self) -> SocketAddr {
        self.ready["listeners"][0]["address"].as_str().unwrap().parse().unwrap()
    }

    /// The next event on standard output.
    fn event(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), pid]).status().unwrap().success());
    }

    /// Stops it as a service manager does.
    fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands a message over, one command at a time; returns the last reply.
fn send(address: SocketAddr, recipient: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut reply = || {
        let mut line = String::new();
        while line.as_bytes().get(3) != Some(&b' ') {
            line.clear();
            assert!(replies.read_line(&mut line).unwrap() > 0, "the server hung up");
        }
        line
    };
    reply();
    let rcpt = format!("RCPT TO:<{recipient}>\r\n");
    let content = "Subject: Hello\r\nMessage-ID: <hello@example.com>\r\n\r\nHello!\r\n.\r\n";
    let mut last = String::new();
    for command in
        ["EHLO client.example.com\r\n", "MAIL FROM:<me@example.com>\r\n", &rcpt, "DATA\r\n", content]
    {
        stream.write_all(command.as_bytes()).unwrap();
        last = reply();
    }
    stream.write_all(b"QUIT\r\n").unwrap();
    reply();
    last
}

fn config(dir: &Path, rest: &str) -> String {
    let file = dir.join("postrider.toml");
    fs::write(&file, format!("hostname = \"mail.example.org\"\ndata_dir = \"state\"\n{rest}")).unwrap();
    text(&file).to_owned()
}

/// A server, its configuration file, and the name server that never answers it.
fn server_whose_mail_waits(dir: &Path) -> (Server, String, UdpSocket) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = silent.local_addr().unwrap();
    let rest =
        format!("{LOOPBACK}[receive]\ntrusted_networks = [\"127.0.0.1\"]\n[dns]\nservers = [\"{dns}\"]\n");
    let file = config(dir, &rest);
    (Server::start(&["serve", "--config", &file]), file, silent)
}

const LOOPBACK: &str = "[[listener]]\nservice = \"smtp\"\nbind = [\"127.0.0.1:0\"]\n";

#[test]
fn a_wrong_configuration_stops_the_start_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "[recieve]\n");
    for command in [&["serve"][..], &["config", "check"], &["config", "show"], &["queue", "list"]] {
        let (code, out, err) = run(&[command, &["--config", &file]].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{command:?}");
        assert!(err.contains("postrider.toml:3:2") && err.contains("did you mean `receive`?"), "{err}");
    }
    assert!(!dir.path().join("state").exists());
}

#[test]
fn a_right_configuration_is_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), LOOPBACK);
    let (code, out, err) = run(&["config", "check", "--config", &file]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("no mistakes") && out.contains("smtp        listens on 127.0.0.1:0"), "{out}");
    let (code, out, _) = run(&["config", "show", "--json", "--config", &file]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["hostname"]), (Some(0), &Value::from("mail.example.org")));
}

#[test]
fn mistakes_are_told_to_programs_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "[receive]\nrecipients_max = 0\n");
    let (code, out, _) = run(&["config", "check", "--json", "--config", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["problems"][0]["line"]), (Some(2), &Value::from(4)));
}

#[test]
fn a_message_is_taken_caught_and_traced() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    let reply = send(server.address(), "anna@example.org");
    assert!(reply.starts_with("250 2."), "{reply}");
    let (accepted, delivered) = (server.event(), server.event());
    assert_eq!(
        (&accepted["kind"], &delivered["kind"]),
        (&Value::from("accepted"), &Value::from("delivered"))
    );
    let mailbox = server.ready["mailbox"].as_str().unwrap();
    let (files, dir) = (dir.path().join("files"), text(dir.path()));
    let (code, _, err) =
        run(&["mailbox", "export", mailbox, "--format", "mbox", "--to", text(&files), "--dir", dir]);
    assert_eq!(code, Some(0), "{err}");
    let inbox = fs::read_to_string(files.join("INBOX.mbox")).unwrap();
    assert!(inbox.contains("Subject: Hello"), "{inbox}");

    let id = accepted["id"].as_str().unwrap();
    let traced = |what: &str| run(&["trace", what, "--dir", dir]);
    let running = traced(id);
    assert_eq!(running.0, Some(0), "{}", running.2);
    assert!(running.1.contains("accepted") && running.1.contains("delivered"), "{}", running.1);
    assert_eq!(traced("<hello@example.com>"), running);
    assert_eq!(traced("nobody@example.org").0, Some(1));
    assert_eq!(run(&["queue", "list", "--dir", dir]).1, "the queue is empty\n");
    assert_eq!(run(&["queue", "show", id, "--dir", dir]).0, Some(1));
    assert_eq!(server.stop(), Some(0));
    assert_eq!(traced(id), running, "the event log tells the same without a server");
    let (code, _, err) = run(&["queue", "list", "--dir", dir]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with(&format!("error: no server runs on {dir}\nhint: ")), "{err}");
}

#[test]
fn the_state_of_a_stopped_server_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let listening: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("listening.json")).unwrap()).unwrap();
    assert_eq!(listening["listeners"], server.ready["listeners"]);
    assert_eq!(listening["pid"], server.child.id());
    send(server.address(), "anna@example.org");
    assert_eq!(server.stop(), Some(0));
    assert!(!dir.path().join("listening.json").exists());
    assert!(!dir.path().join("control.sock").exists());
    let (code, out, err) = run(&["spool", "verify", text(dir.path())]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_crashed_server_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev(dir.path());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(dir.path().join("control.sock").exists());
    let (_, _, err) = run(&["queue", "list", "--dir", text(dir.path())]);
    assert!(err.contains("no server runs on"), "{err}");
    assert_eq!(Server::dev(dir.path()).stop(), Some(0));
}

#[test]
fn a_second_server_on_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let (code, _, err) = run(&["dev", "--dir", text(dir.path()), "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        err.lines().next(),
        Some(format!("error: another postrider runs on {}", dir.path().display()).as_str())
    );
    assert!(err.contains("\nhint: "), "{err}");
    let (code, ..) = run(&["queue", "list", "--dir", text(dir.path())]);
    assert_eq!(code, Some(0), "the first one is unharmed");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_port_in_use_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["dev", "--dir", text(dir.path()), "--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with(&format!("error: cannot listen on {address}: address in use\nhint: ")), "{err}");
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let (code, _, err) = run(&["dev", "--dir", text(&file.join("sub")), "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: cannot use the data directory ") && err.contains("\nhint: "), "{err}");
}

#[test]
fn damage_to_promised_mail_is_told_loudly() {
    let dir = tempfile::tempdir().unwrap();
    let (server, file, _silent) = server_whose_mail_waits(dir.path());
    assert!(send(server.address(), "bob@example.net").starts_with("250 "));
    assert_eq!(server.stop(), Some(0));
    let verify = || run(&["spool", "verify", "--json", "--config", &file]);
    let (code, out, _) = verify();
    let good: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &good["good"], &good["messages"]), (Some(0), &Value::from(true), &Value::from(1)));

    let spool = dir.path().join("state/spool");
    let word = b"Hello!";
    let mut damaged = 0;
    for path in fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let mut octets = fs::read(&path).unwrap();
        while let Some(place) = octets.windows(word.len()).position(|window| window == word) {
            octets[place] ^= 1;
            damaged += 1;
        }
        fs::write(&path, octets).unwrap();
    }
    assert!(damaged > 0);
    let (code, out, err) = verify();
    let bad: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &bad["good"]), (Some(1), &Value::from(false)));
    assert!(err.starts_with("error: ") && err.contains("is damaged in 1 place"), "{err}");
}

#[test]
fn a_repair_leaves_a_running_server_and_its_event_log_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let log = fs::read_dir(dir.path().join("events")).unwrap().next().unwrap().unwrap().path();
    // As much of a line as a reader may see of one that the server is writing.
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"{\"lsn\":").unwrap();
    let before = fs::read(&log).unwrap();
    for place in [vec!["--dir", text(dir.path())], vec![text(&dir.path().join("spool"))]] {
        let (code, _, err) = run(&[&["spool", "repair"], &place[..]].concat());
        assert_eq!(code, Some(1));
        assert!(err.contains("is in use by another postrider\nhint: stop the server first"), "{err}");
        assert_eq!(fs::read(&log).unwrap(), before, "the event log was cut under the server");
    }
    drop(server);
}

#[test]
fn a_spool_of_a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Server::dev(dir.path()).stop(), Some(0));
    let segments = || fs::read_dir(dir.path().join("spool")).unwrap().map(|entry| entry.unwrap().path());
    let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "seg");
    let mut changed = Vec::new();
    for path in segments().filter(is_segment) {
        let mut octets = fs::read(&path).unwrap();
        // The header and its copy: docs/design/spool-format.md.
        for head in octets[..8192].chunks_mut(4096) {
            head[8..12].copy_from_slice(&99_u32.to_le_bytes());
            let crc = crc32c::crc32c(&head[..36]);
            head[36..40].copy_from_slice(&crc.to_le_bytes());
        }
        fs::write(&path, &octets).unwrap();
        changed.push((path, octets));
    }
    assert!(!changed.is_empty());
    let (code, _, err) = run(&["dev", "--dir", text(dir.path()), "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: ") && err.contains("version 99") && err.contains("\nhint: "), "{err}");
    for (path, octets) in changed {
        assert_eq!(fs::read(path).unwrap(), octets);
    }
}

#[test]
fn a_silent_client_does_not_hold_up_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let mut client = TcpStream::connect(server.address()).unwrap();
    let mut greeting = [0; 4];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ");
    assert_eq!(server.stop(), Some(0));
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("421 "), "the client is told: {rest}");
}

#[test]
fn what_is_queued_can_be_looked_at_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (server, file, _silent) = server_whose_mail_waits(dir.path());
    let reply = send(server.address(), "bob@example.net");
    assert!(reply.starts_with("250 2."), "{reply}");
    let queue = |arguments: &[&str]| run(&[&["queue"], arguments, &["--config", &file]].concat());
    let (code, out, _) = queue(&["list", "--json"]);
    let list: Value = serde_json::from_str(&out).unwrap();
    let message = &list["messages"][0];
    assert_eq!((code, &message["reverse_path"]), (Some(0), &Value::from("me@example.com")));
    assert_eq!(message["recipients"][0]["address"], "bob@example.net");
    let id = message["id"].as_str().unwrap();
    let (_, out, _) = queue(&["list"]);
    assert!(out.contains(id) && out.contains("bob@example.net") && out.ends_with("1 message\n"), "{out}");
    let (_, out, _) = queue(&["show", id]);
    assert!(out.contains("from       <me@example.com>"), "{out}");
    assert_eq!(queue(&["retry", "--all"]).0, Some(0));
    assert_eq!(queue(&["show", "xyz"]).0, Some(2));
    assert_eq!(server.stop(), Some(0));
    assert_eq!(queue(&["list"]).0, Some(1));
}

/// A client in the middle of its content may finish, for a while; who cannot wait asks twice.
#[test]
fn a_second_signal_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), &format!("{LOOPBACK}[receive]\ntrusted_networks = [\"127.0.0.1\"]\n"));
    let mut command = postrider(&["serve", "--config", &file]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut logged = |word: &str| {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "no `{word}` in the log");
        }
        line
    };
    let listening = logged("listening");
    let address = listening.split("address=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    logged("ready");
    let mut client = TcpStream::connect(address).unwrap();
    let mut replies = BufReader::new(client.try_clone().unwrap());
    let mut until = |start: &str| {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            assert!(replies.read_line(&mut line).unwrap() > 0, "no `{start}`");
        }
    };
    until("220 ");
    client.write_all(b"EHLO c.example\r\n").unwrap();
    until("250 ");
    client.write_all(b"MAIL FROM:<me@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n").unwrap();
    until("354 ");
    let server = Server { child, out: Box::new(std::io::empty()), ready: Value::Null };
    server.signal("TERM");
    logged("stopping");
    assert_eq!(server.stop(), Some(1));
}
