//! `docs/design/attacks.md`: each attack has a test, and each test that it names is there.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tidy::Tree;

const PAGE: &str = "docs/design/attacks.md";
/// Where dialogues lie, each in a file of its own.
const DIALOGUES: &str = "/tests/dialogues/";

/// Judges the page against the tests.
pub(crate) fn judge(tree: &Tree) -> Vec<Finding> {
    let Some((_, text)) = tree.texts.iter().find(|(path, _)| path == PAGE) else {
        return vec![Finding::whole(PAGE, "is missing")];
    };
    let known = tests(tree);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(named) = row(line) else { continue };
        if named.is_empty() {
            findings.push(Finding::at(PAGE, number, "an attack without a test"));
        }
        let gone = named.into_iter().filter(|name| !known.contains(name));
        findings.extend(gone.map(|name| Finding::at(PAGE, number, format!("there is no test `{name}`"))));
    }
    findings
}

/// The tests that a row names in its last cell; nothing if the line is no row of an attack.
fn row(line: &str) -> Option<Vec<&str>> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let number = cells.next()?;
    number.parse::<u32>().ok()?;
    Some(cells.last()?.split('`').skip(1).step_by(2).collect())
}

/// The names of all functions of tests, and of all dialogues.
fn tests(tree: &Tree) -> BTreeSet<&str> {
    let dialogues = tree.paths.iter().filter_map(|path| {
        let (_, name) = path.split_once(DIALOGUES)?;
        name.strip_suffix(".txt")
    });
    dialogues.chain(tree.sources.iter().flat_map(test_functions)).collect()
}

fn test_functions(source: &crate::source::Source) -> impl Iterator<Item = &str> {
    let names = source.functions().into_iter().filter(|function| source.is_test(function.range.start));
    names.filter_map(|function| {
        // The name as it stands in the text, which lives as long as the tree.
        let at = source.text.get(function.range.clone())?.find(&function.name)? + function.range.start;
        source.text.get(at..at + function.name.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let mut tree = Tree { sources: Vec::new(), texts: Vec::new(), paths: Vec::new() };
        tree.add(PAGE.to_owned(), page.to_owned());
        tree.add("crates/a/tests/a.rs".to_owned(), "//! Tests.\n#[test]\nfn it_holds() {}\n".to_owned());
        tree.add("crates/a/src/a.rs".to_owned(), "//! No test.\nfn no_test() {}\n".to_owned());
        tree.paths = vec!["crates/a/tests/dialogues/talk.txt".to_owned()];
        judge(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_that_are_there_are_right() {
        assert_eq!(
            found("| no. | attack | tests |\n|---|---|---|\n| 1 | x | `it_holds`, `talk` |\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_test_that_is_gone_and_an_attack_without_one_are_found() {
        let findings = found("| 1 | x | `gone`, `no_test` |\n| 2 | `it_holds` |  |\n");
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("`gone`") && findings[1].contains("`no_test`"), "{findings:?}");
        assert!(findings[2].contains("without a test"), "{findings:?}");
    }
}
