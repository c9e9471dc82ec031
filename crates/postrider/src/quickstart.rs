//! `postrider quickstart`: from an address to a server that only waits for its DNS records.
//!
//! *Takes* an address and what cannot be guessed. *Hands on* a configuration file, keys, an account, and the records to publish.
//! *Never* writes over a file, and writes the configuration last: as long as that is not there, the same command goes on where it was cut off.

mod account;
mod config_file;
mod files;
mod plan;

use serde_json::json;

use crate::{
    cli::Quickstart,
    commands::dns::{self, Zone},
    config::Config,
    dns_records::{self, Facts},
    failure::Failure,
    place, terminal,
};
use account::Made;
use plan::Plan;

/// Does it, and says what is left to do: the records on standard output, all else on standard error.
pub(crate) fn run(wanted: &Quickstart, json: bool) -> Result<(), Failure> {
    let plan = plan::plan(wanted)?;
    if plan.config.exists() {
        return again(&plan, json);
    }
    let text = config_file::text(&plan);
    let config = config_file::checked(&plan, &text)?;
    agree(&plan, wanted.yes)?;
    let password = account::password(&plan, wanted)?;
    let mut written = Vec::new();
    files::directories(&plan)?;
    let claim = account::claim(&plan)?;
    written.extend(files::dkim_keys(&plan, &config)?);
    if plan.dnssec {
        written.extend(files::tls_key(&plan)?);
    }
    let made = account::make(&plan, &config, password)?;
    drop(claim);
    files::hand_over(&plan)?;
    files::config(&plan, &text)?;
    written.push(plan.config.clone());
    let config = place::load(&plan.config)?;
    if json {
        return tell_json(&plan, &config, &written, &made);
    }
    for path in &written {
        terminal::say(&format!("written: {}", path.display()));
    }
    tell_account(&plan, &made);
    tell(&plan, &config)
}

/// There is a configuration: it stays as it is, and so does all else.
fn again(plan: &Plan, json: bool) -> Result<(), Failure> {
    let (file, domain) = (plan.config.display(), &plan.domain);
    let config = place::load(&plan.config)?;
    if !dns_records::domains(&config).contains(domain) {
        let failure = Failure::new(format!("{file} is there already, and {domain} is not in it"));
        return Err(failure.hint(format!(
            "nothing was changed; add the domain to the server that runs: `postrider domain add {domain}`, or name another file by --config"
        )));
    }
    if json {
        return tell_json(plan, &config, &[], &Made::There);
    }
    terminal::say(&format!("{file} is there already: nothing was written"));
    tell(plan, &config)
}

/// Nobody agrees to terms by leaving something out.
fn agree(plan: &Plan, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let question = match &plan.acme_directory {
        None => "Certificates come from Let's Encrypt. Do you agree to its terms (https://letsencrypt.org/repository/)?".to_owned(),
        Some(directory) => format!("Certificates come from {directory}. Do you agree to the terms of that authority?"),
    };
    if terminal::confirm(&question, "--yes agrees")? {
        return Ok(());
    }
    let failure = Failure::usage(
        "without agreement to its terms an authority gives no certificate; nothing was written",
    );
    Err(failure.hint("certificates of your own are named in the configuration file: docs/reference/configuration.md, [[tls.certificate]]"))
}

fn tell_account(plan: &Plan, made: &Made) {
    let login = &plan.login;
    let text = match made {
        Made::There => format!("the account {login} was there already; its password stays"),
        Made::Given => format!("account {login} made; it gets the mail of postmaster and abuse too"),
        Made::Random(password) => format!(
            "account {login} made; it gets the mail of postmaster and abuse too. Its password, shown this once:\n\n    {password}\n"
        ),
    };
    terminal::say(&text);
}

fn records(plan: &Plan, config: &Config) -> Result<(Facts, Vec<Zone>), Failure> {
    let domains = std::slice::from_ref(&plan.domain);
    let facts = Facts::of(config, domains).map_err(Failure::new)?;
    let zones = dns::zones(config, &facts, domains);
    Ok((facts, zones))
}

fn tell(plan: &Plan, config: &Config) -> Result<(), Failure> {
    let (facts, zones) = records(plan, config)?;
    for note in &plan.notes {
        terminal::say(&format!("note: {note}"));
    }
    let [publish, start, look] = next(plan);
    terminal::say(&format!("\n1. {publish}\n"));
    terminal::print(&dns::text(config, &facts, &zones, false))?;
    terminal::say(&format!("2. {start}\n3. {look}"));
    Ok(())
}

/// What is left to do.
fn next(plan: &Plan) -> [String; 3] {
    let Plan { domain, host, .. } = plan;
    let here = plan.option();
    let publish = format!(
        "Publish these records in the DNS of {domain}: they are as a zone file has them (`postrider dns records {domain} --relative{here}` writes them as web pages \
         for it want them). And have whoever gave you the addresses set their reverse names to {host}."
    );
    let start = match (plan.has_unit, &plan.owner) {
        (true, _) => "Start the server: systemctl enable --now postrider".to_owned(),
        (false, Some(_)) => format!(
            "Start the server: postrider serve{here} (dist/postrider.service has it started by systemd)"
        ),
        (false, None) => format!(
            "Start the server: postrider serve{here}. Ports below 1024 need a right that you may not have: dist/postrider.service gives it, or \
             `setcap cap_net_bind_service=+ep` on the program does."
        ),
    };
    [publish, start, format!("See whether all is well: postrider doctor{here}")]
}

fn tell_json(
    plan: &Plan,
    config: &Config,
    written: &[std::path::PathBuf],
    made: &Made,
) -> Result<(), Failure> {
    let (_, zones) = records(plan, config)?;
    let records: Vec<_> = zones.iter().flat_map(|zone| &zone.records).map(dns::as_json).collect();
    let password = match made {
        Made::Random(password) => Some(password),
        Made::There | Made::Given => None,
    };
    terminal::print_json(&json!({
        "config": plan.config,
        "data_dir": config.data_dir,
        "hostname": plan.host,
        "domain": plan.domain.as_str(),
        "account": plan.login.to_string(),
        "password": password,
        "written": written,
        "records": records,
        "notes": plan.notes,
        "next": next(plan),
    }))
}

#[cfg(test)]
mod tests;
