//! Pebble, the ACME server of Let's Encrypt for tests, which looks at every challenge as a real authority does.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::loopback::Loopback;
use crate::process::Process;
use crate::tool::said;
use crate::wait::eventually;

/// The host of the net where it listens.
const HOST: u8 = 252;

/// How long its certificates hold.
pub type Validity = Duration;

/// A running authority.
#[derive(Debug)]
pub struct Pebble {
    process: Process,
    folder: TempDir,
    authority: Authority,
    address: SocketAddr,
    management: SocketAddr,
}

impl Pebble {
    /// Starts it. It asks this name server for names, and looks at challenges on `port` of whatever host a name leads to. With
    /// `external` it makes accounts only for who has that key: a name, and base64url.
    pub fn start(
        net: &Loopback,
        dns: SocketAddr,
        port: u16,
        validity: Validity,
        external: Option<(&str, &str)>,
    ) -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
        let host = net.host(HOST);
        let (address, management) = ((host, net.port()).into(), (host, net.port()).into());
        let pair = authority.issue(&host.to_string(), "pebble");
        let keys: serde_json::Map<_, _> =
            external.iter().map(|(id, key)| ((*id).to_owned(), json!(key))).collect();
        let config = json!({ "pebble": {
            "listenAddress": SocketAddr::to_string(&address),
            "managementListenAddress": SocketAddr::to_string(&management),
            "certificate": pair.certificate, "privateKey": pair.key,
            "httpPort": port, "tlsPort": port, "ocspResponderURL": "",
            "certificateValidityPeriod": validity.as_secs(),
            "externalAccountBindingRequired": external.is_some(), "externalAccountMACKeys": keys,
        }});
        let file = folder.path().join("pebble.json");
        fs::write(&file, config.to_string()).expect("a file");
        let mut command = Command::new("pebble");
        command.arg("-config").arg(&file).args(["-dnsserver", &dns.to_string()]);
        command.env("PEBBLE_VA_NOSLEEP", "1");
        // A renewal is to be proved again.
        command.env("PEBBLE_AUTHZREUSE", "0");
        let process = Process::start("pebble", command, &folder.path().join("log"));
        let mut pebble = Self { process, folder, authority, address, management };
        eventually("pebble to answer", Duration::from_secs(30), || {
            assert!(pebble.process.ended().is_none(), "pebble ended: {}", pebble.process.printed());
            pebble
                .get(pebble.management, "/roots/0")
                .map(|root| fs::write(pebble.root(), root).expect("a file"))
        });
        pebble
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// The file by which it is itself verified.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// The file by which its certificates are verified.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// Ends it; its files stay.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// What it printed.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    fn get(&self, from: SocketAddr, path: &str) -> Option<String> {
        let ca = self.authority.certificate();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "5", "--cacert"]).arg(ca);
        let said = said(curl.arg(format!("https://{from}{path}")), b"");
        (said.code == 0).then_some(said.out)
    }
}
