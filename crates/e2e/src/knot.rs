//! Knot DNS with zones of the test's own, the one authority that the server under test asks.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::loopback::Loopback;
use crate::process::Process;
use crate::tool::said;
use crate::wait::eventually_true;

/// The host of the net that answers.
const HOST: u8 = 253;

/// A zone of a test.
#[derive(Debug, Clone, Copy)]
pub struct Zone<'a> {
    /// Its name, with the last dot.
    pub name: &'a str,
    /// Its records without SOA and NS. `None`: a file that does not load, so that Knot answers SERVFAIL.
    pub records: Option<&'a str>,
}

/// A key for HMAC-SHA256 that updates are signed with.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Its name.
    pub name: &'a str,
    /// The key, base64.
    pub secret: &'a str,
}

/// A running name server.
#[derive(Debug)]
pub struct Knot {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Knot {
    /// Starts Knot and waits until it answers for the first zone.
    pub fn start(net: &Loopback, zones: &[Zone<'_>]) -> Self {
        Self::start_with(net, zones, Extra::default())
    }

    /// As `start`; signs the first zone, with one key.
    pub fn signing(net: &Loopback, zones: &[Zone<'_>]) -> Self {
        let knot = Self::start_with(net, zones, Extra { signs: true, key: None });
        let first = zones.first().expect("a zone").name;
        eventually_true("Knot to sign", Duration::from_secs(20), || {
            !knot.ask(&["+short", first, "DNSKEY"]).is_empty()
        });
        knot
    }

    /// The key of a zone that it signs, as a DNSKEY record.
    pub fn key_of(&self, zone: &str) -> String {
        let said = self.ask(&["+short", zone, "DNSKEY"]);
        let key =
            said.lines().find(|line| line.starts_with("257 ")).unwrap_or_else(|| panic!("no key: {said}"));
        format!("{zone} DNSKEY {key}")
    }

    /// As `start`; takes updates that are signed with this key.
    pub fn updatable(net: &Loopback, zones: &[Zone<'_>], key: Key<'_>) -> Self {
        Self::start_with(net, zones, Extra { signs: false, key: Some(key) })
    }

    fn start_with(net: &Loopback, zones: &[Zone<'_>], extra: Extra<'_>) -> Self {
        // A resolver's question may leave from any port of all addresses: then Knot cannot have that port for a moment.
        (0..5).find_map(|_| Self::try_start(net, zones, extra)).expect("a port for Knot")
    }

    /// None if its port was taken.
    fn try_start(net: &Loopback, zones: &[Zone<'_>], extra: Extra<'_>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((net.host(HOST), net.port()));
        let config = folder.path().join("knot.conf");
        for zone in zones {
            fs::write(folder.path().join(format!("{}zone", zone.name)), zone_file(zone, net.host(HOST)))
                .unwrap();
        }
        let path = folder.path().to_str().expect("UTF-8");
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(&config, configuration(path, address, zones, extra)).unwrap();
        let mut command = Command::new("/usr/sbin/knotd");
        command.arg("--config").arg(&config);
        let mut process = Process::start("knotd", command, &folder.path().join("log"));
        let first = zones.first().expect("a zone").name;
        let mut taken = false;
        eventually_true("Knot to answer", Duration::from_secs(20), || {
            if process.ended().is_some() {
                let said = process.printed();
                taken = said.contains("address already in use");
                assert!(taken, "knotd ended: {said}");
            }
            taken || answers(address, first)
        });
        (!taken).then_some(Self { _process: process, _folder: folder, address })
    }

    /// What kdig says of its answer to a question.
    pub fn ask(&self, question: &[&str]) -> String {
        let (server, port) = (format!("@{}", self.address.ip()), self.address.port().to_string());
        said(Command::new("kdig").args([&server, "-p", &port, "+retry=0"]).args(question), b"").out
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answers(address: SocketAddr, zone: &str) -> bool {
    let (server, port) = (format!("@{}", address.ip()), address.port().to_string());
    let asked = said(
        Command::new("kdig").args([&server, "-p", &port, "+short", "+retry=0", "+time=1", zone, "SOA"]),
        b"",
    );
    asked.code == 0 && asked.out.contains("hostmaster")
}

fn zone_file(zone: &Zone<'_>, server: Ipv4Addr) -> String {
    let Some(records) = zone.records else { return "this is no zone file\n".to_owned() };
    // The last number of the SOA bounds how long a "no" may be cached (RFC 2308 §5).
    let soa = format!("@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A {server}\n");
    format!("$ORIGIN {}\n$TTL 60\n{soa}{records}\n", zone.name)
}

/// What it does beside answering.
#[derive(Debug, Clone, Copy, Default)]
struct Extra<'a> {
    /// It signs the first zone.
    signs: bool,
    /// It takes updates by this key.
    key: Option<Key<'a>>,
}

fn configuration(folder: &str, address: SocketAddr, zones: &[Zone<'_>], extra: Extra<'_>) -> String {
    let signs = |at: usize| {
        if extra.signs && at == 0 { "    dnssec-signing: on\n    dnssec-policy: one-key\n" } else { "" }
    };
    let zones: String =
        zones.iter().enumerate().map(|(at, zone)| zone_entry(folder, zone) + signs(at)).collect();
    let policy = if extra.signs {
        "policy:\n  - id: one-key\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
    } else {
        ""
    };
    let (key, journal) = match extra.key {
        Some(Key { name, secret }) => (
            format!(
                "key:\n  - id: {name}\n    algorithm: hmac-sha256\n    secret: {secret}\n\
                 acl:\n  - id: updates\n    key: {name}\n    action: update\n"
            ),
            "changes\n    acl: updates",
        ),
        None => (String::new(), "none"),
    };
    format!(
        "server:\n    rundir: \"{folder}\"\n    listen: {}@{}\n    udp-workers: 1\n    tcp-workers: 1\n\
         \x20   background-workers: 1\n    user: root\nlog:\n  - target: stderr\n    any: warning\n\
         {key}database:\n    storage: \"{folder}/db\"\n\
         {policy}template:\n  - id: default\n    journal-content: {journal}\n    zonefile-sync: -1\nzone:\n{zones}",
        address.ip(),
        address.port(),
    )
}

fn zone_entry(folder: &str, zone: &Zone<'_>) -> String {
    let name = zone.name;
    format!("  - domain: {name}\n    file: \"{folder}/{name}zone\"\n")
}
