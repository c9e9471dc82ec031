//! `postrider config`: check and show.

use std::path::Path;

use admin::api::Reloaded;
use serde_json::{Value, json};

use crate::{
    cli::{ConfigCommand, Place},
    client::post,
    config::{self, Config, LoadError, Problem, Report, Severity, Tls},
    failure::Failure,
    place, terminal,
};

pub(crate) fn run(command: &ConfigCommand, json: bool) -> Result<(), Failure> {
    match command {
        ConfigCommand::Reload(reload) => self::reload(&reload.place, json),
        ConfigCommand::Check(file) if json => check_json(&file.config),
        ConfigCommand::Check(file) => check(&file.config),
        ConfigCommand::Show(file) => {
            let shown = config::effective(&place::load(&file.config)?);
            if json { terminal::print_json(&shown.json()) } else { terminal::print(shown.toml().trim_end()) }
        }
    }
}

/// Has the running server take its file up. The server reads it, for it may see it otherwise than we do.
fn reload(place: &Place, json: bool) -> Result<(), Failure> {
    let socket = config::control_socket(&place::data_dir(place)?);
    let answer = super::run(async { Ok(post::<Reloaded>(&socket, "/v1/reload", &json!({})).await) })?;
    let Reloaded { changed, needs_restart } = answer?;
    if json {
        return terminal::print_json(&Reloaded { changed, needs_restart });
    }
    let names = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    terminal::print(&format!("reloaded; changed: {}", names(&changed)))?;
    if needs_restart.is_empty() {
        return Ok(());
    }
    terminal::print(&format!("needs a restart: {}", names(&needs_restart)))
}

fn check(file: &Path) -> Result<(), Failure> {
    let config = place::check(file)?;
    if !config.warnings.problems.is_empty() {
        terminal::print(&format!("{}\n", config.warnings.render(terminal::colours_on_stdout())))?;
    }
    terminal::print(&summary(file, &config))
}

/// What would happen, in few lines.
fn summary(file: &Path, config: &Config) -> String {
    let mut lines = vec![format!("{}: no mistakes", file.display())];
    for listener in &config.listeners {
        let addresses: Vec<String> = listener.bind.iter().map(ToString::to_string).collect();
        let tls = match listener.tls {
            Tls::None => "",
            Tls::OnDemand => ", with STARTTLS",
            Tls::Implicit => ", under TLS from the first octet",
        };
        let (service, addresses) = (listener.service.name(), addresses.join(", "));
        lines.push(format!("  {service:<11} listens on {addresses}{tls}"));
    }
    let directory = &config.directory;
    let domains: Vec<&str> = directory.domains.iter().map(|domain| domain.name.as_str()).collect();
    let count = |number: usize, thing| terminal::count(number as u64, thing);
    lines.push(format!("  hostname    {}", config.hostname));
    lines.push(format!("  state in    {}", config.data_dir.display()));
    lines.push(format!("  mail for    {}", domains.join(", ")));
    let aliases = directory.aliases.len();
    let aliases = if aliases == 1 { "1 alias".to_owned() } else { format!("{aliases} aliases") };
    let mut mailboxes = format!("{}, {aliases}", count(directory.accounts.len(), "account"));
    if !directory.lists.is_empty() {
        mailboxes.extend([", ", &count(directory.lists.len(), "list")]);
    }
    lines.push(format!("  mailboxes   {mailboxes}"));
    let trusted: Vec<String> = config.receive.trusted_networks.iter().map(ToString::to_string).collect();
    let relay = if trusted.is_empty() { "nobody".to_owned() } else { trusted.join(", ") };
    lines.push(format!("  may relay   {relay}"));
    lines.join("\n")
}

/// The same for programs: on standard output, with the exit code that the text form has.
fn check_json(file: &Path) -> Result<(), Failure> {
    let report = match config::check(file) {
        Ok(Config { warnings, .. }) => {
            return terminal::print_json(&json!({ "file": file, "problems": problems(&warnings) }));
        }
        Err(LoadError::Wrong(report)) => report,
        Err(LoadError::Read { .. }) => return place::check(file).map(drop),
    };
    terminal::print_json(&json!({ "file": file, "problems": problems(&report) }))?;
    let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let count = terminal::count(errors as u64, "error");
    Err(Failure::report(format!("{}: {count}", file.display()), true))
}

/// Each with its place; `warning` marks what hinders nothing.
fn problems(report: &Report) -> Vec<Value> {
    let one = |problem: &Problem| {
        let (line, column) = report.position(problem);
        let Problem { message, hint, severity, .. } = problem;
        let severity = if *severity == Severity::Error { "error" } else { "warning" };
        json!({ "severity": severity, "line": line, "column": column, "message": message, "hint": hint })
    };
    report.problems.iter().map(one).collect()
}
