//! Whether the simulation would notice: bugs from `crates/sim/planted`, each put into a copy of the tree by itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The bugs, as patches whose first line says what is wrong.
const PATCHES: &str = "crates/sim/planted";
/// Where the copy of the tree and what is built of it are kept for the next time.
const PLACE: &str = "target/planted";
/// A bug is to be found within so many seeds.
const SEEDS: &str = "1000";

/// Plants the bugs of these names, or all, and tells after how many seeds each was found. An error names those that were not.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<String, String> {
    let patches = patches(root, names)?;
    let tree = root.join(PLACE).join("tree");
    copy(root, &tree).map_err(|error| format!("the tree cannot be copied: {error}"))?;
    let (mut table, mut missed) = (Vec::new(), Vec::new());
    for (name, patch) in &patches {
        apply(root, patch, &[])?;
        let found = seeds(root, &tree);
        apply(root, patch, &["--reverse"])?;
        let found = found?;
        let row = format!("| {name} | {} | {found} |", bug(patch)?);
        println!("{row}");
        table.push(row);
        if found.parse::<u64>().is_err() {
            missed.push(name.as_str());
        }
    }
    if missed.is_empty() {
        return Ok(format!("planted: all {} found", table.len()));
    }
    Err(format!("planted: not found within {SEEDS} seeds: {}", missed.join(", ")))
}

fn patches(root: &Path, names: &[&str]) -> Result<Vec<(String, PathBuf)>, String> {
    let unreadable = |error| format!("{PATCHES} cannot be read: {error}");
    let mut patches = Vec::new();
    for entry in fs::read_dir(root.join(PATCHES)).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if names.is_empty() || names.contains(&name.as_str()) {
            patches.push((name, path));
        }
    }
    patches.sort();
    let unknown = names.iter().find(|name| patches.iter().all(|(known, _)| known != **name));
    unknown.map_or(Ok(patches), |name| Err(format!("{PATCHES} has no {name}.patch")))
}

/// What git has of the tree, changed or not. What is the same stays as it is, so that little is built again.
fn copy(root: &Path, tree: &Path) -> io::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let (from, to) = (root.join(name), tree.join(name));
        let Ok(text) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(to, text)?;
    }
    Ok(())
}

fn apply(root: &Path, patch: &Path, further: &[&str]) -> Result<(), String> {
    let mut git = Command::new("git");
    git.arg("apply").args(further).arg(format!("--directory={PLACE}/tree")).arg(patch).current_dir(root);
    match git.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{} does not fit the tree any more", patch.display())),
        Err(error) => Err(format!("cannot run git: {error}")),
    }
}

/// How many seeds it took, or a word for that they were too few.
fn seeds(root: &Path, tree: &Path) -> Result<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--profile", "simulate", "--package", "sim", "--"]);
    cargo.args(["--until-found", "--seeds", SEEDS]).env("CARGO_TARGET_DIR", root.join(PLACE).join("build"));
    let output = cargo.current_dir(tree).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run cargo: {error}"))?;
    match output.status.code() {
        Some(0) => Ok("not found".to_owned()),
        Some(1) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ => Err("the tree with the bug cannot be built, or its simulation broke off".to_owned()),
    }
}

/// The first line of a patch.
fn bug(patch: &Path) -> Result<String, String> {
    let text = fs::read_to_string(patch).map_err(|error| format!("{}: {error}", patch.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned())
}
