//! `docs/conformance.md`: one row per clause that the code cites, kept in step with the code.
//!
//! A person writes what the clause asks and how far it is fulfilled. Where it is cited and which tests cite it
//! is read from the code, so that those columns cannot grow old.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::finding::Finding;
use crate::source::{Function, Source};
use crate::tidy::Tree;

const PAGE: &str = "docs/conformance.md";
/// What a row may say. `later` alone may stand without a citation.
const STATES: &[&str] = &["yes", "part", "departs", "later", "term"];
/// What is no part of the program and no test of it: its citations need no rows.
const APART: &[&str] = &["xtask/", "bench/", "fuzz/", "crates/testkit/", "crates/e2e/src/"];
/// Where dialogues lie, each in a file of its own.
const DIALOGUES: &str = "/tests/dialogues/";
const UNKNOWN: &str = "?";
const TABLE_HEAD: &str = "| Clause | What it asks | State | Where | Shown by |\n|---|---|---|---|---|\n";

/// A section of an RFC, ordered as the RFC orders it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clause {
    rfc: u32,
    /// Each part as number and letters, so that §10 comes behind §9 and appendices behind both.
    order: Vec<(u32, String)>,
    section: String,
}

impl Clause {
    fn new(rfc: u32, section: &str) -> Self {
        let part = |text: &str| (text.parse().unwrap_or(u32::MAX), text.to_owned());
        Self { rfc, order: section.split('.').map(part).collect(), section: section.to_owned() }
    }
}

/// Where a clause is cited.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    files: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// What people wrote in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    asks: String,
    state: String,
}

/// The page, taken apart.
#[derive(Debug, Default)]
struct Page {
    preamble: String,
    /// Per RFC the heading and the words below it.
    sections: BTreeMap<u32, String>,
    rows: BTreeMap<Clause, Row>,
}

/// Judges the page against the code.
pub(crate) fn judge(tree: &Tree) -> Vec<Finding> {
    let Some((_, text)) = tree.texts.iter().find(|(path, _)| path == PAGE) else {
        return vec![Finding::whole(PAGE, "is missing")];
    };
    let cited = citations(tree);
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.path.starts_with("xtask/")) {
        findings.extend(unmarked(source));
    }
    let page = read(text);
    for clause in cited.keys().filter(|clause| !page.rows.contains_key(clause)) {
        findings.push(Finding::whole(PAGE, format!("no row for {}", name(clause))));
    }
    for (clause, row) in &page.rows {
        findings.extend(judge_row(clause, row, cited.contains_key(clause)));
    }
    if findings.is_empty() && render(&page, &cited) != *text {
        let text = "files or tests are out of date: run `cargo xtask tidy --fix-conformance`";
        findings.push(Finding::whole(PAGE, text));
    }
    findings
}

fn judge_row(clause: &Clause, row: &Row, cited: bool) -> Option<Finding> {
    let objection = if !STATES.contains(&row.state.as_str()) {
        format!("the state must be one of {}", STATES.join(", "))
    } else if row.asks.is_empty() {
        "does not say what the clause asks".to_owned()
    } else if !cited && row.state != "later" {
        "nothing cites it any more".to_owned()
    } else {
        return None;
    };
    Some(Finding::whole(PAGE, format!("{}: {objection}", name(clause))))
}

/// Brings the page up to date: rows for new clauses (to be judged by a person), files and tests.
pub(crate) fn fix(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let text =
        tree.texts.iter().find(|(path, _)| path == PAGE).map(|(_, text)| text.as_str()).unwrap_or_default();
    let cited = citations(&tree);
    let mut page = read(text);
    page.rows.retain(|clause, row| cited.contains_key(clause) || row.state == "later");
    for clause in cited.keys() {
        let new = || Row { asks: String::new(), state: UNKNOWN.to_owned() };
        page.rows.entry(clause.clone()).or_insert_with(new);
    }
    fs::write(root.join(PAGE), render(&page, &cited)).map_err(|error| format!("cannot write {PAGE}: {error}"))
}

fn name(clause: &Clause) -> String {
    format!("RFC {} §{}", clause.rfc, clause.section)
}

fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut section = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("## RFC ") {
            section = rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok());
        }
        if let Some((clause, row)) = read_row(line) {
            page.rows.insert(clause, row);
        } else if !line.starts_with('|') {
            let words = match section {
                Some(rfc) => page.sections.entry(rfc).or_default(),
                None => &mut page.preamble,
            };
            words.push_str(line);
            words.push('\n');
        }
    }
    page
}

