//! Documents: links that lead nowhere, and mentions of files that are gone.

use crate::finding::Finding;
use crate::tidy::Tree;

/// The folders whose files a document may name in backquotes from the root.
const FOLDERS: &[&str] =
    &["crates/", "docs/", "bench/", "fuzz/", "xtask/", "scripts/", "web/", ".ci/", ".cargo/"];

/// Judges all Markdown files.
pub(crate) fn judge(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.documents() {
        for (number, line) in prose(text) {
            for target in targets(line) {
                let objection = judge_link(tree, path, text, target);
                findings.extend(objection.map(|objection| Finding::at(path, number, objection)));
            }
            for name in mentions(line).filter(|name| !tree.has(name)) {
                findings.push(Finding::at(path, number, format!("`{name}` does not exist")));
            }
        }
    }
    findings
}

/// The lines outside of fenced blocks, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((number, line));
        }
    }
    lines
}

/// What `](…)` and `[name]: …` point at.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let reference = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline.chain(reference).map(str::trim).collect()
}

fn judge_link(tree: &Tree, from: &str, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    if file.is_empty() {
        return anchor.and_then(|anchor| judge_anchor(text, target, anchor));
    }
    let Some(path) = resolve(from, file) else {
        return Some(format!("the link `{target}` leaves the tree"));
    };
    if !tree.has(&path) {
        return Some(format!("the link `{target}` leads nowhere"));
    }
    let (_, other) = tree.documents().find(|(known, _)| *known == path)?;
    anchor.and_then(|anchor| judge_anchor(other, target, anchor))
}

fn judge_anchor(text: &str, target: &str, anchor: &str) -> Option<String> {
    let lines = prose(text);
    let headings =
        lines.iter().filter_map(|(_, line)| line.strip_prefix('#')).map(|rest| rest.trim_start_matches('#'));
    let known = headings.map(slug).any(|slug| slug == anchor);
    (!known).then(|| format!("the link `{target}` names no heading"))
}

/// The anchor that forges make of a heading: lower case, spaces to hyphens, punctuation dropped.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// A link's path from the root; `None` if it leaves the tree.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Paths from the root in backquotes. Patterns and placeholders are no paths.
fn mentions(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let path = quoted.filter_map(|text| text.split([' ', ':', '#']).next());
    path.filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .filter(|text| !text.contains(['*', '<', '{', '…']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut tree = Tree { sources: Vec::new(), texts: Vec::new(), paths: Vec::new() };
        tree.paths = ["README.md", "crates", "crates/mail", "docs", "docs/a.md", "docs/b.md"]
            .map(str::to_owned)
            .into();
        tree.add("docs/a.md".to_owned(), text.to_owned());
        tree.add("docs/b.md".to_owned(), "# Top\n## What it never does, ever\n".to_owned());
        judge(&tree).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_accepted() {
        let text = "# A\n[b](b.md) [up](../README.md) [x](b.md#what-it-never-does-ever) [a](#a) [w](https://example.org/)\n";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(found("[c](c.md)"), ["the link `c.md` leads nowhere"]);
        assert_eq!(found("[c]: ../docs/c.md"), ["the link `../docs/c.md` leads nowhere"]);
        assert_eq!(found("[c](../../b.md)"), ["the link `../../b.md` leaves the tree"]);
        assert_eq!(found("[c](b.md#gone)"), ["the link `b.md#gone` names no heading"]);
        assert_eq!(found("# A\n[c](#b)"), ["the link `#b` names no heading"]);
    }

    #[test]
    fn mentions_of_files_are_checked() {
        assert_eq!(found("see `crates/mail` and `crates/<name>/src`, or `src/lib.rs`"), [""; 0]);
        assert_eq!(found("see `crates/gone/src/lib.rs`"), ["`crates/gone/src/lib.rs` does not exist"]);
    }

    #[test]
    fn fenced_blocks_are_no_prose() {
        assert_eq!(found("```\n[c](c.md) `docs/gone.md`\n```\n"), [""; 0]);
    }
}
