//! `postrider dns publish`: puts the records that are wanted into the DNS, where a server takes our updates (RFC 2136).

use std::sync::Arc;

use acme::Method;
use disk::{OsRandom, SystemClock};
use dns_update::{Change, Server};
use net::resolver::{self, Resolver};
use serde_json::{Value, json};

use crate::{
    cli::DnsPublish,
    commands::{dns::zones, doctor::named},
    config::Config,
    dns_records::{self, Facts, WantedRecord},
    doctor::publish::{Plan, Step, plan},
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

/// What became of one set of records.
struct Done {
    name: String,
    kind: &'static str,
    plan: Plan,
    /// Why it was not changed, of a change that was to be made.
    failed: Option<String>,
}

pub(crate) fn run(wanted: &DnsPublish, json: bool) -> Result<(), Failure> {
    let config = place::load(&wanted.file.config)?;
    let update = settings(&config)?;
    let named = named(&wanted.domain)?;
    let domains = if named.is_empty() { dns_records::domains(&config) } else { named };
    let facts = Facts::of(&config, &domains).map_err(Failure::new)?;
    let records: Vec<WantedRecord> =
        zones(&config, &facts, &domains).into_iter().flat_map(|zone| zone.records).collect();
    let done = super::run(async { publish(&update, records, wanted).await })?;
    show(&done, wanted.dry_run, json)
}

/// Where updates go: as `[dns.update]` says, else as they are allowed for certificates (`[tls.acme]`, `challenge = "dns-01"`).
fn settings(config: &Config) -> Result<dns_update::Config, Failure> {
    if let Some(update) = &config.signing.update {
        return Ok(update.server.clone());
    }
    let method = config.acme.as_ref().map(|acme| &acme.settings.method);
    match method {
        Some(Method::Dns(update)) => {
            let resolvers = config.resolver.servers.clone();
            Ok(dns_update::Config { resolvers, ..update.clone() })
        }
        _ => Err(Failure::usage("no DNS server is named that takes updates").hint(
            "name it in [dns.update]: server, key_name and key; or publish by hand what `postrider dns records` prints",
        )),
    }
}

async fn publish(
    update: &dns_update::Config,
    records: Vec<WantedRecord>,
    wanted: &DnsPublish,
) -> Result<Vec<Done>, Failure> {
    // What is there is what the server that is changed says, and nobody's memory.
    let asked = resolver::Config {
        servers: vec![update.server],
        cache_entries_max: 0,
        ..resolver::Config::default()
    };
    let asked = Resolver::new(&asked).map_err(|error| Failure::new(&error).hint(error.hint()))?;
    let server = Server::new(update.clone(), Arc::new(SystemClock), Arc::new(OsRandom));
    let mut done = Vec::new();
    for record in records {
        let Some(plan) = plan(&asked, &record, wanted.replace).await else { continue };
        let failed = match &plan {
            Plan::Change(step) if !wanted.dry_run => change(&server, step).await.err(),
            _ => None,
        };
        done.push(Done { name: record.name, kind: record.kind.word(), plan, failed });
    }
    Ok(done)
}

/// What is new comes first: there is no moment without a record that is right.
async fn change(server: &Server, Step { remove, add, .. }: &Step) -> Result<(), String> {
    for (records, change) in [(add, Change::Add), (remove, Change::Remove)] {
        if !records.is_empty() {
            server.change(records, change).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn show(done: &[Done], dry_run: bool, json: bool) -> Result<(), Failure> {
    if json {
        let all: Vec<Value> = done.iter().map(|one| as_json(one, dry_run)).collect();
        terminal::print_json(&all)?;
    } else {
        let mut lines: Vec<String> = done.iter().flat_map(|one| as_text(one, dry_run)).collect();
        if lines.is_empty() {
            lines.push("the DNS has all that is wanted".to_owned());
        }
        terminal::print(&lines.join("\n"))?;
    }
    let bad = |one: &&Done| one.failed.is_some() || matches!(one.plan, Plan::Left(_) | Plan::Unknown(_));
    let number = done.iter().filter(bad).count();
    if number == 0 {
        return Ok(());
    }
    let failure = Failure::new(format!("{} not as wanted", count(number as u64, "set of records")));
    let left = done.iter().any(|one| matches!(one.plan, Plan::Left(_)));
    Err(if left {
        failure.hint("look at what is there; --replace puts what is wanted in its place")
    } else {
        failure
    })
}

fn as_text(one: &Done, dry_run: bool) -> Vec<String> {
    let Done { name, kind, plan, failed } = one;
    match (plan, failed) {
        (Plan::Nothing, _) => Vec::new(),
        (Plan::Change(_), Some(why)) => vec![format!("not changed, {name} {kind}: {}", clean(why))],
        (Plan::Change(step), None) => {
            let word = if dry_run { "would change" } else { "changed" };
            let lines = step.lines.iter().map(|line| format!("  {}", clean(line)));
            std::iter::once(format!("{word} {name} {kind}:")).chain(lines).collect()
        }
        (Plan::Left(what), _) => {
            let lines = what.lines().map(|line| format!("  {}", clean(line)));
            std::iter::once(format!("left alone, for something else is there, {name} {kind}:"))
                .chain(lines)
                .collect()
        }
        (Plan::Unknown(why), _) => {
            vec![format!("not changed, for it is not known what is there, {name} {kind}: {}", clean(why))]
        }
    }
}

fn as_json(one: &Done, dry_run: bool) -> Value {
    let Done { name, kind, plan, failed } = one;
    let (state, lines, why) = match (plan, failed) {
        (Plan::Nothing, _) => ("there", Vec::new(), None),
        (Plan::Change(step), Some(why)) => ("failed", step.lines.clone(), Some(why.clone())),
        (Plan::Change(step), None) => {
            (if dry_run { "would-change" } else { "changed" }, step.lines.clone(), None)
        }
        (Plan::Left(what), _) => ("left", what.lines().map(str::to_owned).collect(), None),
        (Plan::Unknown(why), _) => ("unknown", Vec::new(), Some(why.clone())),
    };
    json!({ "name": name, "type": kind, "state": state, "lines": lines, "why": why })
}
