//! What watches over the tree: layers, licences, tidiness. `cargo xtask help` lists the commands.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod attacks;
mod conformance;
mod counts;
mod finding;
mod fuzz;
mod gate;
mod layers;
mod licence;
mod links;
mod manifest;
mod planted;
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
mod source;
mod style;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use finding::Finding;

const HELP: &str = "\
cargo xtask check                    run what CI runs (scripts/test)
cargo xtask gate                     layers, licences and forbidden crates, from the lock file alone
cargo xtask tidy                     style, sizes, citations, links
cargo xtask tidy --fix-conformance   bring the files and tests in docs/conformance.md up to date first
cargo xtask counts [WORK...]         instructions per operation, beside bench/counts.txt
cargo xtask counts --bless           keep what is counted now as the baseline
cargo xtask fuzz                     all fuzz targets, the same inputs each time
cargo xtask fuzz TARGET              one of them for ten minutes, or --minutes N
cargo xtask fuzz TARGET FILE         what it makes of a file, such as one that it failed on
cargo xtask fuzz --minimise [TARGET] take what was found into fuzz/corpus, and only the fewest inputs
cargo xtask simulate --seeds N       run the whole server in N simulations (docs/design/simulation.md)
cargo xtask simulate --seed N        run one again, and tell all that happens
cargo xtask simulate --planted [BUG...]   whether it finds the bugs of crates/sim/planted, each by itself";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    match words.as_slice() {
        ["check"] => check(&root),
        ["gate"] => report("gate", gate::run(&root)),
        ["tidy"] => report("tidy", tidy::run(&root)),
        ["tidy", "--fix-conformance"] => match conformance::fix(&root) {
            Ok(()) => report("tidy", tidy::run(&root)),
            Err(error) => report("tidy", Err(error)),
        },
        ["counts", "--bless"] => tell(counts::bless(&root)),
        ["counts", names @ ..] if names.iter().all(|name| !name.starts_with('-')) => {
            tell(counts::run(&root, names))
        }
        ["fuzz", words @ ..] => tell(fuzz::run(&root, words)),
        ["simulate", "--planted", names @ ..] => tell(planted::run(&root, names)),
        ["simulate", rest @ ..] => simulate(&root, rest),
        ["help" | "--help"] => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// The root of the workspace: the folder above this crate's.
fn root() -> PathBuf {
    let crate_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    crate_dir.and_then(|dir| dir.parent().map(Path::to_path_buf)).unwrap_or_else(|| PathBuf::from("."))
}

fn check(root: &Path) -> ExitCode {
    run(Command::new(root.join("scripts/test")).current_dir(root), "scripts/test")
}

/// The simulation is built apart, with optimisation: a debug build would spend its time in checksums and maps.
fn simulate(root: &Path, arguments: &[&str]) -> ExitCode {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--profile", "simulate", "--package", "sim", "--"]);
    run(cargo.args(arguments).current_dir(root), "cargo")
}

/// Runs a program to its end, which is ours too.
fn run(command: &mut Command, name: &str) -> ExitCode {
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cannot run {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn report(name: &str, result: Result<Vec<Finding>, String>) -> ExitCode {
    match result {
        Ok(findings) if findings.is_empty() => {
            println!("{name}: ok");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            eprintln!("{name}: {} to mend", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {name}: {error}");
            ExitCode::FAILURE
        }
    }
}
