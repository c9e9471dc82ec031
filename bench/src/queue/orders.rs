//! What an operator asks of a long queue, timed while others go on sending mail.

use crate::fill::Filled;
use crate::servers::Server;
use crate::source::{self, Entry, Load, Plan, Recipients};
use crate::stats::Latency;
use crate::{Failure, clock};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Mail offered meanwhile, a second: little, for it is the pauses that are looked for.
const PER_SECOND: f64 = 200.0;
/// Messages of one run of the source: so long is the load at least.
const MESSAGES: u64 = 200;
const SESSIONS: usize = 10;

/// What one order took.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) ns: u64,
    /// What the order said at its end.
    pub(super) said: String,
    /// From the time mail was due to its 250, meanwhile.
    pub(super) meanwhile: Option<Latency>,
}

/// Orders, given to one server.
#[derive(Debug)]
pub(super) struct Orders<'a> {
    pub(super) server: &'a Server,
    pub(super) postrider: &'a Path,
    pub(super) config: &'a Path,
    pub(super) socket: &'a Path,
}

impl Orders<'_> {
    /// All orders, the harmless ones first.
    pub(super) fn all(&self, filled: &Filled) -> Result<Vec<Step>, Failure> {
        let first = filled.first.to_string();
        let mut steps = vec![self.step("nothing (the load alone)", || {
            std::thread::sleep(Duration::from_secs(3));
            Ok(String::new())
        })?];
        let last = format!("/v1/queue?limit=100&cursor={}", filled.near_end);
        steps.push(self.step("list, last page", || self.get(&last))?);
        for (name, words) in looks() {
            steps.push(self.step(name, || self.run(words))?);
        }
        steps.push(self.step("hold, one", || self.run(&["hold", &first]))?);
        for (name, words) in CHANGES {
            steps.push(self.step(name, || self.run(words))?);
        }
        Ok(steps)
    }

    /// Does something while mail is offered.
    fn step(&self, name: &str, act: impl FnOnce() -> Result<String, Failure>) -> Result<Step, Failure> {
        let over = AtomicBool::new(false);
        let (acted, offered) = std::thread::scope(|scope| {
            let load = scope.spawn(|| self.offer(&over));
            let started = clock::monotonic_ns();
            let acted = act().map(|said| (clock::monotonic_ns() - started, said));
            over.store(true, Ordering::Relaxed);
            (acted, load.join())
        });
        let mut offered = offered.map_err(|_| "the load ended in a panic")??;
        let (ns, said) = acted?;
        let step = Step { name: name.to_owned(), ns, said, meanwhile: Latency::of(&mut offered) };
        eprintln!("{name}: {:.2} s, {}", crate::stats::seconds(ns), step.said);
        Ok(step)
    }

    /// Offers mail for other destinations until it is over; returns how long each waited for its 250.
    fn offer(&self, over: &AtomicBool) -> Result<Vec<u64>, Failure> {
        let plan = Plan {
            server: self.server.address,
            entry: Entry::default(),
            sessions: SESSIONS,
            messages: MESSAGES,
            size: 10 * 1024,
            load: Load::Open { per_second: PER_SECOND },
            pipelining: true,
            per_session: None,
            recipients: Recipients::new("meanwhile@others.bench.test", 1),
            time_limit: Duration::from_mins(1),
        };
        let mut waits = Vec::new();
        loop {
            let report = source::run(&plan)?;
            if report.failed > 0 {
                return Err(format!("mail was refused meanwhile: {}", report.failures.join("; ")).into());
            }
            waits.extend(report.due_to_reply);
            if over.load(Ordering::Relaxed) {
                return Ok(waits);
            }
        }
    }

    /// `postrider queue`, as an operator runs it; what it says at its end.
    fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let output = Command::new(self.postrider)
            .arg("queue")
            .args(words)
            .arg("--config")
            .arg(self.config)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("`queue {}`: {why}\n{}", words.join(" "), self.server.log_end()).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let changed = text.lines().find(|line| line.contains(" recipient"));
        Ok(changed.or_else(|| text.lines().last()).unwrap_or_default().trim().to_owned())
    }

    /// A resource of the API, for what the command line has no words.
    fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = UnixStream::connect(self.socket)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(format!("{path}: {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(format!("{} octets", answer.len()))
    }
}

/// What changes nothing.
fn looks() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("list, first page", &["list"]),
        ("list, one domain", &["list", "--domain", "d7.trouble.test"]),
        ("list, a pattern at the end", &["list", "--to", "u0999*"]),
        ("list, one sender", &["list", "--from", "sender7@source.test"]),
        ("stats by domain", &["stats"]),
        ("stats by sender", &["stats", "--by", "sender"]),
        ("count all (--dry-run)", &["hold", "--all", "--dry-run"]),
        ("count one sender", &["hold", "--from", "sender7@source.test", "--dry-run"]),
    ]
}

/// What changes the queue, in an order in which each finds something to do.
const CHANGES: &[(&str, &[&str])] = &[
    ("hold, 1 % by pattern", &["hold", "--to", "u*00@*"]),
    ("hold, all", &["hold", "--all"]),
    ("release, 1 % by age", &["release", "--older-than", "95h"]),
    ("release, all", &["release", "--all"]),
    ("retry, one domain", &["retry", "--domain", "d7.trouble.test"]),
    ("retry, all", &["retry", "--all"]),
    ("bounce, 1 % by pattern", &["bounce", "--to", "u*11@*", "--yes"]),
    ("remove, 1 % by pattern", &["remove", "--to", "u*22@*", "--yes"]),
    ("remove, all", &["remove", "--to", "*@*.trouble.test", "--yes"]),
];
