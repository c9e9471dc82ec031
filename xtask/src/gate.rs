//! The gate: layers, licences and forbidden crates, read from `cargo metadata` without the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::finding::Finding;
use crate::layers::{FORBIDDEN, ROOT, SERVICES, TESTS_ONLY, layer_of, reserved};
use crate::licence::Expression;

/// Where code may come from, beside this workspace: the public index.
const INDEX: &str = "registry+https://github.com/rust-lang/";

/// A package of the graph that is built on this platform.
#[derive(Debug, Default)]
pub(crate) struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
    ours: bool,
    depends: Vec<Dependency>,
}

/// An edge as the manifest writes it.
#[derive(Debug)]
struct Dependency {
    name: String,
    dev: bool,
    ours: bool,
}

/// Runs all checks of the gate.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, String> {
    let (metadata, built) = (metadata(root)?, built(root)?);
    let packages = packages(&metadata, &built)?;
    let mut findings = judge(&packages);
    findings.extend(crate::manifest::check(root)?);
    Ok(findings)
}

fn metadata(root: &Path) -> Result<Value, String> {
    let output =
        cargo(root, &["metadata", "--all-features", "--format-version", "1", "--filter-platform", &host()?])?;
    serde_json::from_str(&output).map_err(|error| format!("cargo metadata is not JSON: {error}"))
}

/// Name and version of all that is built here. `cargo metadata` also lists optional crates that only a weak
/// feature (`ring?/std`) mentions and that nobody builds; `cargo tree` does not.
fn built(root: &Path) -> Result<BTreeSet<String>, String> {
    let arguments = [
        "tree",
        "--workspace",
        "--all-features",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = cargo(root, &arguments)?;
    let words = tree.lines().filter_map(|line| line.split_once(" v"));
    Ok(words.map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap_or_default())).collect())
}

/// Runs cargo without the network and with the lock file as it is.
fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).args(["--offline", "--locked"]).current_dir(root);
    let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let what = arguments.first().unwrap_or(&"");
        return Err(format!("cargo {what} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("cargo does not speak UTF-8: {error}"))
}

/// The platform that this build is for; others' crates are neither downloaded nor judged.
fn host() -> Result<String, String> {
    let output =
        Command::new("rustc").arg("-vV").output().map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// The packages of `metadata` that are built.
pub(crate) fn packages(metadata: &Value, built: &BTreeSet<String>) -> Result<Vec<Package>, String> {
    let all = metadata.get("packages").and_then(Value::as_array).ok_or("no packages")?;
    let members = metadata.get("workspace_members").and_then(Value::as_array).ok_or("no members")?;
    let members: BTreeSet<&str> = members.iter().filter_map(Value::as_str).collect();
    let packages = all.iter().map(|package| read_package(package, &members));
    let packages: Vec<Package> = packages.filter(|package| built.contains(&full_name(package))).collect();
    // A listing of another shape than expected would otherwise pass as a tree without faults.
    let ours = packages.iter().filter(|package| package.ours).count();
    if ours == members.len() {
        Ok(packages)
    } else {
        Err(format!("{ours} of {} members found", members.len()))
    }
}

fn read_package(package: &Value, members: &BTreeSet<&str>) -> Package {
    let depends =
        package.get("dependencies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Package {
        name: text(package, "name").unwrap_or_default().to_owned(),
        version: text(package, "version").unwrap_or_default().to_owned(),
        licence: text(package, "license").map(str::to_owned),
        source: text(package, "source").map(str::to_owned),
        ours: text(package, "id").is_some_and(|id| members.contains(id)),
        depends: depends.iter().map(read_dependency).collect(),
    }
}

fn read_dependency(dependency: &Value) -> Dependency {
    Dependency {
        name: text(dependency, "name").unwrap_or_default().to_owned(),
        dev: text(dependency, "kind") == Some("dev"),
        ours: dependency.get("path").is_some_and(Value::is_string),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Judges a graph: pure, so that tests can hand in bad ones.
pub(crate) fn judge(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        findings.extend(judge_licence(package));
        findings.extend(judge_source(package));
        if package.ours {
            findings.extend(
                package.depends.iter().filter_map(|dependency| judge_edge(&package.name, dependency)),
            );
        }
    }
    for (name, reason) in FORBIDDEN {
        let present = packages.iter().filter(|package| package.name == *name);
        findings.extend(
            present.map(|package| Finding::whole(full_name(package), format!("forbidden: {reason}"))),
        );
    }
    findings.extend(twice(packages));
    findings
}

fn full_name(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

fn judge_licence(package: &Package) -> Option<Finding> {
    let Some(licence) = &package.licence else {
        return Some(Finding::whole(full_name(package), "names no licence"));
    };
    match Expression::parse(licence) {
        Ok(expression) if expression.is_allowed() => None,
        Ok(_) => Some(Finding::whole(full_name(package), format!("licence `{licence}` is not on the list"))),
        Err(error) => Some(Finding::whole(full_name(package), format!("licence: {error}"))),
    }
}

fn judge_source(package: &Package) -> Option<Finding> {
    let known = match &package.source {
        Some(source) => source.starts_with(INDEX),
        None => package.ours,
    };
    (!known)
        .then(|| Finding::whole(full_name(package), "comes from neither the workspace nor the public index"))
}

fn judge_edge(from: &str, to: &Dependency) -> Option<Finding> {
    let objection = match (to.ours, to.dev) {
        (true, false) => judge_layer(from, &to.name),
        (true, true) => judge_test_layer(from, &to.name),
        (false, false) => judge_outside(from, &to.name),
        (false, true) => None,
    };
    objection.map(|text| Finding::whole(from, format!("must not depend on `{}`: {text}", to.name)))
}

fn judge_layer(from: &str, to: &str) -> Option<String> {
    if from == ROOT {
        return TESTS_ONLY.contains(&to).then(|| "it is for tests only".to_owned());
    }
    let Some(layer) = layer_of(from) else {
        return Some(format!("`{from}` has no row in xtask/src/layers.rs"));
    };
    (!layer.ours.contains(&to)).then(|| format!("its layer may use {}", listed(layer.ours)))
}

/// Tests may reach further, but never up: a service, the program and what is above it stay out of reach.
fn judge_test_layer(from: &str, to: &str) -> Option<String> {
    let above = to == ROOT || SERVICES.contains(&to) || matches!(to, "sim" | "e2e" | "bench" | "xtask");
    let on_top = from == ROOT || matches!(from, "e2e" | "bench");
    (above && !on_top).then(|| "not even for tests: it is above".to_owned())
}

fn judge_outside(from: &str, to: &str) -> Option<String> {
    if let Some(only) = layer_of(from).and_then(|layer| layer.others)
        && !only.contains(&to)
    {
        return Some(format!("a sans-IO crate; from outside it may use {}", listed(only)));
    }
    let kept = reserved(to)?;
    (!kept.users.contains(&from)).then(|| format!("kept for {}: {}", listed(kept.users), kept.reason))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// A TLS provider or an SQL engine in two versions is two of them.
fn twice(packages: &[Package]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let single = ["aws-lc-rs", "rustls", "libsqlite3-sys", "tokio", "hyper"];
    let found = versions.iter().filter(|(name, versions)| single.contains(*name) && versions.len() > 1);
    found
        .map(|(name, versions)| Finding::whole(*name, format!("is built {} times", versions.len())))
        .collect()
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
