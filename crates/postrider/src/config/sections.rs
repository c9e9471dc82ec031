//! The sections of the file, each key with its range: no number in the file can overflow anything behind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use deliver::PrivateAddresses;
use directory::Directory;
use dkim_keys::Update;
use net::{Network, Networks, resolver::TrustAnchor};
use toml_span::Span;

use super::{
    Acme, Bounds, Config, DATA_DIR, Ldap, Listener, Log, LogFormat, LogLevel, Process, Report, Sendmail,
    acme, certificates, clients, dkim, dns_update, doctor, ldap, limits, listeners, mta_sts,
    next_hop::{Keeper, keeper},
    oauth, people, return_path,
    routes::{self, Surroundings},
    rules, signing,
    tls_policy::{self, TlsPolicies},
    value::{self, Wrong},
    walk::Section,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// RFC 5321 §4.5.3.2.1: clients wait five minutes for a greeting, but some lose patience long before.
const GREET_DELAY_MAX: Duration = Duration::from_secs(30);
const SITES_FILE: &str = "sites.jsonl";
const RELAYS_FILE: &str = "relays.jsonl";
const STS_FILE: &str = "mta-sts.jsonl";

/// `[tls.acme]`, the last of `[tls]`.
fn obtained(
    tls: Section<'_>,
    dir: &Path,
    data_dir: &Path,
    hostname: Option<&str>,
    listeners: &[Listener],
    update: Option<&Update>,
) -> Option<Acme> {
    let acme = acme::read(&tls, &acme::Surroundings { dir, data_dir, hostname, listeners, update });
    tls.finish();
    acme
}

/// Reads the whole file. `None` only if `hostname` is missing or wrong, which is reported then.
pub(super) fn read(root: Section<'_>, dir: &Path) -> Option<Config> {
    let hostname = hostname(&root);
    let public_addresses = root.parsed_list("public_addresses", value::public_address).unwrap_or_default();
    let data_dir = root.parsed("data_dir", |text| path(text, dir)).unwrap_or_else(|| DATA_DIR.into());
    let (resolver, dns_update) = resolver(root.section("dns"), dir);
    let mut bounds = Bounds::default();
    let mut receive = receive(root.section("receive"), hostname.as_deref(), &mut bounds);
    receive.named_limits = limits::named(&root, &receive);
    receive.quotas = quotas(root.section("quota"));
    receive.verify = verify(root.section("verify"));
    let (tls, queue) = (root.section("tls"), root.section("queue"));
    let (certificates, clients) = (certificates::read(&tls, dir), clients::read(&tls, dir));
    let mut tls_policies = tls_policy::read(&tls, dir);
    set(&mut bounds.queued_recipients_max, queue.integer("recipients_max", 1000..=1_000_000_000));
    let (mut deliver, keepers) =
        deliver(&root, queue, dir, &data_dir, hostname.as_deref(), &mut tls_policies);
    let around = listeners::Surroundings {
        lmtp_clients: receive.lmtp_networks.iter().next().is_some(),
        proxies: !receive.proxy_networks.is_empty(),
        certificates: tls.get("certificate").is_some() || tls.get("acme").is_some(),
        clients: tls.get("client_ca").is_some(),
        mailboxes: keepers.iter().all(|(keeper, _)| matches!(keeper, Keeper::Mailstore)),
    };
    let listeners = listeners::read(&root, &around);
    let acme = obtained(tls, dir, &data_dir, hostname.as_deref(), &listeners, dns_update.as_ref());
    let ldap = ldap::read(&root, dir);
    let directory = people::read(&root, dir, hostname.as_deref(), external(&ldap));
    receive.rules = ruled(&root, &receive, &listeners, &directory);
    let around = Surroundings {
        hostname: hostname.as_deref(),
        listeners: &listeners,
        domains: &directory.domains,
        port: deliver.port,
    };
    let local_by_default = keepers.is_empty();
    let relays = routes::read(&root, &around, keepers, dir, &mut deliver);
    let (login, oauth) = (limits::logins(root.section("login")), oauth::read(&root, dir));
    let (dkim, process) = (dkim::read(&root, dir), process(root.section("process")));
    let (return_path, mta_sts) =
        (return_path::read(root.section("return_path"), dir), mta_sts::read(&root, hostname.as_deref()));
    let signing = signing::read(root.section("signing"), dns_update);
    let (log, doctor) = (log(root.section("log")), doctor::read(root.section("doctor")));
    let sendmail = sendmail(root.section("sendmail"), &directory, hostname.as_deref());
    let secret_files = root.findings.secret_files();
    root.finish();
    Some(Config {
        hostname: hostname?,
        public_addresses: public_addresses.into_iter().map(|(address, _)| address).collect(),
        data_dir,
        listeners,
        acme,
        certificates,
        clients,
        identities: Vec::new(),
        resolver,
        receive,
        login,
        oauth,
        dkim,
        tls_policies,
        return_path,
        mta_sts,
        signing,
        deliver,
        relays,
        local_by_default,
        bounds,
        directory,
        ldap,
        process,
        secret_files,
        sendmail,
        log,
        doctor,
        warnings: Report::default(),
    })
}

/// `[[rule]]`: what it means depends on who comes in where, and on who exists.
fn ruled(
    root: &Section<'_>,
    receive: &receive::Config,
    listeners: &[Listener],
    directory: &directory::Config,
) -> Vec<receive::Rule> {
    let known = Directory::new(directory.clone()).ok();
    let domains = &directory.domains;
    rules::read(root, &rules::Surroundings { receive, listeners, domains, directory: known.as_ref() })
}

fn hostname(root: &Section<'_>) -> Option<String> {
    if root.get("hostname").is_none() {
        root.missing(
            "hostname",
            "add the name under which DNS knows this machine: hostname = \"mail.example.org\"",
        );
    }
    root.parsed("hostname", value::hostname)
}

/// The domains of each directory elsewhere.
fn external(ldap: &[Ldap]) -> Vec<Vec<String>> {
    let domains = |ldap: &Ldap| ldap.settings.domains.iter().map(ToString::to_string).collect();
    ldap.iter().map(domains).collect()
}

/// A path; a relative one starts at the directory of the configuration file.
pub(super) fn path(text: &str, dir: &Path) -> Result<PathBuf, Wrong> {
    if text.is_empty() || text.contains('\0') {
        return Err(
            Wrong::new("this is no path").hint("write an absolute path, such as \"/var/lib/postrider\"")
        );
    }
    Ok(dir.join(text))
}

/// Puts a value that the file gives in the place of a default.
fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// For sizes and counts whose range is far below the limits of the type.
fn count(number: Option<u32>) -> Option<usize> {
    number.and_then(|number| usize::try_from(number).ok())
}

fn prefix(number: Option<u32>) -> Option<u8> {
    number.and_then(|number| u8::try_from(number).ok())
}

fn resolver(section: Section<'_>, dir: &Path) -> (net::resolver::Config, Option<Update>) {
    let mut config = net::resolver::Config::default();
    let servers = section.parsed_list("servers", value::dns_server).unwrap_or_default();
    config.servers = servers.into_iter().map(|(server, _)| server).collect();
    config.dnssec = section.choice("dnssec", &[("on", true), ("off", false)]).unwrap_or(true);
    let anchors = section.parsed_list("trust_anchors", trust_anchor).unwrap_or_default();
    config.trust_anchors = anchors.into_iter().map(|(anchor, _)| anchor).collect();
    set(&mut config.cache_entries_max, section.integer("cache_entries_max", 100..=10_000_000).map(u64::from));
    let update = dns_update::read(&section, &config.servers, dir);
    section.finish();
    (config, update)
}

fn trust_anchor(text: &str) -> Result<TrustAnchor, Wrong> {
    TrustAnchor::parse(text).map_err(|why| {
        let shown: String = text.chars().take(40).collect();
        Wrong::new(format!("`{shown}` is no trust anchor: {why}"))
            .hint("write the DNSKEY record of the zone: \"example.org. DNSKEY 257 3 13 KEY\"")
    })
}

fn receive(section: Section<'_>, hostname: Option<&str>, bounds: &mut Bounds) -> receive::Config {
    let mut config = receive::Config::default();
    set(&mut config.hostname, hostname.map(str::to_owned));
    // RFC 5321 §4.5.3.1.7: at least 64 KiB. §4.5.3.1.8: at least 100 recipients.
    set(&mut config.message_size_max, section.size("message_size_max", &(65_536..=1 << 40)));
    set(&mut config.recipients_max, count(section.integer("recipients_max", 100..=100_000)));
    set(&mut config.errors_max, section.integer("errors_max", 1..=10_000));
    set(&mut config.transactions_max, section.integer("transactions_max", 1..=10_000_000));
    set(&mut config.sessions_max, count(section.integer("sessions_max", 1..=1_000_000)));
    let per_address = section.integer("sessions_per_address_max", 1..=1_000_000);
    set(&mut config.sessions_per_address_max, count(per_address));
    config.rates = limits::rates(&section, config.rates);
    set(&mut config.ipv4_prefix, prefix(section.integer("ipv4_prefix", 8..=32)));
    set(&mut config.ipv6_prefix, prefix(section.integer("ipv6_prefix", 16..=128)));
    set(&mut bounds.memory_max, section.size("memory_max", &(16 << 20..=1 << 40)));
    set(&mut config.handshake_timeout, section.duration("handshake_timeout", SECOND..=HOUR));
    set(&mut config.idle_timeout, section.duration("idle_timeout", SECOND..=HOUR));
    set(&mut config.content_timeout, section.duration("content_timeout", SECOND..=HOUR));
    set(&mut config.content_rate_min, section.integer("content_rate_min", 0..=1_000_000));
    set(&mut config.greet_delay, section.duration("greet_delay", Duration::ZERO..=GREET_DELAY_MAX));
    set(&mut config.hold_max, section.duration("hold_max", Duration::ZERO..=366 * DAY));
    config.trusted_networks = networks(&section, "trusted_networks", value::trusted_network);
    config.lmtp_networks = networks(&section, "lmtp_networks", value::named_network);
    config.xclient_networks = networks(&section, "xclient_networks", value::named_network);
    config.proxy_networks = networks(&section, "proxy_networks", value::named_network);
    config.etrn_networks = networks(&section, "etrn_networks", value::named_network);
    section.finish();
    config
}

fn verify(section: Section<'_>) -> receive::Verify {
    let mut verify = receive::Verify::default();
    set(&mut verify.checks, section.choice("checks", &[("on", true), ("off", false)]));
    let measure = |key, measure: &mut receive::Measure| {
        set(measure, section.choice(key, receive::Measure::WORDS));
    };
    measure("spf_fail", &mut verify.spf_fail);
    measure("dkim_fail", &mut verify.dkim_fail);
    measure("iprev_fail", &mut verify.iprev_fail);
    measure("no_author", &mut verify.no_author);
    measure("dmarc_none", &mut verify.dmarc_none);
    measure("dmarc_quarantine", &mut verify.dmarc_quarantine);
    measure("dmarc_reject", &mut verify.dmarc_reject);
    measure("dmarc_forged", &mut verify.dmarc_forged);
    if let Some(sealers) = section.one_or_more("trusted_sealers", sealer) {
        verify.trusted_sealers = sealers.into_iter().map(|(sealer, _)| sealer).collect();
    }
    // mail-rules 5: at most an hour.
    set(&mut verify.defer_max, section.duration("defer_max", Duration::ZERO..=Duration::from_hours(1)));
    section.finish();
    verify
}

/// Of everybody's word nothing follows.
fn sealer(text: &str) -> Result<directory::DomainPattern, Wrong> {
    let hint = "write the domain (d=) of who is trusted to say what a message was: \"lists.example.org\", or \".example.org\" for all below it";
    match directory::DomainPattern::parse(text) {
        Ok(directory::DomainPattern::Every) => {
            Err(Wrong::new("not everybody who seals mail can be trusted").hint(hint))
        }
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(Wrong::new(format!("`{text}` is no domain: {error}")).hint(hint)),
    }
}

fn quotas(section: Section<'_>) -> receive::Quotas {
    let mut quotas = receive::Quotas::default();
    let most = 0..=1_000_000_000;
    set(&mut quotas.messages_per_hour, section.integer("messages_per_hour_max", most.clone()));
    set(&mut quotas.recipients_per_hour, section.integer("recipients_per_hour_max", most.clone()));
    set(&mut quotas.messages_per_day, section.integer("messages_per_day_max", most.clone()));
    set(&mut quotas.recipients_per_day, section.integer("recipients_per_day_max", most.clone()));
    set(&mut quotas.flood_recipients, section.integer("flood_recipients_min", most));
    set(&mut quotas.flood_factor, section.integer("flood_factor", 2..=1000));
    section.finish();
    quotas
}

fn networks(
    section: &Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<Network, Wrong>,
) -> Networks {
    section.parsed_list(key, parse).unwrap_or_default().into_iter().map(|(network, _)| network).collect()
}

/// `[queue]` and `[deliver]`: when, and how.
fn deliver(
    root: &Section<'_>,
    queued: Section<'_>,
    dir: &Path,
    data_dir: &Path,
    hostname: Option<&str>,
    policies: &mut TlsPolicies,
) -> (deliver::Config, Vec<(Keeper, Span)>) {
    let (maildir_root, sites_file) = (data_dir.join("mail"), Some(data_dir.join(SITES_FILE)));
    let relays_file = Some(data_dir.join(RELAYS_FILE));
    let mut config = deliver::Config { maildir_root, sites_file, relays_file, ..deliver::Config::default() };
    set(&mut config.hostname, hostname.map(str::to_owned));
    queue(queued, &mut config);
    let section = root.section("deliver");
    let mta_sts = section.choice("mta_sts", &[("on", true), ("off", false)]).unwrap_or(true);
    config.mta_sts_file = mta_sts.then(|| data_dir.join(STS_FILE));
    let port = section.integer("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    set(&mut config.port, port);
    let private = [("refuse", PrivateAddresses::Refuse), ("allow", PrivateAddresses::Allow)];
    set(&mut config.private_addresses, section.choice("private_addresses", &private));
    set(&mut config.tls, tls_policy::usual(&section, dir, policies));
    let mut keepers = section.one_or_more("local", keeper).unwrap_or_default();
    if let Some(value) = section.get("local")
        && value.as_array().is_some_and(Vec::is_empty)
    {
        section.wrong(
            value.span,
            Wrong::new("`local` is empty").hint("say who keeps the mailboxes: local = \"mailstore\""),
        );
    }
    if let Some(value) = section.get("maildir")
        && keepers.iter().any(|(keeper, _)| !matches!(keeper, Keeper::Maildir))
    {
        let wrong = Wrong::new("`maildir` gets no mail: `local` names another place for it");
        section.wrong(value.span, wrong.hint("remove one of the two"));
    }
    // Who says where Maildirs are wants some.
    if let (Some(value), true) = (section.get("maildir"), section.get("local").is_none()) {
        keepers.push((Keeper::Maildir, value.span));
    }
    set(&mut config.maildir_root, section.parsed("maildir", |text| path(text, dir)));
    set(
        &mut config.quota_warning,
        section.integer("quota_warning", 0..=99).and_then(|percent| u8::try_from(percent).ok()),
    );
    set(&mut config.over_quota_wait, section.parsed("over_quota_wait", over_quota_wait));
    set(&mut config.connections_per_site, count(section.integer("connections_per_site_max", 1..=10_000)));
    set(&mut config.connections, count(section.integer("connections_max", 2..=100_000)));
    set(&mut config.lessons_max, count(section.integer("sites_remembered_max", 100..=1_000_000)));
    config.tls_rules = policies.rules();
    section.finish();
    (config, keepers)
}

fn queue(section: Section<'_>, config: &mut deliver::Config) {
    set(&mut config.retry, section.durations("retry", &(SECOND..=7 * DAY)));
    if let Some(value) = section.get("retry")
        && value.as_array().is_some_and(Vec::is_empty)
    {
        let wrong = Wrong::new("`retry` is empty: no message would be tried twice");
        section.wrong(
            value.span,
            wrong.hint("name at least one interval; the last one repeats until the message expires"),
        );
    }
    set(&mut config.expire, section.duration("expire", MINUTE..=30 * DAY));
    set(&mut config.expire_null, section.duration("expire_reports", MINUTE..=30 * DAY));
    set(&mut config.delay_notice, section.parsed("delay_notice", delay_notice));
    section.finish();
}

/// A duration; none at all for `expire`, which is when everything ends.
fn over_quota_wait(text: &str) -> Result<Option<Duration>, Wrong> {
    if text == "expire" {
        return Ok(None);
    }
    let read = value::duration(text);
    let duration = read.map_err(|wrong| wrong.hint("write a duration such as \"2d\", or \"expire\""))?;
    if duration > 30 * DAY {
        return Err(Wrong::new("longer than any mail waits")
            .hint("write \"expire\" to let it wait as long as other mail"));
    }
    Ok(Some(duration))
}

/// A duration; none at all for `never`.
fn delay_notice(text: &str) -> Result<Option<Duration>, Wrong> {
    let (shortest, longest) = (MINUTE, 30 * DAY);
    let read = if text == "never" { Ok(Duration::ZERO) } else { value::duration(text) };
    match read.map_err(|wrong| wrong.hint("write a duration such as \"4h\", or \"never\""))? {
        Duration::ZERO => Ok(None),
        duration if (shortest..=longest).contains(&duration) => Ok(Some(duration)),
        _ => {
            let hint = "it may be from 1m to 30d, or \"never\"";
            Err(Wrong::new(format!("`delay_notice` is out of range: {text}")).hint(hint))
        }
    }
}

fn process(section: Section<'_>) -> Process {
    let mut process = Process {
        user: section.parsed("user", value::account_name),
        group: section.parsed("group", value::account_name),
        ..Process::default()
    };
    set(&mut process.sandbox, section.choice("sandbox", &[("on", true), ("off", false)]));
    if let (Some(value), None) = (section.get("group"), section.get("user")) {
        let wrong = Wrong::new("`group` is for a `user`, and none is named");
        section.wrong(value.span, wrong.hint("add the user: user = \"postrider\""));
    }
    section.finish();
    process
}

/// `[sendmail]`: the domain of what has none is the first that is declared, else our own name.
fn sendmail(section: Section<'_>, directory: &directory::Config, hostname: Option<&str>) -> Sendmail {
    let domain = section.parsed("domain", |text| {
        mail::Domain::parse(text).map_err(|error| {
            Wrong::new(format!("`{text}` is no domain: {error}")).hint("write a name such as \"example.org\"")
        })
    });
    let usual = || {
        let first = directory.domains.first().map(|domain| domain.name.as_str()).or(hostname);
        first.and_then(|name| mail::Domain::parse(name).ok())
    };
    let trusted = section.parsed_list("trusted_users", user).unwrap_or_default();
    section.finish();
    Sendmail {
        domain: domain.or_else(usual),
        trusted_users: trusted.into_iter().map(|(user, _)| user).collect(),
    }
}

fn user(text: &str) -> Result<String, Wrong> {
    let is_name = !text.is_empty() && !text.contains([':', '/', '\0', ' ']);
    let wrong =
        || Wrong::new(format!("`{text}` is no name of a user")).hint("write one such as \"www-data\"");
    is_name.then(|| text.to_owned()).ok_or_else(wrong)
}

fn log(section: Section<'_>) -> Log {
    let mut log = Log::default();
    set(&mut log.format, section.choice("format", LogFormat::WORDS));
    set(&mut log.level, section.choice("level", LogLevel::WORDS));
    section.finish();
    log
}

impl LogFormat {
    pub(super) const WORDS: &[(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl LogLevel {
    pub(super) const WORDS: &[(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}
