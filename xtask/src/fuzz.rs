//! Runs the fuzzer: all targets on some thousand inputs, or one for long; and keeps the corpora small.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::seeds;

/// Inputs for each target when all are run. The same ones each time, so that a commit is refused for what it does and not for
/// what chance found today: that is for the long run.
const INPUTS: [&str; 2] = ["-seed=1", "-runs=10000"];
const MINUTES: u64 = 10;
/// The longest input, and how long one may take.
const OCTETS_MAX: u64 = 5_000;
const INPUT_SECONDS_MAX: u64 = 10;

/// How the program is built.
#[derive(Debug, Clone, Copy)]
enum Build {
    /// With what others' crates the tests have built already.
    Quick,
    /// Optimised, which takes some minutes once.
    Fast,
}

/// What `cargo xtask fuzz` is told.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// All targets, on the same inputs each time.
    All,
    /// One target, for so many minutes.
    Long(String, u64),
    /// What a target makes of one file.
    Replay(String, PathBuf),
    /// The smallest corpora that reach as much.
    Minimise(Option<String>),
}

/// Does what the words say. What it returns is told at the end; an error names what was found.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<String, String> {
    let fuzzer = Fuzzer { root: root.to_owned(), dir: root.join("target/fuzzing") };
    let targets = fuzzer.targets()?;
    let wanted = wanted(words)
        .ok_or("it takes nothing, TARGET, TARGET --minutes N, TARGET FILE, or --minimise [TARGET]")?;
    if let Wanted::Long(name, _) | Wanted::Replay(name, _) | Wanted::Minimise(Some(name)) = &wanted
        && !targets.contains(name)
    {
        return Err(format!("no target is called `{name}`; there are: {}", targets.join(" ")));
    }
    match wanted {
        Wanted::All => fuzzer.all(&targets),
        Wanted::Long(name, minutes) => fuzzer.long(&name, minutes),
        Wanted::Replay(name, file) => fuzzer.replay(&name, &file),
        Wanted::Minimise(None) => fuzzer.minimise(&targets),
        Wanted::Minimise(Some(name)) => fuzzer.minimise(&[name]),
    }
}

fn wanted(words: &[&str]) -> Option<Wanted> {
    Some(match words {
        [] => Wanted::All,
        ["--minimise"] => Wanted::Minimise(None),
        ["--minimise", name] | [name, "--minimise"] => Wanted::Minimise(Some((*name).to_owned())),
        [name, "--minutes", minutes] => Wanted::Long((*name).to_owned(), minutes.parse().ok()?),
        [name] if !name.starts_with('-') => Wanted::Long((*name).to_owned(), MINUTES),
        [name, file] if !file.starts_with('-') => Wanted::Replay((*name).to_owned(), PathBuf::from(file)),
        _ => return None,
    })
}

struct Fuzzer {
    root: PathBuf,
    /// Where seeds are unpacked, and what is found lies.
    dir: PathBuf,
}

impl Fuzzer {
    /// A target is what has a corpus.
    fn targets(&self) -> Result<Vec<String>, String> {
        let folder = self.root.join("fuzz/corpus");
        let entries = fs::read_dir(&folder).map_err(|error| told(&folder, &error))?;
        let name = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
        let mut names: Vec<String> = entries.filter_map(|entry| name(entry.ok()?.path())).collect();
        names.sort();
        Ok(names)
    }

    fn all(&self, targets: &[String]) -> Result<String, String> {
        let engine = self.build(Build::Quick)?;
        let waiting = Mutex::new(targets.to_vec());
        let done = Mutex::new(Vec::new());
        let next = || waiting.lock().ok()?.pop();
        let work = || {
            while let Some(name) = next() {
                let run = self.run_quietly(&engine, &name);
                if let Ok(mut done) = done.lock() {
                    done.push((name, run));
                }
            }
        };
        let processors = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
        let mut done = done.into_inner().map_err(|_| "a run has panicked")?;
        done.sort_by(|a, b| a.0.cmp(&b.0));
        summary(&done)
    }

