//! A new configuration for a server that runs: checked in full first, then taken up as far as that goes without a restart.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use admin::api::Reloaded;
use deliver::{Own, Settings};
use directory::{Authenticator, People, ReturnPaths};
use net::{Certificates, ClientAuthorities};
use receive::Receiver;
use serde_json::Value;

use super::{build, explain, mailboxes::Mailboxes, pages::Pages, signing::Signing, tokens};
use crate::{
    config::{self, Config, LoadError, ReturnPath},
    process,
};

/// What can only change with a restart: it was opened, bound or counted when the server started. The reference lists the same.
const NEEDS_RESTART: [&str; 39] = [
    "hostname",
    "public_addresses",
    "data_dir",
    "listener.service",
    "listener.bind",
    "listener.tls",
    "listener.proxy",
    "listener.client_certificates",
    "tls.client_ca",
    "tls.client_crl",
    "tls.acme",
    "tls.acme.challenge",
    "tls.acme.bind",
    "ldap",
    "dns.servers",
    "dns.cache_entries_max",
    "dns.dnssec",
    "dns.trust_anchors",
    "receive.sessions_max",
    "receive.sessions_per_address_max",
    "receive.memory_max",
    "queue.recipients_max",
    "deliver.port",
    "deliver.private_addresses",
    "deliver.mta_sts",
    "deliver.local",
    "deliver.quota_warning",
    "deliver.over_quota_wait",
    "deliver.maildir",
    "deliver.connections_max",
    "deliver.connections_per_site_max",
    "deliver.sites_remembered_max",
    "process.user",
    "process.group",
    "process.sandbox",
    "sendmail.domain",
    "sendmail.trusted_users",
    "log.format",
    "log.level",
];

/// What differs when a certificate does.
const CERTIFICATES: &str = "tls.certificate";
/// What differs when that section came or went.
const ACME: &str = "tls.acme";
const OAUTH: &str = "oauth";
const TLS_POLICY: &str = "tls.policy";
const RELAY: &str = "relay";
const UPDATE: &str = "dns.update";

/// Takes up configurations.
pub(super) struct Reloader {
    /// The file; `dev` has none.
    file: Option<PathBuf>,
    /// What is in effect.
    running: Mutex<Config>,
    own: Own,
    parts: Running,
}

/// What takes up a configuration while it runs.
pub(super) struct Running {
    pub(super) people: Arc<People>,
    pub(super) receiver: Receiver,
    /// Where mailboxes are read, if they are here.
    pub(super) mailboxes: Option<Mailboxes>,
    /// What is served by HTTP.
    pub(super) pages: Pages,
    pub(super) logins: Authenticator,
    pub(super) return_paths: ReturnPaths,
    pub(super) delivery: Settings,
    pub(super) certificates: Certificates,
    /// Whose certificates of clients are believed.
    pub(super) clients: Option<ClientAuthorities>,
    /// The certificate that we obtain ourselves.
    pub(super) acme: Option<acme::Watch>,
    /// Who signs.
    pub(super) signing: Signing,
}

/// Why the old configuration stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Everything, over several lines.
    pub(super) report: String,
    /// The same for a log, a line each.
    pub(super) lines: Vec<String>,
}

impl Refused {
    fn new(line: String) -> Self {
        Self { report: format!("error: {line}"), lines: vec![line] }
    }

    /// A text that stands for itself.
    fn of(text: String) -> Self {
        Self { report: text.clone(), lines: vec![text] }
    }
}

impl Reloader {
    pub(super) fn new(file: Option<PathBuf>, running: Config, own: Own, parts: Running) -> Self {
        Self { file, running: Mutex::new(running), own, parts }
    }

    /// Reads the file and takes it up, or leaves everything as it is. Reads files: not for a thread that serves mail.
    pub(super) fn reload(&self) -> Result<Reloaded, Refused> {
        process::reloading();
        let reloaded = self.try_reload();
        process::ready();
        match &reloaded {
            Ok(Reloaded { changed, needs_restart }) => {
                tracing::info!(changed = changed.join(" "), "configuration reloaded");
                if !needs_restart.is_empty() {
                    let names = needs_restart.join(" ");
                    tracing::warn!(settings = names, "changed in the file, but needs a restart");
                }
            }
            Err(refused) => {
                for line in &refused.lines {
                    tracing::error!("configuration not reloaded, the old one stays in force: {line}");
                }
            }
        }
        reloaded
    }

