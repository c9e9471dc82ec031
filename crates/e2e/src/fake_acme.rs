//! An authority that does as it is told: what Pebble lacks, and what no authority would do.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::loopback::Loopback;
use crate::process::Process;
use crate::wait::eventually_true;

const PROGRAM: &str = include_str!("fake_acme.py");
/// The host of the net where it listens.
const HOST: u8 = 251;

/// A running authority. It finds every name proved.
#[derive(Debug)]
pub struct FakeAcme {
    _process: Process,
    folder: TempDir,
    authority: Authority,
    address: SocketAddr,
}

impl FakeAcme {
    /// Starts it with a first behaviour, see [`behave`](Self::behave).
    pub fn start(net: &Loopback, behaviour: &Value) -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
        let address = SocketAddr::from((net.host(HOST), net.port()));
        let pair = authority.issue(&address.ip().to_string(), "fake");
        let mut command = Command::new("python3");
        command.arg("-c").arg(PROGRAM).arg(folder.path());
        command.args([address.ip().to_string(), address.port().to_string()]);
        command.arg(&pair.certificate).arg(&pair.key);
        fs::write(folder.path().join("behaviour.json"), behaviour.to_string()).expect("a file");
        let mut process = Process::start("fake authority", command, &folder.path().join("log"));
        eventually_true("the fake authority to listen", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "it ended: {}", process.printed());
            TcpStream::connect(address).is_ok()
        });
        Self { _process: process, folder, authority, address }
    }

    /// From now on: `lifetime` of certificates in seconds, `window` of renewals (two times), `refuses_replaces`, and `answers` by the
    /// first word of a path, each with `status`, `headers`, and `body` or a number of `octets`.
    pub fn behave(&self, behaviour: &Value) {
        let (new, file) = (self.folder.path().join("new.json"), self.folder.path().join("behaviour.json"));
        fs::write(&new, behaviour.to_string()).and_then(|()| fs::rename(new, file)).expect("a file");
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// The file by which it is itself verified.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// What it was asked: `method`, `path` and `payload`.
    pub fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("requests.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}
