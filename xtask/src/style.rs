//! Style: one sentence on top, sizes, and words that must not stay.

use crate::finding::Finding;
use crate::layers::RESERVED;
use crate::source::Source;

/// The most lines of code in a file, tests not counted. Most have 100 to 350.
const FILE_LINES_MAX: usize = 700;
/// The most lines of code in a function, tests not counted. Most have 5 to 30.
const FUNCTION_LINES_MAX: usize = 80;

/// The only place that may wait by the clock: the helper that waits for an event with a deadline.
const MAY_SLEEP: &str = "crates/e2e/src/wait.rs";

/// Words of people who meant to come back. Split, so that this file passes.
const LEFT_BEHIND: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Inputs of the fuzzer, most of which nobody wrote.
const MADE_UP: &[&str] = &["fuzz/corpus/", "fuzz/finds/"];

/// Judges one file of Rust.
pub(crate) fn judge(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(opening(source));
    findings.extend(file_size(source));
    findings.extend(function_sizes(source));
    findings.extend(left_behind(source));
    findings.extend(banned(source));
    findings.extend(sleeps(source));
    findings.extend(statics(source));
    findings.extend(limited_modules(source));
    findings
}

/// Judges any text.
pub(crate) fn judge_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if MADE_UP.iter().any(|folder| path.starts_with(folder)) {
        return findings;
    }
    for (number, line) in (1..).zip(text.lines()) {
        let found = MACHINE_PATHS.iter().filter(|part| begins_a_path(line, part));
        findings.extend(
            found.map(|part| Finding::at(path, number, format!("`{part}` is a path of one machine"))),
        );
        if is_of_a_conflict(line) {
            findings.push(Finding::at(path, number, "a conflict of a merge was left here"));
        }
    }
    findings
}

/// Whether a line is one that git writes around the two sides of a conflict. The one between them may be the rule below a title.
fn is_of_a_conflict(line: &str) -> bool {
    ['<', '>']
        .iter()
        .any(|sign| line.strip_prefix(&sign.to_string().repeat(7)).is_some_and(|rest| rest.starts_with(' ')))
}

/// The same folder name inside a longer path, or behind a host name, is no such path.
fn begins_a_path(line: &str, part: &str) -> bool {
    line.match_indices(part).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '*' | '}'))
    })
}

fn opening(source: &Source) -> Option<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    let sentence = first.strip_prefix("//! ").is_some_and(|text| text.len() > 10);
    (!sentence)
        .then(|| Finding::at(&source.path, 1, "must open with a `//!` sentence that says what it is for"))
}

fn file_size(source: &Source) -> Option<Finding> {
    let lines = source.code_lines(0..source.text.len());
    let text = || format!("{lines} lines of code; at most {FILE_LINES_MAX}");
    (lines > FILE_LINES_MAX).then(|| Finding::whole(&source.path, text()))
}

fn function_sizes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in source.functions() {
        let lines = source.code_lines(function.range.clone());
        if lines > FUNCTION_LINES_MAX {
            let text = format!("`{}` has {lines} lines of code; at most {FUNCTION_LINES_MAX}", function.name);
            findings.push(Finding::at(&source.path, source.line_of(function.range.start), text));
        }
    }
    findings
}

fn left_behind(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source.comments.lines()) {
        let words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| LEFT_BEHIND.contains(word));
        findings.extend(words.map(|word| Finding::at(&source.path, number, format!("`{word}` left behind"))));
    }
    findings
}

fn banned(source: &Source) -> Vec<Finding> {
    let bans = [
        ("dbg!", "a print for debugging left behind"),
        ("#[ignore", "a test that nobody runs: mend it or remove it"),
    ];
    let mut findings = Vec::new();
    for (word, reason) in bans {
        findings.extend(source.uses(word).map(|at| Finding::at(&source.path, source.line_of(at), reason)));
    }
    findings
}

/// A test waits for an event, never for a time; virtual time (tokio's paused clock) is no waiting.
fn sleeps(source: &Source) -> Vec<Finding> {
    if source.path == MAY_SLEEP {
        return Vec::new();
    }
    let end_to_end = source.path.starts_with("crates/e2e/");
    let paused = ["start_paused", "time::pause("].iter().any(|word| source.code.contains(word));
    let real = source.uses("thread::sleep").filter(|at| end_to_end || source.is_test(*at));
    let virtual_only = source.uses("time::sleep").filter(|at| !paused && (end_to_end || source.is_test(*at)));
    let places = real.chain(virtual_only);
    places
        .map(|at| Finding::at(&source.path, source.line_of(at), "a test that sleeps: wait for the event"))
        .collect()
}

/// State of the process would be shared by tests that run at the same time, and hides what a function uses.
fn statics(source: &Source) -> Vec<Finding> {
    let shared = ["Mutex", "RwLock", "Atomic", "OnceLock", "OnceCell", "LazyLock"];
    let mut findings = Vec::new();
    for at in source.uses("static ") {
        let item = source.code.get(at..).and_then(|text| text.split([';', '=']).next()).unwrap_or_default();
        let lifetime = source.code.get(..at).is_some_and(|text| text.ends_with('\''));
        if !lifetime && shared.iter().any(|kind| item.contains(kind)) {
            findings.push(Finding::at(
                &source.path,
                source.line_of(at),
                "a process-wide static: pass it as an argument",
            ));
        }
    }
    findings
}

