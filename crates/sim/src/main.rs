//! Runs seeds of the simulation. `cargo xtask simulate` calls it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

use std::{
    env,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sim::{Outcome, Summary, simulate};

const HELP: &str = "\
cargo xtask simulate --seed N            run one seed and tell all that happened
cargo xtask simulate --seeds N           run the seeds from 0 to N-1, on all cores; 1,000 if nothing is said
cargo xtask simulate --seeds N --from M  the N seeds from M on
cargo xtask simulate --seeds N --until-found   stop at the first seed that fails, and tell only its place, from 1";

struct Args {
    from: u64,
    count: u64,
    story: bool,
    /// To stop at the first failure, and to tell its place instead of the failure.
    until_found: bool,
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
    let mut args = Args { from: 0, count: 1000, story: false, until_found: false };
    let mut words = words.iter();
    while let Some(name) = words.next() {
        if name == "--until-found" {
            args.until_found = true;
            continue;
        }
        let value = words.next()?.parse().ok()?;
        match name.as_str() {
            "--seed" => args = Args { from: value, count: 1, story: true, ..args },
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

/// What all threads have found.
#[derive(Default)]
struct Found {
    sum: Summary,
    /// The first seed that failed, from the one that was begun with.
    first: Option<u64>,
}

fn many(args: &Args) -> ExitCode {
    let next = AtomicU64::new(0);
    let found = Mutex::new(Found::default());
    let locked = || found.lock().unwrap_or_else(PoisonError::into_inner);
    let run = || {
        loop {
            let place = next.fetch_add(1, Ordering::SeqCst);
            let is_over = args.until_found && locked().first.is_some_and(|first| first < place);
            if place >= args.count || is_over {
                return;
            }
            let outcome = simulate(args.from + place);
            let mut found = locked();
            found.sum.add(&outcome.summary);
            if !outcome.failures.is_empty() {
                found.first = Some(found.first.map_or(place, |first| first.min(place)));
            }
            if !args.until_found {
                report(&outcome);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
    });
    let Found { sum, first } = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    match first {
        Some(first) if args.until_found => println!("{}", first + 1),
        _ => println!("{} seeds: {sum}", args.count),
    }
    if first.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