    fn long(&self, name: &str, minutes: u64) -> Result<String, String> {
        let engine = self.build(Build::Fast)?;
        let mut command = self.command(&engine, name)?;
        let status = command
            .arg(format!("-max_total_time={}", minutes * 60))
            .status()
            .map_err(|error| told(&engine, &error))?;
        if status.success() {
            return Ok(format!(
                "fuzz: {name}: nothing found; what reaches further is kept by `cargo xtask fuzz --minimise {name}`"
            ));
        }
        Err(self.found(name))
    }

    fn replay(&self, name: &str, file: &Path) -> Result<String, String> {
        let engine = self.build(Build::Quick)?;
        let mut command = Command::new(&engine);
        let status = command.env("FUZZ_TARGET", name).env("RUST_BACKTRACE", "1").arg(file).status();
        let status = status.map_err(|error| told(&engine, &error))?;
        if status.success() {
            Ok(format!("fuzz: {name}: it holds"))
        } else {
            Err(format!("error: {name} fails on {}", file.display()))
        }
    }

    /// Those inputs of the corpus and of what was found that together reach everything that they all reach.
    fn minimise(&self, targets: &[String]) -> Result<String, String> {
        let engine = self.build(Build::Quick)?;
        let mut text = String::new();
        for name in targets {
            let (found, seeds) = (self.folder(name, "found")?, self.unpack(name)?);
            let fewest = self.folder(name, "fewest")?;
            clear(&fewest)?;
            let mut command = Command::new(&engine);
            command.env("FUZZ_TARGET", name).arg("-merge=1").arg(format!("-max_len={OCTETS_MAX}"));
            let output =
                command.args([&fewest, &seeds, &found]).output().map_err(|error| told(&engine, &error))?;
            if !output.status.success() {
                return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
            }
            let count = self.pack(name, &fewest)?;
            clear(&found)?;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {count} inputs");
        }
        Ok(text)
    }

    fn build(&self, build: Build) -> Result<PathBuf, String> {
        let profile = match build {
            Build::Quick => "dev",
            Build::Fast => "fuzz",
        };
        let arguments = ["--workspace", "--bin", "fuzz-engine", "--features", "fuzz/engine"];
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--locked", "--profile", profile]).args(arguments);
        command
            .env("RUSTC_WORKSPACE_WRAPPER", self.root.join("fuzz/rustc-with-coverage"))
            .current_dir(&self.root);
        let status = command.status().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !status.success() {
            return Err("the fuzzer was not built".to_owned());
        }
        let folder = if profile == "dev" { "debug" } else { profile };
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        Ok(target.join(folder).join("fuzz-engine"))
    }

    fn command(&self, engine: &Path, name: &str) -> Result<Command, String> {
        let (found, seeds) = (self.folder(name, "found")?, self.unpack(name)?);
        let mut command = Command::new(engine);
        let crash = format!("-artifact_prefix={}/", self.folder(name, "crashes")?.display());
        command.env("FUZZ_TARGET", name).arg(crash);
        command
            .arg(format!("-max_len={OCTETS_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .args(["-print_final_stats=1", "-detect_leaks=0"]);
        command.args([found, seeds]);
        Ok(command)
    }

    /// The figures of a run, or what was found.
    fn run_quietly(&self, engine: &Path, name: &str) -> Result<String, String> {
        let output = self.command(engine, name)?.args(INPUTS).stdin(Stdio::null()).output();
        let output = output.map_err(|error| told(engine, &error))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok(figures(&said));
        }
        let tail: Vec<&str> =
            said.lines().filter(|line| line.contains("panicked") || line.contains("ERROR")).collect();
        Err(format!("{}\n{}", tail.join("\n"), self.found(name)))
    }

    fn found(&self, name: &str) -> String {
        let crashes = self.dir.join(name).join("crashes");
        let latest = fs::read_dir(&crashes).ok().and_then(|entries| {
            entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .max_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok())
        });
        let Some(file) = latest else { return format!("error: {name} failed and left no input") };
        let line = fs::read(&file).map(|octets| seeds::line(&octets)).unwrap_or_default();
        let file = file.strip_prefix(&self.root).unwrap_or(&file).display();
        format!(
            "error: {name} fails on {file}\nhint: `cargo xtask fuzz {name} {file}` shows it; its line for fuzz/finds/{name}.txt is:\n{line}"
        )
    }