/// The modules of a reserved crate that one of ours must not name (see `layers.rs`).
fn limited_modules(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kept in RESERVED {
        for (user, module) in kept.limited {
            if !source.path.starts_with(&format!("crates/{user}/src/")) {
                continue;
            }
            let prefix = format!("{}::", kept.name);
            let uses = source.uses(&prefix).filter(|at| !source.is_test(*at));
            let others =
                uses.filter(|at| !source.code.get(*at..).is_some_and(|text| text.starts_with(module)));
            let text = format!("`{user}` may use `{module}` only: {}", kept.reason);
            findings.extend(others.map(|at| Finding::at(&source.path, source.line_of(at), text.clone())));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        judge(&Source::new(path, text)).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_file_opens_with_a_sentence() {
        assert_eq!(found("a.rs", "//! What this file is for.\n"), [""; 0]);
        assert_eq!(found("a.rs", "use std::io;\n").len(), 1);
        assert_eq!(found("a.rs", "//!\n").len(), 1);
    }

    #[test]
    fn a_long_function_is_found_with_its_line() {
        let body = "    call();\n".repeat(79);
        let text = format!("//! What this file is for.\n\nfn long() {{\n{body}}}\n");
        assert_eq!(found("a.rs", &text), ["a.rs:3: `long` has 81 lines of code; at most 80"]);
        let commented = text.replacen("    call();\n", "    // why\n", 1);
        assert_eq!(found("a.rs", &commented), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_are_free() {
        let code = "const A: u8 = 0;\n".repeat(701);
        assert_eq!(found("a.rs", &format!("//! What this file is for.\n{code}")).len(), 1);
        let tests = format!("//! What this file is for.\n#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(found("a.rs", &tests), [""; 0]);
    }

    #[test]
    fn words_left_behind_are_found_in_comments_alone() {
        let word = LEFT_BEHIND[0];
        let text = format!("//! What this file is for.\n// {word}: later\nconst A: &str = \"{word}\";\n");
        assert_eq!(found("a.rs", &text), [format!("a.rs:2: `{word}` left behind")]);
    }

    #[test]
    fn debugging_prints_and_ignored_tests_are_found() {
        let text = "//! What this file is for.\nfn a() { dbg!(1); }\n#[ignore]\nfn b() {}\n";
        assert_eq!(found("a.rs", text).len(), 2);
    }

    #[test]
    fn a_test_that_sleeps_is_found() {
        let sleep = "    std::thread::sleep(A);\n    tokio::time::sleep(A).await;\n";
        let text = format!("//! What this file is for.\n#[cfg(test)]\nmod tests {{\n{sleep}}}\n");
        assert_eq!(found("a.rs", &text).len(), 2);
        let paused = text.replace("mod tests {", "mod tests {\n    // \n    tokio::time::pause();");
        assert_eq!(found("a.rs", &paused).len(), 1, "the paused clock covers tokio's sleep alone");
        assert_eq!(found("a.rs", &format!("//! What this file is for.\nfn a() {{\n{sleep}}}\n")), [""; 0]);
        assert_eq!(
            found("crates/e2e/src/postfix.rs", &format!("//! What this is for.\nfn a() {{\n{sleep}}}\n"))
                .len(),
            2
        );
    }

    #[test]
    fn process_wide_state_is_found() {
        assert_eq!(
            found("a.rs", "//! What this file is for.\nstatic A: AtomicU64 = AtomicU64::new(0);\n").len(),
            1
        );
        assert_eq!(found("a.rs", "//! What this file is for.\nstatic A: &str = \"\";\n"), [""; 0]);
        assert_eq!(found("a.rs", "//! What this file is for.\nfn a(x: &'static AtomicU64) {}\n"), [""; 0]);
    }

    #[test]
    fn the_spool_runs_nothing() {
        let text = "//! What this file is for.\nfn a() { tokio::spawn(b()); tokio::sync::Notify::new(); }\n";
        assert_eq!(found("crates/spool/src/a.rs", text).len(), 1);
        assert_eq!(found("crates/net/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let path = format!("see {}anna/notes", MACHINE_PATHS[0]);
        assert_eq!(judge_text("README.md", &path).len(), 1);
        let url = format!("https://example.org{}", MACHINE_PATHS[2]);
        assert_eq!(judge_text("README.md", &url), []);
        assert_eq!(judge_text("fuzz/corpus/config.txt", &path), []);
    }

    #[test]
    fn a_conflict_that_was_left_is_found() {
        let (ours, theirs) = (format!("{} HEAD", "<".repeat(7)), format!("{} 88d0309 (x)", ">".repeat(7)));
        assert_eq!(judge_text("README.md", &format!("{ours}\na\n=======\nb\n{theirs}\n")).len(), 2);
        assert_eq!(judge_text("README.md", "Title\n=======\n<<<<<<<<<\n"), []);
    }
}