    fn try_reload(&self) -> Result<Reloaded, Refused> {
        let Some(file) = &self.file else {
            return Err(Refused::new("a server for development has no configuration file".to_owned()));
        };
        // One at a time: what is compared must be what is in effect.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = config::load(file).map_err(|error| refused(file, &error))?;
        let (needs_restart, changed): (Vec<String>, Vec<String>) =
            differences(&running, &wanted).into_iter().partition(|name| needs_restart(name));
        // What is in the files is taken up; other files need a restart.
        let authorities = wanted.clients.as_ref().filter(|wanted| running.clients.as_ref() == Some(*wanted));
        let authorities = authorities.and_then(config::Clients::authorities).cloned();
        // Keys and answers of providers stay known where nothing about them has changed.
        let judges_anew = running.oauth != wanted.oauth;
        let merged = merged(&running, wanted);
        let judge = judges_anew.then(|| tokens::judge(&merged)).transpose();
        let judge = judge.map_err(|failure| Refused::of(failure.text(false)))?;
        for warning in merged.warnings.lines() {
            tracing::warn!("{warning}");
        }
        let Running { people, receiver, mailboxes, pages, logins, return_paths, delivery, .. } = &self.parts;
        let Running { certificates, clients, acme, signing, .. } = &self.parts;
        // The one that is there is given back, and none is made.
        let own =
            people.return_secret(&[]).map_err(|error| Refused::of(explain::people(&error).text(false)))?;
        let declared = build::declared(&merged, &self.own);
        let obtained = merged
            .acme
            .as_ref()
            .filter(|now| running.acme.as_ref().is_some_and(|before| !now.differences(before).is_empty()));
        let redeclared = people.redeclare(declared, |directory| {
            logins.limit(merged.login);
            if let Some(judge) = judge {
                logins.judge_tokens_by(judge);
            }
            certificates.replace(&merged.identities);
            if let (Some(clients), Some(read)) = (clients, &authorities) {
                clients.replace(read);
            }
            match (acme, obtained) {
                (Some(watch), Some(acme)) => watch.change(acme.following(&merged.resolver.servers)),
                // Whoever reloads may have mended what an authority did not like.
                (watch, _) => watch.iter().for_each(acme::Watch::nudge),
            }
            let ReturnPath { days, sign, .. } = merged.return_path;
            return_paths.change(build::return_secrets(&merged.return_path, own), days, sign);
            receiver.change(merged.receive.clone(), Arc::clone(directory));
            if let Some(mailboxes) = mailboxes {
                mailboxes.change(&merged);
            }
            pages.change(&merged);
            pages.change_directory(directory);
            delivery.change(&merged.deliver, Arc::clone(directory));
            signing.change(&merged, directory, delivery);
        });
        redeclared.map_err(|error| Refused::of(explain::people(&error).text(false)))?;
        // A program that sends more than we take is better told so at once.
        if let Err(failure) = super::maildrop::tell(&merged.data_dir, &build::facts(&merged)) {
            tracing::error!(station = "sendmail", "{}", failure.text(false));
        }
        *running = merged;
        Ok(Reloaded { changed, needs_restart })
    }
}

