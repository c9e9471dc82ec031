//! What a message costs that is accepted and delivered while so many others wait.

use super::bulk;
use crate::args::{Command, Options, QueueOptions};
use crate::fill::fill;
use crate::scenario::{self, Work};
use crate::servers::Candidate;
use crate::{Failure, stats};
use clap::Parser as _;
use std::path::Path;

const SESSIONS: u64 = 20;

/// One depth of the queue.
#[derive(Debug)]
pub(super) struct Depth {
    pub(super) waiting: u64,
    /// CPU of the server for each message, by round.
    pub(super) cpu_us: Vec<f64>,
    pub(super) per_second: Vec<f64>,
}

impl Depth {
    pub(super) fn cpu_us(&self) -> f64 {
        stats::median(&self.cpu_us).unwrap_or_default()
    }

    pub(super) fn per_second(&self) -> f64 {
        stats::median(&self.per_second).unwrap_or_default()
    }
}

/// Measures all depths, round by round, so that what changes on the machine meanwhile meets all of them.
pub(super) fn measure(options: &QueueOptions, who: &Candidate, dir: &Path) -> Result<Vec<Depth>, Failure> {
    let mut depths: Vec<Depth> = options
        .depths
        .iter()
        .map(|waiting| Depth { waiting: *waiting, cpu_us: Vec::new(), per_second: Vec::new() })
        .collect();
    for depth in &depths {
        fill(&place(dir, depth).join("data"), &bulk(depth.waiting, &options.shape))?;
    }
    let Command::Run(run) =
        Options::try_parse_from(["bench", "run", "relay", "--messages", &options.load.to_string()])?.command
    else {
        return Err("not a run".into());
    };
    for round in 0..options.rounds {
        for depth in &mut depths {
            let place = place(dir, depth);
            let figures = scenario::measure(who, Work::Relay, SESSIONS, &run.load, &place)?;
            eprintln!("{} waiting, round {}: {:.1} us", depth.waiting, round + 1, figures.cpu_us);
            depth.cpu_us.push(figures.cpu_us);
            depth.per_second.push(figures.per_second);
        }
        depths.reverse();
    }
    depths.sort_by_key(|depth| depth.waiting);
    Ok(depths)
}

fn place(dir: &Path, depth: &Depth) -> std::path::PathBuf {
    dir.join(format!("depth-{}", depth.waiting))
}
