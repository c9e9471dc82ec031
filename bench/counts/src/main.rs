//! Runs one small piece of the server's work a number of times, for `cargo xtask counts` to count its instructions.
//!
//! *Takes* the name of a work and a number. *Hands on* nothing but the work done. *Never* measures: it runs below valgrind,
//! once N times and once 2 N times, and the difference is what N operations take, without start and preparation.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of the command line")]

mod client;
mod frames;
mod schedule;
mod server;
mod spooled;
mod texts;

use std::{env, process::ExitCode};

/// That of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One piece of work.
struct Work {
    /// In the table and in the baseline.
    name: &'static str,
    /// How often it is done in the shorter run: enough that one is not lost in what happens now and then.
    times: u64,
    /// Prepares, then does it so many times.
    run: fn(u64),
}

const WORKS: &[Work] = &[
    Work { name: "command-mail", times: 2_000, run: texts::command_mail },
    Work { name: "command-rcpt", times: 2_000, run: texts::command_rcpt },
    Work { name: "server-message", times: 500, run: server::message },
    Work { name: "data-decode-10k", times: 1_000, run: frames::decode },
    Work { name: "data-encode-10k", times: 1_000, run: frames::encode },
    Work { name: "client-hello", times: 1_000, run: client::hello },
    Work { name: "client-message", times: 500, run: client::message },
    Work { name: "header-facts", times: 1_000, run: texts::header_facts },
    Work { name: "received-field", times: 1_000, run: texts::received },
    Work { name: "date", times: 5_000, run: texts::date },
    Work { name: "queue-id", times: 5_000, run: texts::queue_id },
    Work { name: "event-line", times: 2_000, run: texts::event_line },
    Work { name: "event-read", times: 2_000, run: texts::event_read },
    Work { name: "spool-accept", times: 1_000, run: spooled::accept },
    Work { name: "spool-deliver", times: 1_000, run: spooled::deliver },
    Work { name: "spool-defer", times: 1_000, run: spooled::defer },
    Work { name: "spool-read-envelope", times: 2_000, run: spooled::read_envelope },
    Work { name: "schedule-10", times: 2_000, run: schedule::of_10 },
    Work { name: "schedule-1000000", times: 2_000, run: schedule::of_1_000_000 },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => {
            for work in WORKS {
                println!("{} {}", work.name, work.times);
            }
            ExitCode::SUCCESS
        }
        ["processor"] => {
            println!("{}", processor());
            ExitCode::SUCCESS
        }
        [name, times] => run(name, times),
        _ => usage(),
    }
}

fn run(name: &str, times: &str) -> ExitCode {
    let (Some(work), Ok(times)) = (WORKS.iter().find(|work| work.name == name), times.parse()) else {
        return usage();
    };
    (work.run)(times);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: counts list | counts processor | counts WORK TIMES");
    ExitCode::from(2)
}

/// What the processor has, as far as it chooses the code that runs: searching and checksums have several forms.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return if is_x86_feature_detected!("avx2") { "x86_64 with AVX2" } else { "x86_64 without AVX2" };
    #[cfg(not(target_arch = "x86_64"))]
    return std::env::consts::ARCH;
}