/// The new configuration, with the old one's settings where only a restart can change them.
fn merged(running: &Config, wanted: Config) -> Config {
    let receive::Config { sessions_max, sessions_per_address_max, .. } = running.receive;
    let hostname = running.receive.hostname.clone();
    let deliver::Config {
        routes,
        relays,
        tls,
        tls_rules,
        roots,
        retry,
        expire,
        expire_null,
        delay_notice,
        ..
    } = wanted.deliver;
    // Listeners that stay under TLS until a restart cannot be without one.
    let (certificates, identities) = if wanted.identities.is_empty() && running.acme.is_none() {
        (running.certificates.clone(), running.identities.clone())
    } else {
        (wanted.certificates, wanted.identities)
    };
    let acme = match (&running.acme, wanted.acme) {
        (Some(before), Some(now)) => Some(now.proved_as(before)),
        (before, _) => before.clone(),
    };
    Config {
        acme,
        receive: receive::Config { hostname, sessions_max, sessions_per_address_max, ..wanted.receive },
        deliver: deliver::Config {
            routes,
            relays,
            tls,
            tls_rules,
            roots,
            retry,
            expire,
            expire_null,
            delay_notice,
            ..running.deliver.clone()
        },
        login: wanted.login,
        oauth: wanted.oauth,
        dkim: wanted.dkim,
        tls_policies: wanted.tls_policies,
        return_path: wanted.return_path,
        relays: wanted.relays,
        mta_sts: wanted.mta_sts,
        doctor: wanted.doctor,
        signing: wanted.signing,
        certificates,
        identities,
        directory: directory::Config { external: running.directory.external.clone(), ..wanted.directory },
        warnings: wanted.warnings,
        ..running.clone()
    }
}

