//! Runs seeds of the simulation. `cargo xtask simulate` calls it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

use std::{
    env,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use sim::{Outcome, Summary, simulate};

const HELP: &str = "\
cargo xtask simulate --seed N            run one seed and tell all that happened
cargo xtask simulate --seeds N           run the seeds from 0 to N-1, on all cores; 1,000 if nothing is said
cargo xtask simulate --seeds N --from M  the N seeds from M on";

struct Args {
    from: u64,
    count: u64,
    story: bool,
}

fn main() -> ExitCode {
    let Some(args) = parse(&env::args().skip(1).collect::<Vec<_>>()) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    if args.story {
        return one(args.from);
    }
    many(&args)
}

fn parse(words: &[String]) -> Option<Args> {
    let mut args = Args { from: 0, count: 1000, story: false };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return None };
        let value = value.parse().ok()?;
        match name.as_str() {
            "--seed" => args = Args { from: value, count: 1, story: true },
            "--seeds" => args.count = value,
            "--from" => args.from = value,
            _ => return None,
        }
    }
    Some(args)
}

fn one(seed: u64) -> ExitCode {
    let outcome = simulate(seed);
    println!("seed {seed}: digest {:08x}, {:?}", outcome.digest, outcome.summary);
    report(&outcome)
}

/// Tells what failed, and how to see it again.
fn report(outcome: &Outcome) -> ExitCode {
    for failure in &outcome.failures {
        eprintln!("{}", failure.story.join("\n"));
        eprintln!("seed {}, step {}: {}", outcome.seed, failure.step, failure.violated);
    }
    if outcome.failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("replay: cargo xtask simulate --seed {}", outcome.seed);
    ExitCode::FAILURE
}

fn many(args: &Args) -> ExitCode {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Summary::default());
    let run = || {
        loop {
            let place = next.fetch_add(1, Ordering::SeqCst);
            if place >= args.count {
                return;
            }
            let outcome = simulate(args.from + place);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.lives += outcome.summary.lives;
            sum.messages += outcome.summary.messages;
            sum.receipts += outcome.summary.receipts;
            sum.millis += outcome.summary.millis;
            if report(&outcome) != ExitCode::SUCCESS {
                failed.store(true, Ordering::SeqCst);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} seeds: {} runs of the server, {} messages, {} receipts, {} days",
        args.count,
        sum.lives,
        sum.messages,
        sum.receipts,
        sum.millis / 86_400_000
    );
    if failed.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