    fn folder(&self, name: &str, what: &str) -> Result<PathBuf, String> {
        let folder = self.dir.join(name).join(what);
        fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
        Ok(folder)
    }

    /// The corpus and the finds as files, as the fuzzer wants them.
    fn unpack(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder(name, "seeds")?;
        clear(&folder)?;
        for kind in ["corpus", "finds"] {
            let path = self.root.join("fuzz").join(kind).join(format!("{name}.txt"));
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let inputs = seeds::parse(&text)
                .ok_or_else(|| format!("{} has a line that is no input", path.display()))?;
            for (number, input) in inputs.iter().enumerate() {
                let file = folder.join(format!("{kind}-{number}"));
                fs::write(&file, input).map_err(|error| told(&file, &error))?;
            }
        }
        Ok(folder)
    }

    /// Writes the corpus of a target; its remarks stay. Returns how many inputs it has.
    fn pack(&self, name: &str, folder: &Path) -> Result<usize, String> {
        let path = self.root.join("fuzz/corpus").join(format!("{name}.txt"));
        let before = fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        let entries = fs::read_dir(folder).map_err(|error| told(folder, &error))?;
        let inputs = entries.filter_map(|entry| fs::read(entry.ok()?.path()).ok());
        let mut lines: Vec<String> =
            inputs.filter(|input| !input.is_empty()).map(|input| seeds::line(&input)).collect();
        lines.sort();
        let remarks: Vec<&str> = before.lines().take_while(|line| line.starts_with('#')).collect();
        let text = format!("{}\n{}\n", remarks.join("\n"), lines.join("\n"));
        fs::write(&path, text).map_err(|error| told(&path, &error))?;
        Ok(lines.len())
    }
}

/// From the last lines of libFuzzer: inputs tried, and what of the program they reached.
fn figures(said: &str) -> String {
    let tried = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let reached = said.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "cov:")?;
        words.get(at + 1).copied()
    });
    format!("{:>9} inputs, {:>6} edges", tried.unwrap_or("?").trim(), reached.unwrap_or("?"))
}

fn summary(done: &[(String, Result<String, String>)]) -> Result<String, String> {
    let mut text = String::new();
    for (name, run) in done {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<12}{}", run.as_ref().map_or("FAILED", String::as_str));
    }
    let errors: Vec<&str> =
        done.iter().filter_map(|(_, run)| run.as_ref().err().map(String::as_str)).collect();
    if errors.is_empty() {
        Ok(format!("{text}fuzz: nothing found"))
    } else {
        Err(format!("{text}{}", errors.join("\n")))
    }
}

fn clear(folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| told(folder, &error))?;
    entries
        .filter_map(Result::ok)
        .try_for_each(|entry| fs::remove_file(entry.path()))
        .map_err(|error| told(folder, &error))
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_is_wanted() {
        let name = || "dsn".to_owned();
        for (words, expected) in [
            (&[][..], Some(Wanted::All)),
            (&["dsn"], Some(Wanted::Long(name(), MINUTES))),
            (&["dsn", "--minutes", "3"], Some(Wanted::Long(name(), 3))),
            (&["dsn", "--minutes", "x"], None),
            (&["dsn", "file"], Some(Wanted::Replay(name(), "file".into()))),
            (&["--minimise"], Some(Wanted::Minimise(None))),
            (&["--minimise", "dsn"], Some(Wanted::Minimise(Some(name())))),
            (&["--help"], None),
        ] {
            assert_eq!(wanted(words), expected, "{words:?}");
        }
    }

    #[test]
    fn the_figures_are_those_of_the_end() {
        let said = "#8 INITED cov: 5 ft: 9\n#99 DONE   cov: 71 ft: 80 corp: 3/9b\nstat::number_of_executed_units: 1234\n";
        assert_eq!(figures(said), "     1234 inputs,     71 edges");
    }

    #[test]
    fn one_that_fails_fails_all() {
        let ok = || ("a".to_owned(), Ok("fine".to_owned()));
        assert!(summary(&[ok()]).is_ok());
        let error = summary(&[ok(), ("b".to_owned(), Err("error: b".to_owned()))]).unwrap_err();
        assert!(error.contains("b           FAILED") && error.ends_with("error: b"), "{error}");
    }
}
