//! Instructions per operation, counted by valgrind: a regression shows on a busy machine too (docs/design/measuring.md).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

/// What was counted when somebody last said that it is as it should be.
const BASELINE: &str = "bench/counts.txt";
/// A work may take so much more than its baseline: what moves in the compiler's choices when other code changes.
const PERCENT_MORE: u64 = 4;
/// The same for the smallest works, of which a few instructions are a large part.
const INSTRUCTIONS_MORE: u64 = 25;
/// Two works of which the first may not take more than twice the second: what the schedule takes must not grow with what waits.
const AT_MOST_TWICE: (&str, &str) = ("schedule-1000000", "schedule-10");

/// Instructions of one operation, by work.
type Counts = BTreeMap<String, u64>;

/// Instructions by work, and where they were counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Baseline {
    /// Compiler and processor. What was counted elsewhere does not compare.
    machine: String,
    counts: Counts,
}

/// Counts all works, or those named, and shows them beside the baseline. The error says what has become worse.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<String, String> {
    let baseline = Baseline::parse(&read(root)?);
    let now = count(root, names)?;
    let table = table(&baseline.counts, &now.counts);
    if now.machine != baseline.machine {
        let (here, there) = (&now.machine, &baseline.machine);
        return Ok(format!(
            "{table}counts: shown, not judged: the baseline is of {there}, and this is {here}"
        ));
    }
    let worse = worse(&baseline.counts, &now.counts, names.is_empty());
    if worse.is_empty() {
        return Ok(format!("{table}counts: ok, none is more than {PERCENT_MORE} % above its baseline"));
    }
    Err(format!(
        "{table}{}\nhint: what is wanted is kept by `cargo xtask counts --bless`; the commit says why",
        worse.join("\n")
    ))
}

/// Counts all works and keeps that as the baseline.
pub(crate) fn bless(root: &Path) -> Result<String, String> {
    let (before, now) = (Baseline::parse(&read(root)?), count(root, &[])?);
    fs::write(root.join(BASELINE), now.text())
        .map_err(|error| format!("cannot write {BASELINE}: {error}"))?;
    Ok(format!("{}counts: kept in {BASELINE}", table(&before.counts, &now.counts)))
}

fn read(root: &Path) -> Result<String, String> {
    fs::read_to_string(root.join(BASELINE)).map_err(|error| format!("cannot read {BASELINE}: {error}"))
}

impl Baseline {
    fn parse(text: &str) -> Self {
        let mut baseline = Self::default();
        for line in text.lines() {
            if let Some(machine) = line.strip_prefix("# counted with ") {
                machine.clone_into(&mut baseline.machine);
            } else if let Some((name, count)) = line.split_once(' ')
                && let Ok(count) = count.trim().parse()
            {
                baseline.counts.insert(name.to_owned(), count);
            }
        }
        baseline
    }

    fn text(&self) -> String {
        let mut text = "# Instructions of one operation, written by `cargo xtask counts --bless` (docs/design/measuring.md).\n".to_owned();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# counted with {}", self.machine);
        for (name, count) in &self.counts {
            let _ = writeln!(text, "{name:<24}{count:>8}");
        }
        text
    }
}

/// Builds the program and counts, several works at a time.
fn count(root: &Path, names: &[&str]) -> Result<Baseline, String> {
    let program = build(root)?;
    let listed = said(Command::new(&program).arg("list"))?.0;
    let works = listed.lines().filter_map(|line| line.split_once(' '));
    let works: Vec<(&str, u64)> = works
        .filter(|(name, _)| names.is_empty() || names.contains(name))
        .filter_map(|(name, times)| Some((name, times.parse().ok()?)))
        .collect();
    if let Some(unknown) = names.iter().find(|name| works.iter().all(|(work, _)| work != *name)) {
        return Err(format!("no work is called `{unknown}`; there are:\n{listed}"));
    }
    // The longest is the last of the list.
    let (waiting, counts) = (Mutex::new(works), Mutex::new(Ok(Counts::new())));
    let next = || waiting.lock().ok()?.pop();
    let work = || {
        while let Some((name, times)) = next() {
            let counted = per_operation(&program, name, times);
            let Ok(mut counts) = counts.lock() else { return };
            match (counted, counts.as_mut()) {
                (Ok(count), Ok(counts)) => drop(counts.insert(name.to_owned(), count)),
                (Err(error), Ok(_)) => *counts = Err(error),
                (_, Err(_)) => {}
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    let counts = counts.into_inner().unwrap_or_else(|_| Err("a count has panicked".to_owned()))?;
    Ok(Baseline { machine: machine(&program)?, counts })
}

/// As it ships: optimised, and with its allocator.
fn build(root: &Path) -> Result<PathBuf, String> {
    let arguments = ["build", "--release", "--locked", "--quiet", "--package", "counts"];
    said(Command::new(env!("CARGO")).args(arguments).current_dir(root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/counts"))
}

/// Compiler and processor, as valgrind shows it to programs.
fn machine(program: &Path) -> Result<String, String> {
    let compiler = said(Command::new("rustc").arg("-V"))?.0;
    let processor = said(valgrind(program).arg("processor"))?.0;
    Ok(format!("{}, {}", compiler.trim(), processor.trim()))
}

/// What one operation takes: half of what twice as many take more.
fn per_operation(program: &Path, name: &str, times: u64) -> Result<u64, String> {
    let (few, many) = (instructions(program, name, times)?, instructions(program, name, 2 * times)?);
    Ok((many.saturating_sub(few) + times / 2) / times.max(1))
}

fn instructions(program: &Path, name: &str, times: u64) -> Result<u64, String> {
    let said = said(valgrind(program).args([name, &times.to_string()]))?.1;
    // ==4711== I   refs:      1,234,567
    let count = said.lines().find_map(|line| line.split_once("refs:"));
    let digits = count.map(|(_, count)| count.trim().replace(',', "")).unwrap_or_default();
    digits.parse().map_err(|_| format!("valgrind told no number of instructions for {name}:\n{said}"))
}

/// Neither caches nor branches are simulated: they would cost time and say little of a real processor.
fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]).arg(program);
    command
}

/// Runs a command that must succeed; what it says on both streams.
fn said(command: &mut Command) -> Result<(String, String), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {program}: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok((out.into_owned(), err.into_owned()))
    } else {
        Err(format!("{program} failed:\n{err}"))
    }
}

