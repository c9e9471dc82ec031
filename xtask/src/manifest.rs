//! Manifests: what every crate takes over from the workspace, so that it is decided in one place.

use std::fs;
use std::path::Path;

use crate::finding::Finding;

/// What the `[package]` section of every crate must say.
const INHERITED: &[&str] = &[
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
];

/// Checks the manifest of every member.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for path in members(root)? {
        let text =
            fs::read_to_string(root.join(&path)).map_err(|error| format!("cannot read {path}: {error}"))?;
        findings.extend(judge(&path, &text));
    }
    Ok(findings)
}

fn members(root: &Path) -> Result<Vec<String>, String> {
    let crates = root.join("crates");
    let entries =
        fs::read_dir(&crates).map_err(|error| format!("cannot read {}: {error}", crates.display()))?;
    let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let mut all: Vec<String> = names.map(|name| format!("crates/{name}/Cargo.toml")).collect();
    all.extend(["xtask/Cargo.toml".to_owned(), "bench/Cargo.toml".to_owned()]);
    all.retain(|path| root.join(path).is_file());
    all.sort();
    Ok(all)
}

fn judge(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in INHERITED {
        if !text.lines().any(|found| found.trim() == *line) {
            findings.push(Finding::whole(path, format!("lacks `{line}`")));
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::whole(path, "lacks `[lints]` with `workspace = true`"));
    }
    findings.extend(own_versions(path, text));
    findings
}

/// A dependency's version and features are chosen once, in the workspace.
fn own_versions(path: &str, text: &str) -> Vec<Finding> {
    let mut section = "";
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains('=') && !line.contains("workspace = true")
        {
            findings.push(Finding::at(path, number, "a dependency not taken from the workspace"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
        [dependencies]\nmail.workspace = true\ntokio = { workspace = true, features = [\"fs\"] }\n\n\
        [lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_that_inherits_is_accepted() {
        assert_eq!(judge("Cargo.toml", GOOD), []);
    }

    #[test]
    fn a_manifest_with_its_own_edition_is_refused() {
        let own = GOOD.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(judge("Cargo.toml", &own).len(), 1);
    }

    #[test]
    fn a_manifest_without_the_lints_is_refused() {
        assert_eq!(judge("Cargo.toml", &GOOD.replace("[lints]", "[features]")).len(), 1);
    }

    #[test]
    fn a_dependency_with_its_own_version_is_refused() {
        let own = GOOD.replace("mail.workspace = true", "mail = \"1\"");
        assert_eq!(
            judge("Cargo.toml", &own),
            [Finding::at("Cargo.toml", 10, "a dependency not taken from the workspace")]
        );
    }
}
