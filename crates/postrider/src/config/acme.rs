//! `[tls.acme]`: certificates that we obtain ourselves.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use acme::{Config, ExternalAccount, Method};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use dns_update::TsigKey;
use mail::Address;
use net::Anchors;
use serde_json::{Value, json};

use super::{
    contents,
    listeners::{Listener, Tls, clashes},
    problem::Problem,
    secret,
    sections::path,
    service::Service,
    show::NOT_SHOWN,
    value::{self, Wrong, show_duration},
    walk::Section,
};

/// Where the account and the certificates are.
const DIR: &str = "acme";
const CA_FILE_OCTETS_MAX: u64 = 1 << 20;
/// Authorities take a hundred, and who needs more has several hosts.
const NAMES_MAX: usize = 100;
const WAIT: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_hours(1);
const CHALLENGES: [&str; 3] = ["http-01", "tls-alpn-01", "dns-01"];

/// What is obtained, and what stands in the file about it that nobody else needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acme {
    /// What is obtained, and how.
    pub settings: Config,
    /// Where the anchors of trust are, and where the configuration says so.
    ca_file: Option<(PathBuf, Range<usize>)>,
    /// The service that answers challenges, beside listeners of mail, has addresses that nobody named.
    pub v6_optional: bool,
}

/// What the section is judged by.
pub(super) struct Surroundings<'a> {
    pub dir: &'a Path,
    pub data_dir: &'a Path,
    pub hostname: Option<&'a str>,
    pub listeners: &'a [Listener],
    /// `[dns.update]`.
    pub update: Option<&'a dkim_keys::Update>,
}

/// None: there is no such section, or something is wrong with it, which has been reported.
pub(super) fn read(tls: &Section<'_>, around: &Surroundings<'_>) -> Option<Acme> {
    let section = tls.section("acme");
    if !section.is_there() {
        return None;
    }
    let agreed = agreed(&section);
    let directory = section.parsed("directory", directory);
    let contact = section.parsed_list("contact", contact).unwrap_or_default();
    let method = method(&section, around);
    let names = names(&section, around.hostname, method.as_ref());
    let (bind, v6_optional) = bind(&section, method.as_ref(), around);
    let external_account = external_account(&section, around.dir);
    let profile = section.parsed("profile", word);
    let reuse_key = section.choice("reuse_key", &[("on", true), ("off", false)]).unwrap_or(false);
    let ca_file = section.parsed("ca_file", |text| path(text, around.dir));
    let ca_span = section.get("ca_file").map_or(section.span(), |value| value.span);
    section.finish();
    let settings = Config {
        dir: around.data_dir.join(DIR),
        directory: directory.or_else(|| Config::directory_url("letsencrypt"))?,
        // Until they are read.
        anchors: Anchors::System,
        contact: contact.into_iter().map(|(address, _)| address).collect(),
        names: names?,
        method: method?,
        bind,
        external_account,
        profile,
        reuse_key,
    };
    let ca_file = ca_file.map(|file| (file, ca_span.into()));
    agreed.then_some(Acme { settings, ca_file, v6_optional })
}

impl Acme {
    /// Where the anchors of trust are, if not with the system.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_ref().map(|(file, _)| file.as_path())
    }

    /// The settings, with the resolvers that tell where the names of challenges lead.
    pub(crate) fn following(&self, resolvers: &[SocketAddr]) -> Config {
        let mut settings = self.settings.clone();
        if let Method::Dns(update) = &mut settings.method {
            update.resolvers = resolvers.to_vec();
        }
        settings
    }

    /// The same, but proved as before: how a challenge is answered, and where, only a restart can change.
    pub(crate) fn proved_as(mut self, before: &Self) -> Self {
        self.settings.bind.clone_from(&before.settings.bind);
        self.v6_optional = before.v6_optional;
        if self.settings.method.word() != before.settings.method.word() {
            self.settings.method = before.settings.method.clone();
        }
        self
    }

    /// The keys that differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (one, other) = (&self.settings, &other.settings);
        let mut found = Vec::new();
        let mut note = |differ: bool, key| {
            if differ {
                found.push(key);
            }
        };
        note(one.method.word() != other.method.word(), "challenge");
        note(one.bind != other.bind, "bind");
        note(one.directory != other.directory, "directory");
        note(one.anchors != other.anchors, "ca_file");
        note(one.contact != other.contact, "contact");
        note(one.names != other.names, "names");
        note(one.profile != other.profile, "profile");
        note(one.reuse_key != other.reuse_key, "reuse_key");
        note(one.external_account != other.external_account, "eab_id");
        if let (Method::Dns(one), Method::Dns(other)) = (&one.method, &other.method) {
            note(one.server != other.server, "dns_server");
            note(one.zone != other.zone, "dns_zone");
            note(one.key != other.key, "dns_key");
            note(one.wait != other.wait, "dns_wait");
        }
        found
    }

    /// Reads who is believed to be the authority.
    pub(super) fn open(&mut self) -> Option<Problem> {
        let (file, span) = self.ca_file.as_ref()?;
        match anchors(file) {
            Ok(anchors) => {
                self.settings.anchors = anchors;
                None
            }
            Err(wrong) => {
                let problem = Problem::new(span.clone(), wrong.message);
                Some(Problem { hint: wrong.hint, ..problem })
            }
        }
    }
}

