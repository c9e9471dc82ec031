//! Tidiness: what a reviewer would otherwise have to look for in every commit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::attacks;
use crate::conformance;
use crate::finding::Finding;
use crate::links;
use crate::source::Source;
use crate::style;

/// The files of the tree, read once.
pub(crate) struct Tree {
    /// Rust source.
    pub(crate) sources: Vec<Source>,
    /// Every file that is text, Rust and Markdown included: path and text.
    pub(crate) texts: Vec<(String, String)>,
    /// Every path, folders included.
    pub(crate) paths: Vec<String>,
}

/// Runs all checks.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, String> {
    let tree = Tree::read(root)?;
    let mut findings = Vec::new();
    for source in &tree.sources {
        findings.extend(style::judge(source));
    }
    for (path, text) in &tree.texts {
        findings.extend(style::judge_text(path, text));
    }
    findings.extend(links::judge(&tree));
    findings.extend(conformance::judge(&tree));
    findings.extend(attacks::judge(&tree));
    findings.sort();
    Ok(findings)
}

impl Tree {
    /// Reads the tree below `root`, without what builds and tools leave there.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self { sources: Vec::new(), texts: Vec::new(), paths: Vec::new() };
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for path in children(&folder)? {
                let Some(name) = relative(root, &path) else { continue };
                if is_left_out(&name) {
                    continue;
                }
                tree.paths.push(name.clone());
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(text) = fs::read_to_string(&path) {
                    tree.add(name, text);
                }
            }
        }
        tree.sort();
        Ok(tree)
    }

    /// Adds one file.
    pub(crate) fn add(&mut self, path: String, text: String) {
        if has_extension(&path, "rs") {
            self.sources.push(Source::new(&path, &text));
        }
        self.texts.push((path, text));
    }

    fn sort(&mut self) {
        self.sources.sort_by(|a, b| a.path.cmp(&b.path));
        self.texts.sort();
        self.paths.sort();
    }

    /// The Markdown files.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &(String, String)> {
        self.texts.iter().filter(|(path, _)| has_extension(path, "md"))
    }

    /// Whether a path from the root exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|known| known.as_str().cmp(path.trim_end_matches('/'))).is_ok()
    }
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| !path.is_symlink()).collect())
}

fn relative(root: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// What git does not keep, the lock file (others' words), and hidden folders but our own.
fn is_left_out(name: &str) -> bool {
    let ours = [".ci", ".cargo", ".config"].iter().any(|folder| name.starts_with(folder));
    let hidden = name.starts_with('.') && !ours;
    hidden || matches!(name, "target" | "Cargo.lock" | "postrider-data") || has_extension(name, "log")
}

fn has_extension(path: &str, wanted: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == wanted)
}
