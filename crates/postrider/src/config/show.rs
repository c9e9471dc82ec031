//! The configuration in effect, defaults included, as TOML that could be read again and as JSON.

use std::{fmt::Write, path::Path};

use deliver::{LocalDelivery, PrivateAddresses};
use serde_json::{Map, Value, json};

use super::{
    Bounds, Config, Files, LogFormat, LogLevel, Process, acme, clients, dkim, dns_update, doctor, ldap,
    limits, mta_sts, oauth, relays, return_path, rules, signing, tls_policy,
    value::{show_duration, show_size},
};

/// Stands for a secret.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// A configuration to show: sections in the order of the reference, the first one being the top of the file.
pub(crate) struct Shown(Vec<(Heading, Vec<(&'static str, Value)>)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heading {
    Top,
    One(&'static str),
    Many(&'static str),
}

/// All settings in effect. Passwords are named but not shown.
pub(crate) fn effective(config: &Config) -> Shown {
    let mut top = vec![
        ("hostname", json!(config.hostname)),
        ("public_addresses", json!(config.public_addresses)),
        ("data_dir", json!(config.data_dir.display().to_string())),
    ];
    top.extend(config.directory.postmaster.as_ref().map(|postmaster| ("postmaster", json!(postmaster))));
    let mut sections = vec![(Heading::Top, top)];
    for listener in &config.listeners {
        let bind: Vec<String> = listener.bind.iter().map(ToString::to_string).collect();
        let values = vec![
            ("service", json!(listener.service.name())),
            ("bind", json!(bind)),
            ("tls", json!(listener.tls.word())),
            ("proxy", json!(if listener.proxy { "required" } else { "none" })),
            ("client_certificates", json!(listener.client_certificates.word())),
        ];
        sections.push((Heading::Many("listener"), values));
    }
    sections.extend(config.clients.as_ref().map(|clients| (Heading::One("tls"), clients::show(clients))));
    for Files { certificate, key, .. } in &config.certificates {
        let path = |path: &Path| json!(path.display().to_string());
        let values = vec![("certificate", path(certificate)), ("key", path(key))];
        sections.push((Heading::Many("tls.certificate"), values));
    }
    sections
        .extend(tls_policy::show(&config.tls_policies).map(|values| (Heading::Many("tls.policy"), values)));
    sections.extend(config.acme.as_ref().map(|acme| (Heading::One("tls.acme"), acme::show(acme))));
    sections.extend(config.mta_sts.as_ref().map(|policy| (Heading::One("mta_sts"), mta_sts::show(policy))));
    sections.push((Heading::One("dns"), dns(&config.resolver)));
    let update = config.signing.update.as_ref();
    sections.extend(update.map(|update| (Heading::One("dns.update"), dns_update::show(update))));
    sections.push((Heading::One("receive"), receive(&config.receive, &config.bounds)));
    let named = config.receive.named_limits.iter();
    sections.extend(named.map(|named| (Heading::Many("limit"), limits::show_named(named))));
    sections.push((Heading::One("verify"), verify(&config.receive.verify)));
    sections.push((Heading::One("quota"), quotas(&config.receive.quotas)));
    sections.extend(config.receive.rules.iter().map(|rule| (Heading::Many("rule"), rules::show(rule))));
    sections.push((Heading::One("login"), limits::show_logins(&config.login)));
    sections.extend(config.oauth.iter().map(|oauth| (Heading::Many("oauth"), oauth::show(oauth))));
    sections.extend(config.dkim.iter().map(|dkim| (Heading::Many("dkim"), dkim::show(dkim))));
    sections.push((Heading::One("signing"), signing::show(&config.signing)));
    sections.push((Heading::One("return_path"), return_path::show(&config.return_path)));
    sections.push((Heading::One("queue"), queue(&config.deliver, &config.bounds)));
    let mut values = deliver(&config.deliver);
    values.extend(tls_policy::show_ca_file(&config.tls_policies));
    sections.push((Heading::One("deliver"), values));
    for route in &config.deliver.routes {
        let domains: Vec<String> = route.domains.iter().map(ToString::to_string).collect();
        let values = vec![("domains", json!(domains)), ("to", json!(route.to.texts()))];
        sections.push((Heading::Many("route"), values));
    }
    let heading = if config.relays.len() == 1 { Heading::One("relay") } else { Heading::Many("relay") };
    sections.extend(config.relays.iter().map(|relay| (heading, relays::show(relay))));
    let domain = config.sendmail.domain.as_ref().map(|domain| ("domain", json!(domain.to_string())));
    let trusted = ("trusted_users", json!(config.sendmail.trusted_users));
    sections.push((Heading::One("sendmail"), domain.into_iter().chain([trusted]).collect()));
    sections.push((Heading::One("process"), process(&config.process)));
    sections.push((Heading::One("log"), log(config)));
    sections.push((Heading::One("doctor"), doctor::show(&config.doctor)));
    sections.extend(config.ldap.iter().map(|ldap| (Heading::Many("ldap"), ldap::show(ldap))));
    people(&config.directory, &mut sections);
    Shown(sections)
}

fn dns(config: &net::resolver::Config) -> Vec<(&'static str, Value)> {
    let servers: Vec<String> = config.servers.iter().map(ToString::to_string).collect();
    let anchors: Vec<String> = config.trust_anchors.iter().map(ToString::to_string).collect();
    vec![
        ("servers", json!(servers)),
        ("dnssec", json!(if config.dnssec { "on" } else { "off" })),
        ("trust_anchors", json!(anchors)),
        ("cache_entries_max", json!(config.cache_entries_max)),
    ]
}

fn receive(config: &receive::Config, bounds: &Bounds) -> Vec<(&'static str, Value)> {
    let networks =
        |networks: &net::Networks| -> Vec<String> { networks.iter().map(ToString::to_string).collect() };
    let mut values = vec![
        ("message_size_max", json!(show_size(config.message_size_max))),
        ("recipients_max", json!(config.recipients_max)),
        ("errors_max", json!(config.errors_max)),
        ("transactions_max", json!(config.transactions_max)),
        ("sessions_max", json!(config.sessions_max)),
        ("sessions_per_address_max", json!(config.sessions_per_address_max)),
        ("ipv4_prefix", json!(config.ipv4_prefix)),
        ("ipv6_prefix", json!(config.ipv6_prefix)),
        ("memory_max", json!(show_size(bounds.memory_max))),
        ("handshake_timeout", json!(show_duration(config.handshake_timeout))),
        ("idle_timeout", json!(show_duration(config.idle_timeout))),
        ("content_timeout", json!(show_duration(config.content_timeout))),
        ("content_rate_min", json!(config.content_rate_min)),
        ("greet_delay", json!(show_duration(config.greet_delay))),
        ("hold_max", json!(show_duration(config.hold_max))),
        ("trusted_networks", json!(networks(&config.trusted_networks))),
        ("lmtp_networks", json!(networks(&config.lmtp_networks))),
        ("xclient_networks", json!(networks(&config.xclient_networks))),
        ("proxy_networks", json!(networks(&config.proxy_networks))),
        ("etrn_networks", json!(networks(&config.etrn_networks))),
    ];
    values.extend(limits::show(&config.rates));
    values
}

fn verify(verify: &receive::Verify) -> Vec<(&'static str, Value)> {
    let sealers: Vec<String> = verify.trusted_sealers.iter().map(ToString::to_string).collect();
    vec![
        ("checks", json!(if verify.checks { "on" } else { "off" })),
        ("spf_fail", json!(verify.spf_fail.name())),
        ("dkim_fail", json!(verify.dkim_fail.name())),
        ("iprev_fail", json!(verify.iprev_fail.name())),
        ("no_author", json!(verify.no_author.name())),
        ("dmarc_none", json!(verify.dmarc_none.name())),
        ("dmarc_quarantine", json!(verify.dmarc_quarantine.name())),
        ("dmarc_reject", json!(verify.dmarc_reject.name())),
        ("dmarc_forged", json!(verify.dmarc_forged.name())),
        ("trusted_sealers", json!(sealers)),
        ("defer_max", json!(show_duration(verify.defer_max))),
    ]
}

fn quotas(quotas: &receive::Quotas) -> Vec<(&'static str, Value)> {
    vec![
        ("messages_per_hour_max", json!(quotas.messages_per_hour)),
        ("recipients_per_hour_max", json!(quotas.recipients_per_hour)),
        ("messages_per_day_max", json!(quotas.messages_per_day)),
        ("recipients_per_day_max", json!(quotas.recipients_per_day)),
        ("flood_recipients_min", json!(quotas.flood_recipients)),
        ("flood_factor", json!(quotas.flood_factor)),
    ]
}

fn queue(config: &deliver::Config, bounds: &Bounds) -> Vec<(&'static str, Value)> {
    let retry: Vec<String> = config.retry.iter().map(|interval| show_duration(*interval)).collect();
    vec![
        ("recipients_max", json!(bounds.queued_recipients_max)),
        ("retry", json!(retry)),
        ("expire", json!(show_duration(config.expire))),
        ("expire_reports", json!(show_duration(config.expire_null))),
        ("delay_notice", json!(config.delay_notice.map_or_else(|| "never".to_owned(), show_duration))),
    ]
}

fn deliver(config: &deliver::Config) -> Vec<(&'static str, Value)> {
    let private = match config.private_addresses {
        PrivateAddresses::Refuse => "refuse",
        PrivateAddresses::Allow => "allow",
    };
    let maildir = ("maildir", json!(config.maildir_root.display().to_string()));
    let (local, maildir) = match &config.local {
        LocalDelivery::Maildir => (json!("maildir"), Some(maildir)),
        LocalDelivery::Mailstore => (json!("mailstore"), None),
        LocalDelivery::Store(store) => (json!(store.texts()), None),
    };
    let values = [
        ("port", json!(config.port)),
        ("private_addresses", json!(private)),
        ("tls", json!(tls_policy::word(&config.tls))),
        ("mta_sts", json!(if config.mta_sts_file.is_some() { "on" } else { "off" })),
        ("local", local),
        ("quota_warning", json!(config.quota_warning)),
        ("over_quota_wait", json!(config.over_quota_wait.map_or_else(|| "expire".to_owned(), show_duration))),
        ("connections_max", json!(config.connections)),
        ("connections_per_site_max", json!(config.connections_per_site)),
        ("sites_remembered_max", json!(config.lessons_max)),
    ];
    values.into_iter().chain(maildir).collect()
}

fn process(process: &Process) -> Vec<(&'static str, Value)> {
    let user = process.user.as_ref().map(|user| ("user", json!(user)));
    let group = process.group.as_ref().map(|group| ("group", json!(group)));
    let sandbox = ("sandbox", json!(if process.sandbox { "on" } else { "off" }));
    user.into_iter().chain(group).chain([sandbox]).collect()
}

fn log(config: &Config) -> Vec<(&'static str, Value)> {
    let format = LogFormat::WORDS.iter().find(|(_, format)| *format == config.log.format);
    let level = LogLevel::WORDS.iter().find(|(_, level)| *level == config.log.level);
    let word = |found: Option<&'static str>| json!(found.unwrap_or_default());
    vec![("format", word(format.map(|(word, _)| *word))), ("level", word(level.map(|(word, _)| *word)))]
}

fn people(config: &directory::Config, sections: &mut Vec<(Heading, Vec<(&'static str, Value)>)>) {
    for domain in &config.domains {
        let mut values = vec![("name", json!(domain.name))];
        values.extend(domain.catch_all.as_ref().map(|address| ("catch_all", json!(address))));
        values.push(("subaddress", json!(domain.subaddress.as_deref().unwrap_or("+"))));
        sections.push((Heading::Many("domain"), values));
    }
    for account in &config.accounts {
        let mut values = vec![("login", json!(account.login))];
        values.extend(account.password.as_ref().map(|_| ("password", json!(NOT_SHOWN))));
        values.push(("addresses", json!(account.addresses)));
        let certificates = (!account.certificates.is_empty()).then(|| json!(account.certificates));
        values.extend(certificates.map(|certificates| ("certificates", certificates)));
        values.push(("roles", json!(account.roles)));
        sections.push((Heading::Many("account"), values));
        sections.extend(account.app_passwords.iter().map(app_password));
    }
    for alias in &config.aliases {
        sections
            .push((Heading::Many("alias"), vec![("address", json!(alias.address)), ("to", json!(alias.to))]));
    }
    for list in &config.lists {
        let mut values = vec![("address", json!(list.address))];
        values.extend(list.title.as_ref().map(|title| ("title", json!(title))));
        values.push(("owners", json!(list.owners)));
        values.push(("members", json!(list.members)));
        let post = list.post.as_deref().unwrap_or(directory::Posters::default().name());
        values.push(("post", json!(post)));
        sections.push((Heading::Many("list"), values));
    }
}

fn app_password(app: &directory::AppPassword) -> (Heading, Vec<(&'static str, Value)>) {
    let scopes: Vec<&str> = app.scopes.iter().map(|scope| scope.name()).collect();
    let values = vec![("name", json!(app.name)), ("password", json!(NOT_SHOWN)), ("scopes", json!(scopes))];
    (Heading::Many("account.app_password"), values)
}

impl Shown {
    /// As a TOML file. JSON's strings, numbers and lists of strings are TOML's, but for DEL, which no value here can hold unescaped.
    pub(crate) fn toml(&self) -> String {
        let mut text = String::new();
        for (heading, values) in &self.0 {
            // Writing to a String cannot fail.
            let _ = match heading {
                Heading::Top => Ok(()),
                Heading::One(name) => writeln!(text, "\n[{name}]"),
                Heading::Many(name) => writeln!(text, "\n[[{name}]]"),
            };
            for (key, value) in values {
                // A comment: whoever reads the file again must not take it for the secret.
                let _ = match value.as_str() {
                    Some(NOT_SHOWN) => writeln!(text, "# {key} is set, and not shown"),
                    _ => writeln!(text, "{key} = {}", toml_value(value)),
                };
            }
        }
        text
    }

    /// As one JSON object.
    pub(crate) fn json(&self) -> Value {
        let mut all = Map::new();
        for (heading, values) in &self.0 {
            let object: Map<String, Value> =
                values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            match heading {
                Heading::Top => all.extend(object),
                Heading::One(name) => {
                    let (within, key) = match name.split_once('.') {
                        Some((outer, inner)) => {
                            (all.entry(outer).or_insert_with(|| json!({})).as_object_mut(), inner)
                        }
                        None => (Some(&mut all), *name),
                    };
                    within.map(|within| within.insert(key.to_owned(), Value::Object(object)));
                }
                Heading::Many(name) => {
                    let list = match name.split_once('.') {
                        Some((outer, inner)) => {
                            let outer = all.entry(outer).or_insert_with(|| json!({}));
                            // In a list of sections it belongs to the last one.
                            let last = match outer {
                                Value::Array(list) => list.last_mut(),
                                one => Some(one),
                            };
                            last.and_then(Value::as_object_mut)
                                .map(|outer| outer.entry(inner).or_insert_with(|| json!([])))
                        }
                        None => Some(all.entry(*name).or_insert_with(|| json!([]))),
                    };
                    let Some(list) = list else { continue };
                    list.as_array_mut().into_iter().for_each(|list| list.push(Value::Object(object.clone())));
                }
            }
        }
        Value::Object(all)
    }
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}
