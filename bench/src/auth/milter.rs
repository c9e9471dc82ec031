//! What stands beside Postfix so that its mail is signed or checked.

use super::material::{DOMAIN, Material, SELECTOR};
use crate::Failure;
use crate::group::Group;
use crate::guard::spawn;
use crate::servers::{free_port, log_end};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(15);

/// A program that Postfix asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// `OpenDKIM` that signs.
    Signer,
    /// `OpenDKIM` that verifies: DKIM alone.
    Verifier,
    /// rspamd with SPF, DKIM, DMARC and ARC, and nothing else.
    Rspamd,
}

/// A running one; stopped when dropped.
#[derive(Debug)]
pub(super) struct Milter {
    address: SocketAddr,
    child: Child,
    group: Group,
}

impl Milter {
    pub(super) fn start(
        program: Program,
        dir: &Path,
        material: &Material,
        dns: SocketAddr,
    ) -> Result<Self, Failure> {
        let group =
            Group::create().ok_or("what stands beside Postfix is measured in control groups alone")?;
        let (address, log) = (free_port()?, dir.join("milter.log"));
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        let config = dir.join("milter.conf");
        let (path, arguments): (&str, Vec<&str>) = match program {
            Program::Signer | Program::Verifier => {
                fs::write(&config, opendkim(program, dir, address, material)?)?;
                ("/usr/sbin/opendkim", vec!["-f", "-x"])
            }
            Program::Rspamd => {
                let own = dir.join("rspamd");
                fs::create_dir(&own)?;
                peers::give(&own, "_rspamd")?;
                fs::write(&config, rspamd(&own, address, dns)?)?;
                ("/usr/bin/rspamd", vec!["-f", "-u", "_rspamd", "-g", "_rspamd", "-c"])
            }
        };
        let arguments: Vec<_> =
            arguments.iter().map(std::ffi::OsStr::new).chain([config.as_os_str()]).collect();
        let child = spawn(&PathBuf::from(path), &arguments, &log, Some(&group))?;
        let mut milter = Self { address, child, group };
        let started = Instant::now();
        while started.elapsed() < START_MAX && matches!(milter.child.try_wait(), Ok(None)) {
            if TcpStream::connect(address).is_ok() {
                return Ok(milter);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{path} did not come up; its log ends with:\n{}", log_end(&log)).into())
    }

    /// For `main.cf`.
    pub(super) fn setting(&self) -> String {
        format!("smtpd_milters = inet:127.0.0.1:{}\nmilter_default_action = tempfail\n", self.address.port())
    }

    pub(super) fn cpu_ns(&self) -> u64 {
        self.group.cpu_ns()
    }
}

impl Drop for Milter {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < STOP_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn opendkim(
    program: Program,
    dir: &Path,
    address: SocketAddr,
    material: &Material,
) -> Result<String, Failure> {
    let socket = format!("Socket inet:{}@127.0.0.1\nSyslog no\nRequireSafeKeys no\n", address.port());
    if program == Program::Verifier {
        let keys = material.key_file(dir)?;
        return Ok(format!("{socket}Mode v\nTestPublicKeys {}\n", keys.display()));
    }
    Ok(format!(
        "{socket}Mode s\nDomain {DOMAIN}\nSelector {SELECTOR}\nKeyFile {}\nCanonicalization relaxed/relaxed\n\
         SignatureAlgorithm rsa-sha256\n",
        material.key.display()
    ))
}

fn rspamd(dir: &Path, address: SocketAddr, dns: SocketAddr) -> Result<String, Failure> {
    let suffixes = dir.join("suffixes");
    fs::write(&suffixes, "test\n")?;
    let (path, suffixes) = (dir.display(), suffixes.display());
    let plugins = ["spf", "dmarc", "arc", "milter_headers"]
        .map(|name| format!("path = \"/usr/share/rspamd/plugins/{name}.lua\"; "))
        .concat();
    Ok(format!(
        "lua = \"/usr/share/rspamd/rules/rspamd.lua\";\n\
         options {{ filters = \"dkim\"; explicit_modules = []; allow_raw_input = true; local_addrs = \"127.255.255.255\";\n\
         user = \"_rspamd\"; group = \"_rspamd\"; pidfile = \"{path}/pid\"; tempdir = \"{path}\"; url_tld = \"{suffixes}\";\n\
         control_socket = \"{path}/control mode=0600\"; dns {{ nameserver = [\"{dns}\"]; enable_dnssec = false; }} }}\n\
         logging {{ type = \"console\"; level = \"error\"; }}\n\
         worker \"rspamd_proxy\" {{ bind_socket = \"{address}\"; milter = yes; count = 2; timeout = 120s;\n\
         upstream \"local\" {{ default = yes; self_scan = yes; }} }}\n\
         modules {{ {plugins} }}\nlang_detection {{ languages = \"{path}\"; }}\n\
         spf {{ spf_cache_size = 2k; check_local = true; }}\ndkim {{ trusted_only = false; check_local = true; }}\n\
         dmarc {{ actions = {{}}; check_local = true; }}\n\
         milter_headers {{ use = [\"authentication-results\"]; skip_local = false; }}\n\
         arc {{ check_local = true; sign_local = false; sign_authenticated = false; sign_inbound = false; }}\n"
    ))
}
