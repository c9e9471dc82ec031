//! `bench queue`: a queue of a million messages: to open it, to look at it, to change it, and what it costs all other mail.

mod depth;
mod opening;
mod orders;
mod report;

use crate::Failure;
use crate::args::{QueueOptions, QueueShape};
use crate::fill::{self, Bulk, Filled};
use crate::machine::Machine;
use crate::servers::Candidate;
pub(crate) use opening::Opening;
use orders::Orders;
use report::Report;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(crate) fn command(options: &QueueOptions) -> Result<ExitCode, Failure> {
    let program = options.place.program.find()?;
    let who = Candidate::postrider("Postrider", program.clone());
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let place = dir.path().join("queue");
    let started = Instant::now();
    let filled = fill::fill(&place.join("data"), &bulk(options.messages, &options.shape))?;
    eprintln!("{} messages put in within {:.1} s", options.messages, started.elapsed().as_secs_f64());
    let (opening, steps) = serve(options, &filled, (&who, &program), dir.path(), &place)?;
    std::fs::remove_dir_all(&place)?;
    let depths = depth::measure(options, &who, dir.path())?;
    let report = Report { machine, load: load(options), opening, steps, depths };
    say!("{}", report.text());
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", report.write(results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the filled spool in the real server, and gives it all orders.
fn serve(
    options: &QueueOptions,
    filled: &Filled,
    (who, postrider): (&Candidate, &Path),
    dir: &Path,
    place: &Path,
) -> Result<(Opening, Vec<orders::Step>), Failure> {
    let neighbours = opening::Neighbours::start()?;
    let (opening, server) = neighbours.open(who, filled, options.rounds, &dir.join("empty"), place)?;
    eprintln!("{}", opening.line());
    let (config, socket) = (place.join("postrider.toml"), place.join("data/control.sock"));
    let orders = Orders { server: &server, postrider, config: &config, socket: &socket };
    Ok((opening, orders.all(filled)?))
}

/// What it takes the real server to open a queue of so many messages.
pub(crate) fn measure_opening(
    who: &Candidate,
    messages: u64,
    rounds: u64,
    dir: &Path,
) -> Result<Opening, Failure> {
    let place = dir.join("full");
    let filled = fill::fill(&place.join("data"), &bulk(messages, &QueueShape::default()))?;
    let neighbours = opening::Neighbours::start()?;
    let (opening, _server) = neighbours.open(who, &filled, rounds, &dir.join("empty"), &place)?;
    Ok(opening)
}

fn load(options: &QueueOptions) -> String {
    let shape = &options.shape;
    format!(
        "{} messages of {} octets for {} recipients each in {} domains, all due in 12 h; 200 messages of 10 KiB a second meanwhile",
        options.messages, shape.size, shape.recipients_per_message, shape.domains
    )
}

/// How long ago the oldest message was accepted.
const OLDEST: Duration = Duration::from_hours(96);
/// When all of it is due: nothing is tried while it is measured unless an order says so.
const DUE_IN: Duration = Duration::from_hours(12);

/// So many messages of a shape.
fn bulk(messages: u64, shape: &QueueShape) -> Bulk {
    Bulk {
        messages,
        recipients: shape.recipients_per_message,
        domains: (0..shape.domains).map(|number| format!("d{number}.trouble.test")).collect(),
        octets: shape.size,
        oldest: OLDEST,
        due_in: DUE_IN,
    }
}