fn table(baseline: &Counts, now: &Counts) -> String {
    let mut text = format!("{:<24}{:>10}{:>10}{:>10}\n", "instructions", "baseline", "now", "change");
    for (name, count) in now {
        let before = baseline.get(name).copied();
        let shown = before.map_or("-".to_owned(), |before| before.to_string());
        let change = before.map_or("new".to_owned(), |before| change(before, *count));
        let _ = writeln!(text, "{name:<24}{shown:>10}{count:>10}{change:>10}");
    }
    text
}

/// In tenths of a per cent, without floating point.
fn change(before: u64, now: u64) -> String {
    let tenths = now.abs_diff(before) * 1000 / before.max(1);
    let sign = if now < before { '-' } else { '+' };
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

/// What has to be mended, or blessed. With `all`, the baseline must name just what was counted.
fn worse(baseline: &Counts, now: &Counts, all: bool) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, count) in now {
        match baseline.get(name) {
            None => worse.push(format!("error: {name} has no baseline")),
            Some(before) if *count > before + (before * PERCENT_MORE / 100).max(INSTRUCTIONS_MORE) => {
                worse.push(format!("error: {name} takes {} instructions", change(*before, *count)));
            }
            Some(_) => {}
        }
    }
    let gone = baseline.keys().filter(|name| all && !now.contains_key(*name));
    worse.extend(gone.map(|name| format!("error: {name} is in the baseline and was not counted")));
    let (one, other) = AT_MOST_TWICE;
    if let (Some(count), Some(bound)) = (now.get(one), now.get(other).map(|count| 2 * count))
        && *count > bound
    {
        worse.push(format!("error: {one} takes more than twice the instructions of {other}"));
    }
    worse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let baseline =
            Baseline { machine: "rustc 1, x".to_owned(), counts: counts(&[("a", 1), ("b-10k", 23_456)]) };
        assert_eq!(Baseline::parse(&baseline.text()), baseline);
    }

    #[test]
    fn only_what_is_clearly_more_is_worse() {
        let before = counts(&[("large", 10_000), ("small", 100)]);
        for (now, all, found) in [
            (counts(&[("large", 10_400), ("small", 125)]), true, &[][..]),
            (counts(&[("large", 5_000), ("small", 50)]), true, &[]),
            (counts(&[("large", 10_401)]), false, &["error: large takes +4.0 % instructions"]),
            (counts(&[("small", 126)]), false, &["error: small takes +26.0 % instructions"]),
            (counts(&[("large", 1)]), true, &["error: small is in the baseline and was not counted"]),
            (counts(&[("new", 1)]), false, &["error: new has no baseline"]),
        ] {
            assert_eq!(worse(&before, &now, all), found, "{now:?}");
        }
    }

    #[test]
    fn the_schedule_may_not_grow_with_what_waits() {
        let same = |million| counts(&[("schedule-10", 100), ("schedule-1000000", million)]);
        assert_eq!(worse(&same(200), &same(200), true), [""; 0]);
        assert_eq!(
            worse(&same(201), &same(201), true),
            ["error: schedule-1000000 takes more than twice the instructions of schedule-10"]
        );
    }

    #[test]
    fn the_table_shows_both_and_the_change() {
        let table =
            table(&counts(&[("a", 1000), ("b", 1000)]), &counts(&[("a", 995), ("b", 1040), ("c", 7)]));
        let rows: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                vec!["a", "1000", "995", "-0.5", "%"],
                vec!["b", "1000", "1040", "+4.0", "%"],
                vec!["c", "-", "7", "new"]
            ]
        );
    }
}
