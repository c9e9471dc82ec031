//! `postrider relay`: lists relays and tries them.

mod login;

use std::sync::Arc;

use deliver::{Letter, Probe, ProbeFailure, ProbeStep, Probed, Relay};
use disk::{Clock, OsRandom, Random, SystemClock};
use mail::Address;
use message::{write_date_field, write_message_id_field};
use net::{HostConnector, resolver::Resolver};
use serde_json::{Value, json};

use crate::{
    cli::{RelayCheck, RelayCommand, RelayList, RelayTest},
    config::{Config, PRESETS, Preset, RelaySettings, Senders},
    failure::Failure,
    place,
    terminal::{self, clean},
};

pub(crate) fn run(command: &RelayCommand, json: bool) -> Result<(), Failure> {
    match command {
        RelayCommand::List(wanted) => list(wanted, json),
        RelayCommand::Check(wanted) => check(wanted, json),
        RelayCommand::Test(wanted) => test(wanted, json),
        RelayCommand::Login(wanted) => login::run(wanted, json),
    }
}

fn list(wanted: &RelayList, json: bool) -> Result<(), Failure> {
    let config = (!wanted.presets).then(|| place::load(&wanted.file.config)).transpose()?;
    let relays: &[RelaySettings] = config.as_ref().map_or(&[], |config| &config.relays);
    if json {
        return terminal::print_json(&json!({
            "relays": relays.iter().map(shown).collect::<Vec<_>>(),
            "presets": PRESETS.iter().map(known).collect::<Vec<_>>(),
        }));
    }
    let mut texts = Vec::new();
    if let Some(config) = &config {
        texts.push(configured(config));
    }
    texts.push(presets());
    terminal::print(&texts.join("\n\n"))
}

fn configured(config: &Config) -> String {
    if config.relays.is_empty() {
        return "no relay: mail goes to the hosts of its recipients".to_owned();
    }
    let mut table = terminal::table(&["RELAY", "PRESET", "HOST", "TLS", "LOGIN", "FOR"]);
    for settings in &config.relays {
        let relay = settings.relay();
        let recipients: Vec<String> = relay.recipients.iter().map(ToString::to_string).collect();
        table.add_row([
            relay.name.to_string(),
            settings.preset.map_or("", |preset| preset.name).to_owned(),
            relay.hosts.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            settings.tls.word().to_owned(),
            relay.account.as_ref().map(|account| clean(&account.login)).unwrap_or_default(),
            if recipients.is_empty() { "all".to_owned() } else { recipients.join(", ") },
        ]);
    }
    terminal::table_text(&table)
}

fn presets() -> String {
    let mut table = terminal::table(&["PRESET", "PROVIDER", "HOST", "CHECKED", "SOURCE"]);
    for preset in PRESETS {
        let Preset { name, title, checked, source, .. } = preset;
        table.add_row([name, title, host_of(preset).as_str(), checked, source]);
    }
    terminal::table_text(&table)
}

fn host_of(preset: &Preset) -> String {
    preset.host.map_or_else(|| "by region".to_owned(), |host| format!("{host}:{}", preset.port))
}