/// Nobody agrees to terms by leaving something out.
fn agreed(section: &Section<'_>) -> bool {
    let hint = "read the terms of service of the authority, and say that you agree: agree_to_terms = true";
    let Some(value) = section.get("agree_to_terms") else {
        section.missing("agree_to_terms", hint);
        return false;
    };
    let agreed = value.as_bool() == Some(true);
    if !agreed {
        let wrong = Wrong::new("without agreement to its terms an authority gives no certificate");
        section.wrong(value.span, wrong.hint(hint));
    }
    agreed
}

fn directory(text: &str) -> Result<String, Wrong> {
    Config::directory_url(text).ok_or_else(|| {
        Wrong::new(format!("`{text}` is no directory of an ACME server"))
            .hint("there is \"letsencrypt\", \"letsencrypt-staging\", or a URL that begins with https://")
    })
}

fn contact(text: &str) -> Result<String, Wrong> {
    let address = Address::parse(text).ok().filter(|_| text.is_ascii() && !text.contains(['?', ',', '%']));
    address.map(|_| text.to_owned()).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a mail address that an authority would take"))
            .hint("write it as in \"postmaster@example.org\", without mailto:")
    })
}

fn names(section: &Section<'_>, hostname: Option<&str>, method: Option<&Method>) -> Option<Vec<String>> {
    let Some(names) = section.parsed_list("names", name) else {
        return hostname.map(|hostname| vec![hostname.to_ascii_lowercase()]);
    };
    for (name, span) in &names {
        if name.starts_with("*.") && method.is_some_and(|method| !matches!(method, Method::Dns(_))) {
            let wrong = Wrong::new(format!("{name} can be certified by way of the DNS alone"));
            section.wrong(*span, wrong.hint("choose challenge = \"dns-01\", or name each host"));
        }
    }
    let items = section.get("names").and_then(|value| Some((value.as_array()?.len(), value.span)));
    let mut names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    names.sort_by_key(|name| hostname.is_none_or(|hostname| !name.eq_ignore_ascii_case(hostname)));
    names.dedup();
    if let Some((count, span)) = items.filter(|(count, _)| !(1..=NAMES_MAX).contains(count)) {
        let wrong = Wrong::new(format!("`names` has {count} names"));
        let hint = format!("name from 1 to {NAMES_MAX}, or leave `names` out for `hostname`");
        section.wrong(span, wrong.hint(hint));
        return None;
    }
    Some(names)
}

fn name(text: &str) -> Result<String, Wrong> {
    let name = text.to_ascii_lowercase();
    if Config::is_name(&name) && !value::numeric_top(&name) {
        return Ok(name);
    }
    Err(Wrong::new(format!("`{text}` is not the name of a host"))
        .hint("write it as in \"mail.example.org\"; names beyond ASCII in their xn-- form"))
}