fn read_row(line: &str) -> Option<(Clause, Row)> {
    let mut cells = line.strip_prefix("| RFC ")?.split(" | ").map(str::trim);
    let (rfc, section) = cells.next()?.split_once(" §")?;
    let clause = Clause::new(rfc.parse().ok()?, section);
    let (asks, state) = (cells.next()?.to_owned(), cells.next()?.to_owned());
    Some((clause, Row { asks, state }))
}

fn render(page: &Page, cited: &BTreeMap<Clause, Places>) -> String {
    let mut out = format!("{}\n", page.preamble.trim_end());
    let mut current = None;
    for (clause, row) in &page.rows {
        if current != Some(clause.rfc) {
            current = Some(clause.rfc);
            let words = page.sections.get(&clause.rfc).map(|words| words.trim_end());
            let heading = format!("## RFC {}", clause.rfc);
            let _ = write!(out, "\n{}\n\n{TABLE_HEAD}", words.unwrap_or(&heading));
        }
        let none = Places::default();
        let places = cited.get(clause).unwrap_or(&none);
        let (files, tests) = (listed(&places.files), listed(&places.tests));
        let _ = writeln!(out, "| {} | {} | {} | {files} | {tests} |", name(clause), row.asks, row.state);
    }
    out
}

fn listed(names: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// All clauses that are cited, in production code, in tests and in dialogues.
fn citations(tree: &Tree) -> BTreeMap<Clause, Places> {
    let mut all: BTreeMap<Clause, Places> = BTreeMap::new();
    for (path, text) in &tree.texts {
        let Some(dialogue) = path.strip_suffix(".txt").filter(|path| path.contains(DIALOGUES)) else {
            continue;
        };
        let name = dialogue.rsplit('/').next().unwrap_or(dialogue);
        for (_, clause) in clauses(text) {
            all.entry(clause).or_default().tests.insert(name.to_owned());
        }
    }
    let sources = &tree.sources;
    for source in sources.iter().filter(|source| !APART.iter().any(|part| source.path.starts_with(part))) {
        let functions = source.functions();
        for (at, clause) in clauses(&source.text) {
            let places = all.entry(clause).or_default();
            if source.is_test(at) {
                places.tests.extend(test_at(source, &functions, at));
            } else {
                places.files.insert(source.path.clone());
            }
        }
    }
    all
}

/// The test that an octet is in, or, for the words above a test, the one below. `None` for what only helps tests.
fn test_at(source: &Source, functions: &[Function], at: usize) -> Option<String> {
    let inside = functions.iter().rev().find(|function| function.range.contains(&at));
    let below = || functions.iter().find(|function| function.range.start > at);
    let function = inside.or_else(below)?;
    let before = source.code.get(..function.range.start)?;
    let attributes = before.rsplit(['}', ';', '{']).next()?;
    ["test]", "test("].iter().any(|mark| attributes.contains(mark)).then(|| function.name.clone())
}

/// `RFC 5321 §4.5.3, §4.5.5`: every section behind one RFC's number, with its place.
fn clauses(text: &str) -> Vec<(usize, Clause)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("RFC ") {
        let rest = text.get(at + 4..).unwrap_or_default();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, mut rest) = rest.split_at(digits);
        let Ok(rfc) = number.parse() else { continue };
        while let Some((section, after)) = next_section(rest) {
            found.push((at, Clause::new(rfc, section)));
            rest = after;
        }
    }
    found
}

/// A section behind a space, a comma or an `and`; line ends and comment marks in between do not count.
fn next_section(text: &str) -> Option<(&str, &str)> {
    let mut rest = text.trim_start_matches([' ', ',']);
    rest = rest.strip_prefix("and ").unwrap_or(rest);
    let body = rest.strip_prefix('§')?;
    let length = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(body.len());
    let (section, after) = body.split_at(length);
    let section = section.trim_end_matches('.');
    (!section.is_empty()).then_some((section, after))
}

/// `RFC 5321 4.2.5` is a citation that the page would miss.
fn unmarked(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in source.comments.match_indices("RFC ") {
        let rest = source.text.get(at + 4..).unwrap_or_default();
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(section) = behind.strip_prefix(' ').filter(|_| behind.len() < rest.len()) else { continue };
        let word = section.split([' ', ',', ')', ':', '\n']).next().unwrap_or_default();
        let dotted = word.contains('.') && word.trim_end_matches('.').contains('.');
        if dotted && word.starts_with(|c: char| c.is_ascii_digit()) {
            let text = format!("write the citation with its sign: §{word}");
            findings.push(Finding::at(&source.path, source.line_of(at), text));
        }
    }
    findings
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
mod tests;
