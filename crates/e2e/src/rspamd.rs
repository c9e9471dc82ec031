//! rspamd with nothing but its checks of who answers for a message, asked by HTTP.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{loopback::Loopback, process::Process, wait::eventually_true};

const PROGRAM: &str = "/usr/bin/rspamd";
/// Debian makes this user for it.
const USER: &str = "_rspamd";
/// The host of the net that answers.
const HOST: u8 = 251;
/// A verdict may wait for a DNS that says nothing, several times.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running rspamd.
#[derive(Debug)]
pub struct Rspamd {
    address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

/// Who brings a message.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The client.
    pub client: IpAddr,
    /// Its name in EHLO.
    pub hello: &'a str,
    /// The reverse-path; empty: the null one.
    pub from: &'a str,
}

/// What rspamd says of a message: words as Authentication-Results has them (RFC 8601 §2.7), empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`.
    pub spf: &'static str,
    /// Of all signatures together: `pass` if any is good.
    pub dkim: &'static str,
    /// `pass`, `fail`, `none`, `temperror`, `permerror`.
    pub dmarc: &'static str,
    /// `pass`, `fail`, `none`, `temperror`, `permerror`.
    pub arc: &'static str,
    /// All its symbols with their options.
    pub symbols: BTreeMap<String, Vec<String>>,
}

/// The best verdict first, where there are several of a kind.
const SPF: &[(&str, &str)] = &[
    ("R_SPF_ALLOW", "pass"),
    // It takes `+all` for a sign of spam; it is a pass all the same.
    ("R_SPF_PLUSALL", "pass"),
    ("R_SPF_FAIL", "fail"),
    ("R_SPF_SOFTFAIL", "softfail"),
    ("R_SPF_NEUTRAL", "neutral"),
    ("R_SPF_NA", "none"),
    ("R_SPF_DNSFAIL", "temperror"),
    ("R_SPF_PERMFAIL", "permerror"),
];
const DKIM: &[(&str, &str)] = &[
    ("R_DKIM_ALLOW", "pass"),
    ("R_DKIM_REJECT", "fail"),
    ("R_DKIM_TEMPFAIL", "temperror"),
    ("R_DKIM_PERMFAIL", "permerror"),
    ("R_DKIM_NA", "none"),
];
const DMARC: &[(&str, &str)] = &[
    ("DMARC_POLICY_ALLOW", "pass"),
    ("DMARC_POLICY_ALLOW_WITH_FAILURES", "pass"),
    ("DMARC_POLICY_REJECT", "fail"),
    ("DMARC_POLICY_QUARANTINE", "fail"),
    ("DMARC_POLICY_SOFTFAIL", "fail"),
    ("DMARC_BAD_POLICY", "permerror"),
    ("DMARC_DNSFAIL", "temperror"),
    ("DMARC_NA", "none"),
];
const ARC: &[(&str, &str)] = &[
    ("ARC_ALLOW", "pass"),
    ("ARC_REJECT", "fail"),
    ("ARC_INVALID", "permerror"),
    ("ARC_DNSFAIL", "temperror"),
    ("ARC_NA", "none"),
];

impl Rspamd {
    /// Starts it with this name server, and waits until it answers.
    pub fn start(net: &Loopback, dns: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((net.host(HOST), net.port()));
        let path = folder.path().to_str().expect("UTF-8");
        let config = folder.path().join("rspamd.conf");
        fs::write(folder.path().join("suffixes"), "com\norg\nnet\ntest\nexample\nuk\nco.uk\n")
            .expect("a file");
        fs::write(&config, configuration(path, address, dns)).expect("a file");
        peers::give(folder.path(), USER).expect("root, and the package rspamd");
        let (user, group) = peers::ids(USER).expect("the user of the package rspamd");
        let mut command = Command::new(PROGRAM);
        command.args(["--no-fork", "--config"]).arg(&config).uid(user).gid(group);
        let mut process = Process::start("rspamd", command, &folder.path().join("log"));
        eventually_true("rspamd to answer", PATIENCE, || {
            assert!(process.ended().is_none(), "rspamd ended: {}", process.printed());
            asked(address, "GET /ping HTTP/1.0\r\n\r\n", b"").is_some_and(|answer| answer.contains("pong"))
        });
        Self { address, process, _folder: folder }
    }

    /// Its verdicts on a message.
    pub fn judge(&self, message: &[u8], envelope: Envelope<'_>) -> Judged {
        let Envelope { client, hello, from } = envelope;
        let head = format!(
            "POST /checkv2 HTTP/1.0\r\nIP: {client}\r\nHelo: {hello}\r\nFrom: {from}\r\nRcpt: bert@here.test\r\n\
             Content-Length: {}\r\n\r\n",
            message.len()
        );
        let answer = asked(self.address, &head, message).expect("an answer of rspamd");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let symbols = answer.get("symbols").and_then(Value::as_object).unwrap_or_else(|| panic!("{answer}"));
        let options = |symbol: &Value| {
            let options = symbol.get("options").and_then(Value::as_array).into_iter().flatten();
            options.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let symbols: BTreeMap<String, Vec<String>> =
            symbols.iter().map(|(name, symbol)| (name.clone(), options(symbol))).collect();
        let word = |words: &[(&str, &'static str)]| {
            let found = words.iter().find(|(symbol, _)| symbols.contains_key(*symbol));
            found.map_or("", |(_, word)| *word)
        };
        Judged { spf: word(SPF), dkim: word(DKIM), dmarc: word(DMARC), arc: word(ARC), symbols }
    }

    /// What it wrote of its work.
    pub fn log(&self) -> String {
        self.process.printed()
    }
}

/// What comes back until the end; `None` where nobody listens yet.
fn asked(address: SocketAddr, head: &str, body: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The checks alone, nothing kept between two messages, and no client that is of the house: not even this machine.
fn configuration(folder: &str, address: SocketAddr, dns: SocketAddr) -> String {
    let plugin = |name: &str| format!("path = \"/usr/share/rspamd/plugins/{name}.lua\"; ");
    let plugins = ["dmarc", "arc", "spf"].map(plugin).concat();
    format!(
        "lua = \"/usr/share/rspamd/rules/rspamd.lua\";\n\
         options {{ filters = \"dkim\"; explicit_modules = []; allow_raw_input = true; local_addrs = \"127.255.255.255\";\n\
         pidfile = \"{folder}/pid\"; tempdir = \"{folder}\"; url_tld = \"{folder}/suffixes\";\n\
         control_socket = \"{folder}/control mode=0600\"; dns_max_requests = 640;\n\
         dns {{ nameserver = [\"{dns}\"]; timeout = 1s; retransmits = 1; sockets = 1; enable_dnssec = false; }} }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; task_timeout = 40s; }}\n\
         modules {{ {plugins} }}\n\
         lang_detection {{ languages = \"{folder}\"; }}\n\
         spf {{ spf_cache_size = 0; check_local = true; }}\n\
         dkim {{ dkim_cache_size = 0; trusted_only = false; skip_multi = false; check_local = true; }}\n\
         dmarc {{ actions = {{}}; check_local = true; }}\n\
         arc {{ check_local = true; sign_local = false; sign_authenticated = false; sign_inbound = false; }}\n"
    )
}