fn method(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Method> {
    let update = dns_update(section, around.dir);
    let chosen = section.parsed("challenge", |text| {
        CHALLENGES.into_iter().find(|word| *word == text).ok_or_else(|| {
            Wrong::new(format!("`{text}` is not a value of `challenge`"))
                .hint("there is \"http-01\", \"tls-alpn-01\" and \"dns-01\"")
        })
    });
    match chosen {
        None if section.get("challenge").is_some() => None,
        None | Some("http-01") => Some(Method::Http),
        Some("tls-alpn-01") => Some(Method::Tls),
        Some(_) if section.get("dns_server").is_none() => {
            if around.update.is_none() {
                section.missing(
                    "dns_server",
                    "name the primary DNS server of the names here or in [dns.update]: dns_server = \"192.0.2.53\"",
                );
            }
            around.update.map(|update| Method::Dns(update.server.clone()))
        }
        Some(_) => update.map(Method::Dns),
    }
}

fn dns_update(section: &Section<'_>, dir: &Path) -> Option<dns_update::Config> {
    let server = section.parsed("dns_server", value::dns_server);
    let zone = section.parsed("dns_zone", zone);
    let key_name = section.parsed("dns_key_name", key_name);
    let key = secret(
        section,
        "dns_key",
        dir,
        &|text| BASE64_STANDARD.decode(text).ok(),
        "base64, as tsig-keygen and keymgr write it",
    );
    let wait = section.duration("dns_wait", Duration::ZERO..=WAIT_MAX).unwrap_or(WAIT);
    together(section, "dns_key_name", "dns_key");
    let key = key_name.zip(key).map(|(name, secret)| TsigKey { name, secret });
    // Those of [dns]: see `following`.
    Some(dns_update::Config { server: server?, zone, key, resolvers: Vec::new(), wait })
}

/// The name of a zone.
pub(super) fn zone(text: &str) -> Result<String, Wrong> {
    name(text.strip_suffix('.').unwrap_or(text))
}

/// The name of a key is a domain name, of which one label is enough.
pub(super) fn key_name(text: &str) -> Result<String, Wrong> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name);
    }
    Err(Wrong::new(format!("`{text}` is not the name of a key"))
        .hint("write the name that the DNS server knows it by"))
}

fn external_account(section: &Section<'_>, dir: &Path) -> Option<ExternalAccount> {
    let id = section.parsed("eab_id", word);
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let key = secret(section, "eab_key", dir, &decode, "base64url, as the authority writes it");
    together(section, "eab_id", "eab_key");
    id.zip(key).map(|(id, key)| ExternalAccount { id, key })
}

/// A secret that stands for octets.
pub(super) fn secret(
    section: &Section<'_>,
    key: &'static str,
    dir: &Path,
    decode: &dyn Fn(&str) -> Option<Vec<u8>>,
    form: &str,
) -> Option<Vec<u8>> {
    let text = secret::read(section, key, dir)?;
    let span = section.get(key).map_or(section.span(), |value| value.span);
    let octets = decode(text.expose().trim()).filter(|octets| !octets.is_empty());
    section.report(
        span,
        octets.ok_or_else(|| Wrong::new(format!("`{key}` cannot be read")).hint(format!("it is {form}"))),
    )
}

/// One of two keys alone means nothing.
pub(super) fn together(section: &Section<'_>, one: &'static str, other: &'static str) {
    for (there, missing) in [(one, other), (other, one)] {
        if section.get(there).is_some() && section.get(missing).is_none() {
            section.missing(missing, &format!("`{there}` and `{missing}` belong together"));
        }
    }
}

/// What the authority gave a name: no text that breaks out of a line.
pub(super) fn word(text: &str) -> Result<String, Wrong> {
    if !text.is_empty() && text.len() <= 255 && text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("`{}` is no word of an authority", text.escape_default()))
        .hint("write it as the authority does"))
}

/// The authorities in a file.
pub(super) fn anchors(file: &Path) -> Result<Anchors, Wrong> {
    let shown = file.display();
    let octets = contents(file, CA_FILE_OCTETS_MAX).map_err(|error| {
        Wrong::new(format!("cannot read {shown}: {}", secret::words(&error))).hint(
            "a relative path starts at the configuration file; the server's user must be able to read it",
        )
    })?;
    Anchors::from_pem(&octets).map_err(|error| {
        Wrong::new(format!("{shown}: {error}")).hint("it must be PEM: -----BEGIN CERTIFICATE-----")
    })
}

