//! `postrider doctor` and `postrider dns check`: look at all of it, and say what to change.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use disk::{Clock, SystemClock};
use message_auth::DomainName;
use tokio::task::JoinSet;

use crate::{
    cli::{DnsCheck, Doctor},
    client::get,
    config::{self, Config},
    dns_records::{self, Facts},
    doctor::{self, Against, Asking, Finding, Report},
    failure::Failure,
    place,
    terminal::{self, clean},
};

/// Domains that are looked at side by side.
const AT_ONCE: usize = 8;

/// What all checks go by.
struct Scene {
    asking: Asking,
    config: Config,
    facts: Facts,
    now: mail::Timestamp,
}

impl Scene {
    fn of(config: Config, domains: &[DomainName]) -> Result<Self, Failure> {
        let facts = Facts::of(&config, domains).map_err(Failure::new)?;
        let asking = Asking::new(&config.resolver, config.doctor.name_server_port)
            .map_err(|error| Failure::new(&error).hint(error.hint()))?;
        Ok(Self { asking, config, facts, now: SystemClock.now() })
    }

    fn against(&self) -> Against<'_> {
        Against { asking: &self.asking, config: &self.config, facts: &self.facts, now: self.now.as_secs() }
    }
}

/// All of it.
pub(crate) fn run(wanted: &Doctor, json: bool) -> Result<(), Failure> {
    let (scene, domains) = scene(&wanted.file.config, &wanted.domain)?;
    let report = super::run(async {
        let mut report = Report::default();
        doctor::check_machine(scene.against(), scene.now, wanted.outbound.as_deref(), &mut report).await;
        check_domains(&scene, domains, &mut report).await;
        Ok(report)
    })?;
    show(&report, json)
}

/// What the DNS has, alone.
pub(crate) fn check_dns(wanted: &DnsCheck, json: bool) -> Result<(), Failure> {
    let (scene, domains) = scene(&wanted.file.config, &wanted.domain)?;
    let report = super::run(async {
        let mut report = Report::default();
        if wanted.domain.is_empty() {
            doctor::check_network(scene.against(), &mut report).await;
        }
        check_domains(&scene, domains, &mut report).await;
        Ok(report)
    })?;
    show(&report, json)
}

/// The scene, and the domains that are looked at: those that are named, else all.
fn scene(file: &Path, names: &[String]) -> Result<(Arc<Scene>, Vec<DomainName>), Failure> {
    let config = place::load(file)?;
    let named = named(names)?;
    let domains = if named.is_empty() { super::run(async { Ok(all(&config).await) })? } else { named };
    Ok((Arc::new(Scene::of(config, &domains)?), domains))
}

pub(super) fn named(texts: &[String]) -> Result<Vec<DomainName>, Failure> {
    let one = |text: &String| {
        let domain = DomainName::parse(text).filter(|domain| domain.labels().count() > 1);
        domain.ok_or_else(|| Failure::usage(format!("`{}` is not a domain", clean(text))))
    };
    texts.iter().map(one).collect()
}

/// Those of the configuration file, and if the server runs those of its database too.
async fn all(config: &Config) -> Vec<DomainName> {
    let mut domains: BTreeSet<DomainName> = dns_records::domains(config).into_iter().collect();
    let socket = config::control_socket(&config.data_dir);
    // Without a server nobody knows them; `doctor` has told that it does not run.
    if let Ok(known) = get::<admin::api::Domains>(&socket, "/v1/domains").await {
        let host = DomainName::parse(&config.hostname);
        let names = known.domains.iter().filter_map(|domain| DomainName::parse(&domain.name));
        domains.extend(names.filter(|name| Some(name) != host.as_ref()));
    }
    domains.into_iter().filter(|domain| domain.labels().count() > 1).collect()
}

async fn check_domains(scene: &Arc<Scene>, domains: Vec<DomainName>, report: &mut Report) {
    let mut found: Vec<(DomainName, Vec<Finding>)> = Vec::new();
    for some in domains.chunks(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for domain in some.iter().cloned() {
            let scene = Arc::clone(scene);
            tasks.spawn(async move {
                let findings = Box::pin(doctor::check_domain(scene.against(), &domain)).await;
                (domain, findings)
            });
        }
        while let Some(done) = tasks.join_next().await {
            found.extend(done.ok());
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (domain, findings) in found {
        report.add(&format!("domain {domain}"), findings);
    }
}

/// Prints it; what is not healthy is a failure.
fn show(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        terminal::print_json(&report.json())?;
    } else {
        terminal::print(&report.text(terminal::colours_on_stdout()))?;
    }
    match report.is_healthy() {
        true if json => Ok(()),
        true => terminal::print(&report.summary()),
        false => Err(Failure::report(report.summary(), false)),
    }
}
