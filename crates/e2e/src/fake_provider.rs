//! Providers of mail accounts that do as they are told, at the names and ports of the real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::knot::{Knot, Zone};
use crate::loopback::Loopback;
use crate::process::Process;
use crate::wait::{eventually, eventually_true};

const PROGRAM: &str = include_str!("fake_provider.py");

/// A provider of submission: the name of its host, its port, and whether TLS comes first.
#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// The name.
    pub host: &'static str,
    /// The port.
    pub port: u16,
    /// Whether TLS comes before the first word.
    pub implicit: bool,
}

/// Running providers, with an authority that certifies them and a DNS that knows them.
#[derive(Debug)]
pub struct FakeProviders {
    _process: Process,
    _knot: Knot,
    folder: TempDir,
    authority: Authority,
    servers: String,
    oauth: String,
}

impl FakeProviders {
    /// Starts them with a first behaviour, see [`behave`](Self::behave). `certified`: for which name each shows a certificate; none: its own.
    pub fn start(
        net: &Loopback,
        providers: &[Submission],
        certified: Option<&str>,
        behaviour: &Value,
    ) -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
        let (mut arguments, mut zones) = (Vec::new(), Vec::new());
        for (number, provider) in (1..).zip(providers) {
            let Submission { host, port, implicit } = provider;
            let (address, mode) = (net.host(number), if *implicit { "implicit" } else { "starttls" });
            let pair = authority.issue(certified.unwrap_or(host), &format!("p{number}"));
            let (certificate, key) = (pair.certificate.display(), pair.key.display());
            arguments.push(format!("{host}|{address}|{port}|{mode}|{certificate}|{key}"));
            zones.push((format!("{host}."), format!("@ A {address}\n")));
        }
        let (address, port) = (net.host(200), net.port());
        let pair = authority.issue(&address.to_string(), "oauth");
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        arguments.push(format!("id.test|{address}|{port}|https|{certificate}|{key}"));
        let zones: Vec<Zone<'_>> =
            zones.iter().map(|(name, records)| Zone { name, records: Some(records) }).collect();
        let knot = Knot::start(net, &zones);
        let mut command = Command::new("python3");
        command.arg("-c").arg(PROGRAM).arg(folder.path()).args(&arguments);
        fs::write(folder.path().join("behaviour.json"), behaviour.to_string()).expect("a file");
        let mut process = Process::start("fake providers", command, &folder.path().join("log"));
        eventually_true("the fake providers to listen", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "they ended: {}", process.printed());
            folder.path().join("ready").exists()
        });
        let servers = format!("[dns]\nservers = [\"{}\"]\n", knot.address());
        let oauth = format!("https://{address}:{port}");
        Self { _process: process, _knot: knot, folder, authority, servers, oauth }
    }

    /// From now on: `auth` (mechanisms), `passwords` by login, `senders` that they take mail of (left out: all), `rules` (the beginning of a
    /// line or `.`, and the reply to it), `refuse_tokens`, and `oauth` with `expires_in`, `revoked` and `pending`.
    pub fn behave(&self, behaviour: &Value) {
        let (new, file) = (self.folder.path().join("new.json"), self.folder.path().join("behaviour.json"));
        fs::write(&new, behaviour.to_string()).and_then(|()| fs::rename(new, file)).expect("a file");
    }

    /// The section that leads a server to their DNS.
    pub fn dns_section(&self) -> &str {
        &self.servers
    }

    /// The file with their authority.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// A file that only we can read, for a secret.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o600)))
            .expect("a file");
        file
    }

    /// Where tokens are given, without a path.
    pub fn oauth(&self) -> &str {
        &self.oauth
    }

    /// All that they got so far.
    pub fn got(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("got.jsonl")).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many things they got that are so.
    pub fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.got().iter().filter(|got| is(got)).count()
    }

    /// Waits for a message with this subject.
    pub fn message(&self, subject: &str) -> Value {
        let field = format!("Subject: {subject}");
        eventually(&format!("a provider to get {subject}"), Duration::from_mins(1), || {
            self.got().into_iter().find(|got| {
                got["content"].as_str().is_some_and(|content| content.lines().any(|line| line == field))
            })
        })
    }
}