fn shown(settings: &RelaySettings) -> Value {
    let relay = settings.relay();
    json!({
        "name": relay.name,
        "preset": settings.preset.map(|preset| preset.name),
        "checked": settings.preset.map(|preset| preset.checked),
        "hosts": relay.hosts.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tls": settings.tls.word(),
        "login": relay.account.as_ref().map(|account| &account.login),
        "recipients": relay.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn known(preset: &Preset) -> Value {
    let Preset { name, title, host, port, implicit_tls, passwords, credentials, checked, source, .. } =
        preset;
    json!({
        "recipients_per_day_max": preset.recipients_per_day,
        "recipients_per_message_max": preset.recipients_per_message,
        "tokens": preset.tokens.is_some(),
        "senders": match preset.senders {
            Senders::Own => "own",
            Senders::Rewritten => "rewritten",
            Senders::Verified => "verified",
        },
        "name": name, "title": title, "host": host, "port": port,
        "tls": if *implicit_tls { "implicit" } else { "starttls" },
        "passwords": passwords, "credentials": credentials, "checked": checked, "source": source,
    })
}

fn check(wanted: &RelayCheck, json: bool) -> Result<(), Failure> {
    let config = place::load(&wanted.file.config)?;
    let relays = named(&config, wanted.name.as_deref())?;
    let trier = Trier::new(&config)?;
    let (mut told, mut texts, mut failed) = (Vec::new(), Vec::new(), None);
    for relay in relays {
        let tried = trier.run(relay, None)?;
        told.push(json_of(relay, &tried));
        match &tried {
            Ok(probed) => texts.push(text(relay, probed)),
            Err(failure) => failed = failed.or_else(|| Some(trouble(&config, relay, failure))),
        }
    }
    if json {
        terminal::print_json(&told)?;
    } else if !texts.is_empty() {
        terminal::print(&texts.join("\n"))?;
    }
    failed.map_or(Ok(()), Err)
}

fn test(wanted: &RelayTest, json: bool) -> Result<(), Failure> {
    let to = address(&wanted.address)?;
    let config = place::load(&wanted.file.config)?;
    let relay = match &wanted.relay {
        Some(name) => named(&config, Some(name))?.into_iter().next(),
        None => named(&config, None)?.into_iter().find(|relay| {
            relay.recipients.is_empty() || relay.recipients.iter().any(|pattern| pattern.takes(to.domain()))
        }),
    };
    let relay = relay.ok_or_else(|| {
        Failure::usage(format!("no relay takes mail for {to}")).hint("name one: --relay NAME")
    })?;
    let from = match &wanted.from {
        Some(text) => address(text)?,
        None => sender(&config, relay)?,
    };
    let trier = Trier::new(&config)?;
    let content = letter(&config.hostname, &from, &to, relay);
    let tried = trier.run(relay, Some(&Letter { from, to, content }))?;
    if json {
        terminal::print_json(&json_of(relay, &tried))?;
    }
    match tried {
        Ok(_) if json => Ok(()),
        Ok(probed) => terminal::print(&text(relay, &probed)),
        Err(failure) => Err(trouble(&config, relay, &failure)),
    }
}

/// The relays that are meant.
fn named<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Arc<Relay>>, Failure> {
    let relays = &config.deliver.relays;
    if relays.is_empty() {
        return Err(Failure::usage("there is no [relay] in the configuration file")
            .hint("docs/guides/relays.md shows how to send through a mail account"));
    }
    let Some(name) = name else { return Ok(relays.iter().collect()) };
    let found: Vec<_> = relays.iter().filter(|relay| &*relay.name == name).collect();
    if found.is_empty() {
        let names: Vec<&str> = relays.iter().map(|relay| &*relay.name).collect();
        let failure = Failure::usage(format!("there is no relay `{}`", clean(name)));
        return Err(failure.hint(format!("there is {}", names.join(", "))));
    }
    Ok(found)
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|_| {
        Failure::usage(format!("`{}` is not an address", clean(text)))
            .hint("write one such as anna@example.org")
    })
}

/// Most relays take mail of their own account alone.
fn sender(config: &Config, relay: &Relay) -> Result<Address, Failure> {
    let login = relay.account.as_ref().and_then(|account| Address::parse(&account.login).ok());
    let postmaster = || config.directory.postmaster.as_deref().and_then(|text| Address::parse(text).ok());
    login
        .or_else(postmaster)
        .ok_or_else(|| Failure::usage("it is not said who sends it").hint("add --from ADDRESS"))
}

fn letter(hostname: &str, from: &Address, to: &Address, relay: &Relay) -> Vec<u8> {
    let now = SystemClock.now();
    let id = format!("{:016x}.{:016x}", now.as_millis(), OsRandom.next_u64());
    let mut content = format!("From: <{from}>\r\nTo: <{to}>\r\n").into_bytes();
    write_date_field(&mut content, now);
    write_message_id_field(&mut content, &id, hostname);
    let rest = format!(
        "Subject: A test of the relay {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nAuto-Submitted: auto-generated\r\n\r\n\
         {hostname} sent this to see whether mail gets through. It has arrived.\r\n",
        relay.name,
    );
    content.extend_from_slice(rest.as_bytes());
    content
}

/// Tries relays as the server would.
struct Trier<'a> {
    config: &'a Config,
    tls: HostConnector,
}

impl<'a> Trier<'a> {
    fn new(config: &'a Config) -> Result<Self, Failure> {
        Ok(Self { config, tls: HostConnector::new().map_err(Failure::new)? })
    }

    fn run(
        &self,
        relay: &Arc<Relay>,
        letter: Option<&Letter>,
    ) -> Result<Result<Probed, ProbeFailure>, Failure> {
        super::run(async {
            let resolver = Resolver::new(&self.config.resolver);
            let resolver = resolver.map_err(|error| Failure::new(&error).hint(error.hint()))?;
            let nonce = format!("{:016x}{:016x}", OsRandom.next_u64(), OsRandom.next_u64());
            let probe = Probe {
                config: &self.config.deliver,
                resolver: &resolver,
                tls: &self.tls,
                now: SystemClock.now(),
                nonce: &nonce,
            };
            Ok(probe.run(relay, letter).await)
        })
    }
}

fn text(relay: &Relay, probed: &Probed) -> String {
    let Probed { host, address, tls, size, reply } = probed;
    let place = address.map(|address| format!(" ({address})")).unwrap_or_default();
    let mut lines = vec![format!("{}: {}{place}", relay.name, clean(host))];
    lines.push(match tls {
        Some(tls) => {
            let verified = if tls.verified == Some(true) { ", verified" } else { ", with anybody" };
            format!("  TLS       {}{verified}", tls.protocol.as_deref().unwrap_or("none"))
        }
        None => "  TLS       none".to_owned(),
    });
    lines.push(match &relay.account {
        Some(account) => format!("  login     {} is taken", clean(&account.login)),
        None => "  login     none".to_owned(),
    });
    lines.extend(size.map(|size| format!("  messages  up to {}", terminal::size_text(size))));
    lines.extend(reply.as_ref().map(|reply| format!("  sent      {}", clean(&reply.to_string()))));
    lines.join("\n")
}

fn word(step: ProbeStep) -> &'static str {
    match step {
        ProbeStep::Name => "name",
        ProbeStep::Connection => "connection",
        ProbeStep::Tls => "tls",
        ProbeStep::Login => "login",
        ProbeStep::Message => "message",
    }
}

