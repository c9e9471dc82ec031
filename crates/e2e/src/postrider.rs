//! The server under test: its folder with configuration and data, and its runs, one after the other.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::binary;
use crate::client::Client;
use crate::inbox::inbox;
use crate::maildir::{Mail, Maildir};
use crate::process::Process;
use crate::tool::{Said, said};
use crate::wait::eventually;

/// How long a start or a stop may take on a busy machine with an unoptimised binary.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server's folder: it outlives the server's runs.
#[derive(Debug)]
pub struct House {
    folder: TempDir,
    place: Place,
}

/// How the program is told where its data is.
#[derive(Debug)]
enum Place {
    /// `serve --config FILE`
    Config(PathBuf),
    /// `dev --dir DIR`
    Dev(PathBuf),
}

/// One run of the server.
#[derive(Debug)]
pub struct Postrider {
    process: Process,
    listening: Value,
}

impl House {
    /// A server `mx.here.test` for `here.test` with the accounts anna, ben and postmaster, listening where the
    /// kernel likes on 127.0.0.1; `more` is added to the configuration. Mail is filed into Maildirs, which others can read, unless
    /// `more` says who keeps it.
    pub fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("postrider.toml");
        let data = folder.path().join("data");
        fs::write(&config, configuration(&data, more)).expect("a configuration");
        Self { folder, place: Place::Config(config) }
    }

    /// A server as `postrider dev` starts it.
    pub fn dev() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        Self { folder, place: Place::Dev(data) }
    }

    /// The folder that holds everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("postrider.toml")
    }

    /// The Maildir of an address.
    pub fn maildir(&self, address: &str) -> Maildir {
        Maildir::new(self.data().join("mail").join(address))
    }

    /// What a running `dev` server has caught: whoever logs in sees it all.
    pub fn caught(&self) -> Vec<Mail> {
        let listening = self.listening().expect("a running server");
        inbox(listener(&listening, |service, tls| (service, tls) == ("imap", "starttls")))
    }

    fn listening(&self) -> Option<Value> {
        let text = fs::read(self.data().join("listening.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Starts the server and waits until it serves on all its ports.
    pub fn start(&self) -> Postrider {
        let mut process = self.spawn();
        let listening = eventually("postrider to listen", PATIENCE, || {
            assert!(process.ended().is_none(), "postrider ended: {}", process.printed());
            let listening = self.listening()?;
            // A killed run leaves its file behind.
            (listening.get("pid").and_then(Value::as_u64) == Some(process.id().into())).then_some(listening)
        });
        Postrider { process, listening }
    }

    /// Starts the server and does not wait: for starts that must fail.
    pub fn spawn(&self) -> Process {
        let mut command = Command::new(binary());
        match &self.place {
            Place::Config(config) => command.arg("serve").arg("--config").arg(config),
            Place::Dev(folder) => {
                let services = ["listen", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"];
                let anywhere = services.map(|service| format!("--{service}=127.0.0.1:0"));
                command.arg("dev").arg("--dir").arg(folder).args(anywhere)
            }
        };
        Process::start("postrider", command, &self.folder.path().join("log"))
    }

    /// Runs a command of the program on this server's data, for example `["queue", "list"]`.
    pub fn command(&self, arguments: &[&str]) -> Said {
        said(&mut self.program(arguments), b"")
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments);
        match &self.place {
            Place::Config(config) => command.arg("--config").arg(config),
            Place::Dev(folder) => command.arg("--dir").arg(folder),
        };
        command
    }

    /// Starts a command that goes on by itself; what it prints goes to `log`.
    pub fn start_command(&self, arguments: &[&str], log: &str) -> Process {
        Process::start(log, self.program(arguments), &self.folder.path().join(log))
    }

    /// The messages in the queue, as `queue list --json` tells them.
    pub fn queue(&self) -> Vec<Value> {
        let listed = self.command(&["queue", "list", "--json", "--limit", "1000000"]);
        assert_eq!(listed.code, 0, "{}{}", listed.out, listed.err);
        let list: Value = serde_json::from_str(&listed.out).expect("JSON");
        let messages = list.get("messages").unwrap_or(&list);
        messages.as_array().expect("a list of messages").clone()
    }

    /// The queue ids of the messages in the queue.
    pub fn queue_ids(&self) -> Vec<String> {
        let queue = self.queue();
        queue.iter().filter_map(|message| text(message, "id").map(str::to_owned)).collect()
    }

    /// The state of a recipient that has been tried at least once and is still owed the message.
    pub fn recipient_state(&self, id: &str, address: &str) -> Option<String> {
        let queue = self.queue();
        let message = queue.iter().find(|message| text(message, "id") == Some(id))?;
        let recipients = message.get("recipients").and_then(Value::as_array)?;
        let recipient = recipients.iter().find(|recipient| text(recipient, "address") == Some(address))?;
        let attempts = recipient.get("attempts").and_then(Value::as_u64)?;
        text(recipient, "state").filter(|_| attempts > 0).map(str::to_owned)
    }

    /// Waits until nothing is queued.
    pub fn wait_for_empty_queue(&self, within: Duration) {
        let probe = || self.queue().is_empty().then_some(());
        eventually("the queue to be empty", within, probe);
    }

    /// Waits until `trace` tells of a message in these words; gives all that it tells. Events are written behind the
    /// mail, so they may come a moment later.
    pub fn wait_for_trace(&self, id: &str, words: &str) -> String {
        eventually(&format!("trace of {id} to tell `{words}`"), PATIENCE, || {
            let told = self.command(&["trace", id]).out;
            told.contains(words).then_some(told)
        })
    }

    /// Waits for an event of that kind about a recipient of the message, as `trace --json` tells it.
    pub fn wait_for_event(&self, id: &str, kind: &str, recipient: &str) -> Value {
        eventually(&format!("{kind} of {recipient} in the trace of {id}"), PATIENCE, || {
            let told = self.command(&["trace", "--json", id]).out;
            let mut events = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.find(|event| {
                text(event, "kind") == Some(kind) && text(event, "recipient") == Some(recipient)
            })
        })
    }

    /// The event log, oldest first.
    pub fn events(&self) -> Vec<Value> {
        let Ok(entries) = fs::read_dir(self.data().join("events")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        files.sort();
        let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        // A kill may cut the last line off.
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

impl Postrider {
    /// Where the first SMTP listener is; that of `dev` is one too.
    pub fn smtp(&self) -> SocketAddr {
        self.first_listener(|service, _| service != "lmtp")
    }

    /// Where all listeners of a service are, in the order of the configuration.
    pub fn listeners(&self, service: &str) -> Vec<SocketAddr> {
        let listeners = self.listening.get("listeners").and_then(Value::as_array).expect("listeners");
        let of = listeners.iter().filter(|listener| text(listener, "service") == Some(service));
        of.filter_map(|listener| text(listener, "address")?.parse().ok()).collect()
    }

    /// Where the first listener of a service is.
    pub fn listener(&self, service: &str) -> SocketAddr {
        self.first_listener(|other, _| other == service)
    }

    /// Where the first listener of a service is that is put under TLS in this manner.
    pub fn listener_with(&self, service: &str, tls: &str) -> SocketAddr {
        self.first_listener(|other, manner| (other, manner) == (service, tls))
    }

    /// The first whose service and TLS are those wanted.
    fn first_listener(&self, wanted: impl Fn(&str, &str) -> bool) -> SocketAddr {
        listener(&self.listening, wanted)
    }

    /// A session that has said EHLO.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.smtp());
        client.expect("EHLO client.test", 250);
        client
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM; gives how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.wait()
    }

    /// SIGHUP.
    pub fn ask_to_reload(&self) {
        self.process.ask_to_reload();
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        self.process.ask_to_stop();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait(PATIENCE)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How many sockets it has open: listeners, sessions, and what it has for itself.
    pub fn sockets(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).expect("its open files");
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// What it printed.
    pub fn printed(&self) -> String {
        self.process.printed()
    }
}

/// The first listener whose service and TLS are those wanted.
fn listener(listening: &Value, wanted: impl Fn(&str, &str) -> bool) -> SocketAddr {
    let listeners = listening.get("listeners").and_then(Value::as_array).expect("listeners");
    let word = |listener, name| text(listener, name).unwrap_or_default();
    let found = listeners.iter().find(|listener| wanted(word(listener, "service"), word(listener, "tls")));
    let address = found.and_then(|listener| text(listener, "address"));
    address.and_then(|address| address.parse().ok()).expect("an address")
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn configuration(data: &Path, more: &str) -> String {
    let maildirs = "[deliver]\nlocal = \"maildir\"\n";
    let more = if more.contains("\nlocal = ") {
        more.to_owned()
    } else if more.contains("[deliver]\n") {
        more.replacen("[deliver]\n", maildirs, 1)
    } else {
        format!("{more}\n{maildirs}")
    };
    // Clients of tests are at addresses that no DNS speaks for, and most tests have none to ask.
    let verify = if more.contains("[verify]") { "" } else { "[verify]\nchecks = \"off\"\n" };
    // Own tables come last: a key without a table must precede them.
    format!(
        "hostname = \"mx.here.test\"\n\
         data_dir = \"{}\"\n\
         [[listener]]\nservice = \"smtp\"\nbind = [\"127.0.0.1:0\"]\n\
         [[domain]]\nname = \"here.test\"\n\
         [[account]]\nlogin = \"anna@here.test\"\n\
         [[account]]\nlogin = \"ben@here.test\"\n\
         [[account]]\nlogin = \"postmaster@here.test\"\n\
         {verify}\
         {more}\n",
        data.display()
    )
}