/// The names of the settings that differ: `section.key`, or the section where there can be several.
fn differences(running: &Config, wanted: &Config) -> Vec<String> {
    // A renewed certificate is in the same file.
    let certificates = running.identities != wanted.identities || running.certificates != wanted.certificates;
    // Its secrets are not shown.
    let acme: Vec<String> = match (&running.acme, &wanted.acme) {
        (Some(before), Some(now)) => {
            now.differences(before).into_iter().map(|key| format!("{ACME}.{key}")).collect()
        }
        (None, None) => Vec::new(),
        _ => vec![ACME.to_owned()],
    };
    let oauth = running.oauth != wanted.oauth;
    // Passwords, and whom to believe.
    let relays = running.deliver.relays != wanted.deliver.relays;
    // Its secret is not shown either.
    let update = running.signing.update != wanted.signing.update;
    let (before, after) = (running, wanted);
    let (running, wanted) = (config::effective(running).json(), config::effective(wanted).json());
    let none = serde_json::Map::new();
    let (running, wanted) = (running.as_object().unwrap_or(&none), wanted.as_object().unwrap_or(&none));
    let mut names: Vec<&String> = running.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    let mut found: Vec<String> = certificates.then(|| CERTIFICATES.to_owned()).into_iter().collect();
    found.extend(acme);
    found.extend(oauth.then(|| OAUTH.to_owned()));
    // Whom to believe is in files.
    let policies = before.deliver.tls_rules != after.deliver.tls_rules;
    found.extend(policies.then(|| TLS_POLICY.to_owned()));
    let secrets = before.return_path.secrets != after.return_path.secrets;
    found.extend(secrets.then(|| "return_path.secret".to_owned()));
    found.extend(relays.then(|| RELAY.to_owned()));
    found.extend(update.then(|| UPDATE.to_owned()));
    let files = |config: &Config| -> [Option<PathBuf>; 2] {
        let mut files = config.clients.iter().flat_map(config::Clients::files).map(Path::to_owned);
        [files.next(), files.next()]
    };
    let clients =
        ["tls.client_ca", "tls.client_crl"].into_iter().zip(files(before).into_iter().zip(files(after)));
    found.extend(clients.filter(|(_, (before, after))| before != after).map(|(name, _)| name.to_owned()));
    for name in names.into_iter().filter(|name| *name != "tls") {
        match (running.get(name), wanted.get(name)) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
                keys.sort();
                keys.dedup();
                let differ = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
                found.extend(differ.map(|key| format!("{name}.{key}")));
            }
            (before, after) if before != after => found.push(name.clone()),
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

fn needs_restart(name: &str) -> bool {
    NEEDS_RESTART
        .iter()
        .any(|key| *key == name || key.split_once('.').is_some_and(|(section, _)| section == name))
}

fn refused(file: &Path, error: &LoadError) -> Refused {
    match error {
        LoadError::Read { source, .. } => {
            Refused::new(format!("cannot read {}: {}", file.display(), config::words(source)))
        }
        LoadError::Wrong(report) => Refused { report: report.render(false), lines: report.lines().collect() },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const REFERENCE: &str = include_str!("../../../../docs/reference/configuration.md");

    /// Every key, with another value than it has by itself.
    const ALL: &str = r#"
hostname = "mx.example.net"
public_addresses = ["192.0.2.1"]
data_dir = "/e"
postmaster = "anna@example.org"
[[listener]]
service = "smtp"
bind = ["127.0.0.1:2500"]
proxy = "required"
[[listener]]
service = "lmtp"
bind = ["127.0.0.1:2400"]
[tls]
client_ca = "clients.pem"
[tls.acme]
agree_to_terms = true
[[tls.policy]]
domains = ["example.net"]
mode = "verify"
[mta_sts]
mode = "enforce"
[dns]
servers = ["127.0.0.53:53"]
cache_entries_max = 32769
dnssec = "off"
trust_anchors = ["example.org. DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="]
[dns.update]
server = "192.0.2.53"
[receive]
message_size_max = "51MiB"
recipients_max = 1001
errors_max = 21
transactions_max = 10001
sessions_max = 10001
sessions_per_address_max = 101
connection_rate = "601/m"
message_rate = "6001/h"
recipient_rate = "none"
error_rate = "601/h"
command_rate = "12001/m"
octet_rate = "1GiB/h"
ipv4_prefix = 24
ipv6_prefix = 56
content_rate_min = 501
greet_delay = "1s"
memory_max = "257MiB"
handshake_timeout = "31s"
idle_timeout = "6m"
content_timeout = "6m"
hold_max = "31d"
trusted_networks = ["192.0.2.1"]
lmtp_networks = ["192.0.2.2"]
xclient_networks = ["192.0.2.3"]
proxy_networks = ["192.0.2.5"]
etrn_networks = ["192.0.2.4"]
[verify]
checks = "off"
spf_fail = "hold"
dkim_fail = "hold"
iprev_fail = "hold"
no_author = "hold"
dmarc_none = "hold"
dmarc_quarantine = "hold"
dmarc_reject = "hold"
dmarc_forged = "hold"
trusted_sealers = ["example.net"]
defer_max = "59m"
[quota]
messages_per_hour_max = 1
recipients_per_hour_max = 2
messages_per_day_max = 3
recipients_per_day_max = 4
flood_recipients_min = 501
flood_factor = 6
[[limit]]
networks = ["192.0.2.0/24"]
[[rule]]
name = "one"
action = "reject"
clients = ["198.51.100.0/24"]
[login]
failures_max = 21
ban = "16m"
ban_max = "25h"
[return_path]
secret = "0123456789abcdef"
lifetime = "30d"
sign = "on"
[[oauth]]
issuer = "https://id.example.org"
audience = "mail"
scopes = ["smtp"]
jwks_url = "https://id.example.org/keys"
[signing]
keep = "all"
keys = ["rsa"]
rotate = "90d"
publish_wait = "2h"
retire_wait = "9d"
watch = "off"
interval = "20m"
on_trouble = "send-unsigned"
[queue]
recipients_max = 5000001
retry = ["2m"]
expire = "6d"
expire_reports = "2d"
delay_notice = "5h"
[deliver]
port = 2525
private_addresses = "allow"
tls = "none"
mta_sts = "off"
tls_ca_file = "clients.pem"
local = "lmtp:192.0.2.5:24"
quota_warning = 80
over_quota_wait = "2d"
connections_max = 2001
connections_per_site_max = 21
sites_remembered_max = 20001
[[route]]
domains = ["example.com"]
to = ["smtp:192.0.2.6"]
[relay]
host = "192.0.2.7"
[[ldap]]
url = "ldap://127.0.0.1"
base = "dc=example,dc=com"
domains = ["example.com"]
[[domain]]
name = "example.org"
[[account]]
login = "anna@example.org"
[[alias]]
address = "info@example.org"
to = ["anna@example.org"]
[[list]]
address = "talk@example.org"
members = ["anna@example.org"]
[process]
user = "postrider"
group = "mail"
sandbox = "off"
[sendmail]
domain = "example.com"
trusted_users = ["www-data"]
[log]
format = "json"
level = "debug"
[doctor]
blocklists = ["lists.example"]
name_server_port = 5353
"#;

    fn load(text: &str) -> Config {
        load_whole(&format!("hostname = \"mx.example.org\"\ndata_dir = \"/d\"\n{text}"))
    }

    fn load_whole(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postrider.toml");
        fs::write(&file, text).unwrap();
        // A secret stands in some.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
        fs::write(dir.path().join("clients.pem"), authority.cert.pem()).unwrap();
        config::load(&file).unwrap()
    }

    #[test]
    fn what_differs_is_named_and_told_apart() {
        let before = load("[receive]\nsessions_max = 5\n[[domain]]\nname = \"example.org\"\n");
        let after = load(
            "[receive]\nsessions_max = 6\nerrors_max = 7\n[log]\nlevel = \"debug\"\n[[listener]]\nservice = \"smtp\"\n\
             bind = [\"127.0.0.1:2500\"]\n[[domain]]\nname = \"example.net\"\n",
        );
        let (restart, live): (Vec<String>, Vec<String>) =
            differences(&before, &after).into_iter().partition(|name| needs_restart(name));
        // Addresses without a domain get the first one that is declared.
        assert_eq!(restart, ["listener", "log.level", "receive.sessions_max", "sendmail.domain"]);
        assert_eq!(live, ["domain", "receive.errors_max"]);
        let merged = merged(&before, after.clone());
        assert_eq!((merged.receive.sessions_max, merged.receive.errors_max), (5, 7));
        // What was taken up differs no more, and what was not still does.
        assert_eq!(differences(&merged, &after), restart);
    }

    #[test]
    fn of_certificates_by_acme_only_the_proof_needs_a_restart() {
        let load = |more: &str| load(&format!("[tls.acme]\nagree_to_terms = true\n{more}"));
        let before = load("names = [\"mx.example.org\"]\n");
        let after = load(
            "names = [\"mx.example.org\", \"mail.example.org\"]\nbind = [\"127.0.0.1:8443\"]\n\
             contact = [\"a@example.org\"]\nchallenge = \"tls-alpn-01\"\n",
        );
        let (restart, live): (Vec<String>, Vec<String>) =
            differences(&before, &after).into_iter().partition(|name| needs_restart(name));
        assert_eq!(restart, ["tls.acme.bind", "tls.acme.challenge"]);
        assert_eq!(live, ["tls.acme.contact", "tls.acme.names"]);
        assert_eq!(differences(&merged(&before, after.clone()), &after), restart);
        let merged = merged(&before, after).acme.unwrap();
        assert_eq!((merged.settings.names.len(), merged.settings.method.word()), (2, "http-01"));
    }

    #[test]
    fn of_all_keys_what_is_told_as_changed_has_changed() {
        let (before, after) = (load(""), load_whole(ALL));
        let differ = differences(&before, &after);
        let all = config::effective(&after).json();
        for (section, value) in all.as_object().unwrap() {
            let keys = value.as_object().into_iter().flatten().map(|(key, _)| format!("{section}.{key}"));
            let is_told = |name: &String| differ.contains(name) || differ.contains(section);
            assert!(is_told(section) || value.is_object(), "{section} needs another value here");
            keys.for_each(|name| assert!(is_told(&name), "{name} needs another value here"));
        }
        let restart: Vec<String> = differ.into_iter().filter(|name| needs_restart(name)).collect();
        assert_eq!(differences(&merged(&before, after.clone()), &after), restart);
    }

    #[test]
    fn the_reference_lists_what_needs_a_restart() {
        let (_, section) = REFERENCE.split_once("\n## Changes while it runs\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        for key in NEEDS_RESTART {
            assert!(section.contains(&format!("`{key}`")), "{key} is not in the list");
            let is_there = |heading: &str| REFERENCE.contains(&format!("\n{heading}\n"));
            assert!(
                is_there(&format!("### `{key}`"))
                    || is_there(&format!("## `[{key}]`"))
                    || is_there(&format!("## `[[{key}]]`")),
                "there is no {key}"
            );
        }
    }
}