fn json_of(relay: &Relay, tried: &Result<Probed, ProbeFailure>) -> Value {
    match tried {
        Ok(Probed { host, address, tls, size, reply }) => json!({
            "name": relay.name, "good": true, "host": &**host, "address": address.map(|address| address.to_string()),
            "tls": tls, "login": relay.account.as_ref().map(|account| &account.login), "size": size,
            "reply": reply.as_ref().map(ToString::to_string),
        }),
        Err(ProbeFailure { step, host, address, reply }) => json!({
            "name": relay.name, "good": false, "failed": word(*step), "host": host.as_deref(),
            "address": address.map(|address| address.to_string()), "reply": reply.to_string(),
        }),
    }
}

fn trouble(config: &Config, relay: &Relay, failure: &ProbeFailure) -> Failure {
    let ProbeFailure { step, host, reply, .. } = failure;
    let place = host.as_deref().map(|host| format!(" at {}", clean(host))).unwrap_or_default();
    let (at, words) = (word(*step), clean(&reply.to_string()));
    let told = Failure::new(format!("relay {}: the {at} failed{place}: {words}", relay.name));
    let preset = config.relays.iter().find(|settings| settings.relay().name == relay.name);
    let preset = preset.and_then(|settings| settings.preset);
    match (step, preset) {
        (ProbeStep::Login, Some(Preset { title, credentials, .. })) => {
            told.hint(format!("{title} wants {credentials}"))
        }
        (ProbeStep::Login, None) => told.hint("look at `login`, `password` and `tls` of the relay"),
        (ProbeStep::Name, _) => told.hint("look at `host` of the relay, and at [dns]"),
        (ProbeStep::Connection, _) => {
            told.hint("look at `port` of the relay; many networks let nothing out to port 25, and 465 or 587 is for logins")
        }
        (ProbeStep::Tls, _) => told.hint("whoever answers there is not the relay, or `ca_file` has to name its authority"),
        (ProbeStep::Message, _) => told.hint("the relay says why; many take mail of their own account's address alone: --from"),
    }
}