/// Where challenges are answered, and whether nobody named that. For challenges by TLS a listener on port 443 will do that begins with TLS, and for
/// those by HTTP one for HTTP in clear on port 80.
fn bind(
    section: &Section<'_>,
    method: Option<&Method>,
    around: &Surroundings<'_>,
) -> (Vec<SocketAddr>, bool) {
    let named = section.parsed_list("bind", value::socket_address);
    let everywhere = |port| vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()];
    let (addresses, v6_optional) = match (named, method) {
        (_, None | Some(Method::Dns(_))) => return (Vec::new(), false),
        (Some(named), Some(method)) => {
            let span = section.get("bind").map_or(section.span(), |value| value.span);
            let answered = around.listeners.iter().any(|listener| answers(listener, method));
            if named.is_empty() && !answered {
                let wrong = Wrong::new("`bind` is empty: nobody would answer the authority");
                section.wrong(
                    span,
                    wrong.hint("name an address and port, or leave `bind` out for all addresses"),
                );
            }
            (named, false)
        }
        (None, Some(method)) => {
            let port = if *method == Method::Http { 80 } else { 443 };
            let answered = |listener: &Listener| {
                answers(listener, method) && listener.bind.iter().any(|address| address.port() == port)
            };
            if around.listeners.iter().any(answered) {
                return (Vec::new(), false);
            }
            (everywhere(port).into_iter().map(|address| (address, section.span())).collect(), true)
        }
    };
    for (address, span) in &addresses {
        let taken = around
            .listeners
            .iter()
            .flat_map(|listener| &listener.bind)
            .find(|other| clashes(**other, *address));
        if let Some(other) = taken {
            let wrong = Wrong::new(format!("{address} is taken: a listener is on {other}"));
            section.wrong(
                *span,
                wrong.hint(match method {
                    Some(Method::Http) if address.port() == 80 => "let a [[listener]] with service = \"http\" and tls = \"none\" be there, which answers challenges too, or give them an address of their own: bind = [\"...\"]",
                    _ => "give challenges a port or an address of their own: bind = [\"...\"]",
                }),
            );
        }
    }
    (addresses.into_iter().map(|(address, _)| address).collect(), v6_optional)
}

/// Whether a listener answers challenges of that kind beside what it is for.
fn answers(listener: &Listener, method: &Method) -> bool {
    match method {
        Method::Tls => listener.tls == Tls::Implicit,
        Method::Http => (listener.service, listener.tls) == (Service::Http, Tls::None),
        Method::Dns(_) => false,
    }
}

/// The settings in effect.
pub(super) fn show(acme: &Acme) -> Vec<(&'static str, Value)> {
    let Acme { settings, ca_file, .. } = acme;
    let bind: Vec<String> = settings.bind.iter().map(ToString::to_string).collect();
    let mut values = vec![
        ("agree_to_terms", json!(true)),
        ("directory", json!(settings.directory_word())),
        ("contact", json!(settings.contact)),
        ("names", json!(settings.names)),
        ("challenge", json!(settings.method.word())),
    ];
    match &settings.method {
        Method::Http | Method::Tls => values.push(("bind", json!(bind))),
        Method::Dns(update) => values.extend(show_update(update)),
    }
    values.push(("reuse_key", json!(if settings.reuse_key { "on" } else { "off" })));
    if let Some(ExternalAccount { id, .. }) = &settings.external_account {
        values.extend([("eab_id", json!(id)), ("eab_key", json!(NOT_SHOWN))]);
    }
    values.extend(settings.profile.as_ref().map(|profile| ("profile", json!(profile))));
    values.extend(ca_file.as_ref().map(|(file, _)| ("ca_file", json!(file.display().to_string()))));
    values
}

fn show_update(
    dns_update::Config { server, zone, key, wait, resolvers: _ }: &dns_update::Config,
) -> Vec<(&'static str, Value)> {
    let mut values = vec![("dns_server", json!(server.to_string()))];
    values.extend(zone.as_ref().map(|zone| ("dns_zone", json!(zone))));
    if let Some(TsigKey { name, .. }) = key {
        values.extend([("dns_key_name", json!(name)), ("dns_key", json!(NOT_SHOWN))]);
    }
    values.push(("dns_wait", json!(show_duration(*wait))));
    values
}
